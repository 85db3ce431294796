"""The demo's story without waiting: business time steps from one due moment to the next, through the real code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from carriers.sandbox.world import World
from sql import queries
from tracker.clock import SteppedClock
from tracker.simulation.shop import Shop
from tracker.simulation.sinks import Sinks
from tracker.simulation.verdict import summarise
from tracker.store.db import Database

_SQL = queries.topic("simulation")
_STEP: Final = timedelta(minutes=15)  # everything due within a step happens at its end
_LONGEST: Final = timedelta(days=75)
Tell = Callable[[datetime, int, int], None]  # now, how many shipments are at their end, how many there are


class Service(Protocol):
    """What the simulation drives: the same functions that tick in the real service."""

    async def poll(self) -> int: ...
    async def examine(self) -> int: ...
    async def deliver(self) -> int: ...
    async def keep_house(self) -> int: ...


async def play(
    service: Service, db: Database, clock: SteppedClock, world: World, shop: Shop, sinks: Sinks, tell: Tell
) -> dict[str, Any]:
    """Play until everything is settled, or for 75 days; returns the summary with what went wrong (violations).

    `tell` hears once a day how far it is.
    """
    start = clock.now()
    told_on = start.date()
    while clock.now() - start < _LONGEST:
        await _settle_down(service, shop, clock.now())
        if shop.is_done and await is_settled(db):
            break
        clock.move_to(await _next_step(db, shop, clock.now()))
        if clock.now().date() != told_on:
            told_on = clock.now().date()
            tell(clock.now(), *await _how_far(db))
    return await summarise(db, world, sinks, start, clock.now())


async def _settle_down(service: Service, shop: Shop, now: datetime) -> None:
    """Do all that is due now; time moves only when nothing is in flight."""
    await service.keep_house()
    busy = True
    while busy:
        done = [await shop.act(now), await service.poll(), await service.examine(), await service.deliver()]
        busy = any(done)


async def is_settled(db: Database) -> bool:
    """Whether nothing that is there will move any more."""
    async with db.connection() as conn:
        return not await conn.fetchval(_SQL.unsettled)


async def _how_far(db: Database) -> tuple[int, int]:
    async with db.connection() as conn:
        row = await conn.fetchrow(_SQL.how_far)
    assert row is not None  # counts are always one row
    return row["ended"], row["shipments"]


async def _next_step(db: Database, shop: Shop, now: datetime) -> datetime:
    """The next moment at which something is due, rounded up to a whole step; one step at the least."""
    async with db.connection() as conn:
        due = await conn.fetchval(_SQL.next_due)
    moments = [moment for moment in (due, shop.next_at(now)) if moment is not None]
    following = max(min(moments, default=now + _STEP), now + _STEP)
    steps = -((following - now) // -_STEP)
    return now + steps * _STEP
