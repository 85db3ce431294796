"""UPS Track v1: newest first, local date and time, for some accounts with their GMT twins; not found inside a 200."""

from __future__ import annotations

from datetime import UTC

from carriers.contract import Answer
from carriers.sandbox.journey import Fact
from carriers.sandbox.parcel import Parcel, View
from carriers.sandbox.wire.form import json_answer, newest, surname
from carriers.sandbox.words import moments, ups
from carriers.vocabulary import Milestone

_SHARE_WITH_GMT = 0.5


def found(view: View) -> Answer:
    parcel = view.parcel
    return _tracked({"inquiryNumber": parcel.number, "package": [_package(view)]})


def not_found(number: str) -> Answer:  # noqa: ARG001 - UPS does not repeat the number that it does not know
    return _tracked({"warnings": [{"code": "TW0001", "message": "Tracking Information Not Found"}]})


def invalid_number() -> Answer:
    return _errors(400, "TV1002", "Invalid inquiry number")


def unauthorised() -> Answer:
    return _errors(401, "250002", "Invalid Authentication Information.")


def too_many_requests(retry_after: int | None) -> Answer:
    return _errors(429, "10429", "Too Many Requests", retry_after)


def server_error() -> Answer:
    return _errors(500, "TV0100", "Internal server error")


def token(client_id: str, access_token: str, issued_at_ms: int) -> Answer:
    """All values are strings, numbers too."""
    body = {
        "token_type": "Bearer",
        "issued_at": str(issued_at_ms),
        "client_id": client_id,
        "access_token": access_token,
        "expires_in": "14399",
        "status": "approved",
    }
    return json_answer(200, body)


def token_refused() -> Answer:
    return _errors(401, "10401", "ClientId is Invalid")


def _tracked(shipment: dict[str, object]) -> Answer:
    return json_answer(200, {"trackResponse": {"shipment": [shipment]}})


def _errors(status: int, code: str, message: str, retry_after: int | None = None) -> Answer:
    body = {"response": {"errors": [{"code": code, "message": message}]}}
    return json_answer(status, body, retry_after=retry_after)


def _package(view: View) -> dict[str, object]:
    parcel, last = view.parcel, newest(view)
    package: dict[str, object] = {
        "trackingNumber": parcel.number,
        "activity": [_activity(fact, parcel) for fact in reversed(view.facts)],
        "service": {"code": "065", "levelCode": "065", "description": "UPS Express Saver"},
        "packageCount": 1,
    }
    if parcel.reference:
        package["referenceNumber"] = [{"number": parcel.reference, "type": "SHIPMENT"}]
    if last is not None:
        said = ups().says[last.moment]
        package["currentStatus"] = {"description": said.description, "code": said.status_code}
    return package | _delivery(view, last)


def _delivery(view: View, last: Fact | None) -> dict[str, object]:
    if last is not None and moments()[last.moment].milestone is Milestone.DELIVERED:
        place = "UPS Access Point" if last.moment == "collected" else "Front Door"
        day = last.spot.local(last.happened_at).strftime("%Y%m%d")
        return {
            "deliveryDate": [{"type": "DEL", "date": day}],
            "deliveryInformation": {"location": place, "receivedBy": surname(view.parcel.receiver)},
        }
    if view.estimate is None:
        return {}
    kind = "RDD" if view.estimate.revised else "SDD"
    return {"deliveryDate": [{"type": kind, "date": view.estimate.day.strftime("%Y%m%d")}]}


def _activity(fact: Fact, parcel: Parcel) -> dict[str, object]:
    said = ups().says[fact.moment]
    local = fact.spot.local(fact.happened_at)
    address = {"countryCode": fact.spot.country, "country": fact.spot.country}
    if said.type != "M":  # a label has no place but a country
        address["city"] = fact.spot.city
    if fact.spot.postcode is not None:
        address["postalCode"] = fact.spot.postcode
    activity: dict[str, object] = {
        "location": {"address": address, "slic": "0000"},
        "status": {
            "type": said.type,
            "description": said.description,
            "code": said.code,
            "statusCode": said.status_code,
        },
        "date": local.strftime("%Y%m%d"),
        "time": local.strftime("%H%M%S"),
    }
    if parcel.chance.happens(_SHARE_WITH_GMT, "gmt"):
        gmt, offset = fact.happened_at.astimezone(UTC), local.strftime("%z")
        activity |= {
            "gmtDate": gmt.strftime("%Y%m%d"),
            "gmtTime": gmt.strftime("%H%M%S"),
            "gmtOffset": f"{offset[:3]}:{offset[3:]}",
        }
    return activity
