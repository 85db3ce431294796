"""Partners as the push door needs them, remembered for a few seconds so that a push costs no query of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from aiohttp import web

from tracker.actions import access
from tracker.actions.access import Partner
from tracker.store import reading
from tracker.store.db import Database
from tracker.vault import Vault

REMEMBERED: Final = 5.0  # seconds in which a secret that was added or taken away may go unnoticed
MOST: Final = 4096  # codes remembered, the unknown ones among them
_CODE: Final = re.compile(r"ptn_[0-9A-Za-z]{22}")


class _Seen(NamedTuple):
    """A partner, or that there is none, with the database's clock and ours when it was read."""

    partner: Partner | None
    database_at: datetime
    ours_at: float


class _Look(NamedTuple):
    until: float
    seen: asyncio.Task[_Seen]


class Directory:
    """Looks partners up, once for everybody who asks at the same time.

    Unknown codes are remembered too, within bounds: whoever asks again and again for one costs one query. Signatures are
    judged by the database's clock, which is read beside the partner and carried on by ours.
    """

    def __init__(self, db: Database, vault: Vault, monotonic: Callable[[], float]) -> None:
        self._db, self._vault, self._monotonic = db, vault, monotonic
        self._looks: dict[str, _Look] = {}

    async def find(self, code: str) -> tuple[Partner, datetime] | None:
        """The partner of a code, and the database's time now; None when there is none.

        Raises what the database raises; that is not remembered.
        """
        if not _CODE.fullmatch(code):
            return None
        look = self._looks.get(code)
        if look is None or look.until <= self._monotonic() or _failed(look.seen):
            look = self._remember(code)
        partner, database_at, ours_at = await asyncio.shield(look.seen)
        if partner is None:
            return None
        return partner, database_at + timedelta(seconds=self._monotonic() - ours_at)

    def _remember(self, code: str) -> _Look:
        self._looks.pop(code, None)  # so that it goes to the end: the front is the oldest
        if len(self._looks) >= MOST:
            del self._looks[next(iter(self._looks))]
        look = _Look(self._monotonic() + REMEMBERED, asyncio.create_task(self._read(code)))
        self._looks[code] = look
        return look

    async def _read(self, code: str) -> _Seen:
        async with self._db.connection() as conn:
            partner = await access.find_partner(conn, self._vault, code)
            return _Seen(partner, await reading.machine_time(conn), self._monotonic())


def _failed(seen: asyncio.Task[_Seen]) -> bool:
    return seen.done() and (seen.cancelled() or seen.exception() is not None)


DIRECTORY: Final = web.AppKey("partners", Directory)
