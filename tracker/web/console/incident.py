"""One incident: its story in order of time, and every command that its state and the reader's role allow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web

from tracker.actions.audit import author
from tracker.actions.work_incident import WAITS_ON, Order, work
from tracker.domain.calendar import zone_of
from tracker.domain.errors import FieldsWrong, NotAllowed, NotFound, Outdated, RuleRefused, Wrong
from tracker.domain.incident import OWNERS, REASONS, UNDOABLE, Command, State, at_hand
from tracker.domain.severity import Severity
from tracker.domain.staff import ALLOWED, May
from tracker.store import people as kept
from tracker.store import way
from tracker.store.way import Entry, IncidentFacts
from tracker.web.api.given import number_of, prose
from tracker.web.console import asked, chain, door, form, toast
from tracker.web.console.door import HOME, PERSON, Handler
from tracker.web.console.shell import shell
from tracker.web.errors import REQUEST_ID
from tracker.web.services import SERVICES

_MOST_WORDS: Final = 2000
_YEARS: Final = range(2000, 2101)


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """A form as it was sent, kept where it could not be carried out: no words are lost."""

    command: Command
    version: str
    seen: str
    note: str
    reason: str
    on: str
    until: str
    into: str
    owner: str
    severity: str
    acts: str


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was done: what happened `meanwhile`, else in words."""

    typed: Typed
    because: str | None = None
    fields: dict[str, str] = {}

    @property
    def status(self) -> int:
        """How HTTP calls it."""
        return 422 if self.fields else 409 if self.because else 412


async def incident(request: web.Request) -> web.Response:
    """`/console/incidents/{id}`."""
    return await _page(request)


def doing(command: Command) -> Handler:
    """The page that carries out this command and leads back to the incident."""

    async def do(request: web.Request) -> web.StreamResponse:
        return await _do(request, command)

    return do


async def _do(request: web.Request, command: Command) -> web.StreamResponse:
    incident_id, person = asked.number(request), request[PERSON]
    typed = await _typed(request, command)
    try:
        order = await _order(request, typed)
        version = await work(request.app[SERVICES].house, person.shop_id, incident_id, order)
    except NotAllowed:
        return door.explain(request, "forbidden", 403)
    except Outdated:
        return await _page(request, Refusal(typed))
    except FieldsWrong as mistake:
        return await _page(request, Refusal(typed, fields=form.wrong(mistake)))
    except RuleRefused as no:
        return await _page(request, Refusal(typed, because=str(no)))
    return _back(request, incident_id, command, version)


def _back(request: web.Request, incident_id: int, command: Command, version: int) -> web.StreamResponse:
    """To the incident, where it is said what was done and how it is taken back."""
    here = f"/incidents/{incident_id}"
    answer = web.HTTPSeeOther(HOME + here)
    undo = toast.Undo(f"{HOME}{here}/undo", {"version": str(version)}) if command in UNDOABLE else None
    toast.flash(request, answer, door.spoken_by(request).word("done", command), undo)
    raise answer


async def _typed(request: web.Request, command: Command) -> Typed:
    note = (await request.post()).get("note", "")
    return Typed(
        command=command,
        version=await form.text(request, "version"),
        seen=await form.text(request, "seen"),
        note=prose(note)[:_MOST_WORDS] if isinstance(note, str) else "",
        reason=await form.text(request, "reason"),
        on=await form.text(request, "on"),
        until=await form.text(request, "until"),
        into=await form.text(request, "into"),
        owner=await form.text(request, "owner"),
        severity=await form.text(request, "severity"),
        acts=await form.text(request, "acts"),
    )


async def _order(request: web.Request, typed: Typed) -> Order:
    """What is wanted. A form without its version counts as one that is too old. Raises FieldsWrong."""
    person = request[PERSON]
    until = None
    if typed.until:
        async with request.app[SERVICES].house.db.connection() as conn:
            until = _moment(typed.until, (await shell(request, conn)).zone)
    return Order(
        command=typed.command,
        by=author(person, request.get(REQUEST_ID)),
        allowed=ALLOWED[person.role],
        expected=int(typed.version) if _is_number(typed.version) else -1,
        note=typed.note.strip() or None,
        reason=typed.reason or None,
        waiting_on=typed.on or None,
        until=until,
        into=number_of("inc", typed.into),
        owner=number_of("stf", typed.owner),
        severity=Severity(typed.severity) if typed.severity in set(Severity) else None,
        acts=typed.acts or None,
    )


def _moment(text: str, zone: str) -> datetime:
    """A time as browsers give it, in the reader's zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None or moment.year not in _YEARS:
        raise FieldsWrong([Wrong("/until", "a day and a time, such as 2026-11-30T12:00")])
    return moment.replace(tzinfo=zone_of(zone))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


async def _page(request: web.Request, refused: Refusal | None = None) -> web.Response:
    """The incident; where something was refused, with the reason, what came meanwhile, and the words that were typed."""
    services, incident_id = request.app[SERVICES], asked.number(request)
    async with services.house.db.connection() as conn:
        frame = await shell(request, conn)
        shipment_id = await way.shipment_of_incident(conn, frame.shop_id, incident_id)
        parcel = await way.parcel(conn, frame.shop_id, shipment_id) if shipment_id else None
        if parcel is None:
            raise NotFound("no such incident")
        whole = await way.way(conn, parcel.id)
        people = await kept.people(conn, frame.shop_id)
    held = next(one for one in whole.incidents if one.id == incident_id)
    entries = [one for one in whole.entries if one.incident_id == incident_id]
    others = [one for one in whole.incidents if one.is_open and one.id != incident_id]
    values = {
        "parcel": parcel,
        "incident": held,
        "turns": chain.build(parcel.registered_at, chain.of_incident(incident_id, whole)),
        "commands": _commands(request, held, others),
        "others": others,
        "reasons": sorted(REASONS),
        "waits_on": tuple(WAITS_ON),
        "owners": OWNERS,
        "severities": tuple(Severity),
        "people": [one for one in people if May.WORK in ALLOWED[one.role] and one.disabled_at is None],
        "is_taken": held.assignee_id not in (None, frame.person.staff_id) and not frame.person.may(May.OVERRULE),
        "seen": entries[-1].id if entries else 0,
        "meanwhile": _meanwhile(entries, refused),
        "refused": refused,
    }
    status = refused.status if refused else 200
    return frame.page("console/incident.html", values, section="incidents", live=refused is None, status=status)


def _commands(request: web.Request, held: IncidentFacts, others: Sequence[IncidentFacts]) -> list[Command]:
    """What the reader can do now; it goes on in another incident only where there is one."""
    at_once = at_hand(State(held.state), ALLOWED[request[PERSON].role])
    return [one for one in at_once if others or one is not Command.MERGE]


def _meanwhile(entries: Sequence[Entry], refused: Refusal | None) -> list[Entry] | None:
    """What was written on the timeline since the page was made that a refused form stood on; None where it says not."""
    if refused is None or not _is_number(refused.typed.seen):
        return None
    return [one for one in entries if one.id > int(refused.typed.seen)]
