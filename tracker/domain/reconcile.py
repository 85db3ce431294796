"""How findings open, change, cure and reopen the incidents of a shipment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from carriers.vocabulary import Category
from tracker.domain.cause import TABLE, Reach
from tracker.domain.detectors import ON_THE_WAY
from tracker.domain.finding import Finding, Provenance, Signal
from tracker.domain.incident import Incident, State, Step, merge, reopen, resolve
from tracker.domain.severity import Severity
from tracker.domain.thresholds import Thresholds

_GOING_BACK: Final = frozenset({"refused", "unclaimed", "undeliverable"})
_LOST_WITH_THE_GOODS: Final = frozenset({Category.RETURN, Category.DAMAGE})
_FOUND: Final = frozenset(
    {Provenance.CARRIER_STATED, Provenance.INFERRED, Provenance.FEED, Provenance.PREDICTED}
)  # the others are people's words


def family(category: Category, cause: str) -> str:
    """Incidents of one family tell one story: a trouble on the way whose cause changes, a return whose reason does."""
    if category in ON_THE_WAY:
        return "way"
    if category is Category.RETURN and cause in _GOING_BACK:
        return "return"
    return f"{category}.{cause}"


def reconcile(
    incidents: Sequence[Incident],
    findings: Iterable[Finding],
    now: datetime,
    thresholds: Thresholds,
    *,
    silence_cures: bool = True,
) -> list[Step]:
    """Findings against the incidents of a shipment: what opens, changes, comes back or is cured.

    At most one finding speaks for the troubles on the way (detectors.mute), so one that explains an open incident of
    its family changes that incident instead of opening a second. `silence_cures` is False where findings went silent
    because the journey is over: that cures nothing.
    """
    held = list(incidents)
    steps: dict[int, Step] = {}  # by place in `held`: one at the most for each incident
    standing: set[int] = set()
    for finding in findings:
        if finding.warning:
            continue
        at = _index_of(held, finding)
        if at is None:
            held.append(_open(finding, now))
            at = len(held) - 1
            steps[at] = Step(incident=held[at], kind="opened", actor=finding.rule, finding=finding)
        elif (step := _meet(held[at], finding, now)) is not None:
            held[at], steps[at] = step.incident, step
        standing.add(at)
    for at, incident in enumerate(held):
        if at in standing or not incident.state.is_open or not _cures_itself(incident):
            continue
        told = {other for other in standing if other in steps and steps[other].kind != "restated"}
        sequel = next(
            (held[other] for other in sorted(standing) if _goes_on_in(incident, held[other], is_said=other in told)),
            None,
        )
        if sequel is not None:
            steps[at] = _merged(incident, sequel, now)
        elif silence_cures:
            after = timedelta(hours=thresholds.close_after_hours)
            cured = resolve(incident, "cured_by_carrier", now, close_after=after)
            reason = {"reason": "cured_by_carrier"}
            steps[at] = Step(incident=cured, kind="resolved", actor="tracker", detail=reason)
    return list(steps.values())


def _merged(incident: Incident, sequel: Incident, now: datetime) -> Step:
    """It was not cured: its story goes on in another incident."""
    into = {"into": f"{sequel.category}.{sequel.cause}"}
    return Step(incident=merge(incident, sequel.id, now), kind="merged", actor="tracker", detail=into)


def speaks_of(finding: Finding, incident: Incident) -> bool:
    """Whether a finding is about the trouble of this incident."""
    return family(finding.category, finding.cause) == family(incident.category, incident.cause)


def _goes_on_in(incident: Incident, other: Incident, *, is_said: bool) -> bool:
    """Whether a trouble goes on in another: on the way in a loss or return, damage or a return in a loss, and any in a
    better explanation of itself, if the customer hears of that one now (`is_said`) or had not heard of this one."""
    if family(incident.category, incident.cause) == family(other.category, other.cause):
        is_known = incident.told_at is None or (is_said and other.reach is Reach.CUSTOMER)
        return other.state.is_open and is_known and other.provenance.strength >= incident.provenance.strength
    leads_to = {
        Category.LOSS: incident.category in ON_THE_WAY or incident.category in _LOST_WITH_THE_GOODS,
        Category.RETURN: incident.category in ON_THE_WAY,
    }
    return other.signal is Signal.CARRIER_STATED and leads_to.get(other.category, False)


def _index_of(held: Sequence[Incident], finding: Finding) -> int | None:
    """The incident that a finding speaks of: the same cause, else an open one of its family that it explains."""
    for at, incident in enumerate(held):
        if (incident.category, incident.cause) == (finding.category, finding.cause):
            return at
    for at, incident in enumerate(held):
        explains = incident.provenance.strength <= finding.provenance.strength
        if incident.state.is_open and speaks_of(finding, incident) and (explains or not _cures_itself(incident)):
            return at
    return None


def _meet(incident: Incident, finding: Finding, now: datetime) -> Step | None:
    """An incident meets a finding that speaks of it; None when nothing about it changes."""
    if finding.key in incident.handled:
        return None
    same = (incident.category, incident.cause) == (finding.category, finding.cause)
    if same and not incident.state.is_open:
        opened = _restated(reopen(incident, now), finding, now)
        return Step(incident=opened, kind="reopened", actor=finding.rule, finding=finding)
    if finding.provenance.strength < incident.provenance.strength and not _cures_itself(incident):
        return None  # what people reported explains more than what we infer
    if not same:
        return _changed(incident, finding, now)
    if (finding.signal, finding.explanation) == (incident.signal, incident.explanation):
        return None
    restated = _restated(incident, finding, now)
    news = restated.reach is Reach.CUSTOMER and incident.reach is not Reach.CUSTOMER
    return Step(incident=restated, kind="changed" if news else "restated", actor=finding.rule, finding=finding)


def _changed(incident: Incident, finding: Finding, now: datetime) -> Step | None:
    """The same story with another cause. A customer who was told of it is not dropped for a cause that is ours alone."""
    reach = finding.reach or TABLE[finding.category, finding.cause].reach
    if incident.told_at is not None and reach is not Reach.CUSTOMER:
        return None
    was = {"category": incident.category, "cause": incident.cause}
    changed = msgspec.structs.replace(_restated(incident, finding, now), silent_updates=0)
    return Step(incident=changed, kind="changed", actor=finding.rule, detail=was, finding=finding)


def _open(finding: Finding, now: datetime) -> Incident:
    cause = TABLE[finding.category, finding.cause]
    return Incident(
        id=None,
        category=finding.category,
        cause=finding.cause,
        signal=finding.signal,
        provenance=finding.provenance,
        rule=finding.rule,
        rule_version=finding.rule_version,
        explanation=finding.explanation,
        state=State.OPEN,
        severity=Severity.LOW,
        responsible=cause.responsible,
        reach=finding.reach or cause.reach,
        action_owner=finding.action_owner or cause.owner,
        action=cause.action,
        action_until=finding.action_until,
        action_otherwise=cause.otherwise,
        opened_at=now,
        changed_at=now,
        next_moment_at=now,
    )


def _restated(incident: Incident, finding: Finding, now: datetime) -> Incident:
    """The incident as this finding explains it; whoever was told of it stays in the know."""
    fresh = _open(finding, now)
    acts = incident if incident.action_by_staff else fresh
    return msgspec.structs.replace(
        incident,
        category=fresh.category,
        cause=fresh.cause,
        signal=fresh.signal,
        provenance=fresh.provenance,
        rule=fresh.rule,
        rule_version=fresh.rule_version,
        explanation=fresh.explanation,
        responsible=fresh.responsible,
        reach=Reach.CUSTOMER if incident.told_at is not None else fresh.reach,
        action_owner=acts.action_owner,
        action=fresh.action,
        action_until=acts.action_until,
        action_otherwise=fresh.action_otherwise,
        changed_at=now,
        next_moment_at=now,
    )


def _cures_itself(incident: Incident) -> bool:
    """Findings open and cure; what staff or customers reported, people end."""
    return incident.provenance in _FOUND
