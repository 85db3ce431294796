"""People, their sessions, and what was written down about what they did, as pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.domain.staff import Role

_SQL = queries.topic("people")
_ACCESS = queries.topic("access")
_AUDIT = queries.topic("audit")
NEWEST = 2**62  # above every row


class PersonLine(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of a shop."""

    id: int
    email: str
    name: str
    role: Role
    partner_id: int | None
    created_at: datetime
    disabled_at: datetime | None
    seen_at: datetime | None
    has_password: bool
    has_second_factor: bool
    has_identity: bool


class RoleLine(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do in a shop."""

    shop_id: int
    shop: str
    shop_name: str
    role: Role
    partner_id: int | None


class PartnerLine(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who pushes to a shop; `secrets` are those that are valid now."""

    id: int
    code: str
    name: str
    created_at: datetime
    disabled_at: datetime | None
    secrets: int


class SessionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is still good."""

    id: int
    browser: str | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did."""

    id: int
    at: datetime
    actor: str
    role: str | None
    action: str
    object: str | None
    detail: Mapping[str, Any]
    request_id: str | None


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; what is not given filters nothing."""

    actor: str | None = None
    object: str | None = None
    action: str | None = None


async def people(conn: Connection, shop_id: int) -> list[PersonLine]:
    """Everybody of a shop; those who are kept out come last."""
    return [msgspec.convert(dict(row), PersonLine) for row in await conn.fetch(_SQL.people, shop_id)]


async def partners(conn: Connection, shop_id: int) -> list[PartnerLine]:
    """A shop's partners; those that are disabled come last."""
    return [PartnerLine(**row) for row in await conn.fetch(_ACCESS.partners, shop_id)]


async def roles(conn: Connection, staff_id: int) -> list[RoleLine]:
    """The shops in which somebody may do something."""
    return [msgspec.convert(dict(row), RoleLine) for row in await conn.fetch(_SQL.roles_of, staff_id)]


async def sessions(conn: Connection, staff_id: int) -> list[SessionLine]:
    """Somebody's sessions that are still good, the one seen last first."""
    return [SessionLine(**row) for row in await conn.fetch(_SQL.sessions_of, staff_id)]


async def recovery_codes_left(conn: Connection, staff_id: int) -> int:
    """How many of somebody's recovery codes are unused."""
    return int(await conn.fetchval(_SQL.recovery_codes_left, staff_id))


async def audit(
    conn: Connection, shop_id: int, wanted: AuditFilter, *, before: int = NEWEST, most: int
) -> list[AuditLine]:
    """What was done in a shop, the newest first, from below the row `before`."""
    given = (wanted.actor, wanted.object, wanted.action)
    rows = await conn.fetch(_AUDIT.page, shop_id, before, *given, most)
    return [
        AuditLine(
            **{name: row[name] for name in AuditLine.__struct_fields__ if name != "detail"},
            detail=msgspec.json.decode(row["detail"]),
        )
        for row in rows
    ]
