"""People work on incidents: every command of the life table, with its words kept on the timeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.actions.deciding import Heard, House, decide_and_save
from tracker.domain import incident as incidents
from tracker.domain.cause import Reach
from tracker.domain.decision import Case
from tracker.domain.errors import FieldsWrong, NotAllowed, NotFound, Outdated, RuleRefused, Wrong
from tracker.domain.finding import Provenance
from tracker.domain.incident import Before, Command, Incident, Step
from tracker.domain.severity import Severity
from tracker.domain.staff import ALLOWED, May, Role

_SQL = queries.topic("work")
_STEPS = queries.topic("incident_work")
WAITS_ON: Final = {
    "carrier": "carrier",
    "customer": "recipient",
    "authority": "authority",
    "shop": "shop",
}  # and who acts then
_WORD: Final = {
    Command.RESOLVE: "resolved",
    Command.CLOSE: "closed",
    Command.REOPEN: "reopened",
    Command.MERGE: "merged",
}  # what the timeline calls what both people and the clock can do


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants done, with their words (`note`).

    `by` is who they are and `allowed` what they may do; `expected` the version that they decided on, None for any.
    `reason` is a closing reason, for resolve; `waiting_on` (carrier, customer, authority, shop) and `until` say whom an
    incident waits for; `into` is the incident in which a merged one goes on. `owner` is whose it is to be (None: nobody's),
    `severity` how much it matters (None: as the rules weigh it), `acts` who is to act until then.
    """

    command: Command
    by: Author
    allowed: frozenset[May]
    expected: int | None = None
    reason: str | None = None
    note: str | None = None
    waiting_on: str | None = None
    until: datetime | None = None
    into: int | None = None
    owner: int | None = None
    severity: Severity | None = None
    acts: str | None = None

    @property
    def staff_id(self) -> int | None:
        """Who gives it, where a person does."""
        kind, _, number = self.by.actor.partition(":")
        return int(number) if kind == "staff" else None


class _Undoable(msgspec.Struct, frozen=True):
    """The detail of a step that can be undone, as far as that needs it."""

    before: Before


_undoable = msgspec.json.Decoder(_Undoable).decode


async def work(house: House, shop_id: int, incident_id: int, order: Order) -> int:
    """Carry out one command; the version that the incident has now. Raises NotFound, NotAllowed, Outdated, RuleRefused."""

    async def attempt(conn: Connection) -> int:
        now = house.clock.now()
        shipment_id = await conn.fetchval(_SQL.shipment_of_incident, incident_id, shop_id)
        if shipment_id is None:
            raise NotFound(f"no incident inc_{incident_id}")
        case = (await house.load(conn, [shipment_id]))[shipment_id]
        held = next(one for one in case.incidents if one.id == incident_id)
        _make_sure(held, order)
        await _make_sure_of_owner(conn, shop_id, order)
        was = await _before_last(conn, held, order) if order.command is Command.UNDO else None
        step = Step(
            incident=_moved(case, held, order, was, now),
            kind=_WORD.get(order.command, order.command.value),
            actor=order.by.actor,
            detail=_detail(case, held, order),
        )
        await decide_and_save(house, conn, [case], {shipment_id: Heard(commanded=(step,))}, now)
        about = {"reason": order.reason, "waiting_on": order.waiting_on, "into": order.into, "was": held.state.value}
        about |= {"owner": order.owner, "severity": order.severity, "acts": order.acts}
        await audit.record(house.db, conn, order.by, f"incident.{order.command}", f"inc_{incident_id}", **about)
        return held.version + 1

    return await house.db.retrying(attempt)


def _make_sure(held: Incident, order: Order) -> None:
    """That they may do it, and know what they do it to."""
    if incidents.needed(held.state, order.command) not in order.allowed:
        raise NotAllowed(f"to {order.command} an incident that is {held.state} is for supervisors")
    is_taken = order.command is Command.ASSIGN and incidents.takes_over(held, order.staff_id)
    if is_taken and May.OVERRULE not in order.allowed:
        raise NotAllowed("an incident that is somebody else's is given away by them, or by a supervisor")
    if order.expected is not None and order.expected != held.version:
        raise Outdated("The incident has changed meanwhile; nothing was done. Look at it again, then decide.")


