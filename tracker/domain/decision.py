"""Rooms 4 to 6 in one pure step: what we knew and what is new → what we believe, decide and say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from carriers.vocabulary import Category, Milestone
from notifications.contract import Notice
from tracker.domain import incident as incidents
from tracker.domain import notices, returns
from tracker.domain.calendar import Calendar
from tracker.domain.cause import TABLE, Reach
from tracker.domain.detectors import ON_THE_WAY, detect
from tracker.domain.finding import Detection, Facts
from tracker.domain.incident import Command, Incident, State, Step
from tracker.domain.polling import next_poll
from tracker.domain.returns import ReturnCase, ReturnState
from tracker.domain.severity import weigh
from tracker.domain.shipment import Belief, Expectation
from tracker.domain.thresholds import Thresholds

_MADE_GOOD: Final = frozenset({"refunded", "reshipped"})
_GONE: Final = frozenset({"lost_declared", "lost_presumed", "destroyed"})


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One shipment as loaded under its lock."""

    shipment_id: int
    shop_id: int
    contact_id: int
    order_reference: str
    carrier: str
    carrier_name: str
    account: str
    tracking_number: str
    outbound: bool
    international: bool
    registered_at: datetime
    promised_at: datetime | None
    essential: bool
    value: Decimal | None
    destination_zone: str
    customer_zone: str
    lane: Calendar
    origin: Calendar
    thresholds: Thresholds
    belief: Belief
    expectation: Expectation
    health: str
    announced: tuple[str, ...]
    cured_at: datetime | None
    ended_at: datetime | None
    incidents: tuple[Incident, ...]
    returned: ReturnCase | None
    not_found: int
    version: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be saved and said. `standing` are the keys of all findings that stand now."""

    case: Case
    belief: Belief
    expectation: Expectation
    health: str
    announced: tuple[str, ...]
    cured_at: datetime | None
    ended_at: datetime | None
    steps: tuple[Step, ...]
    standing: tuple[str, ...]
    returned: ReturnCase | None
    notices: tuple[Notice, ...]
    next_moment_at: datetime | None
    next_poll_at: datetime | None
    changes: tuple[tuple[str, dict[str, Any]], ...]


def decide(
    case: Case,
    now: datetime,
    *,
    draw: float,
    belief: Belief | None = None,
    expectation: Expectation | None = None,
    not_found: int | None = None,
    commanded: Sequence[Step] = (),
    settled: ReturnCase | None = None,
) -> Outcome:
    """Decide one shipment at one moment.

    `belief` and `expectation` are new where news came in; `commanded` are steps that people took in this transaction,
    `settled` a return that the shop has settled. Without any of them this is the clock's look.
    """
    new = belief or case.belief
    expected = expectation or case.expectation
    returned = settled or returns.follow(case.returned, new, outbound=case.outbound, now=now)
    held = _after(case.incidents, commanded)
    new = _declared_lost(new, held, now)
    made_good = _is_made_good(new, held, returned)
    cured_at = now if _has_passed(case.belief, new) else case.cured_at
    facts = _facts(case, new, expected, cured_at, made_good)

    detection = detect(facts, now)
    steps = [*commanded, *incidents.reconcile(held, detection.findings, now, case.thresholds)]
    held = _after(held, steps[len(commanded) :])
    steps += _end_of_return(held, returned, now, case.thresholds)
    moved = {_identity(step.incident) for step in steps}
    steps += [step for incident in held if _identity(incident) not in moved for step in _tick(incident, now)]
    steps = [_promised(case, step, now) for step in _weighed(case, steps, now)]
    held = _after(held, steps)
    ended_at = _ended(case, new, held, returned, now)
    planned = notices.plan(_about(case), case.belief, new, expected, steps, (case.returned, returned), now)
    if any(step.kind == "resolved" and step.incident.category in ON_THE_WAY for step in steps):
        cured_at = now

    outcome = Outcome(
        case=case,
        belief=new,
        expectation=expected,
        health=_health(new, detection, held, case, now),
        announced=_announced(case, new),
        cured_at=cured_at,
        ended_at=ended_at,
        steps=tuple(steps),
        standing=tuple(finding.key for finding in detection.findings),
        returned=returned,
        notices=tuple(planned),
        next_moment_at=_next_moment(detection, held),
        next_poll_at=next_poll(
            facts,
            now,
            draw=draw,
            incident_open=any(incident.state.is_open for incident in held),
            not_found=case.not_found if not_found is None else not_found,
        ),
        changes=(),
    )
    return msgspec.structs.replace(outcome, changes=tuple(_changes(outcome)))


def _facts(case: Case, belief: Belief, expectation: Expectation, cured_at: datetime | None, made_good: bool) -> Facts:
    return Facts(
        belief=belief,
        expectation=expectation,
        registered_at=case.registered_at,
        promised_at=case.promised_at,
        international=case.international,
        outbound=case.outbound,
        lane=case.lane,
        origin=case.origin,
        thresholds=case.thresholds,
        cured_at=cured_at,
        settled=made_good,
    )


def _has_passed(before: Belief, after: Belief) -> bool:
    """Whether a trouble on the way has just been taken back by the parcel's moving on."""
    return before.problem is not None and before.problem.category in ON_THE_WAY and after.problem is None


