"""Where a parcel passes on its way: cities, the carriers' hubs, kinds of lanes, and the days on which couriers work."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import msgspec

_SATURDAY = 5
_EU = frozenset({"PT", "FR", "DE", "IT"})
_CANARY_POSTCODES = ("35", "38")


class Lane(StrEnum):
    """Kinds of way from the Spanish peninsula: with or without a border, and which."""

    DOMESTIC = "domestic"
    ISLANDS = "islands"  # the Canary Islands: Spanish, but outside the customs and tax area of the mainland
    EU = "eu"
    ABROAD = "abroad"


class Spot(msgspec.Struct, frozen=True):
    """A city in which something happens to a parcel. `postcode` is there where the carrier knows it: at the door."""

    city: str
    country: str
    zone: str
    postcode: str | None = None

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.zone))

    def utc(self, day: date, at: time) -> datetime:
        """The instant at which the clocks here show that time."""
        return datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC)

    def at_door(self, postcode: str) -> Spot:
        return msgspec.structs.replace(self, postcode=postcode)


class _Country(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    spanish: str
    holidays: frozenset[str]  # MM-DD
    saturday: bool = False


class _City(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    country: str
    zone: str
    postcodes: tuple[str, ...] = ()


class _Atlas(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    countries: dict[str, _Country]
    hubs: dict[str, dict[str, str]]
    cities: dict[str, _City]


@cache
def _atlas() -> _Atlas:
    return msgspec.toml.decode((files(__package__) / "places.toml").read_bytes(), type=_Atlas)


def spot(city: str) -> Spot:
    """Raises KeyError for a city that is not on the map."""
    known = _atlas().cities[city]
    return Spot(city, known.country, known.zone)


def cities(country: str) -> list[str]:
    """Those in which customers live."""
    return [name for name, city in _atlas().cities.items() if city.country == country and city.postcodes]


def postcodes(city: str) -> tuple[str, ...]:
    return _atlas().cities[city].postcodes


def country_name(country: str, *, spanish: bool = False) -> str:
    known = _atlas().countries[country]
    return known.spanish if spanish else known.name


def lane(destination: Spot) -> Lane:
    if destination.country == "ES":
        island = (destination.postcode or postcodes(destination.city)[0]).startswith(_CANARY_POSTCODES)
        return Lane.ISLANDS if island else Lane.DOMESTIC
    return Lane.EU if destination.country in _EU else Lane.ABROAD


def way(carrier: str, origin: Spot, destination: Spot) -> dict[str, Spot]:
    """The spots of a parcel's way by their role: origin, hub, mid, entry, depot, door (scenarios.toml)."""
    hubs = _atlas().hubs[carrier]
    kind = lane(destination)
    hub = spot(hubs[origin.country])
    entry = spot(destination.city if kind is Lane.ISLANDS else hubs[destination.country])
    crosses_border = kind in {Lane.EU, Lane.ABROAD}
    return {
        "origin": spot(origin.city),
        "hub": hub,
        "mid": spot(hubs["gateway"]) if crosses_border else hub,
        "entry": entry,
        "depot": spot(destination.city),
        "door": destination,
    }


def couriers_work(country: str, day: date) -> bool:
    """Never on Sundays and public holidays; on Saturdays where the country's carriers do."""
    known = _atlas().countries[country]
    weekdays = _SATURDAY + 1 if known.saturday else _SATURDAY
    return day.weekday() < weekdays and day.strftime("%m-%d") not in known.holidays


def working_day(country: str, day: date, count: int = 0) -> date:
    """The `count`-th working day after `day`; for 0 the day itself, or the next one that is a working day."""
    remaining = count
    while remaining or not couriers_work(country, day):
        day += timedelta(days=1)
        if remaining and couriers_work(country, day):
            remaining -= 1
    return day
