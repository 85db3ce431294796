"""A shop tells of an order before it has a parcel: what was bought, when, and where it is to go."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from sql import queries
from sql.connection import Connection
from tracker import plausible
from tracker.actions import register
from tracker.actions.deciding import House
from tracker.domain.errors import FieldsWrong, Wrong
from tracker.store.storable import storable

_SQL = queries.topic("orders")


class OrderPlaced(register.OrderInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /orders`: what the customer bought, and where it is to go."""

    destination_country: register.Country | None = None
    items: Annotated[tuple[register.ItemInput, ...], Meta(max_length=500)] = ()
    customs: register.CustomsInput | None = None


async def place(house: House, shop_id: int, given: OrderPlaced) -> tuple[int, bool]:
    """The order's number, and whether this call made it; a repeat completes it. Raises FieldsWrong."""
    given = storable(given)
    _make_sure(given)
    value = given.value

    async def attempt(conn: Connection) -> tuple[int, bool]:
        row = await conn.fetchrow(
            _SQL.place,
            shop_id,
            given.reference,
            given.placed_at,
            Decimal(value.amount) if value else None,
            value.currency if value else None,
            given.destination_country,
            msgspec.json.encode(given.items),
            msgspec.json.encode(given.customs) if given.customs else None,
        )
        assert row is not None  # made, or found
        return row["id"], row["is_new"]

    return await house.db.retrying(attempt, idempotent=True)


def _make_sure(given: OrderPlaced) -> None:
    wrong = []
    if given.placed_at is not None and given.placed_at.year not in register.YEARS:
        wrong.append(Wrong("/placed_at", f"a year from {register.YEARS.start} to {register.YEARS.stop - 1}"))
    if given.destination_country is not None and (no := plausible.country(given.destination_country)) is not None:
        wrong.append(Wrong("/destination_country", no))
    if wrong:
        raise FieldsWrong(wrong)
