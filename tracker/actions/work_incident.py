"""People work on incidents: every command of the life table, with its words kept on the timeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.actions.deciding import Heard, House, decide_and_save
from tracker.domain import incident as incidents
from tracker.domain.cause import Reach
from tracker.domain.decision import Case
from tracker.domain.errors import NotFound, RuleRefused
from tracker.domain.finding import Provenance
from tracker.domain.incident import Command, Incident, Step

_SQL = queries.topic("work")
_OWNER: Final = {"carrier": "carrier", "customer": "recipient", "authority": "authority", "shop": "shop"}
_WORD: Final = {
    Command.RESOLVE: "resolved",
    Command.CLOSE: "closed",
    Command.REOPEN: "reopened",
    Command.MERGE: "merged",
}  # what the timeline calls what both people and the clock can do


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants done, with their words (`note`).

    `reason` is a closing reason, for resolve; `waiting_on` (carrier, customer, authority, shop) and `until` say whom an
    incident waits for; `into` is the incident in which a merged one goes on.
    """

    command: Command
    actor: str
    reason: str | None = None
    note: str | None = None
    waiting_on: str | None = None
    until: datetime | None = None
    into: int | None = None


async def work(house: House, shop_id: int, incident_id: int, order: Order) -> None:
    """Carry out one command. Raises NotFound, RuleRefused."""

    async def attempt(conn: Connection) -> None:
        now = house.clock.now()
        shipment_id = await conn.fetchval(_SQL.shipment_of_incident, incident_id, shop_id)
        if shipment_id is None:
            raise NotFound(f"no incident inc_{incident_id}")
        case = (await house.load(conn, [shipment_id]))[shipment_id]
        held = next(one for one in case.incidents if one.id == incident_id)
        step = Step(
            incident=_moved(case, held, order, now),
            kind=_WORD.get(order.command, order.command.value),
            actor=order.actor,
            detail=_detail(case, order),
        )
        await decide_and_save(house, conn, [case], {shipment_id: Heard(commanded=(step,))}, now)

    await house.db.retrying(attempt)


def _moved(loaded: Case, held: Incident, order: Order, now: datetime) -> Incident:
    match order.command:
        case Command.RESOLVE:
            return _resolved(loaded, held, order, now)
        case Command.CLOSE:
            return incidents.close(held, now)
        case Command.REOPEN:
            # It is people's word now that there is a trouble: that findings are silent does not end it.
            return msgspec.structs.replace(incidents.reopen(held, now), provenance=Provenance.STAFF)
        case Command.MERGE:
            return _merged(loaded, held, order, now)
        case Command.WAIT:
            return _waiting(held, order, now)
        case Command.ACKNOWLEDGE | Command.START | Command.STABILISE:
            return incidents.apply(held, order.command, now)
        case Command.NOTE:
            return _noted(held, order)


def _noted(held: Incident, order: Order) -> Incident:
    """Words for the timeline, in whatever state it is: they neither move it nor count as a change of it."""
    if not (order.note or "").strip():
        raise RuleRefused("a note is made of words: give some")
    return held


def _resolved(case: Case, held: Incident, order: Order, now: datetime) -> Incident:
    if order.reason is None:
        raise RuleRefused(f"to resolve an incident needs a reason: {', '.join(sorted(incidents.REASONS))}")
    after = timedelta(hours=case.thresholds.close_after_hours)
    return incidents.resolve(held, order.reason, now, close_after=after)


def _merged(case: Case, held: Incident, order: Order, now: datetime) -> Incident:
    into = next((one for one in case.incidents if one.id == order.into and one.id != held.id), None)
    if into is None or not into.state.is_open:
        raise RuleRefused("an incident goes on in another open incident of the same shipment: name it")
    if held.told_at is not None and into.reach is not Reach.CUSTOMER:
        raise RuleRefused("the customer was told of this incident: it cannot go on in one that they do not hear of")
    return incidents.merge(held, into.id, now)


def _waiting(held: Incident, order: Order, now: datetime) -> Incident:
    moved = incidents.apply(held, order.command, now)
    if order.waiting_on is not None and order.waiting_on not in _OWNER:
        raise RuleRefused(f"an incident waits on one of {', '.join(_OWNER)}, not {order.waiting_on!r}")
    if order.until is not None and order.until <= now:
        raise RuleRefused("an incident waits until a time that is still to come")
    return msgspec.structs.replace(
        moved,
        action_owner=_OWNER[order.waiting_on] if order.waiting_on is not None else held.action_owner,
        action_until=order.until or held.action_until,
    )


def _detail(case: Case, order: Order) -> dict[str, Any]:
    into = next((one for one in case.incidents if one.id == order.into), None)
    said = {
        "reason": order.reason,
        "note": order.note,
        "waiting_on": order.waiting_on,
        "until": order.until.isoformat() if order.until else None,
        "into": f"{into.category}.{into.cause}" if into else None,
    }
    return {name: value for name, value in said.items() if value is not None}
