"""Times as people say them: "in 2 hours", and the day or the exact moment with its zone; cached, since pages say many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_timedelta

from tracker.web.words import Language, language

Width = Literal["long", "short"]
_Unit = Literal["minute", "hour", "day"]

_UNITS: Final[tuple[tuple[_Unit, timedelta, timedelta], ...]] = (  # unit, its length, how far it is used
    ("minute", timedelta(minutes=1), timedelta(minutes=90)),
    ("hour", timedelta(hours=1), timedelta(hours=36)),
    ("day", timedelta(days=1), timedelta.max),
)
_NEVER: Final = 10**9  # a threshold that no amount reaches, so that the unit stays the one that was chosen


class Time:
    """What the templates of one language know of time. Moments are aware; zones are IANA names."""

    def __init__(self, spoken: Language) -> None:
        self._language = spoken

    def relative(self, moment: datetime, now: datetime, width: Width = "short") -> str:
        """ "in 2 hours", "5 minutes ago"; the word for now within the minute."""
        away = moment - now
        if abs(away) < timedelta(minutes=1):
            return self._language.word("time", "this_minute")
        unit, count = _rounded(away)
        return _spoken(count, unit, width, self._language.code, directed=True)

    def span(self, length: timedelta) -> str:
        """How long something may take: "10 minutes"."""
        unit, count = _rounded(length)
        return _spoken(count, unit, "long", self._language.code, directed=False)

    def exact(self, moment: datetime, zone: str) -> str:
        """Weekday, date, time and zone: "Sunday, 22 November 2026, 19:20 CET"."""
        return f"{self._formed('exact', moment, zone)} {_zone_name(moment, zone)}"

    def stamp(self, moment: datetime, zone: str) -> str:
        """Date and time, short: "22 Nov 19:20"."""
        return self._formed("stamp", moment, zone)

    def day(self, moment: datetime, zone: str) -> str:
        """Weekday and date in words: "Sunday, 22 November"."""
        return self._formed("day", moment, zone)

    def past_day(self, moment: datetime, zone: str, now: datetime) -> str:
        """As `day`, with its year where that is not this one."""
        years = {one.astimezone(ZoneInfo(zone)).year for one in (moment, now)}
        return self._formed("day" if len(years) == 1 else "day_of_year", moment, zone)

    def short_day(self, moment: datetime, zone: str) -> str:
        """ "Sun 22 Nov"."""
        return self._formed("short_day", moment, zone)

    def last_day(self, end: datetime, zone: str) -> str:
        """The day that a span ends with, short: an end at midnight belongs to the day before."""
        return self.short_day(end - timedelta(microseconds=1), zone)

    def hour(self, moment: datetime, zone: str) -> str:
        """ "19:20"."""
        return self._formed("hour", moment, zone)

    def utc(self, moment: datetime) -> str:
        """ "2026-11-22 18:20:05 UTC", for comparison with raw payloads."""
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def iso(self, moment: datetime) -> str:
        """For the `datetime` attribute."""
        return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def _formed(self, pattern: str, moment: datetime, zone: str) -> str:
        return _formed(pattern, moment, zone, self._language.code)


def _rounded(span: timedelta) -> tuple[_Unit, int]:
    """The unit in which a span is told, and how many of it; never none."""
    unit, length = next((unit, length) for unit, length, most in _UNITS if abs(span) < most)
    count = max(1, abs(span) // length)
    return unit, count if span > timedelta() else -count


@lru_cache(maxsize=4096)
def _spoken(count: int, unit: _Unit, width: Width, code: str, *, directed: bool) -> str:
    length = next(length for name, length, _ in _UNITS if name == unit)
    return format_timedelta(
        count * length,
        granularity=unit,
        threshold=_NEVER,
        add_direction=directed,
        format=width,
        locale=language(code).locale,
    )


@lru_cache(maxsize=8192)
def _formed(pattern: str, moment: datetime, zone: str, code: str) -> str:
    spoken = language(code)
    return format_datetime(moment, spoken.phrase("pattern", pattern, {}), tzinfo=ZoneInfo(zone), locale=spoken.locale)


@lru_cache(maxsize=1024)
def _zone_name(moment: datetime, zone: str) -> str:
    """The zone's usual letters ("CET"); the offset where it has none."""
    local = moment.astimezone(ZoneInfo(zone))
    name = local.tzname() or ""
    return name if name.isalpha() else f"UTC{local.isoformat()[-6:]}"
