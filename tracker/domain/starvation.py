"""Whether the service keeps up: what waits longer than it may, and what that means (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec


class Queue(msgspec.Struct, frozen=True):
    """Rows that wait, and for how long the oldest of them has."""

    name: str
    rows: int
    age: timedelta


class Pause(msgspec.Struct, frozen=True):
    """A carrier's account or a channel that is left alone, after so many failures in a row."""

    kind: str  # account, channel
    name: str
    failures: int
    until: datetime


class Alarm(msgspec.Struct, frozen=True):
    """Something that a person should look at: a name that stays the same while it lasts, and the numbers."""

    name: str
    rows: int = 0
    age: timedelta = timedelta(0)
    failures: int = 0


# How long the oldest may wait before somebody is told. Work of the clock waits seconds; what waits for people, days.
LIMITS: Final[Mapping[str, timedelta]] = {
    "examinations": timedelta(minutes=10),
    "messages": timedelta(minutes=30),
    "polls": timedelta(hours=2),
    "quarantine": timedelta(days=3),
    "unclaimed_reports": timedelta(days=7),
}
_UNDECIDED: Final = "undecided_shipments"  # our own mistake: one is too many
_FAILURES: Final = 5  # in a row, after which an account or a channel is no hiccup any more


def alarms(queues: Sequence[Queue], pauses: Sequence[Pause], now: datetime, *, is_sending_stopped: bool) -> list[Alarm]:
    """What starves. Messages that wait because sending was stopped on purpose do not."""
    starving = [
        Alarm(f"queue.{queue.name}", rows=queue.rows, age=queue.age)
        for queue in queues
        if (
            queue.name in LIMITS
            and queue.rows
            and queue.age > LIMITS[queue.name]
            and not (queue.name == "messages" and is_sending_stopped)
        )
        or (queue.name == _UNDECIDED and queue.rows)
    ]
    failing = [
        Alarm(f"{pause.kind}.{pause.name}", failures=pause.failures)
        for pause in pauses
        if pause.failures >= _FAILURES and pause.until > now
    ]
    return starving + failing
