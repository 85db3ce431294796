"""The carrier says what is wrong: customs, weather, an attempt, an address, damage, loss, a return."""

from __future__ import annotations

from datetime import datetime

from carriers.vocabulary import Category, Milestone
from tracker.domain.cause import TABLE
from tracker.domain.finding import NOTHING, Detection, Facts, Finding, Provenance, Signal
from tracker.domain.shipment import Stated

# Whoever the carrier points at: lost, damaged and returned goods only the shop can make good.
_GOODS = frozenset({Category.DAMAGE, Category.LOSS, Category.RETURN})
_RULE, _VERSION = "carrier_stated", 2
_ON_THE_WAY_BACK = frozenset({Milestone.RETURNING, Milestone.RETURNED})


def detect(facts: Facts, now: datetime) -> Detection:
    """Every problem that the carrier stated and has not taken back."""
    if facts.settled:
        return NOTHING
    distinct = {(problem.category, problem.cause): problem for problem in _stated(facts)}
    return Detection(tuple(_finding(facts, problem) for problem in distinct.values()))


def _stated(facts: Facts) -> list[Stated]:
    """The reason of a return speaks for as long as the parcel goes back and until the shop has made it good."""
    belief = facts.belief
    stated = [problem for problem in (belief.problem, belief.damage) if problem is not None]
    if belief.milestone not in _ON_THE_WAY_BACK:
        return stated
    stated = [problem for problem in stated if problem.category is not Category.RETURN]
    return stated + ([belief.going_back] if belief.going_back is not None and facts.outbound else [])


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
        action_owner=None if stated.category in _GOODS else stated.action_owner,
    )
