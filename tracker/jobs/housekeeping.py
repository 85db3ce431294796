"""Once a day: next year's holidays, and what has outlived its use."""

from __future__ import annotations

from sql import queries
from tracker.actions.deciding import House
from tracker.feeds import calendars as holidays
from tracker.store import calendars

_SQL = queries.topic("housekeeping")


async def keep_house(house: House) -> int:
    """Whoever inserts today's row does the day's work; always returns 0, since there is no more to do."""
    now = house.clock.now()
    async with house.db.connection() as conn:
        mine = await conn.fetchval(_SQL.once, "housekeeping", now.date().isoformat())
        if not mine:
            return 0
        await conn.execute(_SQL.drop_old_passes)
        await conn.execute(_SQL.drop_old_idempotency)
        countries = await calendars.known_countries(conn)
        missing = await calendars.missing_years(conn, countries, [now.year, now.year + 1])
    if missing:
        found = await holidays.compute(missing)
        async with house.db.transaction() as conn:
            await calendars.write_years(conn, missing, found)
        house.calendars.forget(countries)
    return 0
