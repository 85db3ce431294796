"""What we believe of a shipment: a fold over all its tracking events, the same for every order of arrival.

Rules of the fold, in one place:
- Events are ordered by instant, precision, the carrier's own order, milestone and key; never by time received.
  A record without a time comes first, unless it says that the journey is over: then it comes last.
- Informational and unmapped events move nothing; nor does an announcement of a parcel that is under way already.
- The newest event that moves decides where the shipment is, but
  - on the way back it stays on the way back until the sender has it: a plain "delivered" there is a return delivered;
  - scans within an hour after a delivery are echoes of it; later ones show that the delivery was not final;
  - a return that arrived, and damage, stay.
- A stated problem is open until an event that moves the parcel on. An end is itself one, unless it was cancelled: the
  goods are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from carriers.contract import Estimate, Precision, TrackingEvent
from carriers.vocabulary import Category, Milestone
from tracker.domain.calendar import end_of_day, start_of_day

_M = Milestone
_FARTHEST_OFFSET: Final = 15 * 60  # minutes; no place on earth is farther from UTC
_ECHO: Final = timedelta(minutes=60)
_TERMINAL: Final = frozenset({_M.DELIVERED, _M.RETURNED, _M.ENDED})
_HELD: Final = frozenset({"held_by_carrier", "delayed_by_carrier", "appointment_needed", "sorted"})
_TRIED: Final = frozenset({"attempt_failed", "notice_left"})
_RELEASED: Final = frozenset({"import_released", "export_released"})
_CLEARED: Final = _RELEASED | {"duties_paid"}
_NOT_UNDER_WAY: Final = frozenset({_M.UNKNOWN, _M.REGISTERED, _M.ANNOUNCED})
_STAYS: Final = frozenset({Category.DAMAGE, Category.LOSS})  # what a delivery does not put right by itself
_GOING_BACK: Final = frozenset({"refused", "unclaimed", "undeliverable"})  # details that are causes of a return too


class Stated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem as the carrier stated it, and the event (`key`) that did."""

    category: Category
    cause: str
    key: str
    since: datetime | None = None
    offset: int | None = None  # as `moved_offset`
    code: str | None = None
    text: str | None = None
    action_owner: str | None = None


