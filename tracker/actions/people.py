"""The people of a shop: invited, given a role, kept out; every step is written into the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal
from zoneinfo import available_timezones

import asyncpg
import msgspec
from email_validator import EmailNotValidError, validate_email

from sql import queries
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import Author, author
from tracker.actions.deciding import House
from tracker.actions.sign_in import Entrance, SignInRefused, Visit, begin
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused, Wrong
from tracker.domain.staff import Person, Role
from tracker.passwords import weakness
from tracker.vault import hash_token, new_token

_SQL = queries.topic("people")
_ACCESS = queries.topic("access")
_INVITATION: Final = timedelta(days=7)
_ENTRY: Final = timedelta(hours=1)
_LONGEST_NAME: Final = 100


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody likes to read; None is as the shop and the machine have it."""

    language: str | None = None
    time_zone: str | None = None
    scheme: Literal["light", "dark"] | None = None


class Invited(msgspec.Struct, frozen=True):
    """Whom an invitation is for."""

    staff_id: int
    email: str
    name: str


async def invite(
    house: House, shop: str, email: str, name: str, role: Role, by: Author, *, partner: str | None = None
) -> str:
    """Somebody new in a shop, or somebody known in one more; the token of their invitation, shown this once.

    Raises FieldsWrong, NotFound.
    """
    async with house.db.transaction() as conn:
        return await invite_within(house, conn, shop, email, name, role, by, partner=partner)


async def invite_within(
    house: House,
    conn: Connection,
    shop: str,
    email: str,
    name: str,
    role: Role,
    by: Author,
    *,
    partner: str | None = None,
) -> str:
    """The same inside a transaction that does more."""
    address = _checked(email, name)
    shop_id = await conn.fetchval(_ACCESS.shop_id, shop)
    if shop_id is None:
        raise NotFound(f"no shop {shop!r}")
    partner_id = await _partner(conn, role, partner)
    staff_id = await conn.fetchval(_SQL.add_staff, address, name.strip())
    if staff_id is None:
        (known,) = await conn.fetch(_SQL.staff_by_email, address)
        staff_id = known["id"]
    await conn.execute(_SQL.set_role, staff_id, shop_id, role, partner_id)
    token = await _new_link(conn, staff_id, "invitation", _INVITATION)
    in_shop = msgspec.structs.replace(by, shop_id=shop_id)
    await audit.record(house.db, conn, in_shop, "person.invited", f"stf_{staff_id}", role=role)
    return token


async def add(
    house: House, email: str, name: str, role: Role, by: Person, *, partner_id: int | None = None
) -> tuple[int, str | None]:
    """Somebody new in one's own shop: their number, and the token of their invitation, shown this once.

    Who works for another shop already gets the role and no link: it would open what is not this shop's to give.
    Raises FieldsWrong.
    """
    address = _checked(email, name)
    async with house.db.transaction() as conn:
        if (role is Role.PARTNER) != (partner_id is not None and await _is_ours(conn, partner_id, by.shop_id)):
            raise FieldsWrong([Wrong("/partner", "name the partner whose pushes they may see; others have none")])
        staff_id = await conn.fetchval(_SQL.add_staff, address, name.strip())
        (known,) = await conn.fetch(_SQL.staff_by_email, address)
        roles = [] if staff_id else await conn.fetch(_SQL.roles_of, known["id"])
        if by.shop_id in [row["shop_id"] for row in roles]:
            raise FieldsWrong([Wrong("/email", "they are among your people already; open their line below")])
        await conn.execute(_SQL.set_role, known["id"], by.shop_id, role, partner_id)
        token = None if roles else await _new_link(conn, known["id"], "invitation", _INVITATION)
        await audit.record(house.db, conn, author(by), "person.invited", f"stf_{known['id']}", role=role)
    return known["id"], token


async def invite_again(house: House, staff_id: int, by: Person) -> str:
    """A new invitation for somebody who lost theirs, or their password; the older one ends. Raises NotFound, RuleRefused."""
    async with house.db.transaction() as conn:
        role = await _role_in(conn, staff_id, by.shop_id)
        await _only_here(conn, staff_id, by)
        token = await _new_link(conn, staff_id, "invitation", _INVITATION)
        await audit.record(house.db, conn, author(by), "person.invited", f"stf_{staff_id}", role=role)
    return token


