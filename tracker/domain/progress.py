"""What a customer is told of a parcel's progress: each milestone once, nothing that is long past, and corrections."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any, Final

from carriers.vocabulary import Milestone
from notifications.contract import Kind, Notice
from tracker.domain.calendar import zone_of
from tracker.domain.incident import Incident
from tracker.domain.saying import About, How, Sayer
from tracker.domain.shipment import Belief

_M = Milestone
_IMPORTED: Final = timedelta(days=1)  # what happened longer before registration is history, not news
_STALE: Final = timedelta(days=3)
_SETTLE: Final = timedelta(minutes=10)  # bursts and corrections settle before a progress notice goes out
_DAY_ENDS: Final = time(21)
_REMINDER: Final = "collection_reminder"


def progress(say: Sayer, before: Belief, closed: Incident | None) -> list[Notice]:
    """The notices of the parcel's way; `closed` is an incident that the customer was told of and that has just ended."""
    return [*_correction(say, before), *_milestones(say, closed), *_reminder(say)]


def milestones_reached(belief: Belief) -> dict[Kind, datetime]:
    """The milestones that a customer is told of, with the instant of each that has been reached."""
    reached = {
        Kind.SHIPPED: belief.accepted_at,
        Kind.OUT_FOR_DELIVERY: belief.out_for_delivery_at if belief.milestone is _M.OUT_FOR_DELIVERY else None,
        Kind.READY_FOR_COLLECTION: belief.ready_at,
        Kind.DELIVERED: belief.delivered_at,
    }
    return {kind: at for kind, at in reached.items() if at is not None}


def announced(about: About, belief: Belief, now: datetime) -> tuple[str, ...]:
    """What the customer was told, or need not be told any more; a delivery taken back may be told again."""
    told = {*about.announced, *(kind.value for kind in milestones_reached(belief))}
    if _is_due_for_collection(about, belief, now):
        told.add(_REMINDER)
    if belief.delivered_at is None:
        told.discard(Kind.DELIVERED.value)
    return tuple(sorted(told))


def _correction(say: Sayer, before: Belief) -> Iterator[Notice]:
    """A delivery that we told, and that later scans took back; goods that go back are the return's story."""
    about, belief, said_at = say.about, say.belief, before.delivered_at
    if said_at is None or belief.delivered_at is not None or Kind.DELIVERED not in about.announced:
        return
    if belief.milestone in (_M.RETURNING, _M.RETURNED) or _is_history(about, said_at):
        return
    yield say(
        Kind.CORRECTION,
        "progress",
        f"correction:delivered:{said_at.isoformat()}:{say.now:%Y-%m-%d}",
        because={"rule": "delivery_withdrawn"},
        said=Kind.DELIVERED.value,
        happened_at=said_at,
    )


def _is_history(about: About, at: datetime) -> bool:
    return at < about.registered_at - _IMPORTED


def _milestones(say: Sayer, closed: Incident | None) -> Iterator[Notice]:
    about, belief = say.about, say.belief
    for kind, at in milestones_reached(belief).items():
        if kind in about.announced or not _is_news(say, kind, at, closed):
            continue
        yield say(
            kind,
            "progress",
            f"{kind}:{at.isoformat()}:{say.now:%Y-%m-%d}" if kind is Kind.DELIVERED else kind.value,
            because=_because(belief),
            how=_how(about, kind, at),
            happened_at=at,
            delivered_to=belief.status_detail if kind is Kind.DELIVERED else None,
            cause=f"{closed.category}.{closed.cause}" if closed and kind is Kind.DELIVERED else None,
            collection_until=_goes_back_at(about, at) if kind is Kind.READY_FOR_COLLECTION else None,
        )


def _is_news(say: Sayer, kind: Kind, at: datetime, closed: Incident | None) -> bool:
    """Nothing is said of what is long past or overtaken; but whoever was told of a trouble hears of its end."""
    about, belief, now = say.about, say.belief, say.now
    if kind is Kind.DELIVERED and closed is not None:
        return True
    if _is_history(about, at) or now - at > _STALE:
        return False
    if kind is Kind.SHIPPED:  # a trouble that we hear of at the same time is told instead
        return belief.open_problem is None and belief.milestone in (_M.ACCEPTED, _M.IN_TRANSIT, _M.IN_CUSTOMS)
    if kind is Kind.OUT_FOR_DELIVERY:
        tried = belief.status_detail in ("attempt_failed", "notice_left")
        return not tried and now < _end_of_round(at, about.zone)
    return True


def _how(about: About, kind: Kind, at: datetime) -> How:
    if kind is Kind.READY_FOR_COLLECTION:
        return How(urgent=True)
    return How(hold=_SETTLE, valid_until=_end_of_round(at, about.zone) if kind is Kind.OUT_FOR_DELIVERY else None)


def _reminder(say: Sayer) -> Iterator[Notice]:
    """Half of the time in which it can be collected is gone."""
    about, belief = say.about, say.belief
    if belief.ready_at is None or _REMINDER in about.announced or not _is_due_for_collection(about, belief, say.now):
        return
    ends = _goes_back_at(about, belief.ready_at)
    if say.now >= ends:
        return
    yield say(
        Kind.READY_FOR_COLLECTION,
        "progress",
        f"{_REMINDER}:{belief.ready_at.isoformat()}",
        because=_because(belief),
        how=How(urgent=True, valid_until=ends),
        happened_at=belief.ready_at,
        collection_until=ends,
    )


def _is_due_for_collection(about: About, belief: Belief, now: datetime) -> bool:
    if belief.ready_at is None:
        return False
    return now >= belief.ready_at + timedelta(days=about.collection_days) * about.collection_reminder


def _goes_back_at(about: About, ready_at: datetime) -> datetime:
    return ready_at + timedelta(days=about.collection_days)


def _because(belief: Belief) -> dict[str, Any]:
    return {"milestone": belief.milestone.value, "event": belief.last.key if belief.last else None}


def _end_of_round(at: datetime, zone: str) -> datetime:
    """Couriers are home by nine in the evening: after that the news is stale."""
    local = at.astimezone(zone_of(zone))
    return datetime.combine(local.date(), _DAY_ENDS, local.tzinfo).astimezone(at.tzinfo)
