"""DHL's answer into reports: `shipments[].events[]`, newest first, with little code and much text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from carriers import refusal
from carriers.card import load_card
from carriers.codes import load_codes
from carriers.contract import (
    Answer,
    CarrierFailure,
    Estimate,
    FailureKind,
    Lookup,
    Place,
    Precision,
    Report,
    TrackingEvent,
)
from carriers.event import Raw, event, oldest_first, text_identity
from carriers.moment import Moment, from_iso
from carriers.payload import Node, read_json
from carriers.phrases import Meaning
from carriers.place import locate, split_place
from carriers.vocabulary import Milestone

_FOLDER: Final = Path(__file__).parent
CARD: Final = load_card(_FOLDER)
CODES: Final = load_codes(_FOLDER / "codes.toml")

_SHORT_CODE: Final = re.compile(r"[A-Z]{2}$|\d{3}$")  # a division's own code in `status`
_SAID_BY_CODE: Final = frozenset({"transit", "delivered", "pre-transit", "failure", "unknown"})
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


def parse(answer: Answer, lookups: Sequence[Lookup] = ()) -> list[Report]:
    """Reports of all shipments in the body, one per number. Raises CarrierFailure, PayloadRejected."""
    if answer.status >= 400 and refusal.is_page(answer):
        raise _refused(answer, "")
    if answer.status == 204:
        raise _refused(answer, "")
    root = read_json(answer.body, answer.content_type).needed()
    if answer.status >= 300 or (root.get("status") and not root.get("shipments")):
        raise _problem(answer, root)
    shipments = list(root.get("shipments").items())
    if not shipments:
        raise CarrierFailure(FailureKind.NOT_FOUND, "no shipments in the answer")
    return _newest_leg_of_each([_report(shipment.needed(), lookups) for shipment in shipments])


def _problem(answer: Answer, root: Node) -> CarrierFailure:
    """The failure of a problem+json body; its own status counts where the HTTP status was lost."""
    status = answer.status if answer.status >= 300 else root.get("status").integer() or 500
    words = [root.get(name).text() for name in ("title", "detail", "message")]
    return _refused(
        Answer(status, answer.content_type, answer.body, answer.retry_after), ". ".join(word for word in words if word)
    )


def _refused(answer: Answer, words: str) -> CarrierFailure:
    return refusal.by_status(answer, words) or refusal.failure(FailureKind.MALFORMED, words or "no shipments", answer)


def _report(shipment: Node, lookups: Sequence[Lookup]) -> Report:
    number = shipment.get("id").text() or (lookups[0].tracking_number if lookups else None)
    if number is None:
        raise shipment.get("id").rejected("a tracking number", None)
    events = list(_events(shipment, number))
    return Report(
        tracking_number=number,
        also_known_as=tuple(_other_numbers(shipment.get("details"))),
        events=oldest_first(events),
        estimate=_estimate(shipment),
    )


def _other_numbers(details: Node) -> Iterator[str]:
    references = [reference.get("number").text() for reference in details.get("references").items()]
    pieces = [piece.text() for piece in details.get("pieceIds").items()]
    return (number for number in references + pieces if number)


def _newest_leg_of_each(reports: list[Report]) -> list[Report]:
    """One number may be two divisions' shipment: the leg with the newest activity speaks."""
    newest: dict[str, Report] = {}
    for report in reports:
        held = newest.get(report.tracking_number)
        if held is None or _last_heard(report) > _last_heard(held):
            newest[report.tracking_number] = report
    return list(newest.values())


def _last_heard(report: Report) -> datetime:
    return max((event.occurred_at for event in report.events if event.occurred_at), default=_BEGINNING)


