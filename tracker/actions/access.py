"""Who may call: API keys, partners with rotatable secrets; and the two switches.

All of it is machine time, the database's clock: an accelerated demo must not run its own door keys out.
"""

from __future__ import annotations

import base64
from datetime import timedelta

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.clock import token_bytes
from tracker.domain.errors import NotFound
from tracker.vault import Vault, new_api_key, new_token, read_api_key, same

_SQL = queries.topic("access")
OVERLAP = timedelta(hours=24)  # in which a rotated secret is still accepted


class Caller(msgspec.Struct, frozen=True):
    """Who holds an API key."""

    key_id: int
    shop_id: int
    shop: str
    scopes: frozenset[str]


class Partner(msgspec.Struct, frozen=True):
    """A partner as a push needs it; `secrets` are all that are valid now, newest first."""

    id: int
    shop_id: int
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Partner({self.id})"


async def create_key(conn: Connection, shop: str, label: str, scopes: list[str]) -> str:
    """A new API key, shown this once. Raises NotFound for an unknown shop."""
    shop_id = await _shop(conn, shop)
    key, key_id, secret_hash = new_api_key()
    await conn.execute(_SQL.insert_key, shop_id, key_id, secret_hash, label, scopes)
    return key


async def find_caller(conn: Connection, presented: str) -> Caller | None:
    """The holder of a key, None for anything else; the secret is compared in constant time."""
    read = read_api_key(presented)
    if read is None:
        return None
    row = await conn.fetchrow(_SQL.find_key, read[0])
    if row is None or not same(row["secret_hash"], read[1]):
        return None
    return Caller(row["id"], row["shop_id"], row["shop"], frozenset(row["scopes"]))


async def add_partner(conn: Connection, vault: Vault, shop: str, name: str) -> tuple[str, str]:
    """A new partner: (its id in `/push/{partner}`, its signing secret, shown this once)."""
    shop_id = await _shop(conn, shop)
    code = f"ptn_{new_token()}"
    partner_id = await conn.fetchval(_SQL.insert_partner, shop_id, code, name)
    return code, await _add_secret(conn, vault, partner_id)


async def rotate_partner(conn: Connection, vault: Vault, code: str) -> str:
    """A further secret; the older ones stay valid for a day. Raises NotFound."""
    partner_id = await conn.fetchval(_SQL.partner_id, code)
    if partner_id is None:
        raise NotFound(f"no partner {code}")
    await conn.execute(_SQL.expire_secrets, partner_id, OVERLAP)
    return await _add_secret(conn, vault, partner_id)


async def find_partner(conn: Connection, vault: Vault, code: str) -> Partner | None:
    """The partner of a push with its valid secrets, None when there is none."""
    rows = await conn.fetch(_SQL.find_partner, code)
    if not rows:
        return None
    secrets = tuple(vault.open(row["secret"], _place(row["id"])).decode() for row in rows if row["secret"] is not None)
    return Partner(rows[0]["id"], rows[0]["shop_id"], secrets)


async def turn_switch(conn: Connection, name: str, *, engaged: bool, by: str) -> None:
    """Engage or release `stop_sending` or `shadow`."""
    await conn.execute(_SQL.turn_switch, name, engaged, by)


async def switches(conn: Connection) -> dict[str, bool]:
    """Both switches as they stand."""
    held = {row["name"]: row["engaged"] for row in await conn.fetch(_SQL.switches)}
    return {name: held.get(name, False) for name in ("stop_sending", "shadow")}


async def _add_secret(conn: Connection, vault: Vault, partner_id: int) -> str:
    secret = "whsec_" + base64.b64encode(token_bytes(32)).decode()
    await conn.execute(_SQL.insert_secret, partner_id, vault.seal(secret.encode(), _place(partner_id)))
    return secret


def _place(partner_id: int) -> str:
    return f"partner_secret|secret|{partner_id}"


async def _shop(conn: Connection, code: str) -> int:
    shop_id = await conn.fetchval(_SQL.shop_id, code)
    if shop_id is None:
        raise NotFound(f"no shop {code!r}")
    return int(shop_id)
