"""Answers kept for repeats: an idempotency key is claimed and answered in the transaction of the effect itself."""

from __future__ import annotations

from typing import NamedTuple

from sql import queries
from sql.connection import Connection

_SQL = queries.topic("repeats")


class Kept(NamedTuple):
    """An answer that was given before; `body` is encrypted, since it may hold a customer's link."""

    fingerprint: bytes
    status: int
    body: bytes


async def reserve(conn: Connection, api_key_id: int, key: str, fingerprint: bytes) -> bool:
    """True when the key is ours in this transaction, False when an earlier call has used it."""
    return bool(await conn.fetchval(_SQL.reserve, api_key_id, key, fingerprint))


async def keep(conn: Connection, api_key_id: int, key: str, status: int, body: bytes) -> None:
    """Keep the answer under a key that this transaction has reserved."""
    await conn.execute(_SQL.keep, api_key_id, key, status, body)


async def find(conn: Connection, api_key_id: int, key: str) -> Kept | None:
    """What was answered under this key."""
    row = await conn.fetchrow(_SQL.find, api_key_id, key)
    return Kept(row["fingerprint"], row["status"], row["body"]) if row else None
