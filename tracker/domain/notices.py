"""What a customer is to be told because of a decision: one notice per subject, each thing said once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final

import msgspec

from carriers.vocabulary import Milestone
from notifications.contract import Facts, Kind, Notice
from tracker.domain.calendar import zone_of
from tracker.domain.cause import Reach
from tracker.domain.detectors import ON_THE_WAY
from tracker.domain.incident import Incident, Step
from tracker.domain.returns import ReturnCase, ReturnState
from tracker.domain.shipment import Belief, Expectation

_M = Milestone
_IMPORTED: Final = timedelta(days=1)  # what happened longer before registration is history, not news
_STALE: Final = timedelta(days=3)
_SETTLE: Final = timedelta(minutes=10)  # bursts and corrections settle before a progress notice goes out
_URGENT: Final = frozenset({"recipient"})
_DAY_ENDS: Final = time(21)
_OVER: Final = frozenset({_M.DELIVERED, _M.RETURNING, _M.RETURNED, _M.ENDED})  # other notices say how the way ended


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The shipment as notices speak of it."""

    shop_id: int
    shipment_id: int
    contact_id: int
    order_reference: str
    carrier: str
    carrier_name: str
    tracking_number: str
    outbound: bool
    registered_at: datetime
    promised_at: datetime | None
    zone: str
    collection_days: float
    announced: tuple[str, ...]


def plan(
    about: About,
    before: Belief,
    belief: Belief,
    expectation: Expectation,
    steps: Sequence[Step],
    returned: tuple[ReturnCase | None, ReturnCase | None],
    now: datetime,
) -> list[Notice]:
    """Every notice that this decision causes, in the order in which a reader would want them."""
    say = _Sayer(about, belief, expectation, now)
    return [
        *_milestones(say, before, belief, steps),
        *(notice for step in steps for notice in _incident(say, step, belief)),
        *_return(say, *returned),
    ]


class _Sayer(msgspec.Struct, frozen=True):
    """Fills what every notice of one decision has in common."""

    about: About
    belief: Belief
    expectation: Expectation
    now: datetime

    def __call__(
        self,
        kind: Kind,
        subject: str,
        key: str,
        *,
        because: dict[str, Any],
        incident: Incident | None = None,
        urgent: bool = False,
        hold: timedelta = timedelta(0),
        valid_until: datetime | None = None,
        **said: Any,
    ) -> Notice:
        about, latest = self.about, self.expectation.latest
        ahead = latest is not None and latest > self.now
        facts = Facts(
            order_reference=about.order_reference,
            carrier=about.carrier,
            carrier_name=about.carrier_name,
            tracking_number=about.tracking_number,
            promised_at=about.promised_at,
            expected_from=self.expectation.earliest if ahead else None,
            expected_until=latest if ahead else None,
            city=self.belief.city,
            country=self.belief.country,
            **said,
        )
        return Notice(
            shop_id=about.shop_id,
            shipment_id=about.shipment_id,
            incident_id=incident.id if incident else None,
            contact_id=about.contact_id,
            kind=kind,
            subject=subject,
            key=f"{about.shipment_id}:{key}",
            facts=facts,
            because=because,
            planned_at=self.now,
            valid_until=valid_until,
            promised_update_at=facts.next_update_at,
            urgent=urgent,
            hold=hold,
        )


def milestones_reached(belief: Belief) -> dict[Kind, datetime]:
    """The milestones that a customer is told of, with the instant of each that has been reached."""
    reached = {
        Kind.SHIPPED: belief.accepted_at,
        Kind.OUT_FOR_DELIVERY: belief.out_for_delivery_at if belief.milestone is _M.OUT_FOR_DELIVERY else None,
        Kind.READY_FOR_COLLECTION: belief.ready_at,
        Kind.DELIVERED: belief.delivered_at,
    }
    return {kind: at for kind, at in reached.items() if at is not None}


