"""DHL Shipment Tracking, Unified: newest first, naive local times of each place, UTC in the proof of delivery."""

from __future__ import annotations

from datetime import UTC

from carriers.contract import Answer
from carriers.sandbox.journey import Fact
from carriers.sandbox.parcel import Parcel, View
from carriers.sandbox.places import Spot, country_name
from carriers.sandbox.wire.form import json_answer, newest, surname
from carriers.sandbox.words import dhl_unified, moments
from carriers.vocabulary import Milestone

_PROBLEM = "application/problem+json"


def found(view: View) -> Answer:
    return json_answer(200, {"shipments": [_shipment(view)]})


def not_found(number: str) -> Answer:
    problem = {
        "title": "No result found",
        "detail": "No shipment with given tracking number found.",
        "status": 404,
        "instance": f"/shipment/{number}",
    }
    return json_answer(404, problem, content_type=_PROBLEM)


def number_missing() -> Answer:
    problem = {"title": "Bad Request", "detail": "The parameter trackingNumber is required.", "status": 400}
    return json_answer(400, problem, content_type=_PROBLEM)


def unauthorised() -> Answer:
    problem = {"title": "Unauthorized", "detail": "Unauthorized for given resource.", "status": 401}
    return json_answer(401, problem, content_type=_PROBLEM)


def too_many_requests(retry_after: int | None) -> Answer:
    problem = {
        "status": 429,
        "title": "Too Many Requests",
        "detail": "Too many requests within defined time period, please try again later.",
    }
    return json_answer(429, problem, content_type=_PROBLEM, retry_after=retry_after)


def server_error() -> Answer:
    problem = {"title": "Internal Server Error", "detail": "An unexpected error occurred.", "status": 500}
    return json_answer(500, problem, content_type=_PROBLEM)


def _shipment(view: View) -> dict[str, object]:
    parcel, last = view.parcel, newest(view)
    shipment: dict[str, object] = {
        "id": parcel.number,
        "service": "express",
        "origin": _location(parcel.origin),
        "destination": _location(parcel.destination),
    }
    if last is not None:
        shipment["status"] = _event(last, parcel)
    if view.estimate is not None:
        shipment["estimatedTimeOfDelivery"] = f"{view.estimate.day.isoformat()}T23:59:00"
    shipment["details"] = _details(parcel, last)
    shipment["events"] = [_event(fact, parcel) for fact in reversed(view.facts)]
    return shipment


def _event(fact: Fact, parcel: Parcel) -> dict[str, object]:
    said = dhl_unified().says[fact.moment]
    event: dict[str, object] = {
        "timestamp": fact.spot.local(fact.happened_at).strftime("%Y-%m-%dT%H:%M:00"),
        "location": _location(fact.spot),
        "statusCode": said.status,
        "status": said.label or said.status,
        "description": said.description.format(place=_locality(fact.spot), signer=surname(parcel.receiver)),
    }
    if said.remark is not None:
        event["remark"] = said.remark
    if said.next_steps is not None:
        event["nextSteps"] = said.next_steps
    return event


def _details(parcel: Parcel, last: Fact | None) -> dict[str, object]:
    domestic = parcel.destination.country == parcel.origin.country
    details: dict[str, object] = {
        "product": {"productName": "EXPRESS DOMESTIC" if domestic else "EXPRESS WORLDWIDE"},
        "totalNumberOfPieces": 1,
    }
    if parcel.reference:
        details["references"] = {"number": parcel.reference, "type": "customer-reference"}
    if last is not None and moments()[last.moment].milestone is Milestone.DELIVERED:
        details["proofOfDelivery"] = {
            "timestamp": last.happened_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00Z"),
            "signed": {"@type": "Person", "name": surname(parcel.receiver)},
        }
    return details


def _location(spot: Spot) -> dict[str, object]:
    address = {"countryCode": spot.country}
    if spot.postcode is not None:
        address["postalCode"] = spot.postcode
    return {"address": address | {"addressLocality": _locality(spot)}}


def _locality(spot: Spot) -> str:
    return f"{spot.city.upper()} - {country_name(spot.country)}"
