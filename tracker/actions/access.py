"""Who may call: API keys, partners with rotatable secrets; and the two switches.

All of it is machine time, the database's clock: an accelerated demo must not run its own door keys out.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.actions.deciding import House
from tracker.clock import token_bytes
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused, Wrong
from tracker.vault import Vault, new_api_key, new_token, read_api_key, same

_SQL = queries.topic("access")
OVERLAP = timedelta(hours=24)  # in which a rotated secret is still accepted


class Scope(StrEnum):
    """What an API key may do."""

    READ = "read"
    SHIPMENTS_WRITE = "shipments:write"
    INCIDENTS_WRITE = "incidents:write"
    RETURNS_WRITE = "returns:write"
    KEYS_WRITE = "keys:write"


class Caller(msgspec.Struct, frozen=True):
    """Who holds an API key."""

    key_id: int
    shop_id: int
    shop: str
    scopes: frozenset[str]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as it may be shown. `name` is the part of it that is no secret, `trk_live_<name>_...`.

    `last_used_at` is right to the minute.
    """

    id: int
    name: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


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
    return (await _add_key(conn, shop_id, label, scopes, None))[1]


async def find_caller(conn: Connection, presented: str) -> Caller | None:
    """The holder of a key, None for anything else; the secret is compared in constant time."""
    read = read_api_key(presented)
    if read is None:
        return None
    row = await conn.fetchrow(_SQL.find_key, read[0])
    if row is None or not same(row["secret_hash"], read[1]):
        return None
    if row["is_use_unknown"]:
        await conn.execute(_SQL.note_use, row["id"])
    return Caller(row["id"], row["shop_id"], row["shop"], frozenset(row["scopes"]))


async def list_keys(conn: Connection, shop_id: int) -> list[Key]:
    """A shop's keys, the newest first, with those that are revoked or over."""
    return [Key(**dict(row) | {"scopes": tuple(row["scopes"])}) for row in await conn.fetch(_SQL.keys, shop_id)]


async def make_key(
    house: House,
    shop_id: int,
    by: Author,
    label: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
    *,
    within: Collection[str] = tuple(Scope),
) -> tuple[int, str]:
    """A new key: (its number, the key itself, shown this once). `within` is what its maker may give.

    Raises FieldsWrong, and RuleRefused for scopes beyond `within`.
    """
    unknown = set(scopes) - set(Scope)
    if unknown or not scopes:
        raise FieldsWrong([Wrong("/scopes", f"one or more of {', '.join(Scope)}")])
    _must_be_within(scopes, within)

    async def attempt(conn: Connection) -> tuple[int, str]:
        if expires_at is not None and expires_at <= await conn.fetchval(_SQL.clock):
            raise FieldsWrong([Wrong("/expires_at", "a time that is still to come")])
        number, key = await _add_key(conn, shop_id, label, scopes, expires_at)
        await audit.record(house.db, conn, by, "key.made", f"key_{number}", scopes=" ".join(sorted(scopes)))
        return number, key

    return await house.db.retrying(attempt)


async def rotate_key(
    house: House, shop_id: int, by: Author, number: int, *, within: Collection[str] = tuple(Scope)
) -> tuple[int, str]:
    """A key in the place of another, which is accepted for one more day: (its number, the key itself, shown this once).

    Raises NotFound, RuleRefused.
    """

    async def attempt(conn: Connection) -> tuple[int, str]:
        old = await _held_key(conn, shop_id, number)
        _must_be_within(old.scopes, within)
        await conn.execute(_SQL.expire_key, number, OVERLAP)
        made, key = await _add_key(conn, shop_id, old.label, old.scopes, old.expires_at)
        await audit.record(house.db, conn, by, "key.rotated", f"key_{number}", into=f"key_{made}")
        return made, key

    return await house.db.retrying(attempt)


async def revoke_key(house: House, shop_id: int, by: Author, number: int) -> None:
    """A key is accepted no more, at once. Raises NotFound, RuleRefused."""

    async def attempt(conn: Connection) -> None:
        await _held_key(conn, shop_id, number)
        await conn.execute(_SQL.revoke_key, number)
        await audit.record(house.db, conn, by, "key.revoked", f"key_{number}")

    await house.db.retrying(attempt)


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


async def _add_key(
    conn: Connection, shop_id: int, label: str, scopes: Collection[str], expires_at: datetime | None
) -> tuple[int, str]:
    key, key_id, secret_hash = new_api_key()
    given = (shop_id, key_id, secret_hash, label, sorted(scopes), expires_at)
    return int(await conn.fetchval(_SQL.insert_key, *given)), key


async def _held_key(conn: Connection, shop_id: int, number: int) -> Key:
    """A key that is still accepted, locked."""
    await conn.execute(_SQL.lock_key, number)
    held = next((key for key in await list_keys(conn, shop_id) if key.id == number), None)
    if held is None:
        raise NotFound(f"no key key_{number}")
    is_over = held.expires_at is not None and held.expires_at <= await conn.fetchval(_SQL.clock)
    if held.revoked_at is not None or is_over:
        raise RuleRefused("this key is accepted no more: make a new one")
    return held


def _must_be_within(scopes: Collection[str], within: Collection[str]) -> None:
    beyond = sorted(set(scopes) - set(within))
    if beyond:
        raise RuleRefused(f"a key gives nobody what it may not do itself: {', '.join(beyond)}")


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
