"""Answers and pushes as received, and the tracking events in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from carriers.contract import Estimate, FailureKind, Report, TrackingEvent
from sql import queries
from sql.connection import Connection
from tracker.domain.decision import Case
from tracker.domain.shipment import variant

_SQL = queries.topic("intake")
_encode = msgspec.json.encode


class Said(msgspec.Struct, frozen=True):
    """What an observation says about one number of one carrier."""

    carrier: str
    report: Report


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One answer or push as received and read. A poll names its `shipment_id` and the `token` of its lease.

    `problem` is set when it could not be read: then it is quarantined with the path into the body.
    """

    shop_id: int
    source: str
    received_at: datetime
    raw: bytes
    content_type: str
    said: tuple[Said, ...] = ()
    carrier: str | None = None
    account: str | None = None
    partner_id: int | None = None
    push_id: str | None = None
    shipment_id: int | None = None
    token: int | None = None
    http_status: int | None = None
    failure: FailureKind | None = None
    problem: str | None = None
    problem_path: str | None = None


class Unclaimed(msgspec.Struct, frozen=True):
    """A report about a number that had no shipment when it came."""

    observation_id: int
    received_at: datetime
    events: tuple[TrackingEvent, ...]
    estimate: Estimate | None


class _KeptEstimate(msgspec.Struct, frozen=True):
    earliest: str | None = None
    latest: str | None = None


class _KeptReport(msgspec.Struct, frozen=True):
    events: tuple[TrackingEvent, ...] = ()
    estimate: _KeptEstimate | None = None


async def keep(conn: Connection, batch: Sequence[Observation], without_raw: Collection[int]) -> list[int]:
    """Keep observations, those at the places `without_raw` without their bytes; ids in the order of the batch."""
    rows = await conn.fetch(
        _SQL.insert_observations,
        [one.shop_id for one in batch],
        [one.source for one in batch],
        [one.carrier for one in batch],
        [one.account for one in batch],
        [one.partner_id for one in batch],
        [one.push_id for one in batch],
        [one.shipment_id for one in batch],
        [one.received_at for one in batch],
        [one.http_status for one in batch],
        [one.content_type[:200] for one in batch],
        [None if place in without_raw else one.raw for place, one in enumerate(batch)],
        [one.failure for one in batch],
        [one.problem for one in batch],
        [one.problem_path for one in batch],
    )
    return [row["id"] for row in rows]


async def known_variants(conn: Connection, pairs: Sequence[tuple[int, str]]) -> dict[tuple[int, str], set[str]]:
    """Of these pairs of shipment and event key, the variants that are kept already."""
    known: dict[tuple[int, str], set[str]] = defaultdict(set)
    if pairs:
        for row in await conn.fetch(_SQL.known_events, *map(list, zip(*pairs, strict=True))):
            known[row["shipment_id"], row["key"]].add(row["variant"])
    return known


async def keep_events(conn: Connection, events: Sequence[tuple[Case, TrackingEvent, int, str, datetime]]) -> None:
    """Keep new events: each with its case, the observation that brought it, that one's source and when it came."""
    if events:
        await conn.execute(_SQL.insert_events, _encode([_event_row(*one) for one in events]))


async def keep_unclaimed(conn: Connection, reports: Sequence[tuple[Observation, int, Said]]) -> None:
    """Keep what was said of numbers that no shipment has yet, each with its observation and that one's id."""
    rows = [
        {
            "shop_id": observation.shop_id,
            "carrier": said.carrier,
            "tracking_number": said.report.tracking_number,
            "observation_id": observation_id,
            "received_at": observation.received_at,
            "report": said.report,
        }
        for observation, observation_id, said in reports
    ]
    if rows:
        await conn.execute(_SQL.insert_unclaimed, _encode(rows))


async def claim(conn: Connection, case: Case) -> list[Unclaimed]:
    """What waited for this shipment, oldest first."""
    rows = await conn.fetch(_SQL.claim_reports, case.shop_id, case.carrier, case.tracking_number, case.shipment_id)
    claimed = []
    for row in rows:
        report = msgspec.json.decode(row["report"], type=_KeptReport)
        estimate = _estimate(report.estimate) if report.estimate else None
        claimed.append(Unclaimed(row["observation_id"], row["received_at"], report.events, estimate))
    return sorted(claimed, key=lambda one: one.observation_id)


async def judge_missing(
    conn: Connection, seen: Mapping[int, Sequence[TrackingEvent]], now: datetime, patience: timedelta
) -> set[int]:
    """Shipments of which a full answer (`seen`, by shipment) withdrew events, or gave back such as were missing.

    An event counts as withdrawn when a second answer, `patience` after the first, lacks it too.
    """
    if not seen:
        return set()
    keys = [f"{shipment_id} {event.key} {variant(event)}" for shipment_id, events in seen.items() for event in events]
    rows = await conn.fetch(_SQL.mark_missing, list(seen), keys, now, patience)
    return {row["shipment_id"] for row in rows if row["is_withdrawn"] or row["is_seen"]}


async def record_polls(conn: Connection, polls: Sequence[tuple[Observation, int]], now: datetime) -> dict[int, int]:
    """Polls that ended (with the ids of their observations): the shipments whose lease was still ours, each with how
    often in a row the carrier did not know it."""
    if not polls:
        return {}
    shipments = [one.shipment_id for one, _ in polls]
    await conn.execute(_SQL.settle_unread, shipments, now, [observation_id for _, observation_id in polls])
    rows = await conn.fetch(
        _SQL.record_poll,
        shipments,
        [one.token for one, _ in polls],
        now,
        [one.failure is not None or one.problem is not None for one, _ in polls],
        [one.failure is FailureKind.NOT_FOUND for one, _ in polls],
    )
    return {row["shipment_id"]: row["not_found_count"] for row in rows}


async def lock_numbers(conn: Connection, keys: Collection[int]) -> None:
    """Take turns over these numbers (advisory keys) until the end of the transaction."""
    await conn.execute(_SQL.lock_numbers, sorted(set(keys)))


def _event_row(
    case: Case, event: TrackingEvent, observation_id: int, source: str, received_at: datetime
) -> dict[str, Any]:
    return {
        "shop_id": case.shop_id,
        "shipment_id": case.shipment_id,
        "key": event.key,
        "variant": variant(event),
        "occurred_at": event.occurred_at,
        "occurred_local": event.occurred_local,
        "tz_certainty": event.tz_certainty,
        "precision": int(event.precision),
        "sequence": event.sequence,
        "milestone": event.milestone,
        "status_detail": event.status_detail,
        "category": event.problem.category if event.problem else None,
        "cause": event.problem.cause if event.problem else None,
        "action_owner": event.action_owner,
        "informational": event.informational,
        "code": event.code,
        "text": event.text,
        "city": event.place.city,
        "country": event.place.country,
        "postcode": event.place.postcode,
        "observation_id": observation_id,
        "source": source,
        "received_at": received_at,
    }


def _estimate(kept: _KeptEstimate) -> Estimate:
    """JSON does not tell days from instants; their length does."""

    def end(text: str | None) -> datetime | date | None:
        if text is None:
            return None
        return date.fromisoformat(text) if len(text) == len("2026-11-27") else datetime.fromisoformat(text)

    return Estimate(end(kept.earliest), end(kept.latest))
