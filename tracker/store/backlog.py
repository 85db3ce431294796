"""What waits, for /metrics: counts and ages that an index answers, cut off before they could cost anything."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sql import queries
from sql.connection import Connection

_SQL = queries.topic("backlog")


class Backlog(NamedTuple):
    """Queues as (name, rows, age of the oldest in seconds); open incidents as (category, how many)."""

    queues: list[tuple[str, int, float]]
    open_incidents: list[tuple[str, int]]


async def read(conn: Connection, now: datetime) -> Backlog:
    """What waits at this moment of business time."""
    queues = [
        (row["queue"], row["rows"], max(0.0, (now - row["oldest_at"]).total_seconds()) if row["oldest_at"] else 0.0)
        for row in await conn.fetch(_SQL.queues, now)
    ]
    incidents = [(row["category"], row["rows"]) for row in await conn.fetch(_SQL.open_incidents)]
    return Backlog(queues, incidents)
