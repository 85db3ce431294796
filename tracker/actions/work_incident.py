"""People work on incidents: every command of the life table, with its words kept on the timeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.actions.deciding import House, decide_and_save
from tracker.domain import incident as incidents
from tracker.domain.decision import Case, Outcome, decide
from tracker.domain.errors import NotFound, RuleRefused
from tracker.domain.incident import Command, Incident, Step

_SQL = queries.topic("work")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants done. `reason` is a closing reason for resolve; `note` are their words."""

    command: Command
    actor: str
    reason: str | None = None
    note: str | None = None
    waiting_on: str | None = None
    until: datetime | None = None


async def work(house: House, shop_id: int, incident_id: int, order: Order) -> None:
    """Carry out one command. Raises NotFound, RuleRefused."""

    async def attempt(conn: Connection) -> None:
        now = house.clock.now()
        shipment_id = await conn.fetchval(_SQL.shipment_of_incident, incident_id, shop_id)
        if shipment_id is None:
            raise NotFound(f"no incident inc_{incident_id}")
        case = (await house.load(conn, [shipment_id]))[shipment_id]
        held = next(one for one in case.incidents if one.id == incident_id)
        standing = [row["key"] for row in await conn.fetch(_SQL.standing, incident_id)]
        step = _step(case, held, order, standing, now)

        def one(case: Case) -> Outcome:
            return decide(case, now, draw=house.chance.random(), commanded=[step])

        await decide_and_save(house, conn, [case], one, now)

    await house.db.retrying(attempt)


def _step(case: Case, held: Incident, order: Order, standing: list[str], now: datetime) -> Step:
    detail: dict[str, Any] = {
        name: value
        for name, value in (("reason", order.reason), ("note", order.note), ("waiting_on", order.waiting_on))
        if value is not None
    }
    if order.command is Command.RESOLVE:
        if order.reason is None:
            raise RuleRefused(f"to resolve an incident needs a reason: {', '.join(sorted(incidents.CLOSING_REASONS))}")
        after = timedelta(hours=case.thresholds.close_after_hours)
        resolved = incidents.resolve(held, order.reason, now, close_after=after)
        handled = tuple(dict.fromkeys((*held.handled, *standing)))
        return Step(
            incident=msgspec.structs.replace(resolved, handled=handled),
            kind="resolved",
            actor=order.actor,
            detail=detail,
        )
    moved = incidents.apply(held, order.command, now)
    if order.command is Command.CLOSE:
        moved = msgspec.structs.replace(moved, closed_at=now, next_moment_at=None)
    kind = {Command.CLOSE: "closed", Command.REOPEN: "reopened"}.get(order.command, order.command.value)
    return Step(incident=moved, kind=kind, actor=order.actor, detail=detail)
