"""What is in doubt, as the board shows it: unread payloads, unclaimed pushes, unmapped codes, undecided shipments."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from sql import queries
from sql.connection import Connection

_SQL = queries.topic("quarantine")

NEWEST_EVENTS: Final = 20_000  # in which unmapped codes are counted
MOST: Final = 100


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """Something received that could not be read."""

    id: int
    source: str
    carrier: str | None
    received_at: datetime
    content_type: str | None
    size: int | None
    problem: str
    problem_path: str | None
    shipment_id: int | None
    partner: str | None


class Unclaimed(msgspec.Struct, frozen=True, kw_only=True):
    """Pushed events for a number that no shipment has."""

    id: int
    carrier: str
    tracking_number: str
    observation_id: int
    received_at: datetime
    events: int


class Unmapped(msgspec.Struct, frozen=True, kw_only=True):
    """A carrier's code that we have no word for, with one parcel that it was said of."""

    carrier: str
    code: str | None
    text: str | None
    times: int
    last_received_at: datetime
    shipment_id: int


class Undecided(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment that our own mistake keeps from being decided, and when it is tried again."""

    id: int
    tracking_number: str
    carrier: str
    undecided: str
    order_reference: str
    next_moment_at: datetime | None


async def quarantined(conn: Connection, shop_id: int) -> list[Quarantined]:
    """What could not be read and nobody has settled, newest first."""
    return [Quarantined(**row) for row in await conn.fetch(_SQL.quarantined, shop_id, MOST)]


async def unclaimed(conn: Connection, shop_id: int) -> list[Unclaimed]:
    """Pushed events that wait for their parcel to be registered, by number."""
    return [Unclaimed(**row) for row in await conn.fetch(_SQL.unclaimed, shop_id, MOST)]


async def unmapped(conn: Connection, shop_id: int) -> list[Unmapped]:
    """Codes without a word of ours among the NEWEST_EVENTS, the most frequent first."""
    return [Unmapped(**row) for row in await conn.fetch(_SQL.unmapped, shop_id, NEWEST_EVENTS, MOST)]


async def undecided(conn: Connection, shop_id: int) -> list[Undecided]:
    """Shipments that our own mistake keeps from being decided."""
    return [Undecided(**row) for row in await conn.fetch(_SQL.undecided, shop_id, MOST)]
