"""Incidents over REST: find them, read one's story, work one step by step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from carriers.vocabulary import Category
from sql.connection import Connection
from tracker.actions.audit import Author
from tracker.actions.deciding import House
from tracker.actions.work_incident import Order, work
from tracker.domain.errors import FieldsWrong, NotFound, Outdated, Wrong
from tracker.domain.incident import Command, State
from tracker.domain.severity import Severity
from tracker.domain.staff import May
from tracker.store import reading
from tracker.store.views import IncidentStory, IncidentView
from tracker.web.api.acting import act
from tracker.web.api.endpoint import Answer, Call, Endpoint, Scope, endpoint
from tracker.web.api.given import number_of
from tracker.web.api.paging import Cursor, Limit, Page, ShipmentId
from tracker.web.api.shipments import own_shipment
from tracker.web.errors import REQUEST_ID, Problem

_YEARS: Final = range(2000, 2101)
Words = Annotated[str, Meta(min_length=1, max_length=2000)]
SomeWords = Annotated[str, Meta(pattern=r"\S", max_length=2000)]
ClosingReason = Literal[
    "cured_by_carrier",
    "cured_by_customer",
    "cured_by_shop",
    "reshipped",
    "refunded",
    "returned_and_settled",
    "claim_paid",
    "claim_refused",
    "false_positive",
    "duplicate",
    "insufficient_information",
]


class IncidentQuery(Struct, frozen=True):
    """Filters; one that is not given filters nothing. `closed` speaks of closed and merged incidents."""

    shipment: ShipmentId | None = None
    state: State | None = None
    category: Category | None = None
    closed: bool | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """Words for the timeline."""

    note: Words | None = None


class Remark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words for the timeline, which are all there is to it."""

    note: SomeWords