def _events(shipment: Node, number: str) -> Iterator[TrackingEvent]:
    """The history; where there is none, the current status is all that is known."""
    records = list(shipment.get("events").items()) or list(shipment.get("status").items())
    division = _division(shipment.get("service").text())
    returned = shipment.get("returnFlag").value is True
    for index, record in enumerate(records):
        place = _place(record.needed())
        moment = from_iso(
            record.get("timestamp").text(), place, _home(shipment) if place == Place() else CARD.home_zone
        )
        short = _short_code(record)
        coarse = record.get("statusCode").text()
        text = _text(record)
        stated = coarse or _current_status_code(shipment, record)
        code = next((known for known in (f"{division}/{short}", (stated or "").lower()) if known in CODES.codes), None)
        meaning = CODES.understand(code, _everything_said(record), wording=text)
        yield event(
            number,
            short or f"{coarse or ''}.{text_identity(text)}",
            moment,
            _returned(meaning) if returned else meaning,
            Raw(short or coarse, _with_remark(text, record), place),
            sequence=len(records) - 1 - index,
        )


def _current_status_code(shipment: Node, record: Node) -> str | None:
    """Some answers give the status code only with the current status: it is the code of the event of that time."""
    status = shipment.get("status")
    same = status.get("timestamp").text() == record.get("timestamp").text()
    return status.get("statusCode").text() if same else None


def _returned(meaning: Meaning) -> Meaning:
    """With the return flag a delivery is the delivery back to the sender."""
    if meaning.milestone is not Milestone.DELIVERED:
        return meaning
    return Meaning(milestone=Milestone.RETURNED, status_detail="arrived_sender")


def _division(service: str | None) -> str:
    return "ecommerce" if (service or "").startswith("ecommerce") else service or "express"


def _short_code(record: Node) -> str | None:
    status = record.get("status").text()
    return status if status and _SHORT_CODE.match(status) else None


def _text(record: Node) -> str | None:
    """The sentence of the record; `status` is one only where it is no code."""
    status = record.get("status").prose()
    sentence = None if _short_code(record) or (status or "").lower() in _SAID_BY_CODE else status
    return record.get("description").prose() or sentence or status


def _with_remark(text: str | None, record: Node) -> str | None:
    remark = record.get("remark").prose()
    return " ".join(part for part in (text, remark if remark != text else None) if part) or None


def _everything_said(record: Node) -> str | None:
    """All sentences for understanding; what follows in `nextSteps` has not happened."""
    parts = [record.get(name).prose() for name in ("status", "description", "remark")]
    spoken = [part for part in parts if part and part.lower() not in _SAID_BY_CODE and not _SHORT_CODE.match(part)]
    return " . ".join(dict.fromkeys(spoken)) or None


def _place(record: Node) -> Place:
    address = record.get("location", "address")
    locality = address.get("addressLocality").prose()
    city, named = split_place(locality) if locality else (None, None)
    code = (address.get("countryCode").text() or "").upper()
    return Place(city=city, country=code if len(code) == 2 else named, postcode=address.get("postalCode").text())


def _home(shipment: Node) -> str:
    """The zone to assume for a record without a place: where the shipment began."""
    address = shipment.get("origin", "address")
    located = locate(address.get("countryCode").text(), address.get("addressLocality").prose())
    return located.zone if located else CARD.home_zone


def _estimate(shipment: Node) -> Estimate | None:
    destination = _place(Node({"location": shipment.get("destination").value}, shipment.path))
    frame = shipment.get("estimatedDeliveryTimeFrame")
    earliest = _estimated(frame.get("estimatedFrom"), destination)
    latest = _estimated(frame.get("estimatedThrough"), destination)
    if earliest is None and latest is None:
        earliest = latest = _estimated(shipment.get("estimatedTimeOfDelivery"), destination)
    return None if earliest is None and latest is None else Estimate(earliest, latest)


def _estimated(field: Node, destination: Place) -> datetime | date | None:
    moment: Moment = from_iso(field.text(), destination, CARD.home_zone)
    if moment.at is None or moment.local is None:
        return None
    return date.fromisoformat(moment.local) if moment.precision is Precision.DAY else moment.with_offset
