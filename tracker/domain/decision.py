"""Rooms 4 to 6 in one pure step: what we knew and what is new → what we believe, decide and say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from carriers.vocabulary import Category, Milestone
from notifications.contract import Notice
from tracker.domain import incident as incidents
from tracker.domain import returns
from tracker.domain.calendar import Calendar
from tracker.domain.cause import TABLE, Reach
from tracker.domain.detectors import ON_THE_WAY, detect
from tracker.domain.ending import declared_lost, end_of_return, is_made_good, unwatched
from tracker.domain.finding import NOTHING, Detection, Facts
from tracker.domain.health import health
from tracker.domain.incident import Incident, State, Step
from tracker.domain.notices import plan
from tracker.domain.polling import next_poll
from tracker.domain.progress import announced
from tracker.domain.reconcile import reconcile, speaks_of
from tracker.domain.returns import ReturnCase
from tracker.domain.saying import About
from tracker.domain.severity import weigh
from tracker.domain.shipment import Belief, Expectation
from tracker.domain.thresholds import Thresholds

_QUIET: Final = timedelta(days=7)  # between two looks at a shipment of which nothing is expected and nothing known


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One shipment as loaded under its lock."""

    shipment_id: int
    shop_id: int
    contact_id: int
    order_reference: str
    carrier: str
    carrier_name: str
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
    poll_failures: int
    unwatched_at: datetime | None = None  # the shop looks after it itself since then
    undecided: bool  # events were kept that `belief` does not hold, because of a mistake of ours


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


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What brings a decision about.

    `belief` and `expectation` are new where a carrier spoke, `not_found` is how often in a row it did not know the
    number; `commanded` are steps that people took in this transaction, `settled` a return that the shop has settled.
    """

    belief: Belief | None = None
    expectation: Expectation | None = None
    not_found: int | None = None
    commanded: tuple[Step, ...] = ()
    settled: ReturnCase | None = None


_NO_NEWS: Final = News()


def decide(case: Case, now: datetime, *, draw: float, news: News = _NO_NEWS) -> Outcome:
    """Decide one shipment at one moment; without news this is the clock's look. `draw` in [0, 1) spreads the polls."""
    held = _after(case.incidents, news.commanded)
    belief = unwatched(declared_lost(news.belief or case.belief, held, now), case.unwatched_at)
    is_watched = case.unwatched_at is None
    expectation = news.expectation or case.expectation
    returned = news.settled or returns.follow(case.returned, belief, outbound=case.outbound, now=now)
    cured_at = now if _has_passed(case.belief, belief) else case.cured_at
    facts = _facts(case, belief, expectation, cured_at, settled=is_made_good(belief, held, returned))
    detection = detect(facts, now) if is_watched else NOTHING
    steps, held = _live(case, facts, detection, news.commanded, returned, now)
    if _is_cured(steps, held):
        cured_at = now
    ended_at = _ended(case, belief, held, returned, now)
    outcome = Outcome(
        case=case,
        belief=belief,
        expectation=expectation,
        health=health(belief, detection, held, case.promised_at, now),
        announced=announced(_about(case), belief, now),
        cured_at=cured_at,
        ended_at=ended_at,
        steps=tuple(steps),
        standing=tuple(finding.key for finding in detection.findings),
        returned=returned,
        notices=tuple(
            plan(
                _about(case),
                before=case.belief,
                belief=belief,
                expectation=expectation,
                steps=steps,
                held=case.incidents,
                returned=(case.returned, returned),
                now=now,
            )
        )
        if is_watched
        else (),
        next_moment_at=_next_moment(detection, held) or (None if ended_at else now + _QUIET),
        next_poll_at=next_poll(
            facts,
            now,
            draw=draw,
            incident_open=any(incident.state.is_open for incident in held),
            not_found=case.not_found if news.not_found is None else news.not_found,
        )
        if is_watched
        else None,
        changes=(),
    )
    return msgspec.structs.replace(outcome, changes=tuple(_changes(outcome)))


def _live(
    case: Case,
    facts: Facts,
    detection: Detection,
    commanded: Sequence[Step],
    returned: ReturnCase | None,
    now: datetime,
) -> tuple[list[Step], tuple[Incident, ...]]:
    """What happens to the incidents: people's commands first, then the end of a return, then findings, then time.

    Each turn sees what the one before left, with its promises made.
    """
    is_over = facts.settled or facts.belief.milestone is Milestone.ENDED
    turns: tuple[Callable[[tuple[Incident, ...]], Sequence[Step]], ...] = (
        lambda _: [_handled(step, detection) for step in commanded],
        lambda held: end_of_return(held, returned, now, case.thresholds),
        lambda held: reconcile(held, detection.findings, now, case.thresholds, silence_cures=not is_over),
        lambda held: [step for incident in held for step in _tick(incident, facts.belief, now)],
    )
    steps: list[Step] = []
    held = case.incidents
    for turn in turns:
        taken = [_promised(case, facts.belief, _weighed(case, step, now), now) for step in turn(held)]
        held = _after(held, taken)
        steps += taken
    return steps, held


