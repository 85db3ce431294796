"""No news for too long between two scans, in the carrier's hands."""

from __future__ import annotations

from datetime import datetime

from carriers.vocabulary import Category, Milestone
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal

_RULE, _VERSION = "stalled", 2
_MOVING = frozenset({Milestone.ACCEPTED, Milestone.IN_TRANSIT, Milestone.OUT_FOR_DELIVERY})


def detect(facts: Facts, now: datetime) -> Detection:
    """Silence of more than 3 working days at home or 5 abroad (settings), on the lane's calendar."""
    belief = facts.belief
    if facts.settled or not (belief.milestone in _MOVING or belief.is_released):
        return NOTHING
    limits = facts.thresholds
    days = limits.stalled_international_days if facts.international else limits.stalled_domestic_days
    scanned_at = belief.scanned_at or facts.registered_at  # a carrier that gives no times is silent all the same
    since = max(scanned_at, facts.registered_at)
    due_at = facts.lane.after(since, days)
    if now < due_at:
        return Detection((), due_at)
    finding = Finding(
        key=f"{_RULE}:{since.isoformat()}",
        rule=_RULE,
        rule_version=_VERSION,
        category=Category.DELAY,
        cause="unexplained",
        signal=Signal.STALLED,
        provenance=Provenance.INFERRED,
        confidence=0.7,
        explanation=f"The last scan was at {scanned_at:%Y-%m-%d %H:%M} UTC; {days:g} working days without another.",
        evidence={"scanned_at": scanned_at.isoformat(), "threshold_days": days, "due_at": due_at.isoformat()},
    )
    return Detection((finding,))
