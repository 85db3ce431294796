"""Public holidays, from the holidays library; computed once per country and year, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date


async def compute(pairs: Sequence[tuple[str, int]]) -> list[tuple[str, date, str]]:
    """Holidays as (country, day, name) of these countries and years; none for a country the library does not know.

    The first calendar of a country can take 0.7 s, which would stand in the way of everything else on the loop.
    """
    return await asyncio.to_thread(_compute, list(pairs))


def _compute(pairs: Sequence[tuple[str, int]]) -> list[tuple[str, date, str]]:
    import holidays  # noqa: PLC0415  (heavy, and needed only when a country is first shipped to)

    supported = holidays.list_supported_countries(include_aliases=True)
    return [
        (country, day, name)
        for country, year in pairs
        if country in supported
        for day, name in sorted(holidays.country_holidays(country, years=year).items())
    ]