class Wait(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom it waits for, until when (a time with its offset), and words for the timeline."""

    on: Literal["carrier", "customer", "authority", "shop"]
    until: Annotated[datetime, Meta(tz=True)] | None = None
    note: Words | None = None


class Merger(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The open incident of the same shipment in which this one goes on, and words for the timeline."""

    into: Annotated[str, Meta(pattern=r"^inc_[0-9]{1,18}$")]
    note: Words | None = None


class Assignment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose it is from now on (`stf_12`; null: nobody's), and words for the timeline."""

    owner: Annotated[str, Meta(pattern=r"^stf_[0-9]{1,18}$")] | None
    note: Words | None = None


class Rating(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much it matters (null: as the rules weigh it), and words for the timeline."""

    severity: Severity | None
    note: Words | None = None


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who acts, until when (a time with its offset), and words for the timeline."""

    owner: Literal["none", "carrier", "shop", "recipient", "authority", "platform"]
    until: Annotated[datetime, Meta(tz=True)] | None = None
    note: Words | None = None


class Resolution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is over, and words for the timeline."""

    reason: ClosingReason
    note: Words | None = None


async def get_incidents(call: Call, query: IncidentQuery) -> Page[IncidentView]:
    """Incidents, newest first."""
    cursors = call.cursors("incidents")
    before, limit = cursors.before(query.cursor), query.limit
    async with call.services.house.db.connection() as conn:
        wanted = reading.IncidentFilter(
            shipment_id=await own_shipment(conn, call, query.shipment) if query.shipment else None,
            state=query.state,
            category=query.category,
            closed=query.closed,
        )
        ids = await reading.incident_ids(conn, call.shop_id, wanted, before=before, most=limit + 1)
        found = await reading.incidents(conn, call.shop_id, ids[:limit])
    return cursors.page(found, ids, limit)


async def get_incident(call: Call) -> IncidentStory:
    """One incident, with its timeline and what it stands on."""
    async with call.services.house.db.connection() as conn:
        return await _story(conn, call)


async def acknowledge(call: Call, body: Note) -> Answer:
    """Somebody has seen it."""
    return await _work(call, body, _order(call, Command.ACKNOWLEDGE, note=body.note))


async def start(call: Call, body: Note) -> Answer:
    """Somebody works on it."""
    return await _work(call, body, _order(call, Command.START, note=body.note))


async def note(call: Call, body: Remark) -> Answer:
    """Words for its timeline; they change nothing else, and may be added in any state."""
    return await _work(call, body, _order(call, Command.NOTE, note=body.note))


async def wait(call: Call, body: Wait) -> Answer:
    """It waits for somebody else; they act by then, or it comes up again."""
    order = _order(call, Command.WAIT, waiting_on=body.on, until=_sensible(body.until), note=body.note)
    return await _work(call, body, order)


async def stabilise(call: Call, body: Note) -> Answer:
    """The harm has stopped; the cause is still there."""
    return await _work(call, body, _order(call, Command.STABILISE, note=body.note))


async def resolve(call: Call, body: Resolution) -> Answer:
    """Harm and cause are gone; the customer is told, where they had heard of it."""
    order = _order(call, Command.RESOLVE, reason=body.reason, note=body.note)
    return await _work(call, body, order)


async def merge(call: Call, body: Merger) -> Answer:
    """It goes on in another incident of the same shipment."""
    into = number_of("inc", body.into)
    return await _work(call, body, _order(call, Command.MERGE, into=into, note=body.note))


async def close(call: Call, body: Note) -> Answer:
    """A resolved incident needs no more watching."""
    return await _work(call, body, _order(call, Command.CLOSE, note=body.note))


async def reopen(call: Call, body: Note) -> Answer:
    """It was not over."""
    return await _work(call, body, _order(call, Command.REOPEN, note=body.note))


async def assign(call: Call, body: Assignment) -> Answer:
    """It is somebody's from now on, who works in this shop."""
    owner = number_of("stf", body.owner) if body.owner else None
    return await _work(call, body, _order(call, Command.ASSIGN, owner=owner, note=body.note))


async def rate(call: Call, body: Rating) -> Answer:
    """People say how much it matters; no rule weighs it anew until it is reopened."""
    return await _work(call, body, _order(call, Command.RATE, severity=body.severity, note=body.note))


async def plan(call: Call, body: Plan) -> Answer:
    """People say who acts, and by when; no finding changes that until it is reopened."""
    order = _order(call, Command.PLAN, acts=body.owner, until=_sensible(body.until), note=body.note)
    return await _work(call, body, order)


def _sensible(until: datetime | None) -> datetime | None:
    """A time in our days. Raises FieldsWrong."""
    if until is not None and until.year not in _YEARS:
        raise FieldsWrong([Wrong("/until", f"a year from {_YEARS.start} to {_YEARS.stop - 1}")])
    return until


async def undo(call: Call, body: Note) -> Answer:
    """The last step was a mistake: it stands again as it stood before, as long as nothing came after."""
    return await _work(call, body, _order(call, Command.UNDO, note=body.note))


def _order(call: Call, command: Command, *, note: str | None, **given: Any) -> Order:
    """A key that may write incidents is the shop's own hand: it may do all that people may."""
    by = Author(actor=call.actor, shop_id=call.shop_id, request_id=call.request.get(REQUEST_ID))
    try:
        expected = call.expected
    except Problem as no:
        raise Problem(no.status, no.code, no.detail, note=note) from None
    return Order(command=command, by=by, allowed=frozenset(May), expected=expected, note=note, **given)


async def _work(call: Call, body: Struct, order: Order) -> Answer:
    incident_id = call.number("inc")

    async def do(house: House) -> None:
        try:
            await work(house, call.shop_id, incident_id, order)
        except Outdated as stale:
            raise Problem(412, "outdated", str(stale), note=order.note) from None

    async def describe(conn: Connection, _: None) -> Answer:
        return Answer(await _story(conn, call))

    return await act(call, body, do, describe)


async def _story(conn: Connection, call: Call) -> IncidentStory:
    incident_id = call.number("inc")
    found = await reading.incident_story(conn, call.shop_id, incident_id)
    if found is None:
        raise NotFound(f"no incident inc_{incident_id}")
    return found


def _command(handle: Callable[..., Awaitable[Answer]]) -> Endpoint:
    path = f"/incidents/{{id}}/{handle.__name__}"
    return endpoint("POST", path, Scope.INCIDENTS_WRITE, handle, gives=IncidentStory, conditional=True)


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("GET", "/incidents", Scope.READ, get_incidents),
    endpoint("GET", "/incidents/{id}", Scope.READ, get_incident),
    *(
        _command(handle)
        for handle in (
            acknowledge,
            start,
            note,
            wait,
            stabilise,
            resolve,
            merge,
            close,
            reopen,
            assign,
            rate,
            plan,
            undo,
        )
    ),
]
