"""Leave to call a carrier: each call takes one from the account's day and waits for its turn, whichever process makes it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta

from carriers.contract import CallsSpent
from sql import queries
from tracker.clock import Clock
from tracker.store.db import Database

_SQL = queries.topic("polling")


class Permit:
    """Implements carriers.contract.Permit for one account.

    `calls_per_day` None is without limit; a day is the UTC day of business time. `spacing` is in seconds of the
    database's clock, as carriers measure it.
    """

    def __init__(
        self, db: Database, clock: Clock, account: tuple[int, str, str], calls_per_day: int | None, spacing: float
    ) -> None:
        self._db, self._clock, self._account = db, clock, account
        self._calls_per_day, self._spacing = calls_per_day, timedelta(seconds=spacing)

    async def __call__(self) -> None:
        """Returns when the call may be made. Raises CallsSpent."""
        today = self._clock.now().astimezone(UTC).date()
        async with self._db.connection() as conn:
            turn = await conn.fetchval(_SQL.take_call, *self._account, today, self._calls_per_day, self._spacing)
        if turn is None:
            raise CallsSpent(datetime.combine(today + timedelta(days=1), time.min, UTC))
        if turn > 0:
            await asyncio.sleep(turn)
