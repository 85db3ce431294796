"""The default push of partners: `{"events": [{carrier, tracking_number, occurred_at, code?, milestone?, ...}]}`.

Every entry stands alone: those that can be read are taken, the others are named with their index and what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import convert

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


class TooManyEntries(PayloadRejected):
    """The list is longer than one push may be: to be sent in parts."""


class _Body(msgspec.Struct, frozen=True):
    events: list[PushedEvent]


class _Loose(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw]


_body: Final = msgspec.json.Decoder(_Body)
_loose: Final = msgspec.json.Decoder(_Loose)
_entry: Final = msgspec.json.Decoder(PushedEvent)


def parse_push(body: bytes, content_type: str = "application/json", *, latest: datetime | None = None) -> Push:
    """Read a push body; what is said to have happened after `latest` is refused.

    Raises PayloadRejected when no list of events can be found in it at all, TooManyEntries when it is too long.
    """
    entries, refused = _decode(body, content_type)
    grouped: dict[tuple[str, str], list[TrackingEvent]] = {}
    for index, entry in entries:
        try:
            carrier, number = _carrier(entry.carrier), _number(entry.tracking_number)
            read = _event(carrier, number, entry)
            _must_have_happened(read, entry, latest)
        except PayloadRejected as error:
            refused.append(RefusedEntry(index, f"events[{index}].{error.path}", error.reason))
            continue
        grouped.setdefault((carrier, number), []).append(read)
    refused.sort(key=lambda one: one.index)
    return Push(tuple(_report(*named, events) for named, events in grouped.items()), tuple(refused))


def _decode(body: bytes, content_type: str) -> tuple[list[tuple[int, PushedEvent]], list[RefusedEntry]]:
    """All entries at once; only when that fails each by itself, to tell the good from the bad."""
    try:
        entries = _body.decode(body).events
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_each(body, content_type)
    _must_be_few(entries)
    return list(enumerate(entries)), []


def _decode_each(body: bytes, content_type: str) -> tuple[list[tuple[int, PushedEvent]], list[RefusedEntry]]:
    raw = _entries(body, content_type)
    _must_be_few(raw)
    entries: list[tuple[int, PushedEvent]] = []
    refused: list[RefusedEntry] = []
    for index, one in enumerate(raw):
        try:
            entries.append((index, _entry.decode(one) if isinstance(one, msgspec.Raw) else convert(one, PushedEvent)))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            reason, _, where = str(error).partition(" - at `$")
            refused.append(RefusedEntry(index, f"events[{index}]{where.rstrip('`')}", reason))
    return entries, refused


def _entries(body: bytes, content_type: str) -> Sequence[object]:
    """The list of events, each still to be read; the second reader takes JSON that is not quite right (half an emoji)."""
    try:
        return _loose.decode(decode(body, content_type)).events
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        root = read_json(body, content_type)
    if not isinstance(root.value, dict):
        raise root.rejected("an object with a list `events`", root.value)
    events: Node = root.get("events")
    if not isinstance(events.value, list):
        raise events.rejected("a list of events", events.value)
    return events.value


def _must_be_few(entries: Sequence[object]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise TooManyEntries("events", f"{len(entries)} entries, more than the {MAX_ENTRIES} of one push")


def _must_have_happened(read: TrackingEvent, entry: PushedEvent, latest: datetime | None) -> None:
    if latest is not None and read.occurred_at is not None and read.occurred_at > latest:
        raise PayloadRejected("occurred_at", f"{entry.occurred_at[:_MAX_NAME]!r} has not come yet")


def _report(carrier: str, number: str, events: list[TrackingEvent]) -> PushedReport:
    return PushedReport(carrier, Report(tracking_number=number, events=oldest_first(events)))


def _event(carrier: str, number: str, entry: PushedEvent) -> TrackingEvent:
    place = _place(entry.place)
    moment = _moment(carrier, entry.occurred_at, place)
    code, text = _optional(entry.code, _MAX_NAME), _optional(entry.text, MAX_TEXT)
    meaning = _meaning(registry.code_table(carrier), entry, code, text)
    identity = code or (text_identity(text) if text else f"{meaning.milestone}.{meaning.status_detail or ''}")
    return event(number, identity, moment, meaning, Raw(code, text, place))


def _meaning(table: Codes, entry: PushedEvent, code: str | None, text: str | None) -> Meaning:
    """Our own words where they are given, else the carrier's code, else its text; nothing known stays unknown."""
    milestone, detail = _own_words(entry)
    if milestone is not None:
        return read_words(milestone, detail, text)
    if code is None and text is None:
        raise PayloadRejected("milestone", "one of milestone, code and text is needed")
    return table.understand(code, text)


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
    moment = from_iso(occurred_at.strip(), place, registry.card(carrier).home_zone)
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


def _carrier(value: str) -> str:
    code = _name(value, "carrier").lower()
    if code not in registry.codes():
        raise PayloadRejected(
            "carrier", f"no carrier {value[:_MAX_NAME]!r}; known: {', '.join(sorted(registry.codes()))}"
        )
    return code


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
