"""The carrier says what is wrong: customs, weather, an attempt, an address, damage, loss, a return."""

from __future__ import annotations

from datetime import datetime

from carriers.vocabulary import CAUSES, Category, Milestone
from tracker.domain.cause import TABLE
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal
from tracker.domain.shipment import Belief, Stated

_RULE, _VERSION = "carrier_stated", 1
_LOST = frozenset({"lost_declared", "lost_presumed", "destroyed"})


def detect(facts: Facts, now: datetime) -> Detection:
    """Every problem that the carrier stated and has not taken back."""
    if facts.settled:
        return NOTHING
    belief = facts.belief
    stated = [problem for problem in (belief.problem, belief.damage, _return(facts), _loss(belief)) if problem]
    if belief.milestone is Milestone.DELIVERED:
        stated = [problem for problem in stated if problem.category is Category.DAMAGE]
    distinct = {(problem.category, problem.cause): problem for problem in reversed(stated)}
    return Detection(tuple(_finding(facts, problem) for problem in distinct.values()))


def _return(facts: Facts) -> Stated | None:
    """A parcel on its way back has a return problem even where the carrier gives no reason."""
    belief = facts.belief
    if belief.milestone not in (Milestone.RETURNING, Milestone.RETURNED) or not facts.outbound:
        return None
    if belief.problem is not None and belief.problem.category is Category.RETURN:
        return None
    cause = belief.status_detail if belief.status_detail in CAUSES[Category.RETURN] else "undeliverable"
    return Stated(category=Category.RETURN, cause=cause, key="returning", since=belief.returning_at or belief.since)


def _loss(belief: Belief) -> Stated | None:
    """The end branch without a stated problem: lost and destroyed goods are gone either way."""
    if belief.milestone is not Milestone.ENDED or belief.status_detail not in _LOST or belief.problem is not None:
        return None
    return Stated(category=Category.LOSS, cause="declared_lost", key="ended", since=belief.since)


def _finding(facts: Facts, stated: Stated) -> Finding:
    cause = TABLE[stated.category, stated.cause]
    said = f"«{stated.text}»" if stated.text else f"code {stated.code or stated.key}"
    return Finding(
        key=f"{_RULE}:{stated.category}.{stated.cause}:{stated.key}",
        rule=_RULE,
        rule_version=_VERSION,
        category=stated.category,
        cause=stated.cause,
        signal=Signal.CARRIER_STATED,
        provenance=Provenance.CARRIER_STATED,
        confidence=0.95,
        explanation=f"The carrier says {said}, which means {stated.category}: {stated.cause.replace('_', ' ')}.",
        evidence={"event": stated.key, "code": stated.code, "text": stated.text},
        action_until=facts.lane.after(stated.since, cause.days) if stated.since else None,
        action_owner=stated.action_owner,
    )
