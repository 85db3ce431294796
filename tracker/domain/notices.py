"""What a customer is to be told because of a decision: one notice per subject, each thing said once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from carriers.vocabulary import Category, Milestone
from notifications.contract import Kind, Notice
from tracker.domain.cause import Reach
from tracker.domain.detectors import ON_THE_WAY
from tracker.domain.incident import Incident, Step, leaves_the_word
from tracker.domain.progress import progress
from tracker.domain.reconcile import family
from tracker.domain.returns import ReturnCase, ReturnState
from tracker.domain.saying import About, How, Sayer
from tracker.domain.shipment import Belief, Expectation

_MADE_GOOD: Final = {"refunded": "refunded", "reshipped": "replaced"}  # an incident's end, in the words of a return
_OVER: Final = frozenset({Milestone.DELIVERED, Milestone.RETURNING, Milestone.RETURNED, Milestone.ENDED})
_ENDS: Final = frozenset(_MADE_GOOD.values())
_URGENT: Final = frozenset({"recipient"})


def plan(
    about: About,
    *,
    before: Belief,
    belief: Belief,
    expectation: Expectation,
    steps: Sequence[Step],
    held: Sequence[Incident],
    returned: tuple[ReturnCase | None, ReturnCase | None],
    now: datetime,
) -> list[Notice]:
    """Every notice that this decision causes, in the order in which a reader would want them.

    `held` are the incidents as they were before it: a customer hears once of a parcel that they are refunded for it.
    """
    say = Sayer(about, belief, expectation, now)
    closed = next((step.incident for step in steps if step.kind == "resolved" and _is_told(step.incident)), None)
    milestones = progress(say, before, closed) if about.outbound else []
    is_told_delivered = any(notice.kind is Kind.DELIVERED for notice in milestones)
    return [
        *milestones,
        *_each_end_once(
            [
                *(notice for step in steps for notice in _incident(say, step, is_told_delivered=is_told_delivered)),
                *_return(say, *returned),
            ],
            _ends_told(held, returned[0]),
        ),
    ]


def _ends_told(held: Sequence[Incident], returned: ReturnCase | None) -> set[str]:
    """How the parcel has been made good already, in the words of a return."""
    of_incidents = {_MADE_GOOD.get(one.closing_reason or "") for one in held if _is_told(one)}
    of_return = {returned.settled_as} if returned is not None else set()
    return {end for end in of_incidents | of_return if end in _ENDS}


def _each_end_once(notices: Sequence[Notice], told: set[str]) -> Iterator[Notice]:
    for notice in notices:
        end = notice.facts.settled_as or _MADE_GOOD.get(notice.facts.resolution or "")
        if end in told:
            continue
        if end in _ENDS:
            told.add(end)
        yield notice


def incident_subject(incident: Incident) -> str:
    """What all notices of one incident are about, whatever cause it turns out to have."""
    return f"incident:{family(incident.category, incident.cause)}:{incident.opened_at.isoformat()}"


def _is_told(incident: Incident) -> bool:
    return incident.reach is Reach.CUSTOMER and incident.told_at is not None


_SAYS: Final = {
    "opened": Kind.INCIDENT_OPENED,
    "reopened": Kind.INCIDENT_OPENED,
    "changed": Kind.INCIDENT_CHANGED,
    "no_news": Kind.INCIDENT_UPDATE,
}


def _incident(say: Sayer, step: Step, *, is_told_delivered: bool) -> Iterator[Notice]:
    incident = step.incident
    if incident.reach is not Reach.CUSTOMER:
        return
    if step.kind != "resolved" and leaves_the_word(incident, say.belief):
        return
    if step.kind == "resolved":
        yield from _end_of_incident(say, step, is_told_delivered=is_told_delivered)
        return
    kind = _SAYS.get(step.kind)
    if kind is None:
        return
    yield say(
        kind,
        incident_subject(incident),
        _incident_key(step),
        because={**_rule(step), "finding": step.finding.key if step.finding else None},
        incident=incident,
        how=How(urgent=incident.action_owner in _URGENT and kind is not Kind.INCIDENT_UPDATE),
        cause=f"{incident.category}.{incident.cause}",
        action_owner=incident.action_owner,
        action=incident.action,
        action_until=incident.action_until if (incident.action_until or say.now) > say.now else None,
        next_update_at=incident.promised_update_at,
        happened_at=_happened(say.belief, incident),
        sequel=incident.silent_updates,
    )


def _incident_key(step: Step) -> str:
    """Each turn of an incident is said once. Causes come back, in this incident and in a later one of the same day."""
    incident = step.incident
    return f"{step.kind}:{incident.category}.{incident.cause}:{incident.changed_at.isoformat()}"


def _rule(step: Step) -> dict[str, Any]:
    return {"rule": step.incident.rule, "rule_version": step.incident.rule_version, "step": step.kind}


def _end_of_incident(say: Sayer, step: Step, *, is_told_delivered: bool) -> Iterator[Notice]:
    """Whoever was told of it is told that it is over, unless another notice of this decision says more."""
    incident = step.incident
    on_the_way = incident.category in ON_THE_WAY or incident.category is Category.LOSS
    said_elsewhere = (on_the_way and is_told_delivered) or incident.closing_reason == "returned_and_settled"
    is_by_people = step.actor != "tracker"
    if not _is_told(incident) or incident.closing_reason == "duplicate" or (said_elsewhere and not is_by_people):
        return
    is_false = incident.closing_reason == "false_positive"
    yield say(
        Kind.CORRECTION if is_false else Kind.INCIDENT_RESOLVED,
        incident_subject(incident),
        _incident_key(step),
        because=_rule(step),
        incident=incident,
        cause=f"{incident.category}.{incident.cause}",
        said="incident" if is_false else None,
        resolution=None if is_false else incident.closing_reason,
        date_owed=not is_false and say.about.outbound and say.belief.milestone not in _OVER,
        happened_at=incident.resolved_at,
    )


def _happened(belief: Belief, incident: Incident) -> datetime | None:
    problem = belief.open_problem
    if problem is not None and (problem.category, problem.cause) == (incident.category, incident.cause):
        return problem.since
    return None


def _return(say: Sayer, before: ReturnCase | None, after: ReturnCase | None) -> Iterator[Notice]:
    if after is None or (before is not None and before.state is after.state):
        return
    kind = {
        ReturnState.IN_TRANSIT: None if say.about.outbound else Kind.RETURN_UNDER_WAY,
        ReturnState.RECEIVED: Kind.RETURN_RECEIVED,
        ReturnState.SETTLED: Kind.RETURN_SETTLED,
    }.get(after.state)
    if kind is None:
        return
    yield say(
        kind,
        "return",
        f"{kind}:{after.opened_at.isoformat()}",
        because={"return": after.state.value},
        happened_at=after.changed_at,
        settled_as=after.settled_as,
    )