async def invitation(conn: Connection, token: str) -> Invited | None:
    """Whom it is for, None where it is unknown, used or over."""
    row = await conn.fetchrow(_SQL.link, hash_token(token), "invitation")
    return Invited(row["id"], row["email"], row["name"]) if row else None


async def accept(house: House, token: str, password: str, visit: Visit) -> Entrance:
    """Use an invitation: choose a password, and come in. Raises FieldsWrong, SignInRefused, passwords.Busy."""
    async with house.db.connection() as conn:
        invited = await invitation(conn, token)
    if invited is None:
        raise SignInRefused
    hashed = await _new_hash(house, password, invited.email, invited.name)
    async with house.db.transaction() as conn:
        return await join_within(house, conn, token, hashed, visit)


async def join_within(house: House, conn: Connection, token: str, hashed: str, visit: Visit) -> Entrance:
    """Use an invitation with a password that was hashed before. Raises SignInRefused."""
    staff_id = await conn.fetchval(_SQL.use_link, hash_token(token), "invitation")
    if staff_id is None:
        raise SignInRefused
    await conn.execute(_SQL.set_password, staff_id, hashed)
    await conn.execute(_SQL.revoke_sessions, staff_id, None)
    return await begin(house, conn, staff_id, visit, "person.joined")


async def hash_of_new(house: House, email: str, name: str, password: str) -> str:
    """The hash of the password of somebody new, whose every field is checked with it. Raises FieldsWrong, Busy."""
    wrong: list[Wrong] = []
    try:
        _checked(email, name)
    except FieldsWrong as mistake:
        wrong += mistake.fields
    weak = weakness(password, name, *email.replace("@", " ").split())
    if weak:
        wrong.append(Wrong("/password", weak))
    if wrong:
        raise FieldsWrong(wrong)
    return await house.passwords.hash(password)


async def entry_link(house: House, email: str | None, by: Author) -> str:
    """A token that opens the console once within the hour, for whoever works on the machine itself: for this person,
    else for the first admin. Raises NotFound."""
    async with house.db.transaction() as conn:
        staff_id = await conn.fetchval(_SQL.person_to_enter, email.strip().lower() if email else None)
        if staff_id is None:
            raise NotFound(f"nobody {email!r} can come in" if email else "there is no admin yet: `tracker staff add`")
        token = await _new_link(conn, staff_id, "entry", _ENTRY)
        await audit.record(house.db, conn, by, "person.entry_link", f"stf_{staff_id}")
    return token


async def make_sure(house: House, person: Person, password: str) -> None:
    """It is really them, where they have a password at all. Raises FieldsWrong, passwords.Busy."""
    async with house.db.connection() as conn:
        (row,) = await conn.fetch(_SQL.staff_by_id, person.staff_id)
    if row["password_hash"] is not None and not await house.passwords.matches(password, row["password_hash"]):
        raise FieldsWrong([Wrong("/old", "this is not your password")])


async def change_password(house: House, person: Person, old: str, new: str) -> None:
    """A new password; all other sessions end. Raises FieldsWrong, passwords.Busy."""
    await make_sure(house, person, old)
    hashed = await _new_hash(house, new, person.email, person.name)
    async with house.db.transaction() as conn:
        await conn.execute(_SQL.set_password, person.staff_id, hashed)
        await conn.execute(_SQL.revoke_sessions, person.staff_id, person.session_id)
        await audit.record(house.db, conn, author(person), "person.password_changed", f"stf_{person.staff_id}")


async def change_profile(house: House, person: Person, name: str, reading: Reading) -> None:
    """How somebody is called, and how they like to read. Raises FieldsWrong."""
    wrong = _wrong_name(name)
    if reading.time_zone is not None and reading.time_zone not in available_timezones():
        wrong.append(Wrong("/time_zone", "an IANA name such as Europe/Madrid"))
    if wrong:
        raise FieldsWrong(wrong)
    async with house.db.transaction() as conn:
        values = (reading.language, reading.time_zone, reading.scheme)
        await conn.execute(_SQL.set_profile, person.staff_id, name.strip(), *values)
        await audit.record(house.db, conn, author(person), "person.profile_changed", f"stf_{person.staff_id}")


