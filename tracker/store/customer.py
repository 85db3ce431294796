"""One customer as staff see them: their parcels by order, and what they were told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from sql import queries
from sql.connection import Connection

_SQL = queries.topic("customer")

MOST: Final = 200  # parcels, and messages, that one page lists


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Who they are; once erased, all of it is None but language and zone."""

    id: int
    name: str | None
    email: str | None
    phone: str | None
    language: str
    time_zone: str
    company: str | None
    street: str | None
    city: str | None
    erased_at: datetime | None


class CustomerParcel(msgspec.Struct, frozen=True, kw_only=True):
    """One of their parcels."""

    id: int
    carrier: str
    tracking_number: str
    milestone: str
    status_detail: str | None
    health: str
    direction: str
    registered_at: datetime
    promised_at: datetime | None
    destination_zone: str
    order_reference: str
    open_incidents: int


class CustomerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that they were to be told."""

    id: int
    channel: str
    state: str
    state_because: str | None
    subject: str | None
    created_at: datetime
    kind: str
    shipment_id: int
    order_reference: str | None


async def contact(conn: Connection, shop_id: int, contact_id: int) -> Contact | None:
    """One customer, None where the shop has no such."""
    row = await conn.fetchrow(_SQL.contact, shop_id, contact_id)
    return Contact(**row) if row else None


async def parcels(conn: Connection, shop_id: int, customer: Contact) -> list[CustomerParcel]:
    """Their newest MOST parcels: whoever has the same address for email is the same customer."""
    rows = await conn.fetch(_SQL.parcels, shop_id, customer.id, customer.email, MOST)
    return [CustomerParcel(**row) for row in rows]


async def messages(conn: Connection, shop_id: int, shipment_ids: Sequence[int]) -> list[CustomerMessage]:
    """The newest MOST messages about these parcels."""
    rows = await conn.fetch(_SQL.messages, shop_id, list(shipment_ids), MOST)
    return [CustomerMessage(**row) for row in rows]
