"""What people did, for good: each row is sealed to the one before, so that a change or a gap shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.domain.staff import Person
from tracker.store.db import Database

_SQL = queries.topic("audit")
_BEGINNING: Final = b"\0" * 32
_BATCH: Final = 1000


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something, and from where: a person, a key, or whoever works on the machine itself."""

    actor: str
    role: str | None = None
    shop_id: int | None = None
    request_id: str | None = None
    address_hash: bytes | None = None


AT_THE_MACHINE: Final = Author(actor="cli")


class Verdict(msgspec.Struct, frozen=True):
    """What a look at the whole chain found: `broken_at` is the first row that does not follow from the one before."""

    rows: int
    head: str
    broken_at: int | None


def author(person: Person, request_id: str | None = None) -> Author:
    """This person as the author of what they do."""
    return Author(actor=person.actor, role=person.role, shop_id=person.shop_id, request_id=request_id)


async def record(
    db: Database, conn: Connection, by: Author, action: str, about: str | None = None, **detail: str | int | bool | None
) -> None:
    """Add a row: `action` such as person.invited, `about` such as inc_12, `detail` without personal data and secrets.

    To be called last in the transaction that does what it tells of: rows are sealed one after the other.
    """
    await conn.execute(_SQL.take_turn, db.advisory_key("audit"))
    head = await conn.fetchrow(_SQL.head)
    number, previous = (head["id"] + 1, head["hash"]) if head else (1, _BEGINNING)
    row = {
        "id": number, "shop_id": by.shop_id, "at": await conn.fetchval(_SQL.clock), "actor": by.actor, "role": by.role,
        "action": action, "object": about, "detail": msgspec.json.encode(detail),
        "request_id": by.request_id, "address_hash": by.address_hash,
    }  # fmt: skip
    await conn.execute(_SQL.add, *row.values(), _seal(previous, row))


async def verify(conn: Connection, anchor: tuple[int, str] | None = None) -> Verdict:
    """Look at every row. `anchor` is the number and hash of a row as it was noted earlier, elsewhere: a chain that was
    written anew from the start is found by it alone."""
    last, previous = 0, _BEGINNING
    while rows := await conn.fetch(_SQL.after, last, _BATCH):
        for row in rows:
            expected = _seal(previous, dict(row))
            is_anchored = anchor is None or row["id"] != anchor[0] or row["hash"].hex() == anchor[1]
            if row["id"] != last + 1 or row["hash"] != expected or not is_anchored:
                return Verdict(last, previous.hex(), row["id"])
            last, previous = row["id"], row["hash"]
    is_short = anchor is not None and last < anchor[0]
    return Verdict(last, previous.hex(), last + 1 if is_short else None)


def _seal(previous: bytes, row: Mapping[str, Any]) -> bytes:
    content = {name: row[name] for name in row.keys() - {"hash"}}
    content |= {"at": row["at"].astimezone(UTC).isoformat(), "detail": msgspec.json.decode(row["detail"])}
    return hashlib.sha256(previous + msgspec.json.encode(content, order="deterministic")).digest()
