"""UPS's answer into reports: one per package, `activity[]` newest first, errors also inside HTTP 200."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from carriers import refusal
from carriers.card import load_card
from carriers.codes import load_codes
from carriers.contract import Answer, CarrierFailure, Estimate, FailureKind, Lookup, Place, Report, TrackingEvent
from carriers.event import Raw, event, oldest_first, text_identity
from carriers.moment import Moment, Wall, from_offset, from_wall, wall_text, wall_ymd
from carriers.payload import Node, read_json
from carriers.phrases import Meaning
from carriers.vocabulary import TzCertainty

_FOLDER: Final = Path(__file__).parent
CARD: Final = load_card(_FOLDER)
CODES: Final = load_codes(_FOLDER / "codes.toml")

_ESTIMATES: Final = ("RDD", "SDD")  # rescheduled before scheduled; DEL is what happened
_NO_WINDOW: Final = frozenset({"DEL", "EOD"})


def parse(answer: Answer, lookups: Sequence[Lookup] = ()) -> list[Report]:
    """Reports of all packages in the body. Raises CarrierFailure, PayloadRejected."""
    if answer.status == 204 or (answer.status >= 300 and refusal.is_page(answer)):
        raise _refused(answer, "")
    root = read_json(answer.body, answer.content_type).needed()
    shipments = list(root.get("trackResponse", "shipment").items())
    if answer.status >= 300 or not shipments:
        raise _refused(answer, _words([*root.get("response", "errors").items(), *root.get("errors").items()]))
    reports = [report for shipment in shipments for report in _reports(shipment.needed(), lookups)]
    if len(reports) == 1 and reports[0].failure is not None:
        raise _no_data(shipments[0])
    return reports


def _refused(answer: Answer, words: str) -> CarrierFailure:
    said = refusal.by_status(answer, words) or (refusal.by_words(words, answer) if words else None)
    return said or refusal.failure(FailureKind.NOT_FOUND, words or "no shipment in the answer", answer)


def _no_data(shipment: Node) -> CarrierFailure:
    words = _words(shipment.get("warnings").items()) or "no package in the answer"
    return refusal.by_words(words) or refusal.failure(FailureKind.NOT_FOUND, words)


def _words(errors: Sequence[Node] | Iterator[Node]) -> str:
    spoken = [(error.get("code").text(), error.get("message").text()) for error in errors]
    return ". ".join(f"{code or ''} {message or ''}".strip() for code, message in spoken)


def _reports(shipment: Node, lookups: Sequence[Lookup]) -> Iterator[Report]:
    inquiry = shipment.get("inquiryNumber").text() or (lookups[0].tracking_number if lookups else None)
    packages = list(shipment.get("package").items())
    for package in packages:
        number = package.needed().get("trackingNumber").text() or inquiry
        if number is None:
            raise package.get("trackingNumber").rejected("a tracking number", None)
        events = list(_events(package, number))
        yield Report(
            tracking_number=number,
            also_known_as=(inquiry,) if inquiry else (),
            events=oldest_first(events),
            estimate=_estimate(package, lookups),
        )
    if not packages:
        said = _no_data(shipment)
        yield Report(tracking_number=inquiry or "", failure=said.kind, detail=said.detail)


def _events(package: Node, number: str) -> Iterator[TrackingEvent]:
    records = list(package.get("activity").items())
    for index, record in enumerate(records):
        status = record.needed().get("status")
        code, text = status.get("statusCode").text(), status.get("description").prose()
        place = _place(record.get("location", "address"))
        reason = status.get("code").text()
        yield event(
            number,
            code or f"{reason or ''}.{text_identity(text)}",
            _moment(record, place),
            _meaning(status, code, text),
            Raw(code or reason, text, place),
            sequence=len(records) - 1 - index,
        )


def _meaning(status: Node, code: str | None, text: str | None) -> Meaning:
    kind, reason = status.get("type").text(), status.get("code").text()
    known = next((one for one in (code, f"{kind}/{(text or '').upper()}") if one in CODES.codes), code)
    return CODES.understand(known, text, reason=reason if kind == "X" else None)


def _place(address: Node) -> Place:
    country = (address.first("countryCode", "country").text() or "").upper()
    return Place(
        city=address.get("city").prose(),
        country=country if len(country) == 2 else None,
        postcode=address.get("postalCode").text(),
    )


def _moment(record: Node, place: Place) -> Moment:
    """Best the GMT twin, then the offset, then the wall clock at the place."""
    wall = wall_ymd(record.get("date").text(), record.get("time").text())
    twin = wall_ymd(record.get("gmtDate").text(), record.get("gmtTime").text())
    if twin is not None:
        local = wall or twin
        at = twin.local.replace(tzinfo=UTC)
        return Moment(at, wall_text(local), TzCertainty.OFFSET_GIVEN, twin.precision)
    given = from_offset(wall, record.get("gmtOffset").text())
    region = record.get("location", "address", "stateProvince").text()
    return given if given.at else from_wall(wall, place, CARD.home_zone, region)


def _estimate(package: Node, lookups: Sequence[Lookup]) -> Estimate | None:
    dates = {entry.get("type").text(): entry.get("date").text() for entry in package.get("deliveryDate").items()}
    day = next((wall for kind in _ESTIMATES if (wall := wall_ymd(dates.get(kind))) is not None), None)
    if day is None:
        return None
    window = package.get("deliveryTime")
    if window.get("type").text() in _NO_WINDOW:
        return Estimate(day.local.date(), day.local.date())
    destination = _destination(package, lookups)
    earliest = _at(day, window.get("startTime").text(), destination)
    latest = _at(day, window.get("endTime").text(), destination)
    if earliest is None and latest is None:
        return Estimate(day.local.date(), day.local.date())
    return Estimate(earliest, latest)


def _at(day: Wall, clock: str | None, destination: Place) -> datetime | date | None:
    wall = wall_ymd(day.local.date().isoformat(), clock) if clock else None
    return from_wall(wall, destination, CARD.home_zone).with_offset if wall else None


def _destination(package: Node, lookups: Sequence[Lookup]) -> Place:
    for entry in package.get("packageAddress").items():
        if "DESTINATION" in (entry.get("type").text() or ""):
            return _place(entry.get("address"))
    if lookups and lookups[0].destination_country:
        return Place(country=lookups[0].destination_country, postcode=lookups[0].destination_postcode)
    newest = next(package.get("activity").items(), None)
    return _place(newest.get("location", "address")) if newest else Place()
