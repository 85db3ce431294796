"""Room 3: a batch of observations becomes events, beliefs, incidents and notices, in one transaction.

Raw bytes are kept, duplicates fall out by key, corrections stand beside what they correct, and what cannot be read
or speaks of no shipment of ours is kept where staff can see it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from carriers.contract import FailureKind, Report, TrackingEvent
from sql import queries
from sql.connection import Connection
from tracker.actions.deciding import House, decide_and_save
from tracker.domain.decision import Case, News, Outcome, decide
from tracker.domain.shipment import Belief, append, expect, fold, variant
from tracker.store import cases
from tracker.store.db import CommitUnknown, ConnectionLost

_SQL = queries.topic("intake")
_PATIENCE = timedelta(minutes=30)  # between the two full answers that lack an event before it counts as withdrawn
_MOST_EVENTS = 500
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


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one observation."""

    observation_id: int
    new_events: int = 0
    known_events: int = 0
    unclaimed: int = 0
    quarantined: bool = False


class _Kept(msgspec.Struct, frozen=True):
    """What is taken up of a report that waited for its shipment."""

    events: tuple[TrackingEvent, ...] = ()


class _Arrival(msgspec.Struct, frozen=True):
    """One report at its shipment: which observation brought it, and what of it is new."""

    index: int
    shipment_id: int
    report: Report
    fresh: tuple[TrackingEvent, ...]
    corrects: bool


async def take_in(house: House, conn: Connection, batch: Sequence[Observation]) -> list[Taken]:
    """Take in a batch. The number of statements does not grow with the batch."""
    now = house.clock.now()
    targets = await _targets(conn, batch)
    spoken_of = {*targets.values(), *(one.shipment_id for one in batch)} - {None}
    loaded = await house.load(conn, [one for one in spoken_of if one is not None])
    arrivals = await _arrivals(conn, batch, targets, loaded)
    ids = await _keep(conn, batch, arrivals, loaded)
    await _insert_events(conn, batch, arrivals, loaded, ids)
    await _keep_unclaimed(conn, batch, targets, ids)
    withdrawn = await _judge_missing(house, conn, batch, loaded, now)
    polled = await _record_polls(conn, batch, now)
    touched = {arrival.shipment_id for arrival in arrivals} | withdrawn | polled.keys()
    beliefs = await _believe(conn, loaded, arrivals, withdrawn)
    await _decide(house, conn, [loaded[one] for one in sorted(touched & loaded.keys())], beliefs, arrivals, polled, now)
    return _taken(batch, arrivals, targets, ids)


# The database is gone, and what was sent may be sent again: nothing is wrong with any observation.
AWAY: Final = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionLost, CommitUnknown)


def quarantined(observation: Observation, failure: Exception) -> Observation | None:
    """What to keep of an observation that our own mistake keeps from being taken in; None when it cannot be kept."""
    if observation.problem is not None and not observation.said:
        return None
    problem = f"taking it in failed: {type(failure).__name__}"
    return msgspec.structs.replace(observation, said=(), problem=problem)


async def take_up(house: House, conn: Connection, case: Case) -> None:
    """Give a shipment just registered what was pushed about its number before."""
    rows = await conn.fetch(_SQL.claim_reports, case.shop_id, case.carrier, case.tracking_number, case.shipment_id)
    if not rows:
        return
    events = [
        (row["observation_id"], row["received_at"], event)
        for row in rows
        for event in msgspec.json.decode(row["report"], type=_Kept).events
    ]
    rows_to_write = [_event_row(case, event, observation, "push", at) for observation, at, event in events]
    await conn.execute(_SQL.insert_events, _encode(rows_to_write))
    beliefs = {case.shipment_id: fold(event for _, _, event in events)}
    await _decide(house, conn, [case], beliefs, [], {}, house.clock.now())


async def _targets(conn: Connection, batch: Sequence[Observation]) -> dict[tuple[int, int], int | None]:
    """The shipment that each report (observation index, report index) speaks of."""
    found: dict[tuple[int, int], int | None] = {}
    asked: list[tuple[int, int]] = []
    for index, observation in enumerate(batch):
        for place in range(len(observation.said)):
            found[index, place] = observation.shipment_id
            if observation.shipment_id is None:
                asked.append((index, place))
    numbers = [
        (batch[index].shop_id, batch[index].said[place].carrier, batch[index].said[place].report.tracking_number)
        for index, place in asked
    ]
    found.update(zip(asked, await cases.find_numbers(conn, numbers), strict=True))
    return found


