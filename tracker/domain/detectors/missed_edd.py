"""The carrier's own estimated day has passed, and the parcel is not there."""

from __future__ import annotations

from datetime import datetime

from carriers.vocabulary import Category
from tracker.domain.calendar import end_of_day, zone_of
from tracker.domain.detectors.missed_promise import is_silent
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal

_RULE, _VERSION = "missed_edd", 1


def detect(facts: Facts, now: datetime) -> Detection:
    """Speaks when the day of the current estimate is over at the destination."""
    latest = facts.expectation.latest
    if latest is None or is_silent(facts):
        return NOTHING
    zone = facts.lane.zone
    over_at = end_of_day(latest.astimezone(zone_of(zone)).date(), zone)
    due_at = facts.after_cure(over_at)
    if now < due_at:
        return Detection((), due_at)
    finding = Finding(
        key=f"{_RULE}:{over_at.isoformat()}",
        rule=_RULE,
        rule_version=_VERSION,
        category=Category.DELAY,
        cause="unexplained",
        signal=Signal.MISSED_EDD,
        provenance=Provenance.INFERRED,
        confidence=0.8,
        explanation=f"The carrier expected delivery by {latest:%Y-%m-%d %H:%M} UTC; that day is over.",
        evidence={"estimate": latest.isoformat(), "revisions": facts.expectation.revisions},
    )
    return Detection((finding,))