async def _make_sure_of_owner(conn: Connection, shop_id: int, order: Order) -> None:
    """An incident is given to those who may work on it."""
    if order.command is not Command.ASSIGN or order.owner is None:
        return
    role = await conn.fetchval(_STEPS.role_in_shop, order.owner, shop_id)
    if role is None or May.WORK not in ALLOWED[Role(role)]:
        raise FieldsWrong([Wrong("/owner", "somebody of this shop who works on incidents")])


async def _before_last(conn: Connection, held: Incident, order: Order) -> Before:
    """What the last step has changed: it alone can be undone, by whoever took it or may overrule them."""
    last = await conn.fetchrow(_STEPS.last_step, held.id)
    if last is None or last["kind"] not in incidents.UNDOABLE:
        raise RuleRefused("what was done last cannot be undone")
    if last["actor"] != order.by.actor and May.OVERRULE not in order.allowed:
        raise NotAllowed("what somebody else did is undone by them, or by a supervisor")
    return _undoable(last["detail"]).before


def _moved(loaded: Case, held: Incident, order: Order, was: Before | None, now: datetime) -> Incident:
    match order.command:
        case Command.RESOLVE | Command.CLOSE | Command.REOPEN | Command.MERGE:
            return _over_or_back(loaded, held, order, now)
        case Command.ASSIGN | Command.RATE | Command.PLAN:
            return _decided(held, order, now)
        case Command.WAIT:
            return _waiting(held, order, now)
        case Command.ACKNOWLEDGE | Command.START | Command.STABILISE:
            return incidents.apply(held, order.command, now)
        case Command.NOTE:
            return _noted(held, order)
        case Command.UNDO:
            assert was is not None  # read before, or refused
            return incidents.undo(held, was, now)


def _over_or_back(loaded: Case, held: Incident, order: Order, now: datetime) -> Incident:
    if order.command is Command.RESOLVE:
        return _resolved(loaded, held, order, now)
    if order.command is Command.CLOSE:
        return incidents.close(held, now)
    if order.command is Command.MERGE:
        return _merged(loaded, held, order, now)
    # It is people's word now that there is a trouble: that findings are silent does not end it.
    return msgspec.structs.replace(incidents.reopen(held, now), provenance=Provenance.STAFF)


def _decided(held: Incident, order: Order, now: datetime) -> Incident:
    if order.command is Command.ASSIGN:
        return incidents.assign(held, order.owner, now)
    if order.command is Command.RATE:
        return incidents.rate(held, order.severity, now)
    return incidents.plan(held, order.acts or held.action_owner, order.until, now)


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
    if order.waiting_on is not None and order.waiting_on not in WAITS_ON:
        raise RuleRefused(f"an incident waits on one of {', '.join(WAITS_ON)}, not {order.waiting_on!r}")
    if order.until is not None and order.until <= now:
        raise RuleRefused("an incident waits until a time that is still to come")
    return msgspec.structs.replace(
        moved,
        action_owner=WAITS_ON[order.waiting_on] if order.waiting_on is not None else held.action_owner,
        action_until=order.until or held.action_until,
    )


def _detail(case: Case, held: Incident, order: Order) -> dict[str, Any]:
    into = next((one for one in case.incidents if one.id == order.into), None)
    said = {
        "reason": order.reason,
        "note": order.note,
        "waiting_on": order.waiting_on,
        "until": order.until.isoformat() if order.until else None,
        "into": f"{into.category}.{into.cause}" if into else None,
        "owner": f"stf_{order.owner}" if order.owner is not None else None,
        "rated": order.severity,
        "acts": order.acts,
        "before": msgspec.to_builtins(incidents.before(held)) if order.command in incidents.UNDOABLE else None,
    }
    return {name: value for name, value in said.items() if value is not None}
