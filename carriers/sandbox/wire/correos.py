"""Correos localizador (v1): an array of one shipment, oldest first, dd/mm/yyyy in Spanish time wherever it happened."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from carriers.contract import Answer
from carriers.sandbox.journey import Fact
from carriers.sandbox.parcel import View
from carriers.sandbox.places import Spot, country_name
from carriers.sandbox.tracking_numbers import correos_check_letter
from carriers.sandbox.wire.form import json_answer
from carriers.sandbox.words import correos

_MADRID = ZoneInfo("Europe/Madrid")
_CONSIGNMENT_CHARACTERS = 15


def found(view: View) -> Answer:
    parcel = view.parcel
    weight, longest = parcel.chance.number(180, 4800, "grams"), parcel.chance.number(18, 45, "centimetres")
    shipment = {
        "codEnvio": parcel.number,
        "numReferencia1": parcel.reference or None,
        "refCliente": parcel.reference,
        "codProducto": "QD",
        "fec_entrega": None,
        "eventos": [_event(fact) for fact in view.facts],
        "enviosAsociados": [],
        "error": {"codError": "0", "desError": ""},
        "largo": str(longest),
        "alto": str(longest // 2),
        "ancho": str(longest // 3),
        "peso": str(weight),
        "fec_calculada": "",
        "codExpedicion": consignment(parcel.number),
        "totalBultos": "1",
        "numBulto": "1",
    }
    return json_answer(200, [shipment])


def not_found(number: str) -> Answer:
    error = {"codError": "3", "desError": "Sin Trazabilidad en Minerva."}
    return json_answer(200, [{"codEnvio": number, "eventos": None, "enviosAsociados": None, "error": error}])


def unauthorised() -> Answer:
    return Answer(401, "text/html;charset=utf-8", b"<html><body><h1>HTTP Status 401 - Unauthorized</h1></body></html>")


def too_many_requests(retry_after: int | None) -> Answer:
    return Answer(429, "text/html", b"<html><body><h1>Too Many Requests</h1></body></html>", retry_after)


def server_error() -> Answer:
    return Answer(500, "text/html", b"<html><body><h1>HTTP Status 500 - Internal Server Error</h1></body></html>")


def consignment(number: str) -> str:
    """The consignment that a domestic parcel belongs to; an international number has none."""
    if not number.startswith("PQ"):
        return ""
    body = number[:_CONSIGNMENT_CHARACTERS]
    return f"{body}{correos_check_letter(body)}"


def day_and_time(instant: datetime) -> tuple[str, str]:
    local = instant.astimezone(_MADRID)
    return local.strftime("%d/%m/%Y"), local.strftime("%H:%M:%S")


def unit(fact: Fact) -> str:
    """The name of the office that scanned, in the manner of Correos."""
    city = fact.spot.city.upper()
    if fact.moment == "label_created":
        return "NO_OFI"
    if fact.moment.startswith("customs_"):
        return f"ADUANA {city}"
    if fact.moment in {"arrived_gateway", "departed_gateway"}:
        return "CENTRO INTERNACIONAL BARAJAS"
    if fact.spot.country != "ES":
        return f"OPERADOR POSTAL {country_name(fact.spot.country, spanish=True)}"
    kinds = {"picked_up": "UAM", "ready_for_collection": "OFICINA", "collected": "OFICINA", "unclaimed": "OFICINA"}
    at_hub = fact.moment in {
        "arrived_hub",
        "departed_hub",
        "missorted",
        "weather_delay",
        "strike_delay",
        "vehicle_delay",
    }
    return f"{kinds.get(fact.moment, 'CTA' if at_hub else 'UNIDAD DE REPARTO')} {city}"


def locality(fact: Fact) -> str | None:
    spot: Spot = fact.spot
    return spot.city.upper() if spot.country == "ES" and fact.moment != "label_created" else None


def _event(fact: Fact) -> dict[str, str | None]:
    said = correos().says[fact.moment]
    day, hour = day_and_time(fact.happened_at)
    return {
        "fecEvento": day,
        "horEvento": hour,
        "codEvento": said.code,
        "fase": said.phase,
        "color": said.code[-1],
        "desTextoResumen": said.summary,
        "desTextoAmpliado": said.text,
        "accionWeb": None,
        "paramAccionWeb": None,
        "codired": None,
        "unidad": unit(fact),
        "localidad": locality(fact),
        "coordenadaX": None,
        "coordenadaY": None,
        "codSeccion": None,
    }
