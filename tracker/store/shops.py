"""The shop of the configuration and the carrier accounts it has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sql import queries
from sql.connection import Connection
from tracker.settings import ShopSettings

_SQL = queries.topic("access")
_REGISTER = queries.topic("register")


async def ensure(conn: Connection, shop: ShopSettings, now: datetime) -> int:
    """The shop's id; it is made at the first start and brought up to date at later ones."""
    shop_id = await conn.fetchval(
        _SQL.ensure_shop,
        shop.code,
        shop.name,
        shop.country,
        shop.language,
        shop.time_zone,
        shop.sender_email,
        shop.reply_email,
        shop.phone,
        shop.website,
        now,
    )
    return int(shop_id)


async def ensure_accounts(conn: Connection, accounts: Sequence[tuple[int, str, str]]) -> None:
    """A row for the budget and breaker of each (shop, carrier, account)."""
    await conn.executemany(_REGISTER.ensure_account, accounts)