def _after(held: Sequence[Incident], steps: Sequence[Step]) -> tuple[Incident, ...]:
    """The incidents once the steps are taken; a step carries its incident whole, and new ones have no id yet."""
    values = {_identity(incident): incident for incident in held}
    for step in steps:
        values[_identity(step.incident)] = step.incident
    return tuple(values.values())


def _identity(incident: Incident) -> object:
    return incident.id if incident.id is not None else (incident.category, incident.cause)


def _tick(incident: Incident, now: datetime) -> list[Step]:
    """What the clock does to one incident: a promised update, a review, the closing of a resolved one."""
    if incident.next_moment_at is None or incident.next_moment_at > now:
        return []
    if incident.state is State.RESOLVED:
        closed = msgspec.structs.replace(
            incidents.apply(incident, Command.CLOSE, now), closed_at=now, next_moment_at=None
        )
        return [Step(incident=closed, kind="closed", actor="tracker", detail={"reason": incident.closing_reason})]
    promised = incident.promised_update_at
    if promised is None or promised - incidents.UPDATE_MARGIN > now:
        return [Step(incident=incident, kind="reviewed", actor="tracker")]
    spoken = msgspec.structs.replace(incident, silent_updates=incident.silent_updates + 1, changed_at=now)
    return [Step(incident=spoken, kind="no_news", actor="tracker", detail={"promised_at": promised.isoformat()})]


def _end_of_return(
    held: Sequence[Incident], returned: ReturnCase | None, now: datetime, thresholds: Thresholds
) -> list[Step]:
    """A settled return ends the incidents that were about it."""
    if returned is None or returned.state is not ReturnState.SETTLED:
        return []
    after = timedelta(hours=thresholds.close_after_hours)
    return [
        Step(
            incident=incidents.resolve(incident, "returned_and_settled", now, close_after=after),
            kind="resolved",
            actor="tracker",
            detail={"reason": "returned_and_settled", "settled_as": returned.settled_as},
        )
        for incident in held
        if incident.state.is_open and incident.category is not Category.DAMAGE
    ]


def _weighed(case: Case, steps: Sequence[Step], now: datetime) -> list[Step]:
    """Every step with the severity of its incident as it is now."""
    return [msgspec.structs.replace(step, incident=_weigh(case, step.incident, now)) for step in steps]


def _weigh(case: Case, incident: Incident, now: datetime) -> Incident:
    severity = weigh(
        TABLE[incident.category, incident.cause].harm,
        promised_at=None if incident.category is Category.RETURN else case.promised_at,
        essential=case.essential,
        value=case.value,
        silent_updates=incident.silent_updates,
        now=now,
    )
    return msgspec.structs.replace(incident, severity=severity)


def _promised(case: Case, step: Step, now: datetime) -> Step:
    """The step with its promise of a next update and the moment at which the clock must keep it."""
    incident = step.incident
    speaks = step.kind in ("opened", "reopened", "changed", "no_news")
    if incident.state.is_open and incident.reach is Reach.CUSTOMER and speaks:
        within = incidents.update_cadence(incident, case.thresholds)
        incident = msgspec.structs.replace(
            incident,
            told_at=incident.told_at or now,
            promised_update_at=incidents.promise_of_next_update(now, within, case.customer_zone),
        )
    moved = msgspec.structs.replace(incident, next_moment_at=incidents.next_moment(incident, now))
    return msgspec.structs.replace(step, incident=moved)


