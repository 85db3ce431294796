"""What the tracker makes of a raw carrier body: rooms 2 and 4 alone, for `tracker carriers decode`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from carriers.contract import Adapter, Answer, CarrierFailure, Estimate, Lookup, PayloadRejected, Report, TrackingEvent
from carriers.vocabulary import Milestone
from tracker.domain.shipment import Belief, fold


def decode(adapter: Adapter, answer: Answer, number: str | None = None) -> dict[str, Any]:
    """The document that `carriers decode --json` prints; `number` picks one parcel out of several."""
    code = adapter.card.code
    try:
        reports = adapter.parse(answer, [Lookup(tracking_number=number)] if number else ())
    except CarrierFailure as failure:
        return _refused(code, failure.kind.value, failure.detail, retryable=failure.retryable)
    except PayloadRejected as rejected:
        return _refused(code, "malformed", str(rejected), retryable=False)
    chosen = _chosen(reports, number)
    if not chosen:
        return _refused(code, "not_found", f"the body says nothing about {number}", retryable=True)
    if len(chosen) == 1 and chosen[0].failure is not None:
        return _refused(code, chosen[0].failure.value, chosen[0].detail or "", retryable=True)
    return {"carrier": code, "error": None, "shipments": [_shipment(report) for report in chosen]}


def _refused(code: str, error: str, detail: str, *, retryable: bool) -> dict[str, Any]:
    return {"carrier": code, "error": error, "detail": detail, "retryable": retryable, "shipments": []}


def _chosen(reports: Sequence[Report], number: str | None) -> list[Report]:
    if number is None:
        return list(reports)
    named = [report for report in reports if report.tracking_number == number]
    return named or (list(reports) if len(reports) == 1 else [])


def _shipment(report: Report) -> dict[str, Any]:
    if report.failure is not None:
        return {"tracking_number": report.tracking_number, "error": report.failure.value, "detail": report.detail}
    belief = fold(report.events)
    problem, estimate = belief.open_problem, report.estimate
    return {
        "tracking_number": report.tracking_number,
        "error": None,
        "milestone": _milestone(belief),
        "status_detail": belief.status_detail,
        "open_problem": {"category": problem.category.value, "cause": problem.cause} if problem else None,
        "delivered_at": _text(belief.delivered_at),
        "estimated_delivery": _window(estimate) if estimate else None,
        "events": [_event(event) for event in report.events],
    }


def _milestone(belief: Belief) -> str:
    """Where the parcel is; when nobody knows any of its codes, that it is unknown."""
    only_unmapped = belief.unmapped > 0 and belief.milestone is Milestone.REGISTERED
    return (Milestone.UNKNOWN if only_unmapped else belief.milestone).value


def _event(event: TrackingEvent) -> dict[str, Any]:
    place = event.place
    return {
        "occurred_at": _text(event.occurred_at),
        "occurred_local": event.occurred_local,
        "tz_certainty": event.tz_certainty.value,
        "milestone": event.milestone.value,
        "status_detail": event.status_detail,
        "code": event.code,
        "text": event.text,
        "place": {"city": place.city, "country": place.country, "postcode": place.postcode},
        "informational": event.informational,
        "key": event.key,
    }


def _window(estimate: Estimate) -> dict[str, str | None]:
    """The carrier's estimate with the offset of the place, so that its day can be read off it."""
    ends = {"from": estimate.earliest, "to": estimate.latest}
    return {name: value.isoformat() if value else None for name, value in ends.items()}


def _text(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None