async def _arrivals(
    conn: Connection,
    batch: Sequence[Observation],
    targets: Mapping[tuple[int, int], int | None],
    loaded: Mapping[int, Case],
) -> list[_Arrival]:
    """Every report at its shipment, with the events that are new there."""
    reports = [
        (index, shipment_id, batch[index].said[place].report)
        for (index, place), shipment_id in targets.items()
        if shipment_id is not None and shipment_id in loaded
    ]
    pairs = [(shipment_id, event.key) for _, shipment_id, report in reports for event in report.events]
    known: dict[tuple[int, str], set[str]] = defaultdict(set)
    if pairs:
        for row in await conn.fetch(_SQL.known_events, *map(list, zip(*pairs, strict=True))):
            known[row["shipment_id"], row["key"]].add(row["variant"])
    arrivals = []
    for index, shipment_id, report in reports:
        fresh, corrects = [], False
        for event in report.events:
            variants = known[shipment_id, event.key]
            stated = variant(event)
            if stated not in variants:
                corrects = corrects or bool(variants)
                variants.add(stated)
                fresh.append(event)
        arrivals.append(_Arrival(index, shipment_id, report, tuple(fresh), corrects))
    return arrivals


async def _keep(
    conn: Connection, batch: Sequence[Observation], arrivals: Sequence[_Arrival], loaded: Mapping[int, Case]
) -> list[int]:
    """Keep every observation; an answer that says nothing new is one narrow row without its raw bytes."""
    newsless = set(range(len(batch)))
    for arrival in arrivals:
        case = loaded[arrival.shipment_id]
        estimated = expect(case.expectation, arrival.report.estimate, case.belief, case.destination_zone)
        if arrival.fresh or estimated != case.expectation:
            newsless.discard(arrival.index)
    raws = [
        None if index in newsless and one.source == "poll" and one.problem is None else one.raw
        for index, one in enumerate(batch)
    ]
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
        raws,
        [one.failure for one in batch],
        [one.problem for one in batch],
        [one.problem_path for one in batch],
    )
    return [row["id"] for row in rows]


async def _insert_events(
    conn: Connection,
    batch: Sequence[Observation],
    arrivals: Sequence[_Arrival],
    loaded: Mapping[int, Case],
    ids: Sequence[int],
) -> None:
    rows = [
        _event_row(
            loaded[arrival.shipment_id],
            event,
            ids[arrival.index],
            batch[arrival.index].source,
            batch[arrival.index].received_at,
        )
        for arrival in arrivals
        for event in arrival.fresh
    ]
    if rows:
        await conn.execute(_SQL.insert_events, _encode(rows))


def _event_row(case: Case, event: TrackingEvent, observation_id: int, source: str, at: datetime) -> dict[str, Any]:
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
        "received_at": at,
    }


async def _keep_unclaimed(
    conn: Connection,
    batch: Sequence[Observation],
    targets: Mapping[tuple[int, int], int | None],
    ids: Sequence[int],
) -> None:
    rows = [
        {
            "shop_id": batch[index].shop_id,
            "carrier": batch[index].said[place].carrier,
            "tracking_number": batch[index].said[place].report.tracking_number,
            "observation_id": ids[index],
            "received_at": batch[index].received_at,
            "report": batch[index].said[place].report,
        }
        for (index, place), shipment_id in targets.items()
        if shipment_id is None
    ]
    if rows:
        await conn.execute(_SQL.insert_unclaimed, _encode(rows))


async def _judge_missing(
    house: House, conn: Connection, batch: Sequence[Observation], loaded: Mapping[int, Case], now: datetime
) -> set[int]:
    """Shipments of which a carrier that always sends its full history has withdrawn, or given back, an event."""
    seen = {
        one.shipment_id: [event.key for said in one.said for event in said.report.events]
        for one in batch
        if one.source == "poll" and one.shipment_id in loaded and _is_full(house, one)
    }
    if not seen:
        return set()
    keys = [f"{shipment_id} {key}" for shipment_id, present in seen.items() for key in present]
    rows = await conn.fetch(_SQL.mark_missing, list(seen), keys, now, _PATIENCE)
    return {row["shipment_id"] for row in rows if row["is_withdrawn"] or row["is_seen"]}