def _milestones(say: _Sayer, before: Belief, belief: Belief, steps: Sequence[Step]) -> Iterator[Notice]:
    about, now = say.about, say.now
    if not about.outbound:
        return
    if before.delivered_at is not None and belief.delivered_at is None and Kind.DELIVERED in about.announced:
        yield say(
            Kind.CORRECTION,
            "progress",
            f"correction:delivered:{before.delivered_at.isoformat()}",
            because={"rule": "delivery_withdrawn"},
            said=Kind.DELIVERED.value,
            happened_at=before.delivered_at,
        )
    tried = belief.status_detail in ("attempt_failed", "notice_left")
    for kind, at in milestones_reached(belief).items():
        old = at < about.registered_at - _IMPORTED or now - at > _STALE
        overtaken = kind is Kind.SHIPPED and belief.milestone not in (_M.ACCEPTED, _M.IN_TRANSIT, _M.IN_CUSTOMS)
        if kind in about.announced or old or overtaken or (kind is Kind.OUT_FOR_DELIVERY and tried):
            continue
        closing = next((step.incident for step in steps if step.kind == "resolved"), None)
        ends = _end_of_round(at, about.zone)
        if kind is Kind.OUT_FOR_DELIVERY and ends <= now:
            continue
        yield say(
            kind,
            "progress",
            f"{kind}:{at.isoformat()}" if kind is Kind.DELIVERED else kind.value,
            because={"milestone": belief.milestone.value, "event": belief.last.key if belief.last else None},
            hold=timedelta(0) if kind is Kind.READY_FOR_COLLECTION else _SETTLE,
            urgent=kind is Kind.READY_FOR_COLLECTION,
            valid_until=ends if kind is Kind.OUT_FOR_DELIVERY else None,
            happened_at=at,
            delivered_to=belief.status_detail if kind is Kind.DELIVERED else None,
            cause=f"{closing.category}.{closing.cause}" if closing and kind is Kind.DELIVERED else None,
            collection_until=at + timedelta(days=about.collection_days) if kind is Kind.READY_FOR_COLLECTION else None,
        )


def _end_of_round(at: datetime, zone: str) -> datetime:
    """Couriers are home by nine in the evening: after that the news is stale."""
    local = at.astimezone(zone_of(zone))
    return datetime.combine(local.date(), _DAY_ENDS, local.tzinfo).astimezone(at.tzinfo)


def incident_subject(incident: Incident) -> str:
    """What all notices of one incident are about, whatever cause it turns out to have."""
    family = "way" if incident.category in ON_THE_WAY else incident.category.value
    return f"incident:{family}:{incident.opened_at.isoformat()}"


def _incident(say: _Sayer, step: Step, belief: Belief) -> Iterator[Notice]:
    incident = step.incident
    subject = incident_subject(incident)
    because = {"rule": incident.rule, "rule_version": incident.rule_version, "step": step.kind}
    about = f"{incident.category}.{incident.cause}"
    if incident.reach is not Reach.CUSTOMER:
        return
    if step.kind == "resolved":
        settled_elsewhere = belief.milestone in _OVER and incident.category in ON_THE_WAY
        if incident.told_at is not None and not settled_elsewhere and incident.closing_reason != "returned_and_settled":
            yield say(
                Kind.INCIDENT_RESOLVED,
                subject,
                f"resolved:{about}:{incident.reopened}",
                because=because,
                incident=incident,
                cause=about,
                resolution=incident.closing_reason,
                happened_at=incident.resolved_at,
            )
        return
    kinds = {
        "opened": Kind.INCIDENT_OPENED,
        "reopened": Kind.INCIDENT_OPENED,
        "changed": Kind.INCIDENT_CHANGED,
        "no_news": Kind.INCIDENT_UPDATE,
    }
    kind = kinds.get(step.kind)
    if kind is None:
        return
    told = {
        Kind.INCIDENT_OPENED: f"opened:{about}:{incident.reopened}",
        Kind.INCIDENT_CHANGED: f"changed:{about}:{incident.opened_at.isoformat()}",
        Kind.INCIDENT_UPDATE: f"update:{about}:{incident.reopened}:{incident.silent_updates}",
    }
    yield say(
        kind,
        subject,
        told[kind],
        because={**because, "finding": step.finding.key if step.finding else None},
        incident=incident,
        urgent=incident.action_owner in _URGENT and kind is not Kind.INCIDENT_UPDATE,
        cause=about,
        action_owner=incident.action_owner,
        action=incident.action,
        action_until=incident.action_until if (incident.action_until or say.now) > say.now else None,
        next_update_at=incident.promised_update_at,
        happened_at=_happened(belief, incident),
        sequel=incident.silent_updates,
    )


def _happened(belief: Belief, incident: Incident) -> datetime | None:
    problem = belief.open_problem
    if problem is not None and (problem.category, problem.cause) == (incident.category, incident.cause):
        return problem.since
    return None


def _return(say: _Sayer, before: ReturnCase | None, after: ReturnCase | None) -> Iterator[Notice]:
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
