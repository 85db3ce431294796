"""The day that the shop promised has passed, and the parcel is not there."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from carriers.vocabulary import Category, Milestone
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal

_RULE, _VERSION = "missed_promise", 1
_SILENT: Final = frozenset(
    {
        Milestone.DELIVERED,
        Milestone.READY_FOR_COLLECTION,
        Milestone.RETURNING,
        Milestone.RETURNED,
        Milestone.ENDED,
    }
)


def is_silent(facts: Facts) -> bool:
    """Dates mean nothing any more once delivered, waiting for the customer, going back, damaged, refused or over."""
    return facts.settled or facts.belief.milestone in _SILENT or facts.belief.damage is not None


def detect(facts: Facts, now: datetime) -> Detection:
    """Speaks when the promise is broken; a trouble that has just passed gives the parcel some days to arrive first."""
    if facts.promised_at is None or not facts.outbound or is_silent(facts) or facts.promised_at < facts.registered_at:
        return NOTHING
    due_at = facts.after_cure(facts.promised_at)
    if now < due_at:
        return Detection((), due_at)
    finding = Finding(
        key=f"{_RULE}:{facts.promised_at.isoformat()}",
        rule=_RULE,
        rule_version=_VERSION,
        category=Category.DELAY,
        cause="unexplained",
        signal=Signal.MISSED_PROMISE,
        provenance=Provenance.INFERRED,
        confidence=1.0,
        explanation=f"Promised by {facts.promised_at:%Y-%m-%d %H:%M} UTC, and not delivered.",
        evidence={"promised_at": facts.promised_at.isoformat()},
    )
    return Detection((finding,))
