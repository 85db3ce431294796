"""One word for how a shipment is doing, derived from everything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from carriers.vocabulary import Category, Milestone
from tracker.domain.finding import Detection, Signal
from tracker.domain.incident import Incident
from tracker.domain.shipment import Belief


def health(
    belief: Belief, detection: Detection, held: Sequence[Incident], promised_at: datetime | None, now: datetime
) -> str:
    """One of on_track, at_risk, late, held, stalled, failed, unknown."""
    found = [finding for finding in detection.findings if not finding.warning]
    spoiled = any(finding.category in (Category.DAMAGE, Category.LOSS) for finding in found)
    if belief.milestone in (Milestone.DELIVERED, Milestone.RETURNED):
        return "failed" if spoiled else "on_track"
    if spoiled or belief.milestone is Milestone.ENDED or belief.status_detail in ("attempt_failed", "notice_left"):
        return "failed"
    if any(finding.category is Category.CUSTOMS or finding.cause == "return_stalled" for finding in found):
        return "held"
    if any(finding.signal is Signal.STALLED for finding in found):
        return "stalled"
    if any(finding.category is Category.RETURN for finding in found):
        return "failed"
    late = promised_at is not None and now >= promised_at
    if late or found or any(incident.state.is_open for incident in held):
        return "late"
    if detection.findings:
        return "at_risk"
    return "unknown" if belief.milestone is Milestone.REGISTERED else "on_track"
