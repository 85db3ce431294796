"""When to ask a carrier again: by where the parcel is and how near its date is (standards, adaptive polling)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from carriers.vocabulary import Milestone
from tracker.domain.calendar import zone_of
from tracker.domain.finding import Facts

_H = 3600.0
_DAY = 24 * _H
_NOT_FOUND: Final = (*(1 * _H,) * 6, *(6 * _H,) * 4, *(_DAY,) * 7)
_QUIET: Final = ((60 * _DAY, 7 * _DAY), (30 * _DAY, _DAY), (10 * _DAY, 12 * _H))  # silence → at least this far apart
_RETIRED: Final = timedelta(days=120)
_INTERVAL: Final[dict[Milestone, float]] = {
    Milestone.REGISTERED: 4 * _H,
    Milestone.ANNOUNCED: 4 * _H,
    Milestone.ACCEPTED: 2 * _H,
    Milestone.IN_TRANSIT: 2 * _H,
    Milestone.IN_CUSTOMS: 4 * _H,
    Milestone.OUT_FOR_DELIVERY: 1200.0,
    Milestone.READY_FOR_COLLECTION: 12 * _H,
    Milestone.RETURNING: 6 * _H,
}


def next_poll(facts: Facts, now: datetime, *, draw: float, incident_open: bool, not_found: int) -> datetime | None:
    """The next time to ask, None when there is nothing left to learn. `draw` in [0, 1) spreads the calls by ±15 %."""
    belief = facts.belief
    if belief.milestone is Milestone.DELIVERED and belief.delivered_at is not None:
        return _after_delivery(facts, belief.delivered_at, now)
    if facts.settled or belief.milestone in (Milestone.RETURNED, Milestone.DELIVERED):
        return None
    if not_found > len(_NOT_FOUND):
        return None
    quiet = now - (belief.heard_at or facts.registered_at)
    if quiet > _RETIRED:
        return None
    seconds = _NOT_FOUND[not_found - 1] if not_found else _seconds(facts, now, incident_open=incident_open)
    for silence, at_least in _QUIET:
        if quiet.total_seconds() >= silence:
            seconds = max(seconds, at_least)
            break
    return now + timedelta(seconds=seconds * (0.85 + 0.3 * draw))


def _seconds(facts: Facts, now: datetime, *, incident_open: bool) -> float:
    belief = facts.belief
    hour = now.astimezone(zone_of(facts.lane.zone)).hour
    if belief.milestone is Milestone.OUT_FOR_DELIVERY:
        if belief.status_detail in ("attempt_failed", "notice_left"):
            return 2 * _H
        return _INTERVAL[belief.milestone] if 7 <= hour < 21 else 2 * _H
    seconds = _INTERVAL.get(belief.milestone, 12 * _H)
    if belief.milestone is Milestone.IN_TRANSIT:
        if belief.status_detail == "at_delivery_depot":
            return 2700.0
        if facts.international or not 6 <= hour < 22:
            seconds = 6 * _H
    expected = facts.expectation.latest or facts.promised_at
    near = expected is not None and abs(expected - now) < timedelta(hours=24)
    if belief.open_problem is not None or incident_open:
        seconds = min(seconds, 2 * _H)
    return seconds / 2 if near else seconds


def _after_delivery(facts: Facts, delivered_at: datetime, now: datetime) -> datetime | None:
    """A few more looks after delivery, in case the carrier takes it back; then no more."""
    for days in facts.thresholds.polling_after_delivery_days:
        at = delivered_at + timedelta(days=days)
        if at > now:
            return at
    return None
