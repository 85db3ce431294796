"""Every minute: does the service keep up? What starves is written down, logged, and told to the operators once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from tracker.actions import access
from tracker.actions.deciding import House
from tracker.domain.starvation import Alarm, alarms
from tracker.store import alarms as stored

_log = logging.getLogger(__name__)
EVERY: Final = timedelta(minutes=1)
Tell = Callable[[Sequence[Alarm]], Awaitable[None]]


class NobodyReached(Exception):
    """The operators could not be told."""


async def watch(house: House, tell: Tell) -> int:
    """One look; always returns 0: there is no more to do until the next.

    `tell` reaches the operators, or raises NobodyReached: then they are told at the next look.
    """
    now = house.clock.now()
    async with house.db.transaction() as conn:
        switches = await access.switches(conn)
        queues, pauses = await stored.waiting(conn, now), await stored.pauses(conn)
        starving = alarms(queues, pauses, now, is_sending_stopped=switches["stop_sending"])
        untold = await stored.note(conn, starving, now)
    if not untold:
        return 0
    for alarm in untold.values():
        _log.error("something starves", extra={"kind": alarm.name, "waiting": alarm.rows, "failed": alarm.failures})
    try:
        await tell(list(untold.values()))
    except NobodyReached:
        _log.warning("the operators could not be told", extra={"count": len(untold)})
        async with house.db.connection() as conn:
            await stored.untell(conn, list(untold))
    return 0
