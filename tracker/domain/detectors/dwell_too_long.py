"""Waiting too long in one place: in customs, at the collection point, on the way back, with the shop."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from carriers.vocabulary import Category, Milestone
from tracker.domain.cause import Reach
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal

_RULE, _VERSION = "dwell_too_long", 2


class _Wait(msgspec.Struct, frozen=True, kw_only=True):
    """A wait with the moment at which it is too long."""

    due_at: datetime
    since: datetime
    category: Category
    cause: str
    said: str
    confidence: float = 0.7
    until: datetime | None = None
    warning: bool = False
    reach: Reach | None = None


def detect(facts: Facts, now: datetime) -> Detection:
    """Each place has its own clock; a customs dwell counts with and without a hold code."""
    belief = facts.belief
    if facts.settled:
        return NOTHING
    if belief.milestone is Milestone.IN_CUSTOMS and not belief.is_released:
        return _in_customs(facts, _known(facts, belief.since), now)
    if belief.milestone is Milestone.READY_FOR_COLLECTION:
        return _at_collection_point(facts, _known(facts, belief.ready_at), now)
    if belief.milestone is Milestone.RETURNING:
        return _on_the_way_back(facts, _known(facts, belief.returning_at), now)
    if belief.milestone is Milestone.DELIVERED and not facts.outbound:
        return _with_the_shop(facts, _known(facts, belief.delivered_at), now)
    return NOTHING


def _known(facts: Facts, since: datetime | None) -> datetime:
    """Scans without a time do not stop the clock: it runs from the last one that had one, or from registration."""
    return since or facts.belief.heard_at or facts.registered_at


def _in_customs(facts: Facts, since: datetime, now: datetime) -> Detection:
    days = facts.thresholds.customs_dwell_days
    wait = _Wait(
        due_at=facts.after_cure(facts.lane.after(max(since, facts.registered_at), days)),
        since=since,
        category=Category.CUSTOMS,
        cause="customs_backlog",
        said=f"In customs for {days:g} working days.",
    )
    return _judge(wait, now)


def _on_the_way_back(facts: Facts, since: datetime, now: datetime) -> Detection:
    days = facts.thresholds.return_dwell_days
    wait = _Wait(
        due_at=facts.lane.after(max(since, facts.registered_at), days),
        since=since,
        category=Category.RETURN,
        cause="return_stalled",
        said=f"On the way back for {days:g} working days.",
        reach=Reach.STAFF if facts.outbound else None,  # the customer has been told of the return, in its own words
    )
    return _judge(wait, now)


def _with_the_shop(facts: Facts, since: datetime, now: datetime) -> Detection:
    """The customer's goods are back, and nobody has confirmed how the return ends."""
    days = facts.thresholds.settle_return_days
    wait = _Wait(
        due_at=facts.lane.after(max(since, facts.registered_at), days),
        since=since,
        category=Category.RETURN,
        cause="refund_due_late",
        said=f"The return arrived {days:g} working days ago and is not settled.",
        confidence=1.0,
        reach=Reach.STAFF,
    )
    return _judge(wait, now)


def _at_collection_point(facts: Facts, since: datetime, now: datetime) -> Detection:
    """A warning at half of the holding time, an incident for the shop at 80 %."""
    limits = facts.thresholds
    holding = timedelta(days=limits.collection_calendar_days)
    goes_back_at = since + holding
    days = f"{limits.collection_calendar_days:g}"
    warning = _Wait(
        due_at=since + holding * limits.collection_reminder,
        since=since,
        category=Category.RETURN,
        cause="unclaimed",
        said=f"Waiting for collection since {since:%Y-%m-%d}; it goes back after {days} days.",
        confidence=0.5,
        until=goes_back_at,
        warning=True,
    )
    incident = msgspec.structs.replace(
        warning,
        due_at=since + holding * limits.collection_incident,
        confidence=0.8,
        warning=False,
        reach=Reach.STAFF,
    )
    if now >= incident.due_at:
        return _judge(incident, now)
    warned = _judge(warning, now)
    return msgspec.structs.replace(warned, look_again_at=warned.look_again_at or incident.due_at)


def _judge(wait: _Wait, now: datetime) -> Detection:
    if now < wait.due_at:
        return Detection((), wait.due_at)
    kind = "warning" if wait.warning else "incident"
    finding = Finding(
        key=f"{_RULE}:{wait.category}.{wait.cause}:{wait.since.isoformat()}:{kind}",
        rule=_RULE,
        rule_version=_VERSION,
        category=wait.category,
        cause=wait.cause,
        signal=Signal.DWELL_TOO_LONG,
        provenance=Provenance.INFERRED,
        confidence=wait.confidence,
        explanation=wait.said,
        evidence={"since": wait.since.isoformat(), "due_at": wait.due_at.isoformat()},
        action_until=wait.until,
        warning=wait.warning,
        reach=wait.reach,
    )
    return Detection((finding,))
