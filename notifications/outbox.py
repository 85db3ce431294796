"""The outbox: notices come in with the transaction that causes them, and messages go out exactly as planned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from notifications import policy
from notifications.contract import Kind, Notice
from notifications.policy import Planned, Reach, Rules
from sql.connection import Connection
from sql.queries import topic

_sql = topic("outbox")
_encode = msgspec.json.Encoder().encode


class Stopped(msgspec.Struct, frozen=True):
    """A notice that was taken back before any of it went out: its customer knows nothing of it."""

    notice_id: int
    shipment_id: int
    incident_id: int | None
    kind: Kind
    subject: str


async def enqueue(conn: Connection, notices: Sequence[Notice], now: datetime, rules: Rules | None = None) -> list[int]:
    """Plans the messages of these notices in the caller's transaction; gives the ids of those not said before.

    A key that was said before is left out. Unsent older notices on the same shipment and subject are superseded. The
    number of statements does not grow with the number of notices.
    """
    if not notices:
        return []
    once: dict[tuple[int, str], Notice] = {}
    for notice in notices:
        once.setdefault((notice.shop_id, notice.key), notice)
    plans = await _plans(conn, list(once.values()), rules or Rules(), now)
    ids = await _add_notices(conn, list(once.values()), plans)
    await _add_messages(conn, [(ids[key], planned) for key, planned in plans.items() if key in ids], now)
    await conn.execute(_sql.tell_of_notices, list(ids.values()), now)
    older = [row["id"] for row in await conn.fetch(_sql.older, list(ids.values()))]
    await _supersede(conn, older, "something newer is said instead", now)
    return sorted(ids.values())


async def supersede(
    conn: Connection,
    shipment_ids: Sequence[int],
    because: str,
    now: datetime,
    *,
    subjects: Sequence[str] | None = None,
) -> list[Stopped]:
    """Takes back what is unsent about these shipments, in the caller's transaction; gives what nobody was told.

    With `subjects`, as long as `shipment_ids`, only the notices on that subject of that shipment. A message that a
    sender has begun, or that may have arrived, is not taken back: its notice is not among those returned.
    """
    wanted = list(subjects) if subjects is not None else [None] * len(shipment_ids)
    unsent = [row["id"] for row in await conn.fetch(_sql.unsent, list(shipment_ids), wanted)]
    return await _supersede(conn, unsent, because, now)


async def cancel(conn: Connection, shop_id: int, notice_id: int, because: str, now: datetime) -> bool | None:
    """Holds back what no sender has begun of a notice, in the caller's transaction, because people said so.

    False where there was nothing left to hold back, None for what is no notice of this shop.
    """
    is_waiting: bool | None = await conn.fetchval(_sql.is_waiting, shop_id, notice_id)
    if is_waiting:
        await conn.execute(_sql.hold_back, [notice_id], because, now, "cancelled")
    return is_waiting


async def unheard(
    conn: Connection, shipment_ids: Sequence[int], subjects: Sequence[str], kinds: Sequence[str | None]
) -> set[tuple[int, str, str | None]]:
    """Those of these (shipment, subject, kind of notice, or None for any) of which nothing has, or may have, gone out."""
    rows = await conn.fetch(_sql.unheard, list(shipment_ids), list(subjects), list(kinds))
    return {(row["shipment_id"], row["subject"], row["kind"]) for row in rows}


async def _plans(
    conn: Connection, notices: Sequence[Notice], rules: Rules, now: datetime
) -> dict[tuple[int, str], list[Planned]]:
    rows = await conn.fetch(_sql.recipients, list({notice.contact_id for notice in notices}))
    reaches = {
        row["id"]: Reach(
            email=row["email"],
            phone=row["phone"],
            time_zone=row["time_zone"],
            erased=row["erased"],
        )
        for row in rows
    }
    return {
        (notice.shop_id, notice.key): policy.plan(notice, reaches[notice.contact_id], rules, now) for notice in notices
    }


async def _add_notices(
    conn: Connection, notices: Sequence[Notice], plans: dict[tuple[int, str], list[Planned]]
) -> dict[tuple[int, str], int]:
    planned = [bool(plans[notice.shop_id, notice.key]) for notice in notices]
    rows = await conn.fetch(
        _sql.add_notices,
        [notice.shop_id for notice in notices],
        [notice.shipment_id for notice in notices],
        [notice.incident_id for notice in notices],
        [notice.contact_id for notice in notices],
        [notice.kind for notice in notices],
        [notice.subject for notice in notices],
        [notice.key for notice in notices],
        [_encode(notice.facts) for notice in notices],
        ["planned" if reachable else "failed" for reachable in planned],
        [None if reachable else "there is no address to write to" for reachable in planned],
        [_encode(notice.because) for notice in notices],
        [notice.urgent for notice in notices],
        [notice.planned_at for notice in notices],
        [notice.valid_until for notice in notices],
        [notice.promised_update_at for notice in notices],
    )
    return {(row["shop_id"], row["key"]): row["id"] for row in rows}


async def _add_messages(conn: Connection, plans: Sequence[tuple[int, list[Planned]]], now: datetime) -> None:
    messages = [(notice_id, planned) for notice_id, plan in plans for planned in plan]
    await conn.execute(
        _sql.add_messages,
        [notice_id for notice_id, _ in messages],
        [planned.channel for _, planned in messages],
        [planned.due_at for _, planned in messages],
        [planned.why for _, planned in messages],
        now,
    )


async def _supersede(conn: Connection, notice_ids: Sequence[int], because: str, now: datetime) -> list[Stopped]:
    if not notice_ids:
        return []
    rows = await conn.fetch(_sql.hold_back, list(notice_ids), because, now, "superseded")
    return [
        Stopped(row["id"], row["shipment_id"], row["incident_id"], Kind(row["kind"]), row["subject"]) for row in rows
    ]