def _handled(step: Step, detection: Detection) -> Step:
    """What stands when people resolve or merge an incident is dealt with, muted or not: it opens nothing again."""
    if step.kind not in ("resolved", "merged"):
        return step
    incident = step.incident
    keys = (finding.key for finding in (*detection.findings, *detection.muted) if speaks_of(finding, incident))
    handled = tuple(dict.fromkeys((*incident.handled, *keys)))
    return msgspec.structs.replace(step, incident=msgspec.structs.replace(incident, handled=handled))


def _facts(case: Case, belief: Belief, expectation: Expectation, cured_at: datetime | None, *, settled: bool) -> Facts:
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
        settled=settled,
    )


def _has_passed(before: Belief, after: Belief) -> bool:
    """Whether a trouble on the way has just been taken back by the parcel's moving on."""
    stated, left = before.problem, after.problem
    return stated is not None and stated.category in ON_THE_WAY and (left is None or left.category not in ON_THE_WAY)


def _is_cured(steps: Sequence[Step], held: Sequence[Incident]) -> bool:
    """Whether the last trouble on the way has just ended; one that goes on must not be put off by another's end."""
    ended = any(step.kind == "resolved" and step.incident.category in ON_THE_WAY for step in steps)
    return ended and not any(one.state.is_open and one.category in ON_THE_WAY for one in held)


def _after(held: Sequence[Incident], steps: Sequence[Step]) -> tuple[Incident, ...]:
    """The incidents once the steps are taken; a step carries its incident whole, and new ones have no id yet."""
    values = {_identity(incident): incident for incident in held}
    for step in steps:
        values[_identity(step.incident)] = step.incident
    return tuple(values.values())


def _identity(incident: Incident) -> object:
    return incident.id if incident.id is not None else (incident.category, incident.cause)


def _tick(incident: Incident, belief: Belief, now: datetime) -> list[Step]:
    """What the clock does to one incident: a promised update, a review, the closing of a resolved one."""
    if incidents.takes_the_word(incident, belief):
        return [Step(incident=incident, kind="changed", actor="tracker", detail={"because": "it does not go back"})]
    if incident.next_moment_at is None or incident.next_moment_at > now:
        return []
    if incident.state is State.RESOLVED:
        detail = {"reason": incident.closing_reason}
        return [Step(incident=incidents.close(incident, now), kind="closed", actor="tracker", detail=detail)]
    promised = incident.promised_update_at
    if promised is None or promised - incidents.UPDATE_MARGIN > now:
        return [Step(incident=incident, kind="reviewed", actor="tracker")]
    if incidents.leaves_the_word(incident, belief):
        silent = msgspec.structs.replace(incident, promised_update_at=None)
        return [Step(incident=silent, kind="reviewed", actor="tracker")]
    spoken = msgspec.structs.replace(incident, silent_updates=incident.silent_updates + 1, changed_at=now)
    return [Step(incident=spoken, kind="no_news", actor="tracker", detail={"promised_at": promised.isoformat()})]


def _weighed(case: Case, step: Step, now: datetime) -> Step:
    """The step with the severity of its incident as it is now."""
    incident = step.incident
    if incident.severity_by_staff:
        return step
    severity = weigh(
        TABLE[incident.category, incident.cause].harm,
        promised_at=None if incident.category is Category.RETURN else case.promised_at,
        essential=case.essential,
        value=case.value,
        silent_updates=incident.silent_updates,
        now=now,
    )
    return msgspec.structs.replace(step, incident=msgspec.structs.replace(incident, severity=severity))


def _promised(case: Case, belief: Belief, step: Step, now: datetime) -> Step:
    """The step with its promise of a next update and the moment at which the clock must keep it."""
    incident = step.incident
    is_said = step.kind in ("opened", "reopened", "changed", "no_news")
    speaks = is_said and not incidents.leaves_the_word(incident, belief)
    if incident.state.is_open and incident.reach is Reach.CUSTOMER and speaks:
        days = incidents.days_until_next_word(incident, case.thresholds)
        incident = msgspec.structs.replace(
            incident,
            told_at=incident.told_at or now,
            promised_update_at=incidents.promise_of_next_update(now, days, case.lane, case.customer_zone),
        )
    moved = msgspec.structs.replace(incident, next_moment_at=incidents.next_moment(incident, now))
    return msgspec.structs.replace(step, incident=moved)


def _ended(
    case: Case, belief: Belief, held: Sequence[Incident], returned: ReturnCase | None, now: datetime
) -> datetime | None:
    """Final: delivered, return settled, or ended and made good. A delivery taken back is not final any more."""
    if case.unwatched_at is not None or is_made_good(belief, held, returned):
        return case.ended_at or now
    if case.outbound and belief.milestone is Milestone.DELIVERED:
        return case.ended_at or now
    return None


def _next_moment(detection: Detection, held: Sequence[Incident]) -> datetime | None:
    moments = [incident.next_moment_at for incident in held if incident.next_moment_at is not None]
    if detection.look_again_at is not None:
        moments.append(detection.look_again_at)
    return min(moments, default=None)


def _about(case: Case) -> About:
    return About(
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
        collection_reminder=case.thresholds.collection_reminder,
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
