"""What the live board reads to say how things stand; every function is one statement, bounded, and walks an index."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import asyncpg
import msgspec

from sql import queries
from sql.connection import Connection
from tracker.domain.shipment import Belief, Expectation

_SQL = queries.topic("board")
_belief = msgspec.json.Decoder(Belief).decode
_expectation = msgspec.json.Decoder(Expectation).decode

LOOK_AT: Final = 5_000  # parcels or messages that one page looks through for those that are asked for
NEWEST_INCIDENTS: Final = 1_000
_NEWEST: Final = 2**63 - 1  # an id that all others are below
_MOST_QUARANTINED: Final = 100
_MOST_ACCOUNTS: Final = 200
_SOON: Final = timedelta(hours=1)

Line = TypeVar("Line")


class Frame(msgspec.Struct, frozen=True):
    """What every page shows. `quarantined` is counted up to 100."""

    shop: str
    zone: str
    quarantined: int


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True):
    """An open incident with the parcel that it is about."""

    id: int
    shipment_id: int
    category: str
    cause: str
    state: str
    severity: str
    action_owner: str
    action: str
    action_until: datetime | None
    opened_at: datetime
    next_moment_at: datetime
    promised_update_at: datetime | None
    tracking_number: str
    carrier: str
    destination_country: str
    order_reference: str
    city: str | None


class Incidents(msgspec.Struct, frozen=True):
    """The weightiest open incidents, and counts over the newest NEWEST_INCIDENTS."""

    rows: list[OpenIncident]
    open: int
    on_customer: int
    due_soon: int


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel as a line of a table."""

    id: int
    carrier: str
    tracking_number: str
    direction: str
    destination_country: str
    destination_zone: str
    milestone: str
    status_detail: str | None
    health: str
    promised_at: datetime | None
    belief: Belief
    expectation: Expectation
    is_undecided: bool
    order_reference: str
    city: str | None


class MessageLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a line of the inbox; `opening` are the first bytes of an SMS."""

    id: int
    channel: str
    language: str | None
    state: str
    state_because: str | None
    due_at: datetime | None
    attempts: int
    subject: str | None
    created_at: datetime
    accepted_at: datetime | None
    opening: bytes | None
    kind: str
    shipment_id: int
    cause: str | None
    order_reference: str
    address: str | None
    name: str | None


class Lines(msgspec.Struct, Generic[Line], frozen=True):
    """A page of lines, newest first; `before` is where the next page begins, None at the end."""

    rows: list[Line]
    before: int | None


class ParcelCounts(msgspec.Struct, frozen=True):
    """How the newest LOOK_AT parcels fare."""

    total: int
    health: Counter[str]
    milestone: Counter[str]


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """Budget and breaker of one account at one carrier."""

    carrier: str
    account: str
    shop: str
    calls_on: date | None
    calls_today: int
    failures: int
    paused_until: datetime | None
    paused_because: str | None
    answered_at: datetime | None
    next_poll_at: datetime | None


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the way of a channel."""

    channel: str
    shop: str
    failures: int
    paused_until: datetime | None
    because: str | None
    changed_at: datetime


async def frame(conn: Connection, shop_id: int) -> Frame:
    """What every page of this shop shows."""
    row = await conn.fetchrow(_SQL.frame, shop_id, _MOST_QUARANTINED)
    assert row is not None, "whoever is in has a shop"
    return Frame(**row)


async def open_incidents(conn: Connection, shop_id: int, now: datetime, most: int) -> Incidents:
    """The `most` weightiest open incidents, and how many there are."""
    rows = await conn.fetch(_SQL.open_incidents, shop_id, NEWEST_INCIDENTS, now + _SOON, most)
    if not rows:
        return Incidents([], 0, 0, 0)
    counts = rows[0]["open"], rows[0]["on_customer"], rows[0]["due_soon"]
    return Incidents([_line(OpenIncident, row) for row in rows], *counts)


async def parcels(
    conn: Connection,
    shop_id: int,
    before: int | None,
    *,
    milestone: str | None,
    health: str | None,
    carrier: str | None = None,
    most: int,
) -> Lines[Parcel]:
    """Parcels below an id, newest first; filters look through LOOK_AT of them, and the next page looks further."""
    rows = await conn.fetch(_SQL.parcels, shop_id, before or _NEWEST, milestone, health, carrier, LOOK_AT, most)
    decoded = [
        _line(
            Parcel,
            dict(row) | {"belief": _belief(row["belief"]), "expectation": _expectation(row["expectation"])},
        )
        for row in rows
        if row["id"] is not None
    ]
    return Lines(decoded, _next_page(rows, most))


async def parcel_counts(conn: Connection, shop_id: int) -> ParcelCounts:
    """How the newest LOOK_AT parcels fare."""
    health: Counter[str] = Counter()
    milestone: Counter[str] = Counter()
    for row in await conn.fetch(_SQL.parcel_counts, shop_id, LOOK_AT):
        health[row["health"]] += row["parcels"]
        milestone[row["milestone"]] += row["parcels"]
    return ParcelCounts(health.total(), health, milestone)


async def messages(
    conn: Connection, shop_id: int, before: int | None, channel: str | None, state: str | None, most: int
) -> Lines[MessageLine]:
    """Messages below an id, newest first; filters look through LOOK_AT of them, and the next page looks further."""
    rows = await conn.fetch(_SQL.messages, shop_id, before or _NEWEST, channel, state, LOOK_AT, most)
    return Lines([_line(MessageLine, row) for row in rows if row["id"] is not None], _next_page(rows, most))


async def accounts(conn: Connection, shop_id: int | None = None) -> list[AccountState]:
    """A shop's accounts at carriers; without a shop those of all."""
    return [AccountState(**row) for row in await conn.fetch(_SQL.accounts, shop_id, _MOST_ACCOUNTS)]


async def channels(conn: Connection, shop_id: int) -> list[ChannelState]:
    """The shop's channels that have met trouble."""
    return [ChannelState(**row) for row in await conn.fetch(_SQL.channels, shop_id)]


def _line(kind: type[Line], row: Any) -> Line:
    """A row as a struct; columns that only say where the page ends, or how many there are, are left out."""
    return kind(**{name: row[name] for name in kind.__struct_fields__})  # type: ignore[attr-defined]


def _next_page(rows: list[asyncpg.Record], most: int) -> int | None:
    """A full page goes on below its last line; one with room left goes on where the look ended, if it ended early."""
    if len(rows) == most:
        return int(rows[-1]["id"]) if rows[-1]["id"] is not None else None
    return int(rows[0]["last_id"]) if rows and rows[0]["looked_at"] == LOOK_AT else None
