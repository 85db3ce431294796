"""The second factor: codes of an authenticator app, and recovery codes for the day when it is lost."""

from __future__ import annotations

from typing import Final

import asyncpg
import pyotp

from sql import queries
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import author
from tracker.actions.deciding import House
from tracker.clock import token_bytes
from tracker.domain.errors import FieldsWrong, RuleRefused, Wrong
from tracker.domain.staff import Person
from tracker.vault import base62, hash_token

_SQL = queries.topic("people")
_STEP: Final = 30  # seconds that a code lives
_RECOVERY_CODES: Final = 10


async def begin(house: House, person: Person) -> str:
    """The address (otpauth://) that an authenticator app reads; in use once confirmed."""
    secret = pyotp.random_base32()
    async with house.db.transaction() as conn:
        (row,) = await conn.fetch(_SQL.lock_staff, person.staff_id)
        if row["second_factor_at"] is not None:
            raise RuleRefused("a second factor is in use; remove it first")
        sealed = house.vault.seal(secret.encode(), _place(person.staff_id))
        await conn.execute(_SQL.begin_second_factor, person.staff_id, sealed)
    return _address(person, secret)


async def being_set_up(house: House, person: Person) -> str | None:
    """The address that has been begun and not yet confirmed, None where there is none."""
    async with house.db.connection() as conn:
        (row,) = await conn.fetch(_SQL.staff_by_id, person.staff_id)
    if row["second_factor"] is None or row["second_factor_at"] is not None:
        return None
    return _address(person, house.vault.open(row["second_factor"], _place(person.staff_id)).decode())


async def confirm(house: House, person: Person, code: str) -> list[str]:
    """Put it into use with one of its codes; gives the recovery codes, shown this once. Raises FieldsWrong."""
    async with house.db.transaction() as conn:
        (row,) = await conn.fetch(_SQL.lock_staff, person.staff_id)
        step = await _step_of(house, conn, row, code) if row["second_factor"] else None
        if step is None:
            raise FieldsWrong([Wrong("/code", "this code does not fit; is the clock of your phone right?")])
        await conn.execute(_SQL.confirm_second_factor, person.staff_id, step)
        codes = await _new_recovery_codes(conn, person.staff_id)
        await conn.execute(_SQL.revoke_sessions, person.staff_id, person.session_id)
        await audit.record(house.db, conn, author(person), "person.second_factor_set", f"stf_{person.staff_id}")
    return codes


async def use_code(house: House, conn: Connection, row: asyncpg.Record, code: str) -> bool:
    """Whether this is a code, or a recovery code, of the person of this row; each works once."""
    plain = code.replace(" ", "").replace("-", "")
    if len(plain) == 6 and plain.isdecimal():
        return await _step_of(house, conn, row, plain) is not None
    return bool(await conn.fetchval(_SQL.use_recovery_code, row["id"], hash_token(plain.upper())))


async def _step_of(house: House, conn: Connection, row: asyncpg.Record, code: str) -> int | None:
    """The step that a code belongs to, once; one step to either side forgives a clock that is a little off."""
    now: float = await conn.fetchval(_SQL.epoch)
    totp = pyotp.TOTP(house.vault.open(row["second_factor"], _place(row["id"])).decode())
    given = code.replace(" ", "")
    for step in (int(now) // _STEP + offset for offset in (0, -1, 1)):
        if pyotp.utils.strings_equal(totp.at(step * _STEP), given):
            return step if await conn.fetchval(_SQL.use_step, row["id"], step) else None
    return None


async def _new_recovery_codes(conn: Connection, staff_id: int) -> list[str]:
    codes = [base62(token_bytes(8), 12).upper() for _ in range(_RECOVERY_CODES)]
    await conn.execute(_SQL.forget_recovery_codes, staff_id)
    await conn.execute(_SQL.add_recovery_codes, staff_id, [hash_token(code) for code in codes])
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def _address(person: Person, secret: str) -> str:
    return pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=person.shop_name)


def _place(staff_id: int) -> str:
    return f"staff|second_factor|{staff_id}"
