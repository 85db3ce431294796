"""The sender's statements: rows of the outbox become work in hand, and what became of it is written back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from notifications.contract import Facts, Kind, Recipient, Rendered, Sender
from notifications.outcomes import EXPIRED, FAILED, UNKNOWN, Claim, Outcome
from sql.connection import Connection
from sql.queries import topic

_sql = topic("outbox")


class Health(msgspec.Struct, frozen=True):
    """How a shop's channel fares; `failures` in a row."""

    failures: int = 0
    paused_until: datetime | None = None
    because: str | None = None


class Work(msgspec.Struct, kw_only=True):
    """A claimed message with all that it takes to render and send it."""

    claim: Claim
    sender: Sender
    shop_code: str
    shop_language: str
    kind: Kind
    key: str
    planned_at: datetime
    incident_id: int | None
    shipment_id: int
    link_version: int
    facts: Facts | None  # None where it is rendered already
    rendered: Rendered | None
    message_id: str | None
    health: Health


class Conversation(msgspec.Struct, frozen=True):
    """What was already sent about the same incident."""

    message_ids: tuple[str, ...]
    subject: str | None
    language: str


async def take(conn: Connection, channel: str, now: datetime, lease: timedelta, most: int) -> list[Work]:
    """Claims due messages, oldest first; none while sending is stopped."""
    rows = await conn.fetch(_sql.claim, channel, now, lease.total_seconds(), most)
    return [_work(row, channel) for row in rows]


async def rescue(conn: Connection, channel: str, lease: timedelta, most: int) -> list[Claim]:
    """Takes over messages whose sender fell silent during an attempt."""
    rows = await conn.fetch(_sql.rescue, channel, lease.total_seconds(), most)
    return [_claim(row, channel) for row in rows]


async def conversations(conn: Connection, works: Sequence[Work], channel: str) -> dict[int, Conversation]:
    """By notice: the conversation that each message about an incident continues."""
    notice_ids = [work.claim.notice_id for work in works if work.incident_id is not None]
    if not notice_ids:
        return {}
    rows = await conn.fetch(_sql.conversations, notice_ids, channel)
    return {row["notice_id"]: Conversation(tuple(row["message_ids"]), row["subject"], row["language"]) for row in rows}


async def begin(conn: Connection, works: Sequence[Work], now: datetime) -> dict[int, int]:
    """Notes the attempts, committed before any call; by message id the number of its attempt. What is missing was
    stopped or overtaken, and must not be sent."""
    rows = await conn.fetch(_sql.begin, *_kept(works), now)
    return {row["id"]: row["attempts"] for row in rows}


async def show(conn: Connection, works: Sequence[Work], now: datetime) -> None:
    """Shadow mode: keeps the rendered messages and sends nothing."""
    await conn.execute(_sql.show, *_kept(works), now)


async def record(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Writes outcomes, plans the messages that go another way instead, and settles notices that have come to an end.

    To be run in a transaction where one of the outcomes is not an acceptance.
    """
    await conn.execute(
        _sql.record,
        [outcome.claim.id for outcome in outcomes],
        [outcome.claim.token for outcome in outcomes],
        [outcome.state for outcome in outcomes],
        [outcome.because for outcome in outcomes],
        [outcome.due_at for outcome in outcomes],
        [outcome.provider_reference for outcome in outcomes],
        [outcome.in_doubt_since for outcome in outcomes],
        [outcome.claim.attempt if outcome.ended else None for outcome in outcomes],
        [outcome.ended for outcome in outcomes],
        [outcome.detail for outcome in outcomes],
        now,
    )
    diverted = [(outcome.claim.notice_id, outcome.instead) for outcome in outcomes if outcome.instead]
    if diverted:
        await conn.execute(
            _sql.add_messages,
            [notice_id for notice_id, _ in diverted],
            [planned.channel for _, planned in diverted],
            [planned.due_at for _, planned in diverted],
            [planned.why for _, planned in diverted],
            now,
        )
    ended = [outcome.claim.notice_id for outcome in outcomes if outcome.state in {FAILED, EXPIRED, UNKNOWN}]
    if ended:
        settled = await conn.fetch(_sql.settle, ended)
        untold = [notice["id"] for notice in settled if notice["state"] != "sent"]
        if untold:
            await conn.execute(_sql.tell_of_notices, untold, now)


async def renew(conn: Connection, held: dict[int, int], lease: timedelta) -> None:
    """Prolongs the lease of what is held (message id to token)."""
    await conn.execute(_sql.renew, list(held), list(held.values()), lease.total_seconds())


async def release(conn: Connection, held: dict[int, int]) -> None:
    """Gives back what is held and was not begun."""
    await conn.execute(_sql.release, list(held), list(held.values()))


async def set_health(conn: Connection, channel: str, healths: dict[int, Health], now: datetime) -> None:
    """By shop: how the channel fares from now on."""
    await conn.execute(
        _sql.set_channel_states,
        list(healths),
        channel,
        [health.failures for health in healths.values()],
        [health.paused_until for health in healths.values()],
        [health.because for health in healths.values()],
        now,
    )


def _kept(works: Sequence[Work]) -> tuple[list[object], ...]:
    """The columns of begin and show."""
    rendered = [work.rendered for work in works]
    return (
        [work.claim.id for work in works],
        [work.claim.token for work in works],
        [message.language if message else None for message in rendered],
        [message.subject if message else None for message in rendered],
        [work.message_id for work in works],
        [message.body if message and work.facts else None for message, work in zip(rendered, works, strict=True)],
    )


def _claim(row: asyncpg.Record, channel: str) -> Claim:
    return Claim(
        id=row["id"],
        token=row["lease_token"],
        channel=channel,
        notice_id=row["notice_id"],
        shop_id=row["shop_id"],
        recipient=_recipient(row),
        erased=row["erased"],
        urgent=row["urgent"],
        created_at=row["created_at"],
        valid_until=row["valid_until"],
        in_doubt_since=row["in_doubt_since"],
        attempt=row["attempts"],
        started_at=row.get("started_at"),
        notice_state=row["notice_state"],
        shadow=row.get("shadow", False),
    )


def _recipient(row: asyncpg.Record) -> Recipient:
    return Recipient(
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        language=row["contact_language"],
        time_zone=row["time_zone"],
    )


def _work(row: asyncpg.Record, channel: str) -> Work:
    return Work(
        claim=_claim(row, channel),
        sender=Sender(
            name=row["shop_name"],
            email=row["sender_email"],
            reply_email=row["reply_email"],
            phone=row["shop_phone"],
            website=row["website"],
        ),
        shop_code=row["shop_code"],
        shop_language=row["shop_language"],
        kind=Kind(row["kind"]),
        key=row["key"],
        planned_at=row["planned_at"],
        incident_id=row["incident_id"],
        shipment_id=row["shipment_id"],
        link_version=row["link_version"],
        facts=msgspec.json.decode(row["facts"], type=Facts) if row["facts"] is not None else None,
        rendered=_rendered(row),
        message_id=row["message_id"],
        health=Health(row["failures"], row["paused_until"]),
    )


def _rendered(row: asyncpg.Record) -> Rendered | None:
    if row["body"] is None:
        return None
    return Rendered(subject=row["subject"], body=row["body"], language=row["language"])
