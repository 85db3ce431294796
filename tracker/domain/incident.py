"""An incident's life as one table, and how findings open, change, cure and reopen incidents.

    open → acknowledged → in_progress ⇄ waiting → stable → resolved → closed

Any open state may go straight to resolved (cured) or merged. A closed incident is watched: the same cause on the
same shipment reopens it, because a second incident would tear its story in two. Every open incident has a next
moment; the database refuses one without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from carriers.vocabulary import Category
from tracker.domain.calendar import zone_of
from tracker.domain.cause import TABLE, Reach
from tracker.domain.detectors import ON_THE_WAY
from tracker.domain.errors import RuleRefused
from tracker.domain.finding import Finding, Provenance, Signal
from tracker.domain.severity import Severity
from tracker.domain.thresholds import Thresholds


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    STABLE = "stable"
    RESOLVED = "resolved"
    CLOSED = "closed"
    MERGED = "merged"

    @property
    def is_open(self) -> bool:
        """Still being worked: not resolved, closed or merged."""
        return self not in (State.RESOLVED, State.CLOSED, State.MERGED)


class Command(StrEnum):
    """What somebody, or the clock, may do to an incident."""

    ACKNOWLEDGE = "acknowledge"
    START = "start"
    WAIT = "wait"
    STABILISE = "stabilise"
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"
    MERGE = "merge"


_S, _C = State, Command
_END: Final = {_C.RESOLVE: _S.RESOLVED, _C.MERGE: _S.MERGED}

LIFE: Final[dict[State, dict[Command, State]]] = {
    _S.OPEN: {_C.ACKNOWLEDGE: _S.ACKNOWLEDGED, _C.START: _S.IN_PROGRESS, **_END},
    _S.ACKNOWLEDGED: {_C.START: _S.IN_PROGRESS, _C.WAIT: _S.WAITING, **_END},
    _S.IN_PROGRESS: {_C.WAIT: _S.WAITING, _C.STABILISE: _S.STABLE, **_END},
    _S.WAITING: {_C.START: _S.IN_PROGRESS, _C.STABILISE: _S.STABLE, **_END},
    _S.STABLE: {_C.START: _S.IN_PROGRESS, **_END},
    _S.RESOLVED: {_C.CLOSE: _S.CLOSED, _C.REOPEN: _S.OPEN},
    _S.CLOSED: {_C.REOPEN: _S.OPEN},
    _S.MERGED: {_C.REOPEN: _S.OPEN},
}

CLOSING_REASONS: Final = frozenset(
    "cured_by_carrier cured_by_customer cured_by_shop reshipped refunded returned_and_settled claim_paid claim_refused"
    " false_positive duplicate merged insufficient_information".split()
)

UPDATE_MARGIN: Final = timedelta(hours=1)  # a promised update is written this long before it is due, so that it arrives
_REVIEW: Final = timedelta(hours=24)
_OUR_OWN: Final = frozenset(
    {Category.LOSS, Category.RETURN, Category.DAMAGE}
)  # the goods: only the shop makes them good


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One case about one shipment. `id` is None until the store has given it one."""

    id: int | None
    category: Category
    cause: str
    signal: Signal
    provenance: Provenance
    rule: str
    rule_version: int
    explanation: str
    state: State
    severity: Severity
    responsible: str
    reach: Reach
    action_owner: str
    action: str
    action_until: datetime | None
    action_otherwise: str
    opened_at: datetime
    changed_at: datetime
    told_at: datetime | None = None
    promised_update_at: datetime | None = None
    silent_updates: int = 0
    next_moment_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    closing_reason: str | None = None
    reopened: int = 0
    merged_into: int | None = None
    handled: tuple[str, ...] = ()
    version: int = 0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an incident: its new value, the word for the timeline, and who did it.

    `finding` is what the incident now stands on, where that changed.
    """

    incident: Incident
    kind: str  # opened, changed, restated, reopened, resolved, merged, closed, no_news, reviewed, or a Command
    actor: str
    detail: dict[str, Any] = {}
    finding: Finding | None = None


def apply(incident: Incident, command: Command, now: datetime) -> Incident:
    """The incident after a command. Raises RuleRefused naming what is allowed instead."""
    allowed = LIFE[incident.state]
    if command not in allowed:
        known = ", ".join(allowed) or "nothing"
        raise RuleRefused(f"an incident that is {incident.state} cannot {command}; it can: {known}")
    return msgspec.structs.replace(
        incident, state=allowed[command], changed_at=now, next_moment_at=None if allowed[command] is _S.MERGED else now
    )


def resolve(incident: Incident, reason: str, now: datetime, *, close_after: timedelta) -> Incident:
    """Harm and cause are gone. It closes by itself later, and is watched until then. Raises RuleRefused."""
    if reason not in CLOSING_REASONS - {"merged"}:
        raise RuleRefused(f"{reason!r} is no closing reason; one of {', '.join(sorted(CLOSING_REASONS - {'merged'}))}")
    return msgspec.structs.replace(
        apply(incident, Command.RESOLVE, now),
        resolved_at=now,
        closing_reason=reason,
        promised_update_at=None,
        next_moment_at=now + close_after,
    )


def reconcile(
    incidents: Sequence[Incident], findings: Iterable[Finding], now: datetime, thresholds: Thresholds
) -> list[Step]:
    """Findings against the incidents of a shipment: what opens, changes, comes back or is cured.

    At most one finding speaks for the troubles on the way (detectors.mute), so a stronger one that explains an open
    weaker incident changes that incident instead of opening a second.
    """
    steps: list[Step] = []
    held = list(incidents)
    standing: set[int] = set()
    for finding in findings:
        if finding.warning:
            continue
        at = _index_of(held, finding)
        if at is None:
            held.append(_open(finding, now))
            standing.add(len(held) - 1)
            steps.append(Step(incident=held[-1], kind="opened", actor=finding.rule, finding=finding))
            continue
        standing.add(at)
        step = _meet(held[at], finding, now)
        if step is not None:
            held[at] = step.incident
            steps.append(step)
    for at, incident in enumerate(held):
        if at in standing or not incident.state.is_open or not _cures_itself(incident):
            continue
        sequel = next((held[other] for other in standing if _goes_on_in(incident, held[other])), None)
        if sequel is not None:
            steps.append(_merged(incident, sequel, now))
        else:
            cured = resolve(
                incident, "cured_by_carrier", now, close_after=timedelta(hours=thresholds.close_after_hours)
            )
            steps.append(Step(incident=cured, kind="resolved", actor="tracker", detail={"reason": "cured_by_carrier"}))
    return steps


def _goes_on_in(incident: Incident, other: Incident) -> bool:
    """A trouble on the way goes on in the loss or return that it led to, and in a better explanation of itself."""
    if incident.category not in ON_THE_WAY:
        return False
    explained = other.category in ON_THE_WAY and other.provenance.strength > incident.provenance.strength
    return other.category in _OUR_OWN or explained


def _merged(incident: Incident, sequel: Incident, now: datetime) -> Step:
    """It was not cured: its story goes on in another incident."""
    merged = msgspec.structs.replace(
        apply(incident, Command.MERGE, now),
        closed_at=now,
        closing_reason="merged",
        merged_into=sequel.id,
        promised_update_at=None,
    )
    return Step(incident=merged, kind="merged", actor="tracker", detail={"into": f"{sequel.category}.{sequel.cause}"})


def _index_of(held: Sequence[Incident], finding: Finding) -> int | None:
    """The incident that a finding speaks of: the same cause, else an open weaker one that it explains."""
    for at, incident in enumerate(held):
        if (incident.category, incident.cause) == (finding.category, finding.cause):
            return at
    for at, incident in enumerate(held):
        explains = incident.category in ON_THE_WAY and finding.category in ON_THE_WAY
        weaker = incident.provenance.strength < finding.provenance.strength
        if incident.state.is_open and explains and (weaker or not _cures_itself(incident)):
            return at
    return None


def _meet(incident: Incident, finding: Finding, now: datetime) -> Step | None:
    """An incident meets a finding that speaks of it; None when nothing about it changes."""
    if finding.key in incident.handled:
        return None
    if (incident.category, incident.cause) != (finding.category, finding.cause):
        if finding.provenance.strength <= incident.provenance.strength:
            return None  # what people reported explains more than what we infer
        was = {"category": incident.category, "cause": incident.cause}
        return Step(
            incident=_restated(incident, finding, now), kind="changed", actor=finding.rule, detail=was, finding=finding
        )
    if not incident.state.is_open:
        opened = msgspec.structs.replace(
            _restated(apply(incident, Command.REOPEN, now), finding, now),
            reopened=incident.reopened + 1,
            resolved_at=None,
            closed_at=None,
            closing_reason=None,
            merged_into=None,
            told_at=None,
            silent_updates=0,
        )
        return Step(incident=opened, kind="reopened", actor=finding.rule, finding=finding)
    if finding.provenance.strength > incident.provenance.strength or finding.signal is not incident.signal:
        restated = _restated(incident, finding, now)
        news = restated.reach is Reach.CUSTOMER and incident.reach is not Reach.CUSTOMER
        return Step(incident=restated, kind="changed" if news else "restated", actor=finding.rule, finding=finding)
    return None


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
        state=_S.OPEN,
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
    fresh = _open(finding, now)
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
        reach=fresh.reach,
        action_owner=fresh.action_owner,
        action=fresh.action,
        action_until=fresh.action_until,
        action_otherwise=fresh.action_otherwise,
        changed_at=now,
        next_moment_at=now,
    )


def _cures_itself(incident: Incident) -> bool:
    """Findings open and cure; what staff or customers reported, people end. Lost and damaged goods the shop makes good."""
    found = incident.provenance in (
        Provenance.CARRIER_STATED,
        Provenance.INFERRED,
        Provenance.FEED,
        Provenance.PREDICTED,
    )
    return found and incident.category not in _OUR_OWN or incident.signal is Signal.DWELL_TOO_LONG


def update_cadence(incident: Incident, thresholds: Thresholds) -> timedelta:
    """How long a customer waits for our next word at the most; customs, once explained, takes its time."""
    if incident.category is Category.CUSTOMS and incident.silent_updates:
        return timedelta(hours=thresholds.update_hours_customs_explained)
    hours = {
        Severity.CRITICAL: thresholds.update_hours_high,
        Severity.HIGH: thresholds.update_hours_high,
        Severity.MEDIUM: thresholds.update_hours_medium,
        Severity.LOW: thresholds.update_hours_low,
    }[incident.severity]
    return timedelta(hours=hours)


def promise_of_next_update(now: datetime, within: timedelta, zone: str) -> datetime:
    """A time that we can name and keep: 12:00 or 18:00 where the customer is, `within` from now at the latest."""
    local = (now + within).astimezone(zone_of(zone))
    named = [
        datetime.combine(local.date() - timedelta(days=back), time(hour), local.tzinfo)
        for back in (0, 1)
        for hour in (18, 12)
    ]
    fitting = [moment for moment in named if now + timedelta(hours=4) <= moment <= local]
    return max(fitting, default=local).astimezone(now.tzinfo)


def next_moment(incident: Incident, now: datetime) -> datetime | None:
    """When the clock must look at this incident again; None once it is closed or merged."""
    if incident.state in (_S.CLOSED, _S.MERGED):
        return None
    if incident.state is _S.RESOLVED:
        return incident.next_moment_at
    if incident.promised_update_at is not None:
        return incident.promised_update_at - UPDATE_MARGIN
    if incident.action_until is not None and incident.action_until > now:
        return incident.action_until
    return now + _REVIEW
