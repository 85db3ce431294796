"""Correos's answer into reports: the public service (Spanish names, an array) and the API (English names, an object)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from carriers import refusal
from carriers.card import load_card
from carriers.codes import load_codes
from carriers.contract import Answer, CarrierFailure, Estimate, FailureKind, Lookup, Place, Report, TrackingEvent
from carriers.event import Raw, event, oldest_first, text_identity
from carriers.moment import from_wall, wall_dmy
from carriers.payload import Node, read_json
from carriers.phrases import NOTHING, Meaning
from carriers.place import fold_name
from carriers.vocabulary import Milestone

_FOLDER: Final = Path(__file__).parent
CARD: Final = load_card(_FOLDER)
CODES: Final = load_codes(_FOLDER / "codes.toml")

# The phase is the weakest sign: it is asked only when neither code nor text is known, and it ends nothing.
_PHASES: Final = {
    "1": Meaning(milestone=Milestone.ANNOUNCED),
    "pre admision": Meaning(milestone=Milestone.ANNOUNCED),
    "2": Meaning(milestone=Milestone.IN_TRANSIT),
    "en camino": Meaning(milestone=Milestone.IN_TRANSIT),
    "3": Meaning(milestone=Milestone.IN_TRANSIT, status_detail="at_delivery_depot"),
    "en entrega": Meaning(milestone=Milestone.IN_TRANSIT, status_detail="at_delivery_depot"),
    "devolucion": Meaning(milestone=Milestone.RETURNING),
}
_ABROAD: Final = re.compile(
    r"\b(pais de destino|oficina de cambio de destino|internacional de destino|destination country)\b"
)
_NO_OFFICE: Final = "NO_OFI"


def parse(answer: Answer, lookups: Sequence[Lookup] = ()) -> list[Report]:
    """Reports of the shipments in the body. Raises CarrierFailure, PayloadRejected."""
    if answer.status == 204 or (answer.status >= 300 and refusal.is_page(answer)):
        raise _walled(answer)
    root = read_json(answer.body, answer.content_type)
    if answer.status >= 300:
        raise _refused(answer, root)
    # The public search page wraps the same shipments once more.
    shipments = list(
        (root.get("shipment") if isinstance(root.value, dict) and "shipment" in root.value else root).items()
    )
    if not shipments:
        raise CarrierFailure(FailureKind.NOT_FOUND, "no shipment in the answer")
    reports = [_report(shipment.needed(), answer, lookups) for shipment in shipments]
    if len(reports) == 1 and reports[0].failure is not None:
        raise _no_data(shipments[0], answer)
    return reports


def _walled(answer: Answer) -> CarrierFailure:
    """A page instead of an answer: the public service is behind a wall at times, which no credentials open."""
    if answer.status in (401, 403):
        return refusal.failure(FailureKind.CARRIER_DOWN, f"HTTP {answer.status} with a page: walled off", answer)
    said = refusal.by_status(answer)
    return said or refusal.failure(FailureKind.MALFORMED, "no content", answer)


def _refused(answer: Answer, root: Node) -> CarrierFailure:
    words = ". ".join(word for entry in root.items() for word in _words(entry))
    return refusal.by_status(answer, words) or refusal.failure(FailureKind.MALFORMED, words, answer)


def _words(entry: Node) -> Iterator[str]:
    if not isinstance(entry.value, dict):
        return
    for name in (
        "message",
        "title",
        "detail",
        "description",
        "moreInformation",
        "error",
        "error_description",
        "desError",
    ):
        member = entry.get(name)
        if isinstance(member.value, str) and (word := member.text()):
            yield word
        elif isinstance(member.value, dict | list):
            yield from (word for inner in member.items() for word in _words(inner))


def _report(shipment: Node, answer: Answer, lookups: Sequence[Lookup]) -> Report:
    number = shipment.first("codEnvio", "code", "shipmentCode").text() or (
        lookups[0].tracking_number if lookups else None
    )
    if number is None and _error_code(shipment) is None and not shipment.first("eventos", "events"):
        raise _no_data(shipment, answer)
    events = list(_events(shipment, number or ""))
    if not events:
        said = _no_data(shipment, answer)
        return Report(tracking_number=number or "", failure=said.kind, detail=said.detail)
    return Report(
        tracking_number=number or "",
        events=oldest_first(events),
        estimate=_estimate(shipment),
        detail=_continues(shipment),
    )


def _error_code(shipment: Node) -> str | None:
    """The error of this shipment; `0` means none, as do the empty forms that the API gives."""
    for error in shipment.get("error").items():
        code = error.first("codError", "errorCode").text()
        if code not in (None, "0"):
            return code
    return None


def _no_data(shipment: Node, answer: Answer) -> CarrierFailure:
    words = ". ".join(_words(shipment))
    said = refusal.by_words(words, answer) if words else None
    return said or refusal.failure(FailureKind.NOT_FOUND, words or "no events yet", answer)


def _events(shipment: Node, number: str) -> Iterator[TrackingEvent]:
    if _error_code(shipment) is not None:
        return
    for index, record in enumerate(shipment.first("eventos", "events").items()):
        code = record.needed().first("codEvento", "eventCode").text()
        summary = record.first("desTextoResumen", "summaryText", "eventDes").prose()
        sentence = record.first("desTextoAmpliado", "expandedText", "extendedText").prose()
        wall = wall_dmy(
            record.first("fecEvento", "eventDate").text(), record.first("horEvento", "eventHours", "eventTime").text()
        )
        # Correos stamps mainland time wherever the parcel is, so the place says nothing about the zone.
        yield event(
            number,
            code or text_identity(summary),
            from_wall(wall, Place(), CARD.home_zone),
            _meaning(record, code, summary, sentence),
            Raw(code, sentence or summary, _place(record, sentence)),
            sequence=index,
        )


def _meaning(record: Node, code: str | None, summary: str | None, sentence: str | None) -> Meaning:
    said = " . ".join(part for part in (summary, sentence) if part)
    meaning = CODES.understand(code, said or None, wording=summary)
    if meaning != NOTHING:
        return meaning
    phases = (record.first("fase", "phase").text(), record.first("desFase", "phaseDes", "desPhase").text())
    return next((_PHASES[key] for phase in phases if (key := fold_name(phase or "")) in _PHASES), NOTHING)


def _place(record: Node, sentence: str | None) -> Place:
    unit = record.first("unidad", "unit").text()
    city = record.first("localidad", "location").prose()
    country = (record.get("country").text() or "").upper()
    home = None if _ABROAD.search(fold_name(sentence or "")) else CARD.home_country
    return Place(city=None if city == unit == _NO_OFFICE else city, country=country if len(country) == 2 else home)


def _estimate(shipment: Node) -> Estimate | None:
    text = shipment.first("fec_calculada", "dateCalculated", "dateDeliverySum").text()
    day, _, clock = (text or "").partition(" ")
    wall = wall_dmy(day, None if clock.startswith("00:00") else clock)
    if wall is None:
        return None
    return Estimate(wall.local.date(), wall.local.date())


def _continues(shipment: Node) -> str | None:
    """The numbers under which a relabelled parcel, or its return, goes on."""
    others = shipment.first("enviosAsociados", "associatedShipments").items()
    numbers = [
        other.first("codEnvio", "code", "shipmentCode").text() for other in others if isinstance(other.value, dict)
    ]
    known = ", ".join(number for number in numbers if number)
    return f"associated shipments: {known}" if known else None
