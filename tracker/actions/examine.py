"""The clock's door: shipments whose next moment has come are looked at again."""

from __future__ import annotations

from sql.connection import Connection
from tracker.actions.deciding import House, decide_and_save
from tracker.store import cases

BATCH = 200


async def examine(house: House, most: int = BATCH) -> int:
    """Claim, decide and write one batch in one transaction; returns how many were looked at.

    At most ticks nothing is due: that costs one look at the index, and no transaction.
    """
    async with house.db.connection() as conn:
        first = await cases.next_moment(conn)
    if first is None or first > house.clock.now():
        return 0

    async def look_at_those_due(conn: Connection) -> int:
        now = house.clock.now()
        ids = await cases.due(conn, now, most)
        loaded = await house.load(conn, ids) if ids else {}
        await decide_and_save(house, conn, list(loaded.values()), {}, now)
        return len(loaded)

    return await house.db.retrying(look_at_those_due, idempotent=True)