def _is_full(house: House, one: Observation) -> bool:
    card = house.cards.get(one.carrier or "")
    return card is not None and card.full_history and any(said.report.events for said in one.said)


async def _record_polls(conn: Connection, batch: Sequence[Observation], now: datetime) -> dict[int, int]:
    """Shipments whose poll this was, with how often in a row the carrier did not know them."""
    polls = [one for one in batch if one.source == "poll" and one.shipment_id is not None]
    if not polls:
        return {}
    failed = [one.failure is not None or one.problem is not None for one in polls]
    not_found = [one.failure is FailureKind.NOT_FOUND for one in polls]
    ids, tokens = [one.shipment_id for one in polls], [one.token for one in polls]
    readable = [one.shipment_id for one in polls if one.problem is None]
    await conn.execute(_SQL.settle_unread, readable, now)
    rows = await conn.fetch(_SQL.record_poll, ids, tokens, now, failed, not_found)
    return {row["shipment_id"]: row["not_found_count"] for row in rows}


async def _believe(
    conn: Connection, loaded: Mapping[int, Case], arrivals: Sequence[_Arrival], withdrawn: set[int]
) -> dict[int, Belief]:
    """What is believed now of every shipment with news: continued where the news comes last, else folded anew."""
    fresh: dict[int, list[TrackingEvent]] = defaultdict(list)
    refold = set(withdrawn)
    for arrival in arrivals:
        fresh[arrival.shipment_id] += arrival.fresh
        if arrival.corrects:
            refold.add(arrival.shipment_id)
    beliefs: dict[int, Belief] = {}
    for shipment_id, events in fresh.items():
        continued = None if shipment_id in refold else append(loaded[shipment_id].belief, events)
        if continued is None:
            refold.add(shipment_id)
        else:
            beliefs[shipment_id] = continued
    if refold:
        histories = await cases.events_of(conn, sorted(refold))
        beliefs |= {shipment_id: fold(events) for shipment_id, events in histories.items()}
    return beliefs


async def _decide(
    house: House,
    conn: Connection,
    touched: Sequence[Case],
    beliefs: Mapping[int, Belief],
    arrivals: Sequence[_Arrival],
    polled: Mapping[int, int],
    now: datetime,
) -> None:
    estimates = {
        arrival.shipment_id: arrival.report.estimate for arrival in arrivals if arrival.report.estimate is not None
    }

    def one(case: Case) -> Outcome:
        belief = beliefs.get(case.shipment_id, case.belief)
        if belief.events > _MOST_EVENTS:
            raise ValueError(f"more than {_MOST_EVENTS} events: held back until somebody has looked at it")
        expectation = expect(case.expectation, estimates.get(case.shipment_id), belief, case.destination_zone)
        return decide(
            case,
            now,
            draw=house.chance.random(),
            news=News(belief=belief, expectation=expectation, not_found=polled.get(case.shipment_id)),
        )

    for is_polled in (False, True):
        some = [case for case in touched if (case.shipment_id in polled) is is_polled]
        if some:
            await decide_and_save(house, conn, some, one, now, polled=is_polled)


def _taken(
    batch: Sequence[Observation],
    arrivals: Sequence[_Arrival],
    targets: Mapping[tuple[int, int], int | None],
    ids: Sequence[int],
) -> list[Taken]:
    said: Counter[int] = Counter()
    fresh: Counter[int] = Counter()
    for arrival in arrivals:
        said[arrival.index] += len(arrival.report.events)
        fresh[arrival.index] += len(arrival.fresh)
    unclaimed = Counter(index for (index, _), shipment_id in targets.items() if shipment_id is None)
    return [
        Taken(
            observation_id=ids[index],
            new_events=fresh[index],
            known_events=said[index] - fresh[index],
            unclaimed=unclaimed[index],
            quarantined=observation.problem is not None,
        )
        for index, observation in enumerate(batch)
    ]
