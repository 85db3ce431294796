"""Views of the queue that somebody has saved for themselves: a name and the filters that belong to it."""

from __future__ import annotations

from typing import Final

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.domain.staff import Person

_SQL = queries.topic("saved_views")

MOST: Final = 20  # of one person in one shop


class SavedView(msgspec.Struct, frozen=True):
    """`query` is the query of the queue's address, such as `state=open&severity=high`."""

    id: int
    name: str
    query: str


async def of(conn: Connection, person: Person) -> list[SavedView]:
    """What they have saved in the shop that they are in, by name."""
    return [SavedView(**row) for row in await conn.fetch(_SQL.of, person.staff_id, person.shop_id)]


async def save(conn: Connection, person: Person, name: str, query: str) -> int | None:
    """Save under a name, in place of what had it. The id; None where they have MOST already."""
    saved: int | None = await conn.fetchval(_SQL.save, person.staff_id, person.shop_id, name, query, MOST)
    return saved


async def remove(conn: Connection, person: Person, view_id: int) -> bool:
    """Whether they had such a view; it is gone now."""
    return await conn.fetchval(_SQL.remove, person.staff_id, person.shop_id, view_id) is not None