class Position(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Where an event stands in the fold; compared field by field."""

    phase: int
    instant: datetime
    precision: int
    sequence: int
    rank: int
    key: str


class Belief(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the shipment is, since when, and what is wrong. Everything that detectors need, without the events."""

    milestone: Milestone = _M.REGISTERED
    status_detail: str | None = None
    since: datetime | None = None  # the event that brought the milestone
    heard_at: datetime | None = None  # the newest event of any kind that has a time
    scanned_at: datetime | None = None  # the newest that says something of the parcel itself
    announced_at: datetime | None = None
    accepted_at: datetime | None = None  # first event in the carrier's hands
    in_transit_at: datetime | None = None
    out_for_delivery_at: datetime | None = None
    ready_at: datetime | None = None
    returning_at: datetime | None = None
    delivered_at: datetime | None = None
    problem: Stated | None = None
    damage: Stated | None = None
    going_back: Stated | None = None  # why it returns, as first stated; kept when the sender has it
    attempts: int = 0
    city: str | None = None
    country: str | None = None
    moved_at: datetime | None = None  # the newest event that says where it is
    moved_offset: int | None = None  # minutes by which clocks at its place were ahead of UTC then
    contradicted: bool = False  # a delivery that later scans took back
    events: int = 0
    unmapped: int = 0
    last: Position | None = None

    @property
    def is_released(self) -> bool:
        """Customs is done with it, and it has not moved yet."""
        return self.milestone is _M.IN_CUSTOMS and self.status_detail in _RELEASED

    @property
    def open_problem(self) -> Stated | None:
        """The problem that is still open after the last event; damage stays when nothing newer is wrong."""
        return self.problem or self.damage


class Expectation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The carrier's estimate: as first given after the parcel moved, and now; instants are aware UTC."""

    earliest: datetime | None = None
    latest: datetime | None = None
    original_latest: datetime | None = None
    revisions: int = 0


_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Final = Belief()


def position(event: TrackingEvent) -> Position:
    """The event's place in the fold."""
    if event.occurred_at is None:
        phase, instant = (2 if event.milestone in _TERMINAL else 0), _BEGINNING
    else:
        phase, instant = 1, event.occurred_at
    return Position(phase, instant, int(event.precision), event.sequence, event.milestone.rank, event.key)


def fold(events: Iterable[TrackingEvent]) -> Belief:
    """All events of a shipment into what we believe; of several variants of one key the last in fold order counts."""
    chosen: dict[str, tuple[Position, TrackingEvent]] = {}
    for event in events:
        placed = (position(event), event)
        held = chosen.get(event.key)
        if held is None or _weight(placed) > _weight(held):
            chosen[event.key] = placed
    belief = _NOTHING
    for place, event in sorted(chosen.values(), key=lambda placed: placed[0]):
        belief = _step(belief, place, event)
    return belief


def append(belief: Belief, events: Sequence[TrackingEvent]) -> Belief | None:
    """The fold continued, when every new event comes after all folded ones; None when the history must be refolded.

    The keys must be new to the shipment: a correction of an event that was folded is never an append.
    """
    if not continues(belief, events):
        return None
    for place, event in sorted(((position(event), event) for event in events), key=lambda pair: pair[0]):
        belief = _step(belief, place, event)
    return belief


def continues(belief: Belief, events: Sequence[TrackingEvent]) -> bool:
    """Whether these events all come after those that were folded, and none of them twice."""
    restated = len({event.key for event in events}) < len(events)
    return not restated and (belief.last is None or all(position(event) > belief.last for event in events))


def variant(event: TrackingEvent) -> str:
    """What bears on the state, as text: the same key with another variant is a correction, kept beside the first."""
    problem = f"{event.problem.category}.{event.problem.cause}" if event.problem else ""
    instant = event.occurred_at.isoformat() if event.occurred_at else ""
    return f"{instant}|{event.milestone}|{event.status_detail or ''}|{problem}|{int(event.informational)}"


def expect(held: Expectation, estimate: Estimate | None, belief: Belief, zone: str) -> Expectation:
    """Take a carrier's new estimate; it counts from the first in-transit event, since label-time dates are often wrong."""
    if estimate is None or belief.in_transit_at is None:
        return held
    earliest, latest = _start(estimate.earliest, zone), _end(estimate.latest or estimate.earliest, zone)
    if (earliest, latest) == (held.earliest, held.latest):
        return held
    later = held.latest is not None and latest is not None and latest > held.latest
    return Expectation(
        earliest=earliest,
        latest=latest,
        original_latest=held.original_latest or latest,
        revisions=held.revisions + later,
    )


def _start(value: datetime | date | None, zone: str) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value and value.astimezone(UTC)
    return start_of_day(value, zone)


def _end(value: datetime | date | None, zone: str) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value and value.astimezone(UTC)
    return end_of_day(value, zone)


def _weight(placed: tuple[Position, TrackingEvent]) -> tuple[Position, str, str]:
    """Of two events with one key the heavier counts; where only spellings differ, any rule will do that is a rule."""
    place, event = placed
    return place, variant(event), repr(event)


def _step(belief: Belief, place: Position, event: TrackingEvent) -> Belief:
    counted = msgspec.structs.replace(
        belief,
        events=belief.events + 1,
        unmapped=belief.unmapped + (event.milestone is _M.UNKNOWN and not event.informational),
        heard_at=event.occurred_at or belief.heard_at,
        last=place,
    )
    if event.informational:
        return counted
    late = _is_late_announcement(belief, event)
    if not late:
        counted = msgspec.structs.replace(counted, scanned_at=event.occurred_at or belief.scanned_at)
    if _is_echo(belief, event):
        return counted
    if late or event.milestone is _M.UNKNOWN:
        return _with_problem(counted, event) if event.problem else counted
    return _with_problem(_moved(counted, event), event)


def _is_echo(belief: Belief, event: TrackingEvent) -> bool:
    """True for scans that cannot change where the shipment is."""
    if belief.milestone is _M.RETURNED:
        return event.milestone is not _M.RETURNED
    if belief.milestone is not _M.DELIVERED or event.milestone in (_M.DELIVERED, _M.RETURNING, _M.RETURNED):
        return False
    if event.problem is not None and event.problem.category in _STAYS:
        return False
    if event.milestone in _NOT_UNDER_WAY or event.occurred_at is None or belief.delivered_at is None:
        return True
    tried = event.status_detail in _TRIED
    return not tried and event.occurred_at <= belief.delivered_at + _ECHO


def _is_late_announcement(belief: Belief, event: TrackingEvent) -> bool:
    """True for data that a partner carrier, or the sender, sends of a parcel that is under way already."""
    under_way = belief.milestone not in _NOT_UNDER_WAY and belief.milestone is not _M.ENDED
    return under_way and event.milestone in (_M.REGISTERED, _M.ANNOUNCED)


def _moved(belief: Belief, event: TrackingEvent) -> Belief:
    milestone, detail, at = event.milestone, event.status_detail, event.occurred_at
    if belief.milestone is _M.DELIVERED and event.problem is not None and event.problem.category is Category.DAMAGE:
        milestone, detail = _M.DELIVERED, "damaged_on_delivery"
    elif belief.milestone is _M.RETURNING and milestone not in _TERMINAL:
        milestone, detail = _M.RETURNING, (detail if milestone is _M.RETURNING else belief.status_detail)
    elif belief.milestone is _M.RETURNING and milestone is _M.DELIVERED:
        milestone, detail = _M.RETURNED, "arrived_sender"
    taken_back = belief.milestone is _M.DELIVERED and milestone is not _M.DELIVERED
    under_way = milestone not in _NOT_UNDER_WAY and milestone is not _M.ENDED
    is_placed = event.place.city is not None or event.place.country is not None
    return msgspec.structs.replace(
        belief,
        milestone=milestone,
        status_detail=detail,
        since=(belief.since or at) if milestone is belief.milestone else at,
        announced_at=belief.announced_at or (at if milestone is _M.ANNOUNCED else None),
        accepted_at=belief.accepted_at or (at if under_way else None),
        in_transit_at=belief.in_transit_at or (at if under_way and milestone is not _M.ACCEPTED else None),
        out_for_delivery_at=at if milestone is _M.OUT_FOR_DELIVERY else belief.out_for_delivery_at,
        ready_at=(belief.ready_at or at) if milestone is _M.READY_FOR_COLLECTION else None,
        returning_at=belief.returning_at or (at if milestone is _M.RETURNING else None),
        delivered_at=at if milestone is _M.DELIVERED and not belief.delivered_at else _kept(belief, milestone),
        attempts=belief.attempts + _counts_as_attempt(belief, detail),
        city=event.place.city if is_placed else belief.city,
        country=event.place.country if is_placed else belief.country,
        moved_at=at,
        moved_offset=_offset(event),
        contradicted=belief.contradicted or taken_back,
    )


def _offset(event: TrackingEvent) -> int | None:
    """How the wall clock stood where it happened, as its carrier told it."""
    if event.occurred_at is None or event.occurred_local is None:
        return None
    try:
        local = datetime.fromisoformat(event.occurred_local)
    except ValueError:
        return None
    offset = round((local.replace(tzinfo=UTC) - event.occurred_at) / timedelta(minutes=1))
    return offset if abs(offset) <= _FARTHEST_OFFSET else None


def _counts_as_attempt(belief: Belief, detail: str | None) -> bool:
    """Each failed attempt counts once, with the notice that was left at it."""
    return detail == "attempt_failed" or (detail == "notice_left" and belief.status_detail != "attempt_failed")


def _kept(belief: Belief, milestone: Milestone) -> datetime | None:
    return belief.delivered_at if milestone is _M.DELIVERED else None


def _with_problem(belief: Belief, event: TrackingEvent) -> Belief:
    stated = _stated(belief, event)
    if belief.milestone in (_M.RETURNING, _M.RETURNED) and belief.going_back is None:
        belief = msgspec.structs.replace(belief, going_back=_why_it_returns(belief, event, stated))
    if stated is None:
        moved_on = belief.problem is not None and _moves_on(belief.problem, belief, event)
        return msgspec.structs.replace(belief, problem=None) if moved_on else belief
    if stated.category is Category.DAMAGE:
        closed = event.milestone is _M.DELIVERED
        return msgspec.structs.replace(
            belief, damage=belief.damage or stated, problem=None if closed else belief.problem
        )
    same = belief.problem is not None and (belief.problem.category, belief.problem.cause) == (
        stated.category,
        stated.cause,
    )
    return belief if same else msgspec.structs.replace(belief, problem=stated)


def _stated(belief: Belief, event: TrackingEvent) -> Stated | None:
    """The problem that an event states, or is."""
    if event.problem is not None:
        category, cause = event.problem.category, event.problem.cause
        if belief.milestone is _M.DELIVERED and category not in _STAYS:
            return None
    elif event.milestone is _M.ENDED and event.status_detail != "cancelled":
        certain = event.status_detail in ("lost_declared", "destroyed")
        category, cause = Category.LOSS, "declared_lost" if certain else "presumed_lost"
    else:
        return None
    return Stated(
        category=category,
        cause=cause,
        key=event.key,
        since=event.occurred_at,
        offset=_offset(event),
        code=event.code,
        text=event.text,
        action_owner=event.action_owner,
    )


def _why_it_returns(belief: Belief, event: TrackingEvent, stated: Stated | None) -> Stated:
    """A parcel on its way back has a return problem even where the carrier gives no reason."""
    for problem in (stated, belief.problem):
        if problem is not None and problem.category is Category.RETURN:
            return problem
    cause = belief.status_detail if belief.status_detail in _GOING_BACK else None
    return Stated(
        category=Category.RETURN,
        cause=cause or "undeliverable",
        key=event.key,
        since=event.occurred_at,
        code=event.code,
        text=event.text,
    )


def _moves_on(problem: Stated, belief: Belief, event: TrackingEvent) -> bool:
    """Whether an event without a problem of its own ends the one that is open."""
    if belief.milestone in (_M.DELIVERED, _M.RETURNED):
        return True
    if problem.category is Category.RETURN:
        return belief.milestone is not _M.RETURNING
    if event.milestone in _NOT_UNDER_WAY or event.status_detail in _HELD:
        return False
    if problem.category is Category.CUSTOMS and event.milestone is _M.IN_CUSTOMS:
        return event.status_detail in _CLEARED
    if problem.category is Category.DELIVERY_ATTEMPT and event.milestone in (_M.IN_TRANSIT, _M.ACCEPTED):
        return event.status_detail in ("departed_hub", "forwarded", "problem_resolved", "address_corrected")
    return event.milestone is not _M.ENDED and event.status_detail not in _TRIED


__all__ = [
    "Belief",
    "Expectation",
    "Position",
    "Precision",
    "Stated",
    "append",
    "continues",
    "expect",
    "fold",
    "position",
    "variant",
]
