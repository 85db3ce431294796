"""What a customer's page reads: the one parcel that a link opens, its way, its open incidents, its siblings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from carriers.vocabulary import Milestone
from sql import queries
from sql.connection import Connection
from tracker.domain.shipment import Belief, Expectation

_SQL = queries.topic("customer_page")
_belief = msgspec.json.Decoder(Belief).decode
_expectation = msgspec.json.Decoder(Expectation).decode

_KEPT_FOR: Final = timedelta(days=90)  # after the end of the journey
_MOST_EVENTS: Final = 200
_MOST_SIBLINGS: Final = 20


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """The parcel of a link. Nothing here says who the customer is or where they live."""

    id: int
    order_id: int
    carrier: str
    tracking_number: str
    direction: str
    milestone: Milestone
    belief: Belief
    expectation: Expectation
    promised_at: datetime | None
    origin_country: str
    destination_country: str
    order_reference: str
    language: str
    zone: str
    shop: str
    phone: str | None
    reply_email: str
    website: str | None
    sender_email: str
    shop_language: str
    return_state: str | None
    settled_as: str | None
    made_good: str | None  # how an incident ended that the parcel did not survive: refunded, reshipped


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on the way, as far as a customer is told of it."""

    key: str
    occurred_at: datetime | None
    occurred_local: str | None
    milestone: str
    status_detail: str | None
    category: str | None  # of the problem that it states
    city: str | None
    country: str | None


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An open incident that concerns the customer."""

    category: str
    cause: str
    severity: str
    action_owner: str
    action: str
    action_until: datetime | None
    opened_at: datetime
    promised_update_at: datetime | None
    silent_updates: int


class Sibling(msgspec.Struct, frozen=True, kw_only=True):
    """Another parcel of the same order."""

    id: int
    carrier: str
    tracking_number: str
    direction: str
    milestone: str
    status_detail: str | None
    health: str


async def parcel(conn: Connection, token_hash: bytes, now: datetime) -> Linked | None:
    """What the link opens, None when it is unknown, revoked or over."""
    row = await conn.fetchrow(_SQL.parcel, token_hash, now, _KEPT_FOR)
    if row is None:
        return None
    believed = {
        "milestone": Milestone(row["milestone"]),
        "belief": _belief(row["belief"]),
        "expectation": _expectation(row["expectation"]),
    }
    return Linked(**dict(row) | believed)


async def steps(conn: Connection, shipment_id: int) -> list[Step]:
    """What happened on the way, newest first; of an event that was corrected every version."""
    return [Step(**row) for row in await conn.fetch(_SQL.events, shipment_id, _MOST_EVENTS)]


async def troubles(conn: Connection, shipment_id: int) -> list[Trouble]:
    """Open incidents that concern the customer, the weightiest first."""
    return [Trouble(**row) for row in await conn.fetch(_SQL.incidents, shipment_id)]


async def siblings(conn: Connection, linked: Linked) -> list[Sibling]:
    """The other parcels of the same order."""
    return [Sibling(**row) for row in await conn.fetch(_SQL.siblings, linked.order_id, linked.id, _MOST_SIBLINGS)]
