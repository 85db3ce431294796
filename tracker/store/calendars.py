"""Working days of countries, kept in a table and remembered for as long as the process lives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sql import queries
from sql.connection import Connection
from tracker.domain.calendar import Calendar, lane

_SQL = queries.topic("calendars")


class Calendars:
    """Holidays by country. A few hundred dates per country; rows appear before a country is first shipped to.

    They are read again every day: some other process may have written those of the year to come.
    """

    def __init__(self) -> None:
        self._days: dict[str, frozenset[date]] = {}
        self._read_on: dict[str, date] = {}
        self._lanes: dict[tuple[str, ...], Calendar] = {}

    async def read(self, conn: Connection, countries: Iterable[str], today: date) -> None:
        """Make these countries known, with one statement for those that have not been read today."""
        missing = sorted(country for country in set(countries) if self._read_on.get(country) != today)
        if not missing:
            return
        found: dict[str, set[date]] = {country: set() for country in missing}
        for row in await conn.fetch(_SQL.holidays, missing):
            found[row["country"]].add(row["day"])
        self._read_on.update(dict.fromkeys(missing, today))
        self._days.update({country: frozenset(days) for country, days in found.items()})
        self._lanes.clear()

    def lane(self, zone: str, *countries: str) -> Calendar:
        """The calendar of a lane between countries that have been read."""
        known = self._lanes.get((zone, *countries))
        if known is None:
            known = self._lanes[zone, *countries] = lane(zone, *(self._days[country] for country in countries))
        return known


async def missing_years(conn: Connection, countries: Sequence[str], years: Sequence[int]) -> list[tuple[str, int]]:
    """The pairs of country and year that nobody has loaded yet."""
    rows = await conn.fetch(_SQL.missing_years, list(countries), list(years))
    return [(row["country"], row["year"]) for row in rows]


async def write_years(
    conn: Connection, years: Sequence[tuple[str, int]], holidays: Sequence[tuple[str, date, str]]
) -> None:
    """Keep holidays (country, day, name), and that these years of these countries are complete."""
    countries, days, names = ([row[at] for row in holidays] for at in range(3))
    await conn.execute(_SQL.insert_holidays, countries, days, names)
    await conn.execute(_SQL.insert_years, [country for country, _ in years], [year for _, year in years])


async def known_countries(conn: Connection) -> list[str]:
    """Countries that are shipped to or from."""
    return [row["country"] for row in await conn.fetch(_SQL.known_countries)]
