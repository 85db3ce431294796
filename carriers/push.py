"""The default push of partners: `{"events": [{carrier, tracking_number, occurred_at, code?, milestone?, ...}]}`.

Every entry stands alone: those that can be read are taken, the others are named with their index and what is wrong.
"""

from __future__ import annotations

from typing import Final

import msgspec

from carriers import registry
from carriers.codes import Codes, milestone_of, read_words
from carriers.contract import PayloadRejected, Place, Report, TrackingEvent
from carriers.event import Raw, event, oldest_first, text_identity
from carriers.moment import Moment, from_iso
from carriers.payload import MAX_TEXT, Node, clean, decode, read_json
from carriers.phrases import Meaning
from carriers.place import split_place
from carriers.vocabulary import STATUS_DETAILS, Milestone

MAX_ENTRIES: Final = 5000  # of one push; a larger one is refused as a whole
_MAX_NAME: Final = 64
_NOWHERE: Final = Place()
_NO_CODES: Final = Codes({}, {}, {})


class PushedPlace(msgspec.Struct, frozen=True):
    """Where it happened; a plain text is read as the city."""

    city: str | None = None
    country: str | None = None
    postcode: str | None = None


class PushedEvent(msgspec.Struct, frozen=True):
    """One entry as partners write it."""

    carrier: str
    tracking_number: str
    occurred_at: str
    code: str | None = None
    milestone: str | None = None
    status_detail: str | None = None
    text: str | None = None
    place: PushedPlace | str | None = None


class PushedReport(msgspec.Struct, frozen=True):
    """What one push says about one shipment."""

    carrier: str
    report: Report


class RefusedEntry(msgspec.Struct, frozen=True):
    """An entry that could not be read: its index, the path of what is wrong, and why."""

    index: int
    path: str
    reason: str


class Push(msgspec.Struct, frozen=True):
    """A push, taken apart."""

    reports: tuple[PushedReport, ...]
    refused: tuple[RefusedEntry, ...] = ()


class _Body(msgspec.Struct, frozen=True):
    events: list[PushedEvent]


class _Loose(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw]


_body: Final = msgspec.json.Decoder(_Body)
_loose: Final = msgspec.json.Decoder(_Loose)
_entry: Final = msgspec.json.Decoder(PushedEvent)


def parse_push(body: bytes, content_type: str = "application/json") -> Push:
    """Read a push body. Raises PayloadRejected when no list of events can be found in it at all."""
    entries, refused = _decode(body, content_type)
    if len(entries) + len(refused) > MAX_ENTRIES:
        raise PayloadRejected(
            "events", f"{len(entries) + len(refused)} entries, more than the {MAX_ENTRIES} of one push"
        )
    grouped: dict[tuple[str, str], list[TrackingEvent]] = {}
    for index, entry in entries:
        try:
            carrier, number = _name(entry.carrier, "carrier"), _number(entry.tracking_number)
            read = _event(carrier, number, entry)
        except PayloadRejected as error:
            refused.append(RefusedEntry(index, f"events[{index}].{error.path}", error.reason))
            continue
        grouped.setdefault((carrier, number), []).append(read)
    refused.sort(key=lambda one: one.index)
    return Push(tuple(_report(*named, events) for named, events in grouped.items()), tuple(refused))


def _decode(body: bytes, content_type: str) -> tuple[list[tuple[int, PushedEvent]], list[RefusedEntry]]:
    """All entries at once; only when that fails each by itself, to tell the good from the bad."""
    try:
        return list(enumerate(_body.decode(body).events)), []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_each(body, content_type)


def _decode_each(body: bytes, content_type: str) -> tuple[list[tuple[int, PushedEvent]], list[RefusedEntry]]:
    try:
        raw = _loose.decode(decode(body, content_type)).events
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _why_not(body, content_type) from None
    entries: list[tuple[int, PushedEvent]] = []
    refused: list[RefusedEntry] = []
    for index, one in enumerate(raw):
        try:
            entries.append((index, _entry.decode(one)))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            reason, _, where = str(error).partition(" - at `$")
            refused.append(RefusedEntry(index, f"events[{index}]{where.rstrip('`')}", reason))
    return entries, refused


