"""What became of a simulated story, and whether every promise that the tracker makes was kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from carriers.sandbox.parcel import truth
from carriers.sandbox.world import World
from sql import queries
from tracker.simulation.sinks import Sinks
from tracker.store.db import Database

_SQL = queries.topic("simulation")
Rows = Sequence[asyncpg.Record]


async def summarise(db: Database, world: World, sinks: Sinks, start: datetime, end: datetime) -> dict[str, Any]:
    """The summary that `demo --until-settled --json` prints; `violations` is empty when all is well."""
    async with db.connection() as conn:
        shipments, incidents = await conn.fetch(_SQL.shipments), await conn.fetch(_SQL.incidents)
        messages, ends = await conn.fetch(_SQL.accepted_messages), await conn.fetchrow(_SQL.open_ends)
        final, kinds = await conn.fetch(_SQL.final_milestones), await conn.fetch(_SQL.incidents_by_kind)
        notices = await conn.fetch(_SQL.notices_by_kind)
    assert ends is not None  # an aggregate always gives a row
    return {
        "from": start.isoformat(),
        "to": end.isoformat(),
        "shipments": {row["milestone"]: row["count"] for row in final},
        "incidents": [dict(row) for row in kinds],
        "notices": [dict(row) for row in notices],
        "accepted": {"email": len(sinks.mails), "sms": len(sinks.texts)},
        "first_mails": _first_mails(incidents, messages),
        "violations": [
            *_not_final(shipments),
            *_untrue(world, shipments, end),
            *_undetected(world, shipments, incidents, end),
            *_left_open(incidents),
            *_not_said_once(messages, sinks),
            *_promises_broken(messages, end),
            *_said_too_late(messages),
            *(f"{row_count} {what} left at the end" for what, row_count in ends.items() if row_count),
        ],
    }


def _first_mails(incidents: Rows, messages: Rows) -> dict[str, str]:
    """By category: when the first mail about such an incident went out."""
    categories = {row["id"]: row["category"] for row in incidents}
    told: dict[str, str] = {}
    for row in messages:  # in order of time
        if row["channel"] == "email" and row["incident_id"] is not None:
            told.setdefault(categories[row["incident_id"]], row["accepted_at"].isoformat())
    return told


def _not_final(shipments: Rows) -> Iterator[str]:
    for row in shipments:
        if row["ended_at"] is None:
            yield f"shp_{row['id']}: not final, {row['milestone']} {row['status_detail']}"
        if row["undecided"] is not None:
            yield f"shp_{row['id']}: undecided, {row['undecided']}"


def _untrue(world: World, shipments: Rows, end: datetime) -> Iterator[str]:
    """Where we say that a parcel is must be where it is."""
    for row in shipments:
        parcel = world.parcel(row["carrier"], row["tracking_number"])
        if parcel is not None and truth(parcel, end).milestone.value != row["milestone"]:
            yield f"shp_{row['id']}: we say {row['milestone']}, in truth {truth(parcel, end).milestone}"


def _undetected(world: World, shipments: Rows, incidents: Rows, end: datetime) -> Iterator[str]:
    """Every trouble that a carrier stated must have been an incident of that category."""
    found = defaultdict(set)
    for row in incidents:
        found[row["shipment_id"]].add(row["category"])
    for row in shipments:
        parcel = world.parcel(row["carrier"], row["tracking_number"])
        if parcel is None:
            continue
        for fact in parcel.journey.facts:
            problem = truth(parcel, fact.known_at).problem
            if problem is not None and fact.known_at < end and problem[0].value not in found[row["id"]]:
                yield f"shp_{row['id']}: {problem[0]} {problem[1]} was stated at {fact.known_at} and no incident opened"
                break


def _left_open(incidents: Rows) -> Iterator[str]:
    for row in incidents:
        if row["state"] not in ("closed", "merged"):
            yield f"inc_{row['id']}: still {row['state']}, next moment {row['next_moment_at']}"


def _not_said_once(messages: Rows, sinks: Sinks) -> Iterator[str]:
    """What the sinks took is what we believe we sent, each message once."""
    taken = Counter(mail.message_id.strip("<>") for mail in sinks.mails)
    for message_id, count in taken.items():
        if count > 1:
            yield f"{message_id}: sent {count} times"
    believed = {row["message_id"] for row in messages if row["channel"] == "email"}
    for message_id in taken.keys() ^ believed:
        yield f"{message_id}: {'sent, but not known to be' if message_id in taken else 'believed sent, but never taken'}"
    texts = sum(1 for row in messages if row["channel"] == "sms")
    if texts != len(sinks.texts):
        yield f"{texts} SMS believed sent, {len(sinks.texts)} taken"
    again = Counter((row["notice_id"], row["channel"]) for row in messages)
    yield from (
        f"ntc_{notice_id}: sent {count} times by {channel}"
        for (notice_id, channel), count in again.items()
        if count > 1
    )


def _promises_broken(messages: Rows, end: datetime) -> Iterator[str]:
    """Whoever was told "you hear from us by then" has heard from us by then."""
    heard = defaultdict(list)
    for row in messages:
        heard[row["shipment_id"]].append(row["accepted_at"])
    for row in messages:
        by = row["promised_update_at"]
        if by is None or by > end:
            continue
        if not any(row["accepted_at"] < at <= by for at in heard[row["shipment_id"]]):
            yield f"ntc_{row['notice_id']} ({row['kind']}): promised news by {by}, and none came"


def _said_too_late(messages: Rows) -> Iterator[str]:
    for row in messages:
        if row["valid_until"] is not None and row["accepted_at"] > row["valid_until"]:
            yield f"ntc_{row['notice_id']} ({row['kind']}): sent after it was stale"
