"""Reading a carrier's clock: date and time texts into an instant, its wall-clock text and how sure both are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Final, NamedTuple

from carriers import place as places
from carriers.contract import Place, Precision
from carriers.vocabulary import TzCertainty

_YMD: Final = re.compile(r"(?P<year>\d{4})[-/.]?(?P<month>\d{2})[-/.]?(?P<day>\d{2})$")
_DMY: Final = re.compile(r"(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})[-/.](?P<year>\d{4})$")
_CLOCK: Final = re.compile(r"(\d{1,2}):?(\d{2})(?::?(\d{2})(?:[.,]\d+)?)?$")
_ABBREVIATED: Final = re.compile(r"(.*\d)\s*([A-Za-z]{2,5})$")
_ISO_CLOCK: Final = re.compile(r"(?<=\d)(?:[+-]\d{2}:?\d{2}|Z)$")
# Python reads a week as its Monday, and what follows a day as its time: neither is what was meant.
_WEEK_OR_ZONED_DAY: Final = re.compile(r"\d{4}-?W|\d{4}-?\d{2}-?\d{2}[+-]")
_NO_OFFSET, _WIDEST_OFFSET = timedelta(0), timedelta(hours=14)
_END_OF_DAY: Final = time(23, 59, 59)
_YEARS: Final = range(1990, 2101)  # others are placeholders: 0001-01-01, 1900-01-01, 9999-12-31


class Moment(NamedTuple):
    """When something happened. `at` is aware UTC, `local` the wall clock as ISO text; both None when unusable."""

    at: datetime | None
    local: str | None
    certainty: TzCertainty
    precision: Precision

    @property
    def with_offset(self) -> datetime | None:
        """The instant as the clock on the wall there shows it: what people call "Friday" must stay a Friday."""
        if self.at is None or self.local is None:
            return self.at
        wall = datetime.fromisoformat(self.local).replace(tzinfo=UTC)
        return self.at.astimezone(timezone(wall - self.at))


class Wall(NamedTuple):
    """A wall-clock time without a zone."""

    local: datetime
    precision: Precision


NEVER: Final = Moment(None, None, TzCertainty.ASSUMED, Precision.SECOND)


def from_iso(text: str | None, place: Place, home_zone: str, region: str | None = None) -> Moment:
    """Read an ISO 8601 time: with offset or Z, with a zone abbreviation, naive, or a date alone."""
    if not text or _WEEK_OR_ZONED_DAY.match(text):
        return NEVER
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return _from_abbreviated(text)
    if read.year not in _YEARS or abs(read.utcoffset() or _NO_OFFSET) > _WIDEST_OFFSET:
        return NEVER
    wall = _iso_wall(read, text)
    if read.tzinfo is None:
        return from_wall(wall, place, home_zone, region)
    return Moment(read.astimezone(UTC), wall_text(wall), TzCertainty.OFFSET_GIVEN, wall.precision)


def from_wall(wall: Wall | None, place: Place, home_zone: str, region: str | None = None) -> Moment:
    """The moment of a wall-clock time at a place; without a known place the carrier's home zone is assumed."""
    if wall is None:
        return NEVER
    try:
        at, certainty = places.moment(wall.local, place, home_zone, region)
    except OverflowError:
        return NEVER
    return Moment(at, wall_text(wall), certainty, wall.precision)


def from_offset(wall: Wall | None, offset: str | None) -> Moment:
    """The moment of a wall-clock time with its offset as text: `+01:00`, `-0430`, `+01`, `Z`."""
    if wall is None or not offset:
        return NEVER
    try:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").tzinfo
        at = wall.local.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return NEVER
    return Moment(at, wall_text(wall), TzCertainty.OFFSET_GIVEN, wall.precision)


def wall_ymd(day: str | None, clock: str | None = None) -> Wall | None:
    """A wall clock from year, month, day (with or without separators) and a clock such as 101500 or 10:15."""
    match = _YMD.match(day or "")
    return _wall(match["year"], match["month"], match["day"], clock) if match else None


def wall_dmy(day: str | None, clock: str | None = None) -> Wall | None:
    """A wall clock from day, month, year and a clock such as 10:15:00 or 9:05."""
    match = _DMY.match(day or "")
    return _wall(match["year"], match["month"], match["day"], clock) if match else None


def wall_text(wall: Wall) -> str:
    """The wall clock as it goes into event keys: a date, or date and time to the second."""
    if wall.precision is Precision.DAY:
        return wall.local.date().isoformat()
    return wall.local.isoformat(timespec="milliseconds" if wall.local.microsecond else "seconds")


def _wall(year: str, month: str, day: str, clock: str | None) -> Wall | None:
    try:
        date = datetime(int(year), int(month), int(day))  # noqa: DTZ001 - a wall clock has no zone
    except ValueError:
        return None
    if date.year not in _YEARS:
        return None
    match = _CLOCK.match(clock or "")
    if match is None:
        return Wall(datetime.combine(date, _END_OF_DAY), Precision.DAY)
    hour, minute, second = match.groups()
    try:
        local = datetime.combine(date, time(int(hour), int(minute), int(second or 0)))
    except ValueError:
        return Wall(datetime.combine(date, _END_OF_DAY), Precision.DAY)
    return Wall(local, Precision.SECOND if second else Precision.MINUTE)


def _iso_wall(read: datetime, text: str) -> Wall:
    if _YMD.match(text):
        return Wall(datetime.combine(read, _END_OF_DAY), Precision.DAY)
    digits = sum(character.isdigit() for character in _ISO_CLOCK.split(text, maxsplit=1)[0][10:])
    # 2026-03-05T10:30 has four digits after its tenth character, 20260305T1030 has three
    to_the_minute = digits <= (4 if text[4] == "-" else 3)
    return Wall(read.replace(tzinfo=None), Precision.MINUTE if to_the_minute else Precision.SECOND)


def _from_abbreviated(text: str) -> Moment:
    match = _ABBREVIATED.match(text)
    minutes = places.offset_of(match.group(2)) if match else None
    if match is None or minutes is None or _YMD.match(match.group(1)):  # a day has no zone
        return NEVER
    return from_iso(f"{match.group(1)}{_offset_text(minutes)}", Place(), "UTC")


def _offset_text(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
