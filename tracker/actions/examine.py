"""The clock's door: shipments whose next moment has come are looked at again."""

from __future__ import annotations

from tracker.actions.deciding import House, decide_and_save
from tracker.domain.decision import Case, Outcome, decide
from tracker.store import cases

BATCH = 200


async def examine(house: House, most: int = BATCH) -> int:
    """Claim, decide and write one batch in one transaction; returns how many were looked at."""
    async with house.db.transaction() as conn:
        now = house.clock.now()
        ids = await cases.due(conn, now, most)
        loaded = await house.load(conn, ids) if ids else {}

        def one(case: Case) -> Outcome:
            return decide(case, now, draw=house.chance.random())

        await decide_and_save(house, conn, list(loaded.values()), one, now)
        return len(loaded)
