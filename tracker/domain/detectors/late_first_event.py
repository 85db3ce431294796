"""Announced, and then nothing: the carrier has data of the parcel, or not even that, and nobody has seen it."""

from __future__ import annotations

from datetime import datetime

from carriers.vocabulary import Category, Milestone
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal

_RULE, _VERSION = "late_first_event", 1
_WAITING = frozenset({Milestone.REGISTERED, Milestone.ANNOUNCED})


def detect(facts: Facts, now: datetime) -> Detection:
    """Warns after `first_event_warning_days`, and is an incident after `first_event_days`, on the origin's calendar."""
    belief, limits = facts.belief, facts.thresholds
    if facts.settled or belief.milestone not in _WAITING or belief.accepted_at is not None:
        return NOTHING
    since = max(filter(None, (belief.announced_at, facts.registered_at)))
    warn_at = facts.origin.after(since, limits.first_event_warning_days)
    due_at = facts.origin.after(since, limits.first_event_days)
    if now < warn_at:
        return Detection((), warn_at)
    warning = now < due_at
    days = limits.first_event_warning_days if warning else limits.first_event_days
    finding = Finding(
        key=f"{_RULE}:{since.isoformat()}:{'warning' if warning else 'incident'}",
        rule=_RULE,
        rule_version=_VERSION,
        category=Category.DELAY,
        cause="unexplained",
        signal=Signal.LATE_FIRST_EVENT,
        provenance=Provenance.INFERRED,
        confidence=0.6 if warning else 0.8,
        explanation=f"Announced at {since:%Y-%m-%d %H:%M} UTC, and no scan within {days:g} working days.",
        evidence={"announced_at": since.isoformat(), "threshold_days": days},
        action_owner="shop",
        warning=warning,
    )
    return Detection((finding,), due_at if warning else None)
