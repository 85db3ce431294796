"""Working time: how long something has waited, counted only on days on which a lane works."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

_DAY = timedelta(days=1)
_LONGEST = 400  # days; a calendar without any working day must not loop for ever


class Calendar(msgspec.Struct, frozen=True):
    """The days off of a lane. `zone` says where its days begin; `weekend` holds ISO weekdays (6 = Saturday)."""

    zone: str
    holidays: frozenset[date] = frozenset()
    weekend: frozenset[int] = frozenset({6, 7})

    def works_on(self, day: date) -> bool:
        return day.isoweekday() not in self.weekend and day not in self.holidays

    def after(self, start: datetime, days: float) -> datetime:
        """The instant when `days` of 24 working hours have passed since `start`; days off do not count."""
        left = timedelta(days=days)
        at, day = start.astimezone(UTC), start.astimezone(zone_of(self.zone)).date()
        for _ in range(_LONGEST):
            tomorrow = day + _DAY
            midnight = start_of_day(tomorrow, self.zone)
            if self.works_on(day):
                if left <= midnight - at:
                    return at + left
                left -= midnight - at
            at, day = midnight, tomorrow
        return at + left


def lane(zone: str, *countries: Iterable[date]) -> Calendar:
    """The calendar of a lane: a day off in any of its countries is a day off."""
    return Calendar(zone, frozenset().union(*countries))


@lru_cache(maxsize=4096)
def start_of_day(day: date, zone: str) -> datetime:
    """The first instant of a day at a place."""
    return datetime.combine(day, time.min, zone_of(zone)).astimezone(UTC)


def end_of_day(day: date, zone: str) -> datetime:
    """The last second of a day at a place: what a promised date without a time means."""
    return start_of_day(day + _DAY, zone) - timedelta(seconds=1)


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises zoneinfo.ZoneInfoNotFoundError for an unknown one."""
    return ZoneInfo(name)
