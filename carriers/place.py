"""The time zone of a place as a carrier writes it, from the IANA tables and a page of names (places.toml)."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from carriers.contract import Place
from carriers.vocabulary import TzCertainty

_MARKS: Final = re.compile("[™®©]")  # else "Access Point™" would become "access pointtm"
_NO_WORD: Final = re.compile(r"[^a-z0-9]+")
_PIECES: Final = re.compile(r"\s*[,;/]\s*|\s+-\s+|-(?=[A-Z]{2,3}$)")


class Located(NamedTuple):
    """A zone, and whether the place settles it (else it is the country's most populous one)."""

    zone: str
    settled: bool


class _Gazetteer(msgspec.Struct, frozen=True):
    """Everything known of places, with every name folded to lower case without accents."""

    countries: dict[str, str]  # name → ISO 3166-1 alpha-2
    zones: dict[str, tuple[str, ...]]  # country → zones, the most populous first
    names: dict[str, dict[str, str]]  # country → city → zone
    regions: dict[str, dict[str, str]]  # country → state or province → zone
    postcodes: dict[str, dict[str, str]]  # country → first two characters → zone
    abbreviations: dict[str, int]  # zone abbreviation → minutes east of UTC


def fold_name(text: str) -> str:
    """A name for comparison: lower case, no accents, single spaces."""
    plain = unicodedata.normalize("NFKD", _MARKS.sub("", text)).encode("ascii", "ignore").decode().lower()
    return _NO_WORD.sub(" ", plain).strip()


def country_of(text: str) -> str | None:
    """The country that a place text ends with: "MEXICO CITY - MEXICO", "Whittier, CA, US", "Deutschland"."""
    return split_place(text)[1]


@lru_cache(maxsize=2048)
def split_place(text: str) -> tuple[str | None, str | None]:
    """A place text as (city, ISO 3166-1 alpha-2 country); a city without a known country stays whole."""
    pieces = [piece for piece in _PIECES.split(text.strip()) if piece]
    known = _gazetteer().countries
    for start in range(len(pieces)):
        name = fold_name(" ".join(pieces[start:]))
        if name in known:
            return ", ".join(pieces[:start]) or None, known[name]
    last = pieces[-1] if pieces else ""
    # Two letters at the end may be a state ("ATLANTA, GA"): they are a country only as the third piece.
    if len(pieces) >= 3 and last in _gazetteer().zones:
        return ", ".join(pieces[:-1]), last
    return text.strip() or None, None


@lru_cache(maxsize=4096)
def locate(
    country: str | None, city: str | None = None, region: str | None = None, postcode: str | None = None
) -> Located | None:
    """The zone of a place; None when not even the country is known. `country` is ISO 3166-1 alpha-2."""
    code = (country or (country_of(city) if city else None) or "").upper()
    places = _gazetteer()
    zones = places.zones.get(code)
    if zones is None:
        return None
    if len(zones) == 1:
        return Located(zones[0], settled=True)
    named = (
        _by_region(places, code, city, region) or _by_postcode(places, code, postcode) or _by_city(places, code, city)
    )
    return Located(named, settled=True) if named else Located(zones[0], settled=False)


def moment(local: datetime, place: Place, home_zone: str, region: str | None = None) -> tuple[datetime, TzCertainty]:
    """The instant of a wall-clock time at a place, in UTC, and how sure its zone is.

    An hour that the clock skips is read with the offset before the change, an hour that it repeats as the first one.
    Raises OverflowError at the ends of the calendar.
    """
    located = locate(place.country, place.city, region, place.postcode)
    zone = located.zone if located else home_zone
    certainty = TzCertainty.FROM_LOCATION if located and located.settled else TzCertainty.ASSUMED
    return in_zone(local, zone), certainty


def in_zone(local: datetime, zone: str) -> datetime:
    """The instant of a naive wall-clock time in an IANA zone, in UTC. Raises OverflowError."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def offset_of(abbreviation: str) -> int | None:
    """Minutes east of UTC of a zone abbreviation such as EST or CEST; None when it is unknown or ambiguous."""
    return _gazetteer().abbreviations.get(abbreviation.upper())


def _by_region(places: _Gazetteer, country: str, city: str | None, region: str | None) -> str | None:
    known = places.regions.get(country, {})
    pieces = [region or "", *_PIECES.split(city or "")]
    return next((known[piece.upper()] for piece in pieces if piece and piece.upper() in known), None)


def _by_postcode(places: _Gazetteer, country: str, postcode: str | None) -> str | None:
    return places.postcodes.get(country, {}).get((postcode or "").strip()[:2])


def _by_city(places: _Gazetteer, country: str, city: str | None) -> str | None:
    """The longest known name that stands in the text as whole words."""
    text = f" {fold_name(city or '')} "
    found = [name for name in places.names.get(country, {}) if f" {name} " in text]
    return places.names[country][max(found, key=len)] if found else None


@cache
def _gazetteer() -> _Gazetteer:
    page = tomllib.loads(Path(__file__).with_name("places.toml").read_text(encoding="utf-8"))
    zones = _zones_by_country(page["main"], frozenset(page["one_time"]))
    names: dict[str, dict[str, str]] = {
        country: {fold_name(zone.rpartition("/")[2]): zone for zone in of_country}
        for country, of_country in zones.items()
        if len(of_country) > 1
    }
    for country, listed in page["cities"].items():
        for zone, cities in listed.items():
            names[country].update(dict.fromkeys((fold_name(city) for city in cities.split(",")), zone))
    return _Gazetteer(
        countries={fold_name(name): code for code, name in _iana("iso3166.tab")} | page["names"],
        zones=zones,
        names=names,
        regions={country: _turned(listed) for country, listed in page["regions"].items()},
        postcodes={country: _turned(listed) for country, listed in page["postcodes"].items()},
        abbreviations=page["abbreviations"],
    )


def _zones_by_country(main: dict[str, str], one_time: frozenset[str]) -> dict[str, tuple[str, ...]]:
    listed: dict[str, list[str]] = {}
    for country, _, zone, *_ in _iana("zone.tab"):
        listed.setdefault(country, []).append(zone)
    zones: dict[str, tuple[str, ...]] = {}
    for country, of_country in listed.items():
        first = main.get(country, of_country[0])
        rest = () if country in one_time else tuple(zone for zone in of_country if zone != first)
        zones[country] = (first, *rest)
    return zones


def _turned(listed: dict[str, str]) -> dict[str, str]:
    return {name: zone for zone, names in listed.items() for name in names.split()}


def _iana(table: str) -> Iterator[list[str]]:
    text = resources.files("tzdata").joinpath("zoneinfo", table).read_text(encoding="utf-8")
    return (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
