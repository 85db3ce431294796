"""Staff come in: address and password, second factor, one-time links; sessions that can be taken back.

All of it is machine time, the database's clock: an accelerated demo must not run its own sessions out.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from sql import queries
from sql.connection import Connection
from tracker.actions import audit, second_factor
from tracker.actions.audit import Author, author
from tracker.actions.deciding import House
from tracker.domain.errors import NotFound
from tracker.domain.staff import Person, Role
from tracker.vault import hash_token, new_token

_SQL = queries.topic("people")
_LIFE, _IDLE = timedelta(hours=12), timedelta(minutes=30)
_HALFWAY: Final = timedelta(minutes=10)  # to type the second factor
_LATELY: Final = timedelta(hours=1)  # failures that count

# Who may fail how often before each further try has to wait, and the longest wait in seconds. From a browser that has
# been in before only its own failures count, so that strangers who try a name cannot keep its owner out.
_FREE: Final = {"here": 5, "address": 30, "name": 100}
_LONGEST_WAIT: Final = 900.0


class SignInRefused(Exception):
    """The door stays closed; why is the same for everybody. `retry_after` in seconds where it was tried too often."""

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("refused")
        self.retry_after = retry_after


class Visit(msgspec.Struct, frozen=True):
    """Where a request comes from. `device` is the proof of a browser that has been in before."""

    address: str
    browser: str = ""
    device: str = ""
    request_id: str | None = None


class Entrance(msgspec.Struct, frozen=True):
    """A session's new token, shown to its browser alone. Where it is not `complete`, the second factor is asked for."""

    token: str
    device: str
    complete: bool

    def __repr__(self) -> str:
        return f"Entrance(complete={self.complete})"


class Halfway(msgspec.Struct, frozen=True):
    """Somebody whose second factor is still asked for."""

    staff_id: int
    session_id: int


async def sign_in(house: House, email: str, password: str, visit: Visit) -> Entrance:
    """Come in with address and password. Raises SignInRefused, passwords.Busy.

    The work done is the same for unknown people, and a right password is not even looked at while it has to wait.
    """
    address = email.strip().lower()[:320]
    async with house.db.connection() as conn:
        row = await conn.fetchrow(_SQL.staff_by_email, address)
        sources = _sources(house, address, visit, row["id"] if row else None)
        await _wait_your_turn(conn, sources)
        await conn.execute(_SQL.note_failures, [sources["here"]], _LATELY)  # forgiven if it was none
    is_right = await house.passwords.matches(password, row["password_hash"] if row else None)
    if row is None or not is_right or row["disabled_at"] is not None:
        await _note_refusal(house, row["id"] if row else None, visit, sources)
        raise SignInRefused
    renewed = await house.passwords.hash(password) if house.passwords.is_outdated(row["password_hash"]) else None
    async with house.db.transaction() as conn:
        if renewed:
            await conn.execute(_SQL.set_password, row["id"], renewed)
        if row["second_factor_at"] is None:
            await conn.execute(_SQL.forgive, [sources["here"]])
            return await begin(house, conn, row["id"], visit, "person.signed_in")
        return await begin(house, conn, row["id"], visit, None)


async def second_step(house: House, session: str, code: str, visit: Visit) -> Entrance:
    """Complete a session with a code of the second factor, or a recovery code; the token changes. Raises SignInRefused."""
    async with house.db.transaction() as conn:
        halfway = await find(conn, session)
        if not isinstance(halfway, Halfway):
            raise SignInRefused
        (row,) = await conn.fetch(_SQL.lock_staff, halfway.staff_id)
        sources = _sources(house, row["email"], visit, halfway.staff_id)
        await _wait_your_turn(conn, sources)
        is_right = await second_factor.use_code(house, conn, row, code)
        if is_right:
            await conn.execute(_SQL.forgive, [sources["here"]])
            return await _rotate(house, conn, halfway, visit)
        await conn.execute(_SQL.note_failures, [sources["here"]], _LATELY)
    await _note_refusal(house, halfway.staff_id, visit, sources)
    raise SignInRefused


async def enter(house: House, token: str, visit: Visit) -> Entrance:
    """Use an entry link. Raises SignInRefused."""
    async with house.db.transaction() as conn:
        staff_id = await conn.fetchval(_SQL.use_link, hash_token(token), "entry")
        if staff_id is None:
            raise SignInRefused
        return await begin(house, conn, staff_id, visit, "person.entered_by_link")


async def find(conn: Connection, session: str) -> Person | Halfway | None:
    """Who holds this session's token."""
    row = await conn.fetchrow(_SQL.find_session, hash_token(session), _IDLE)
    if row is None:
        return None
    if row["is_stale"]:
        await conn.execute(_SQL.touch_session, row["session_id"])
    if not row["complete"]:
        return Halfway(row["staff_id"], row["session_id"])
    return Person(**{name: row[name] for name in Person.__struct_fields__ if name != "role"}, role=Role(row["role"]))


async def sign_out(house: House, person: Person) -> None:
    """The session ends."""
    async with house.db.transaction() as conn:
        await conn.execute(_SQL.revoke_session, person.session_id, person.staff_id)
        await audit.record(house.db, conn, author(person), "person.signed_out", f"stf_{person.staff_id}")


