"""The clock's tick over many active parcels: what it costs when nothing is due, and when thousands are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from statistics import median
from time import perf_counter

import asyncpg
import msgspec

from bench import database, parcels
from bench.table import Line, Table, spread
from sql.connection import Connection
from tracker.actions.deciding import House
from tracker.actions.examine import BATCH, examine
from tracker.clock import SteppedClock
from tracker.store.db import Database

_DUE = 3_800
_LOOKS = 400
_SMALL = 50
_PROBE = "select shipment_id from schedule where next_moment_at <= $1 order by next_moment_at limit $2"
# Their promise was broken an hour ago: each is an incident with a message.
_MAKE_DUE = """
with chosen as (
    update schedule set next_moment_at = $1::timestamptz
    where shipment_id in (select id from shipment where promised_at > $1 order by hashint8(id) limit $2)
    returning shipment_id
)
update shipment set promised_at = $1::timestamptz - interval '1 hour' from chosen where id = chosen.shipment_id
"""


class _Counting(Database):
    """The house's database, which counts what is sent while a connection is lent, for whatever purpose."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._pool, database.schema)  # noqa: SLF001 - the same pool under another name
        self.sent = 0

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[Connection]:  # type: ignore[override]  # what the pool lends is one, too
        def note(_: asyncpg.connection.LoggedQuery) -> None:
            self.sent += 1

        async with super()._lend() as conn:
            with conn.query_logger(note):
                yield conn


async def measure(*, full: bool) -> Table:
    """A million active parcels."""
    count, rounds = 1_000_000, 5 if full else 3
    now = datetime.now(UTC)
    async with database.postgres() as dsn:
        await parcels.add(dsn, count, now)
        async with database.house(dsn, SteppedClock(now)) as house, database.connected(dsn) as conn:
            quiet, probe = await _nothing_due(house, conn, now, rounds)
            await _statements(house, conn, now, 1)  # what is asked once in the life of a process
            small = await _statements(house, conn, now, _SMALL)
            large = await _statements(house, conn, now, BATCH)
            rates = [await _thousands_due(house, conn, now) for _ in range(rounds)]
    times = median(ours / bare for ours, bare in zip(quiet, probe, strict=True))
    return Table(
        "examination",
        [
            Line(f"a tick over {count:,} parcels, none due", spread(quiet, "ms"), spread(probe, "ms"), times, "≤ 3"),
            Line(f"{_DUE:,} due, each an incident with its message", spread(rates, "parcels/s")),
            Line(
                f"statements for a batch of {BATCH}, and for one of {_SMALL}",
                _range(large),
                _range(small),
                goal="the same",
            ),
        ],
        [
            "limit of the first line: the index probe alone, on a connection at hand; its ratio is of times",
            "statements: all that is sent for a batch, with begin and commit",
        ],
    )


async def _nothing_due(house: House, conn: Connection, now: datetime, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of a tick, and of the probe of the index alone; by rounds, in turn."""
    ticks, probes = [], []
    for _ in range(rounds):
        probes.append(await _milliseconds(lambda: conn.fetch(_PROBE, now, BATCH)))
        ticks.append(await _milliseconds(lambda: examine(house)))
    return ticks, probes


async def _milliseconds(look: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(_LOOKS):
        began = perf_counter()
        await look()
        taken.append(perf_counter() - began)
    return 1000 * median(taken)


async def _statements(house: House, conn: Connection, now: datetime, size: int) -> list[int]:
    """How many statements each of five batches of this size took."""
    await conn.execute(_MAKE_DUE, now, 5 * size)
    counting = _Counting(house.db)
    watched = msgspec.structs.replace(house, db=counting)
    counts = []
    for _ in range(5):
        before = counting.sent
        await examine(watched, size)
        counts.append(counting.sent - before)
    return counts


async def _thousands_due(house: House, conn: Connection, now: datetime) -> float:
    """Parcels examined per second."""
    await conn.execute(_MAKE_DUE, now, _DUE)
    await database.settle(conn)
    began = perf_counter()
    done = 0
    while examined := await examine(house):
        done += examined
    return done / (perf_counter() - began)


def _range(counts: list[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
