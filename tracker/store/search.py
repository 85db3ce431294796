"""Finding parcels by what people have in hand: a number, an order, a customer's name, a postcode; each walks an index."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from sql import queries
from sql.connection import Connection

_SQL = queries.topic("search")
_WORD: Final = re.compile(r"[^\W_]+")
_SHORTEST: Final = 3  # characters of a name's word or a postcode: with fewer, half the shop would be meant


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel that a search found."""

    id: int
    tracking_number: str
    carrier: str
    milestone: str
    status_detail: str | None
    health: str
    order_reference: str
    destination_country: str
    destination_postcode: str | None
    contact_id: int
    name: str | None
    city: str | None


async def find(conn: Connection, shop_id: int, text: str, most: int, *, by_name: bool) -> list[Found]:
    """The shop's parcels that this may mean, newest first. Numbers and orders are complete, with or without spaces;
    names (if `by_name`) and postcodes may be begun."""
    together = text.replace(" ", "").upper()
    rows = await conn.fetch(_SQL.numbers, shop_id, together, text, most)
    words = _WORD.findall(text)
    if not rows and by_name and any(len(word) >= _SHORTEST for word in words):
        rows = await conn.fetch(_SQL.names, shop_id, " & ".join(f"{word}:*" for word in words), most)
    if not rows and len(together) >= _SHORTEST:
        rows = await conn.fetch(_SQL.postcodes, shop_id, together, most)
    ids = [row["id"] for row in rows]
    return [Found(**row) for row in await conn.fetch(_SQL.found, shop_id, ids, most)] if ids else []