async def change_shop(house: House, person: Person, shop_id: int) -> Entrance:
    """Go on in another of one's shops; the token changes with what it may do. Raises NotFound."""
    async with house.db.transaction() as conn:
        roles = await conn.fetch(_SQL.roles_of, person.staff_id)
        if shop_id not in {row["shop_id"] for row in roles}:
            raise NotFound(f"no shop {shop_id}")
        token = new_token()
        await conn.execute(_SQL.rotate_session, person.session_id, hash_token(token), shop_id, True, _LIFE)
        await audit.record(house.db, conn, author(person), "person.changed_shop", f"stf_{person.staff_id}")
    return Entrance(token, _device(house, person.staff_id), complete=True)


async def revoke(house: House, session_id: int, person: Person) -> None:
    """One of one's own sessions ends. Raises NotFound."""
    async with house.db.transaction() as conn:
        if await conn.fetchval(_SQL.revoke_session, session_id, person.staff_id) is None:
            raise NotFound(f"no session {session_id}")
        await audit.record(house.db, conn, author(person), "person.session_revoked", f"stf_{person.staff_id}")


def csrf_token(house: House, session: str) -> str:
    """What a form carries to show that it was made for this session."""
    return house.vault.mac("csrf", session)


async def begin(house: House, conn: Connection, staff_id: int, visit: Visit, action: str | None) -> Entrance:
    """A session; half of one where `action` is None."""
    roles = await conn.fetch(_SQL.roles_of, staff_id)
    if not roles:
        raise SignInRefused
    token, complete = new_token(), action is not None
    life = _LIFE if complete else _HALFWAY
    where = (_address_hash(house, visit), visit.browser[:200])
    await conn.execute(_SQL.add_session, hash_token(token), staff_id, roles[0]["shop_id"], complete, life, *where)
    if action is not None:
        await audit.record(house.db, conn, _by_self(house, visit, roles[0], staff_id), action, f"stf_{staff_id}")
    return Entrance(token, _device(house, staff_id) if complete else "", complete)


async def _rotate(house: House, conn: Connection, halfway: Halfway, visit: Visit) -> Entrance:
    token = new_token()
    roles = await conn.fetch(_SQL.roles_of, halfway.staff_id)
    if not roles:
        raise SignInRefused
    shop_id = roles[0]["shop_id"]
    await conn.execute(_SQL.rotate_session, halfway.session_id, hash_token(token), shop_id, True, _LIFE)
    by = _by_self(house, visit, roles[0], halfway.staff_id)
    await audit.record(house.db, conn, by, "person.signed_in", f"stf_{halfway.staff_id}", second_factor=True)
    return Entrance(token, _device(house, halfway.staff_id), complete=True)


def _sources(house: House, address: str, visit: Visit, staff_id: int | None) -> dict[str, bytes]:
    """What a failure is counted against, by kind."""
    if staff_id is not None and visit.device and visit.device == _device(house, staff_id):
        return {"here": _source(house, "device", visit.device)}
    return {
        "here": _source(house, "pair", f"{address}|{visit.address}"),
        "address": _source(house, "address", visit.address),
        "name": _source(house, "name", address),
    }


async def _wait_your_turn(conn: Connection, sources: dict[str, bytes]) -> None:
    rows = {row["source"]: row for row in await conn.fetch(_SQL.failures, list(sources.values()), _LATELY)}
    waits = [
        min(2.0 ** min(row["failures"] - _FREE[kind], 16), _LONGEST_WAIT) - row["ago"]
        for kind, source in sources.items()
        if (row := rows.get(source)) is not None and row["failures"] >= _FREE[kind]
    ]
    if waits and max(waits) > 0:
        raise SignInRefused(retry_after=max(waits))


def _source(house: House, kind: str, value: str) -> bytes:
    return hashlib.sha256(house.vault.mac("sign_in", f"{kind}|{value}").encode()).digest()


def _device(house: House, staff_id: int) -> str:
    return house.vault.mac("device", str(staff_id))


def _address_hash(house: House, visit: Visit) -> bytes:
    return _source(house, "audit", visit.address)


def _by_self(house: House, visit: Visit, role: asyncpg.Record, staff_id: int) -> Author:
    return Author(
        actor=f"staff:{staff_id}",
        role=role["role"],
        shop_id=role["shop_id"],
        request_id=visit.request_id,
        address_hash=_address_hash(house, visit),
    )


async def _note_refusal(house: House, staff_id: int | None, visit: Visit, sources: dict[str, bytes]) -> None:
    """Somebody knocked in vain. Strangers' names are not kept: they would be what was typed into the wrong field."""
    async with house.db.transaction() as conn:
        wider = sorted(source for kind, source in sources.items() if kind != "here")
        await conn.execute(_SQL.note_failures, wider, _LATELY)
        if staff_id is None:
            return
        stranger = Author(actor="somebody", request_id=visit.request_id, address_hash=_address_hash(house, visit))
        await audit.record(house.db, conn, stranger, "person.refused", f"stf_{staff_id}")
