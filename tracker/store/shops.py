"""The shop of the configuration and the carrier accounts it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sql import queries
from sql.connection import Connection
from tracker.domain.errors import NotFound
from tracker.settings import ShopSettings

_SQL = queries.topic("access")
_REGISTER = queries.topic("register")


FIELDS: Final = ("name", "country", "language", "time_zone", "sender_email", "reply_email", "phone", "website")


async def ensure(conn: Connection, shop: ShopSettings, given: Collection[str], now: datetime) -> int:
    """The shop's id; it is made at the first start, and what is `given` is brought up to date at later ones."""
    row = [getattr(shop, name) for name in FIELDS]
    shop_id = int(await conn.fetchval(_SQL.ensure_shop, shop.code, *row, now))
    if given:
        stands = await details(conn, shop_id)
        await write(conn, shop_id, stands | {name: getattr(shop, name) for name in FIELDS if name in given})
    return shop_id


async def find(conn: Connection, code: str) -> int:
    """The shop's id. Raises NotFound."""
    shop_id = await conn.fetchval(_SQL.shop_id, code)
    if shop_id is None:
        raise NotFound(f"no shop {code!r}")
    return int(shop_id)


async def details(conn: Connection, shop_id: int) -> dict[str, str | None]:
    """What customers read and answer to, by the names of the settings."""
    (row,) = await conn.fetch(_SQL.shop_details, shop_id)
    return dict(row)


async def write(conn: Connection, shop_id: int, values: Mapping[str, str | None]) -> None:
    """The shop as it is from now on."""
    await conn.execute(_SQL.set_shop, shop_id, *(values[name] for name in FIELDS))


async def ensure_accounts(conn: Connection, accounts: Sequence[tuple[int, str, str]]) -> None:
    """A row for the budget and breaker of each (shop, carrier, account)."""
    await conn.executemany(_REGISTER.ensure_account, accounts)
