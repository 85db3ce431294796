"""The feed of everything that happened: positions are given after the commit, so that a reader never skips.

An id is drawn before its transaction commits: a reader that remembers ids would skip a row that commits late. So one
sequencer at a time, holding a lock until its own commit, gives every committed row that has none the next position.
Positions therefore become visible in their order, and whoever reads on from a position misses nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import asyncpg
import msgspec

from sql import queries
from sql.connection import Connection
from tracker.store import views
from tracker.store.db import Database

_SQL = queries.topic("reading")
_json = msgspec.json.Decoder().decode
_BATCH: Final = 2_000  # rows placed in one transaction
_ROUNDS: Final = 10  # of one call; what is left then is placed by the next one


class Read(NamedTuple):
    """A page of the feed, and the position after which the next one begins."""

    changes: list[views.ChangeView]
    position: int


async def read(db: Database, shop_id: int, *, after: int, most: int) -> Read:
    """Up to `most` changes of a shop after a position, in order; places what nobody has placed yet."""
    for _ in range(_ROUNDS):
        async with db.connection() as conn:
            rows = await conn.fetch(_SQL.changes, shop_id, after, most)
            if len(rows) == most or await conn.fetchval(_SQL.first_unplaced) is None:
                break
        await _place(db)
    else:
        async with db.connection() as conn:
            rows = await conn.fetch(_SQL.changes, shop_id, after, most)
    return Read([_change(row) for row in rows], rows[-1]["position"] if rows else after)


async def _place(db: Database) -> None:
    """Give the next rows their positions, alone."""

    async def place(conn: Connection) -> None:
        await conn.execute("select pg_advisory_xact_lock($1)", db.advisory_key("changes"))
        await conn.execute(_SQL.place_changes, _BATCH)

    await db.retrying(place, idempotent=True)


def _change(row: asyncpg.Record) -> views.ChangeView:
    shipment, incident, notice, returned = (
        f"{prefix}_{row[column]}" if row[column] is not None else None
        for prefix, column in (
            ("shp", "shipment_id"),
            ("inc", "incident_id"),
            ("ntc", "notice_id"),
            ("ret", "return_id"),
        )
    )
    return views.ChangeView(
        id=f"chg_{row['id']}",
        kind=row["kind"],
        at=row["at"],
        shipment=shipment,
        incident=incident,
        notice=notice,
        returned=returned,
        detail=_json(row["detail"]),
    )