def _why_not(body: bytes, content_type: str) -> PayloadRejected:
    """What is wrong with a body that holds no list of events."""
    try:
        root = read_json(body, content_type)
    except PayloadRejected as error:
        return error
    if not isinstance(root.value, dict):
        return root.rejected("an object with a list `events`", root.value)
    events: Node = root.get("events")
    return events.rejected("a list of events", events.value)


def _report(carrier: str, number: str, events: list[TrackingEvent]) -> PushedReport:
    return PushedReport(carrier, Report(tracking_number=number, events=oldest_first(events)))


def _event(carrier: str, number: str, entry: PushedEvent) -> TrackingEvent:
    place = _place(entry.place)
    moment = _moment(carrier, entry.occurred_at, place)
    code, text = _optional(entry.code, _MAX_NAME), _optional(entry.text, MAX_TEXT)
    table = _table(carrier)
    meaning = _meaning(table, entry, code, text)
    identity = code or (text_identity(text) if text else f"{meaning.milestone}.{meaning.status_detail or ''}")
    return event(number, identity, moment, meaning, Raw(code, text, place))


def _meaning(table: Codes | None, entry: PushedEvent, code: str | None, text: str | None) -> Meaning:
    """Our own words where they are given, else the carrier's code, else its text; nothing known stays unknown."""
    milestone, detail = _own_words(entry)
    if milestone is not None:
        return read_words(milestone, detail, text)
    if code is None and text is None:
        raise PayloadRejected("milestone", "one of milestone, code and text is needed")
    return (table or _NO_CODES).understand(code, text)


def _own_words(entry: PushedEvent) -> tuple[Milestone | None, str | None]:
    detail = entry.status_detail or None
    if entry.milestone:
        try:
            milestone: Milestone | None = Milestone(entry.milestone)
        except ValueError:
            raise PayloadRejected(
                "milestone", f"{entry.milestone[:_MAX_NAME]!r} is none of {', '.join(Milestone)}"
            ) from None
    else:
        milestone = milestone_of(detail) if detail else None
    if detail is not None and (milestone is None or detail not in STATUS_DETAILS[milestone]):
        raise PayloadRejected(
            "status_detail", f"{detail[:_MAX_NAME]!r} is no status detail of {milestone or 'any milestone'}"
        )
    return milestone, detail


def _moment(carrier: str, occurred_at: str, place: Place) -> Moment:
    home = registry.card(carrier).home_zone if carrier in registry.codes() else "UTC"
    moment = from_iso(occurred_at.strip(), place, home)
    if moment.at is None:
        raise PayloadRejected(
            "occurred_at", f"{occurred_at[:_MAX_NAME]!r} is no ISO 8601 time, as in 2026-03-05T10:45:09+01:00"
        )
    return moment


def _place(place: PushedPlace | str | None) -> Place:
    if place is None:
        return _NOWHERE
    if isinstance(place, str):
        city, country = split_place(clean(place)[:MAX_TEXT])
        return Place(city=city, country=country)
    country = (place.country or "").strip().upper()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise PayloadRejected("place.country", f"{country[:_MAX_NAME]!r} is no ISO 3166-1 alpha-2 code, as in ES")
    return Place(
        city=_optional(place.city, MAX_TEXT), country=country or None, postcode=_optional(place.postcode, _MAX_NAME)
    )


def _table(carrier: str) -> Codes | None:
    return registry.code_table(carrier) if carrier in registry.codes() else None


def _name(value: str, field: str) -> str:
    name = value.strip()
    if not name or len(name) > _MAX_NAME or clean(name) != name:
        raise PayloadRejected(field, f"1 to {_MAX_NAME} printable characters are needed")
    return name


def _number(value: str) -> str:
    """In capitals, without spaces: two spellings of a number are one parcel, and one event said twice is one event."""
    return _name(value.replace(" ", "").upper(), "tracking_number")


def _optional(value: str | None, longest: int) -> str | None:
    return (clean(value)[:longest] or None) if value else None
