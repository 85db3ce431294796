"""What the operators are told: alarms that begin, go on and end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.domain.starvation import Alarm, Pause, Queue
from tracker.store import backlog

_SQL = queries.topic("alarms")
_KEPT = timedelta(days=30)


class AlarmLine(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm with its time; `ended_at` None while it lasts."""

    name: str
    rows: int
    age: timedelta
    failures: int
    began_at: datetime
    ended_at: datetime | None


async def waiting(conn: Connection, now: datetime) -> list[Queue]:
    """Every queue of the service."""
    found = await backlog.read(conn, now)
    return [Queue(name, rows, timedelta(seconds=age)) for name, rows, age in found.queues]


async def pauses(conn: Connection) -> list[Pause]:
    """Accounts and channels that are left alone."""
    return [Pause(**row) for row in await conn.fetch(_SQL.pauses)]


async def note(conn: Connection, alarms: Sequence[Alarm], now: datetime) -> dict[int, Alarm]:
    """Write down what starves now, and gives what nobody was told of yet, by number. To be run in a transaction."""
    names = [alarm.name for alarm in alarms]
    columns = ([alarm.rows for alarm in alarms], [alarm.age for alarm in alarms], [alarm.failures for alarm in alarms])
    await conn.execute(_SQL.note, names, *columns, now)
    await conn.execute(_SQL.end_others, names, now)
    await conn.execute(_SQL.drop_old, now - _KEPT)
    untold = await conn.fetch(_SQL.claim_untold, now)
    return {row["id"]: Alarm(row["name"], row["rows"], row["age"], row["failures"]) for row in untold}


async def untell(conn: Connection, ids: Sequence[int]) -> None:
    """Nobody could be told of these: they are given once more at the next look."""
    await conn.execute(_SQL.untell, ids)


async def newest(conn: Connection, most: int) -> list[AlarmLine]:
    """What starves, then what did lately."""
    return [AlarmLine(**row) for row in await conn.fetch(_SQL.newest, most)]
