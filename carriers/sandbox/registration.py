"""What a shop knows of a parcel when it registers it, and how it will end what ends badly: plain values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`value` is in euros, two decimals."""

    sku: str
    name: str
    value: str
    hs_code: str
    quantity: int = 1


class Customer(msgspec.Struct, frozen=True):
    """`phone` is E.164, `language` ISO 639-1."""

    name: str
    email: str
    phone: str
    language: str


class Address(msgspec.Struct, frozen=True):
    country: str
    city: str
    postcode: str
    street: str | None = None


class Settlement(msgspec.Struct, frozen=True):
    """What the shop does, and when, once a parcel came back, was lost or damaged.

    `replacement` is the tracking number of the parcel sent instead.
    """

    at: datetime
    resolution: Literal["refund", "replace"]
    replacement: str | None = None


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop tells the tracker about one parcel, and when. Instants are aware UTC.

    `promised_at` is a whole day at the destination; `value` is in euros; `replaces` is the number of the parcel that
    this one was sent instead of.
    """

    registered_at: datetime
    carrier: str
    service: str
    tracking_number: str
    shipped_at: datetime
    order_reference: str
    order_placed_at: datetime
    value: str
    customer: Customer
    origin: Address
    destination: Address
    promised_at: date
    items: tuple[Item, ...]
    incoterm: str | None = None
    replaces: str | None = None
    settlement: Settlement | None = None
