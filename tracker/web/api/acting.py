"""Calls that do something: the effect, what is answered about it and its idempotency key share one transaction.

Only what was done is kept under the key: a call that was refused or failed changed nothing, and may be made again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from sql.connection import Connection
from tracker.actions.deciding import House
from tracker.store import repeats
from tracker.store.db import Database
from tracker.vault import Vault
from tracker.web.api.endpoint import Answer, Call
from tracker.web.errors import Problem

Result = TypeVar("Result")
Describe = Callable[[Connection, Any], Awaitable[Answer]]
HEADER: Final = "Idempotency-Key"
_MOST: Final = 255
_BARE: Final = re.compile(r"[!#-\[\]-~]+")  # visible ASCII without quote and backslash
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')  # a string of structured fields, RFC 9651
_ESCAPED: Final = re.compile(r'\\(["\\])')


async def act(
    call: Call,
    body: msgspec.Struct,
    work: Callable[[House], Awaitable[Result]],
    describe: Callable[[Connection, Result], Awaitable[Answer]],
) -> Answer:
    """Do `work`, answered by `describe` in the same transaction, or repeat what was answered under the same key.

    `work` gets a House; its one call of `db.retrying` is the transaction. Raises what they raise, and Problem(422) for
    a key that was used for something else.
    """
    key = read_key(call.request.headers.get(HEADER))
    house = call.services.house
    if key is None:
        return await _do(house, work, describe, None)
    slot = _Slot(call.caller.key_id, key, _fingerprint(call, body), house.vault)
    try:
        return await _do(house, work, describe, slot)
    except _Repeated:
        return await _again(house.db, slot)


def read_key(header: str | None) -> str | None:
    """The key, given as a structured-field string or bare. Raises Problem for anything else."""
    if header is None:
        return None
    given = header.strip()
    quoted = _QUOTED.fullmatch(given)
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else given if _BARE.fullmatch(given) else ""
    if not 1 <= len(key) <= _MOST:
        raise Problem(400, "malformed", f"{HEADER}: 1 to {_MOST} visible ASCII characters, best in double quotes.")
    return key


class _Slot(msgspec.Struct, frozen=True):
    """One key of one caller, and what it stands for."""

    api_key_id: int
    key: str
    fingerprint: bytes
    vault: Vault

    @property
    def place(self) -> str:
        return f"idempotency|body|{self.api_key_id}|{self.key}"


class _Repeated(Exception):
    """The key was used before: nothing is done."""


class _Answering(Database):
    """The same database, whose transactions end with the answer about what was done in them."""

    def __init__(self, db: Database, describe: Describe, slot: _Slot | None) -> None:
        super().__init__(db._pool, db.schema)  # noqa: SLF001 - the same pool through another door
        self._describe, self._slot = describe, slot
        self.answer = Answer(None)

    async def retrying(self, work: Callable[[Connection], Awaitable[Result]], *, idempotent: bool = False) -> Result:
        """As in Database; with a key it is always safe to do it again: what was committed is found under the key."""

        async def answered(conn: Connection) -> Result:
            slot = self._slot
            if slot is not None and not await repeats.reserve(conn, slot.api_key_id, slot.key, slot.fingerprint):
                raise _Repeated
            result = await work(conn)
            self.answer = await self._describe(conn, result)
            if slot is not None:
                sealed = slot.vault.seal(msgspec.json.encode(self.answer.body), slot.place)
                await repeats.keep(conn, slot.api_key_id, slot.key, self.answer.status, sealed)
            return result

        return await super().retrying(answered, idempotent=idempotent or self._slot is not None)


async def _do(
    house: House, work: Callable[[House], Awaitable[Result]], describe: Describe, slot: _Slot | None
) -> Answer:
    db = _Answering(house.db, describe, slot)
    await work(msgspec.structs.replace(house, db=db))
    return db.answer


async def _again(db: Database, slot: _Slot) -> Answer:
    async with db.connection() as conn:
        kept = await repeats.find(conn, slot.api_key_id, slot.key)
    if kept is None:  # it has just outlived its time
        raise Problem(409, "refused", "This idempotency key has just expired; use a new one.")
    if kept.fingerprint != slot.fingerprint:
        raise Problem(422, "key_reused", "This idempotency key was used for another request.")
    return Answer(slot.vault.open(kept.body, slot.place), kept.status, replayed=True)


def _fingerprint(call: Call, body: msgspec.Struct) -> bytes:
    """What is asked for, whatever its spelling in JSON."""
    asked = [call.request.method.encode(), call.request.path.encode(), msgspec.json.encode(body)]
    return hashlib.sha256(b"\n".join(asked)).digest()
