"""Once a day: next year's holidays, and what has outlived its use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sql import queries
from tracker.actions.deciding import House
from tracker.feeds import calendars as holidays
from tracker.store import calendars

_SQL = queries.topic("housekeeping")
_JOB: Final = "housekeeping"
_LEASE: Final = timedelta(minutes=10)  # longer than the day's work takes; what a crash left is done after it
_PERIODS_KEPT: Final = timedelta(days=30)


async def keep_house(house: House) -> int:
    """The day's work, done by one of many processes and again if it failed; always returns 0: there is no more to do."""
    now = house.clock.now()
    today = now.date().isoformat()
    async with house.db.connection() as conn:
        if not await conn.fetchval(_SQL.begin, _JOB, today, now, _LEASE.total_seconds()):
            return 0
    await _clear(house, now)
    await _learn_holidays(house, now.year)
    async with house.db.connection() as conn:
        await conn.execute(_SQL.done, _JOB, today, house.clock.now())
    return 0


async def _clear(house: House, now: datetime) -> None:
    async with house.db.connection() as conn:
        await conn.execute(_SQL.drop_old_idempotency)
        await conn.execute(_SQL.drop_old_failures)
        await conn.execute(_SQL.drop_old_sessions)
        await conn.execute(_SQL.drop_old_periods, now - _PERIODS_KEPT)


async def _learn_holidays(house: House, year: int) -> None:
    """This year's and the next one's, of every country that is shipped to; whoever decides reads them by tomorrow."""
    async with house.db.connection() as conn:
        countries = await calendars.known_countries(conn)
        missing = await calendars.missing_years(conn, countries, [year, year + 1])
    if not missing:
        return
    found = await holidays.compute(missing)
    async with house.db.transaction() as conn:
        await calendars.write_years(conn, missing, found)
