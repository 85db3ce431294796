"""Correos trackpub (v2, behind OAuth): one object with English names, oldest first, hours without seconds."""

from __future__ import annotations

from carriers.contract import Answer
from carriers.sandbox.journey import Fact
from carriers.sandbox.parcel import View
from carriers.sandbox.wire.correos import day_and_time, locality, server_error, too_many_requests, unit
from carriers.sandbox.wire.form import json_answer
from carriers.sandbox.words import correos

__all__ = ["found", "not_found", "server_error", "token", "token_refused", "too_many_requests", "unauthorised"]

_PHASES = {"1": "PRE-ADMISIÓN", "2": "EN CAMINO", "3": "EN ENTREGA", "4": "ENTREGADO"}
_SECONDS = len(":00")


def found(view: View) -> Answer:
    parcel = view.parcel
    body = {
        "code": parcel.number,
        "reference1": parcel.reference or None,
        "refClient": parcel.reference or None,
        "destiPostalCode": parcel.destination.postcode,
        "destiNameLocation": parcel.destination.city,
        "totalPackage": "1",
        "events": [_event(fact) for fact in view.facts],
        "contents": [],
        "data_customs": [],
        "associatedShipments": [],
        "error": [],
    }
    return json_answer(200, body)


def not_found(number: str) -> Answer:
    return json_answer(
        200, {"code": number, "events": None, "error": [{"codError": "3", "desError": "Sin Trazabilidad."}]}
    )


def unauthorised() -> Answer:
    return json_answer(401, {"error": "Authentication denied."})


def token(id_token: str) -> Answer:
    return json_answer(200, {"idToken": id_token, "tokenType": "Bearer", "expiresIn": 3600})


def token_refused() -> Answer:
    return json_answer(401, {"error": "invalid_client"})


def _event(fact: Fact) -> dict[str, str | None]:
    said = correos().says[fact.moment]
    day, hour = day_and_time(fact.happened_at)
    return {
        "eventDate": day,
        "eventHours": hour[:-_SECONDS],
        "eventCode": said.code,
        "eventDes": said.summary,
        "phase": said.phase,
        "phaseDes": _PHASES[said.phase],
        "color": said.code[-1],
        "summaryText": said.summary,
        "expandedText": said.text,
        "unit": unit(fact),
        "location": locality(fact),
        "province": None,
        "country": None,
        "coordinateX": None,
        "coordinateY": None,
    }
