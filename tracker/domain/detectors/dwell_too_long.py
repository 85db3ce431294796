"""Waiting too long in one place: in customs, at the collection point, on the way back."""

from __future__ import annotations

from datetime import datetime, timedelta

from carriers.vocabulary import Category, Milestone
from tracker.domain.cause import Reach
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal

_RULE, _VERSION = "dwell_too_long", 1


def detect(facts: Facts, now: datetime) -> Detection:
    """Each place has its own clock; a customs dwell counts with and without a hold code."""
    belief = facts.belief
    if facts.settled:
        return NOTHING
    if belief.milestone is Milestone.IN_CUSTOMS and belief.since is not None:
        return _in_customs(facts, belief.since, now)
    if belief.milestone is Milestone.READY_FOR_COLLECTION and belief.ready_at is not None:
        return _at_collection_point(facts, belief.ready_at, now)
    if belief.milestone is Milestone.RETURNING and belief.returning_at is not None:
        return _on_the_way_back(facts, belief.returning_at, now)
    return NOTHING


def _in_customs(facts: Facts, since: datetime, now: datetime) -> Detection:
    days = facts.thresholds.customs_dwell_days
    due_at = facts.lane.after(max(since, facts.registered_at), days)
    return _when(
        facts, now, due_at, since, Category.CUSTOMS, "customs_backlog", f"In customs for {days:g} working days.", 0.7
    )


def _on_the_way_back(facts: Facts, since: datetime, now: datetime) -> Detection:
    days = facts.thresholds.return_dwell_days
    due_at = facts.lane.after(max(since, facts.registered_at), days)
    said = f"On the way back for {days:g} working days."
    return _when(facts, now, due_at, since, Category.RETURN, "return_stalled", said, 0.7)


def _at_collection_point(facts: Facts, since: datetime, now: datetime) -> Detection:
    """A reminder (a warning that staff see and the customer gets) at half of the holding time, an incident at 80 %."""
    limits = facts.thresholds
    holding = timedelta(days=limits.collection_calendar_days)
    remind_at, due_at = since + holding * limits.collection_reminder, since + holding * limits.collection_incident
    if now < remind_at:
        return Detection((), remind_at)
    said = (
        f"Waiting for collection since {since:%Y-%m-%d}; it goes back after {limits.collection_calendar_days:g} days."
    )
    if now < due_at:
        warned = _when(facts, now, remind_at, since, Category.RETURN, "unclaimed", said, 0.5, warning=True)
        return Detection(warned.findings, due_at)
    return _when(facts, now, due_at, since, Category.RETURN, "unclaimed", said, 0.8, reach=Reach.STAFF)


def _when(
    facts: Facts,
    now: datetime,
    due_at: datetime,
    since: datetime,
    category: Category,
    cause: str,
    explanation: str,
    confidence: float,
    *,
    warning: bool = False,
    reach: Reach | None = None,
) -> Detection:
    if now < due_at:
        return Detection((), due_at)
    finding = Finding(
        key=f"{_RULE}:{category}.{cause}:{since.isoformat()}:{'warning' if warning else 'incident'}",
        rule=_RULE,
        rule_version=_VERSION,
        category=category,
        cause=cause,
        signal=Signal.DWELL_TOO_LONG,
        provenance=Provenance.INFERRED,
        confidence=confidence,
        explanation=explanation,
        evidence={"since": since.isoformat(), "due_at": due_at.isoformat()},
        action_until=since + timedelta(days=facts.thresholds.collection_calendar_days)
        if cause == "unclaimed"
        else None,
        warning=warning,
        reach=reach,
    )
    return Detection((finding,))