def _declared_lost(belief: Belief, held: Sequence[Incident], now: datetime) -> Belief:
    """Many carriers say that a parcel is lost and never that its journey is over: the shop's making it good ends it."""
    lost = belief.problem is not None and belief.problem.category is Category.LOSS
    if not lost or belief.milestone is Milestone.ENDED or not _was_made_good(held):
        return belief
    return msgspec.structs.replace(belief, milestone=Milestone.ENDED, status_detail="lost_declared", since=now)


def _was_made_good(held: Sequence[Incident]) -> bool:
    return any(one.category is Category.LOSS and one.closing_reason in _MADE_GOOD for one in held)


def _is_made_good(belief: Belief, held: Sequence[Incident], returned: ReturnCase | None) -> bool:
    """The journey is over without delivery, and the customer has the money or the goods."""
    if returned is not None and returned.state is ReturnState.SETTLED:
        return True
    if belief.milestone is not Milestone.ENDED:
        return False
    return belief.status_detail not in _GONE or _was_made_good(held)


def _ended(
    case: Case, belief: Belief, held: Sequence[Incident], returned: ReturnCase | None, now: datetime
) -> datetime | None:
    """Final: delivered, return settled, or ended and made good. A delivery taken back is not final any more."""
    if _is_made_good(belief, held, returned):
        return case.ended_at or now
    if case.outbound and belief.milestone is Milestone.DELIVERED:
        return case.ended_at or now
    return None


def _health(belief: Belief, detection: Detection, held: Sequence[Incident], case: Case, now: datetime) -> str:
    if belief.milestone in (Milestone.DELIVERED, Milestone.RETURNED):
        return "on_track"
    if belief.milestone is Milestone.ENDED or belief.status_detail in ("attempt_failed", "notice_left"):
        return "failed"
    found = [finding for finding in detection.findings if not finding.warning]
    if any(finding.category is Category.CUSTOMS or finding.cause == "return_stalled" for finding in found):
        return "held"
    if any(finding.signal.value == "stalled" for finding in found):
        return "stalled"
    if case.promised_at is not None and now >= case.promised_at:
        return "late"
    if found or any(incident.state.is_open for incident in held):
        return "failed" if any(finding.category in (Category.LOSS, Category.RETURN) for finding in found) else "late"
    if detection.findings:
        return "at_risk"
    return "unknown" if belief.milestone is Milestone.REGISTERED else "on_track"


def _announced(case: Case, belief: Belief) -> tuple[str, ...]:
    """The milestones the customer was told, or need not be told any more; a delivery taken back may be told again."""
    told = {*case.announced, *(kind.value for kind in notices.milestones_reached(belief))}
    return tuple(sorted(told if belief.delivered_at is not None else told - {"delivered"}))


def _next_moment(detection: Detection, held: Sequence[Incident]) -> datetime | None:
    moments = [incident.next_moment_at for incident in held if incident.next_moment_at is not None]
    if detection.look_again_at is not None:
        moments.append(detection.look_again_at)
    return min(moments, default=None)


def _about(case: Case) -> notices.About:
    return notices.About(
        shop_id=case.shop_id,
        shipment_id=case.shipment_id,
        contact_id=case.contact_id,
        order_reference=case.order_reference,
        carrier=case.carrier,
        carrier_name=case.carrier_name,
        tracking_number=case.tracking_number,
        outbound=case.outbound,
        registered_at=case.registered_at,
        promised_at=case.promised_at,
        zone=case.customer_zone,
        collection_days=case.thresholds.collection_calendar_days,
        announced=case.announced,
    )


def _changes(outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    """What the feed of changes says of this decision: ids and states, nothing personal."""
    case, belief = outcome.case, outcome.belief
    said: list[tuple[str, dict[str, Any]]] = []
    if (belief.milestone, belief.status_detail) != (case.belief.milestone, case.belief.status_detail):
        said.append(
            (
                "shipment.moved",
                {
                    "milestone": belief.milestone.value,
                    "status_detail": belief.status_detail,
                    "was": case.belief.milestone.value,
                },
            )
        )
    if outcome.health != case.health:
        said.append(("shipment.health", {"health": outcome.health, "was": case.health}))
    if outcome.expectation != case.expectation and outcome.expectation.latest is not None:
        said.append(("shipment.estimate", {"latest": outcome.expectation.latest.isoformat()}))
    if outcome.ended_at is not None and case.ended_at is None:
        said.append(("shipment.ended", {"milestone": belief.milestone.value}))
    return said