async def change_role(house: House, staff_id: int, role: Role, by: Person) -> None:
    """Somebody may do other things from now on; their sessions end. Raises NotFound, RuleRefused."""
    async with house.db.transaction() as conn:
        before = await _role_in(conn, staff_id, by.shop_id)
        if Role.PARTNER in (before, role):
            raise RuleRefused("a partner's people stay that; invite somebody else for another role")
        if role is not Role.ADMIN:
            await _keep_an_admin(conn, staff_id, by.shop_id)
        await conn.execute(_SQL.set_role, staff_id, by.shop_id, role, None)
        await conn.execute(_SQL.revoke_sessions, staff_id, None)
        await audit.record(
            house.db, conn, author(by), "person.role_changed", f"stf_{staff_id}", before=before, after=role
        )


async def disable(house: House, staff_id: int, by: Person, *, disabled: bool) -> None:
    """Keep somebody out at once, or let them in again. Raises NotFound, RuleRefused."""
    async with house.db.transaction() as conn:
        await _role_in(conn, staff_id, by.shop_id)
        await _only_here(conn, staff_id, by)
        if disabled:
            await _keep_an_admin(conn, staff_id, by.shop_id)
        await conn.execute(_SQL.set_disabled, staff_id, disabled)
        await conn.execute(_SQL.revoke_sessions, staff_id, None)
        action = "person.disabled" if disabled else "person.enabled"
        await audit.record(house.db, conn, author(by), action, f"stf_{staff_id}")


async def remove_second_factor(house: House, staff_id: int, by: Person) -> None:
    """One's own, or that of somebody who lost theirs; their sessions end. Raises NotFound, RuleRefused."""
    async with house.db.transaction() as conn:
        await _role_in(conn, staff_id, by.shop_id)
        if staff_id != by.staff_id:
            await _only_here(conn, staff_id, by)
        await conn.execute(_SQL.remove_second_factor, staff_id)
        await conn.execute(_SQL.forget_recovery_codes, staff_id)
        await conn.execute(_SQL.revoke_sessions, staff_id, by.session_id)
        await audit.record(house.db, conn, author(by), "person.second_factor_removed", f"stf_{staff_id}")


async def _new_link(conn: Connection, staff_id: int, purpose: str, life: timedelta) -> str:
    token = new_token()
    await conn.execute(_SQL.add_link, hash_token(token), staff_id, purpose, life)
    return token


async def _new_hash(house: House, password: str, *personal: str) -> str:
    weak = weakness(password, *[part for text in personal for part in text.replace("@", " ").split()])
    if weak:
        raise FieldsWrong([Wrong("/password", weak)])
    return await house.passwords.hash(password)


def _checked(email: str, name: str) -> str:
    wrong = _wrong_name(name)
    try:
        address = validate_email(email.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError as mistake:
        wrong.append(Wrong("/email", str(mistake)))
        address = ""
    if wrong:
        raise FieldsWrong(wrong)
    return address


def _wrong_name(name: str) -> list[Wrong]:
    is_right = 1 <= len(name.strip()) <= _LONGEST_NAME
    return [] if is_right else [Wrong("/name", f"1 to {_LONGEST_NAME} characters")]


async def _partner(conn: Connection, role: Role, code: str | None) -> int | None:
    if role is not Role.PARTNER:
        return None
    partner_id = await conn.fetchval(_ACCESS.partner_id, code)
    if partner_id is None:
        raise FieldsWrong([Wrong("/partner", "name the partner whose pushes they may see, such as ptn_...")])
    return int(partner_id)


async def _role_in(conn: Connection, staff_id: int, shop_id: int) -> Role:
    roles: Sequence[asyncpg.Record] = await conn.fetch(_SQL.roles_of, staff_id)
    for row in roles:
        if row["shop_id"] == shop_id:
            return Role(row["role"])
    raise NotFound(f"nobody stf_{staff_id}")


async def _only_here(conn: Connection, staff_id: int, by: Person) -> None:
    """What concerns somebody as a whole is not for one of several shops to decide."""
    if any(row["shop_id"] != by.shop_id for row in await conn.fetch(_SQL.roles_of, staff_id)):
        raise RuleRefused("they work for another shop too; whoever runs the tracker can do this: `tracker staff add`")


async def _is_ours(conn: Connection, partner_id: int, shop_id: int) -> bool:
    return partner_id in [row["id"] for row in await conn.fetch(_ACCESS.partners, shop_id)]


async def _keep_an_admin(conn: Connection, staff_id: int, shop_id: int) -> None:
    admins = [row["id"] for row in await conn.fetch(_SQL.lock_admins, shop_id)]
    if admins == [staff_id]:
        raise RuleRefused("this is the last admin of the shop; make somebody else one first")
