"""Room 3: a batch of observations becomes events, beliefs, incidents and notices, in one transaction.

Raw bytes are kept, duplicates fall out by key, corrections stand beside what they correct, and what cannot be read
or speaks of no shipment of ours is kept where staff can see it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

import msgspec

from carriers.contract import Estimate, Report, TrackingEvent
from sql.connection import Connection
from tracker.actions.deciding import Heard, House, decide_and_save
from tracker.domain.decision import Case
from tracker.domain.shipment import expect, variant
from tracker.store import cases, observations
from tracker.store.observations import Observation, Said
from tracker.store.storable import storable

__all__ = ["Observation", "Said", "Taken", "lock_numbers", "quarantined", "take_in", "take_up"]

_PATIENCE: Final = timedelta(minutes=30)  # between the two full answers that lack an event before it is withdrawn
_AHEAD: Final = timedelta(days=1)  # by which guessed zones and clocks that are set wrong may run before ours
# Events of one shipment. Pushes leave room for what the carrier itself says when it is asked, so that no partner can
# keep a parcel from being believed.
_MOST_EVENTS: Final = {"push": 250, "poll": 500}
_TURNS: Final = 64  # locks that all numbers share; more would fill PostgreSQL's table of locks

_Place = tuple[int, int]  # of a report: which observation of the batch, which report of that
_Number = tuple[int, str, str]  # shop, carrier, tracking number


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one observation."""

    observation_id: int
    new_events: int = 0
    known_events: int = 0
    unclaimed: int = 0
    quarantined: bool = False


class _Arrival(msgspec.Struct, frozen=True):
    """One report at its shipment: which observation brought it, and what of it is new."""

    index: int
    shipment_id: int
    report: Report
    fresh: tuple[TrackingEvent, ...]
    corrects: bool
    surplus: int  # events that are one shipment's too many: they stay in the raw bytes, in quarantine


async def take_in(house: House, conn: Connection, batch: Sequence[Observation]) -> list[Taken]:
    """Take in a batch. The number of statements does not grow with the batch."""
    now = house.clock.now()
    batch = [_storable(one) for one in batch]
    targets = await _targets(house, conn, batch)
    spoken_of = {*targets.values(), *(one.shipment_id for one in batch)}
    loaded = await house.load(conn, [one for one in spoken_of if one is not None])
    arrivals = await _arrivals(conn, batch, targets, loaded)
    batch = _with_surplus(batch, arrivals)
    ids = await observations.keep(conn, batch, _without_news(batch, arrivals, loaded))
    await observations.keep_events(
        conn,
        [
            (loaded[one.shipment_id], event, ids[one.index], batch[one.index].source, batch[one.index].received_at)
            for one in arrivals
            for event in one.fresh
        ],
    )
    unknown = [place for place, shipment_id in targets.items() if shipment_id is None]
    await observations.keep_unclaimed(conn, [(batch[at], ids[at], batch[at].said[which]) for at, which in unknown])
    withdrawn = await observations.judge_missing(conn, _full_answers(house, batch, loaded), now, _PATIENCE)
    polls = [(one, ids[at]) for at, one in enumerate(batch) if one.source == "poll" and one.shipment_id is not None]
    polled = await observations.record_polls(conn, polls, now)
    heard = _heard(arrivals, withdrawn, polled)
    await decide_and_save(house, conn, [loaded[one] for one in sorted(heard.keys() & loaded.keys())], heard, now)
    return _taken(batch, arrivals, unknown, ids)


def quarantined(observation: Observation, failure: Exception) -> Observation | None:
    """What to keep of an observation that our own mistake keeps from being taken in; None when it cannot be kept."""
    if observation.problem is not None and not observation.said:
        return None
    problem = f"taking it in failed: {type(failure).__name__}"
    return msgspec.structs.replace(observation, said=(), problem=problem)


async def lock_numbers(house: House, conn: Connection, numbers: Iterable[_Number]) -> None:
    """Let registering a number and taking in unknown pushes of it take turns: else each could miss the other."""
    turns = {crc32(" ".join(map(str, number)).encode()) % _TURNS for number in numbers}
    await observations.lock_numbers(conn, [house.db.advisory_key(f"numbers {turn}") for turn in turns])


async def take_up(conn: Connection, case: Case) -> Heard:
    """What was pushed about the number of a shipment before it was registered; its events are kept as its own."""
    waiting = await observations.claim(conn, case)
    events = [(case, event, one.observation_id, "push", one.received_at) for one in waiting for event in one.events]
    await observations.keep_events(conn, events)
    estimates = [one.estimate for one in waiting if one.estimate is not None]
    return Heard(refold=bool(events), estimate=estimates[-1] if estimates else None)


def _storable(one: Observation) -> Observation:
    named = storable(msgspec.structs.replace(one, raw=b"", said=()))
    said = tuple(_plausible(storable(said), one.received_at) for said in one.said)
    return msgspec.structs.replace(named, raw=one.raw, said=said)


def _plausible(said: Said, received_at: datetime) -> Said:
    """What has not come yet has not happened: such events are kept and shown, and move nothing."""
    if all(event.occurred_at is None or event.occurred_at <= received_at + _AHEAD for event in said.report.events):
        return said
    events = tuple(
        event
        if event.occurred_at is None or event.occurred_at <= received_at + _AHEAD
        else msgspec.structs.replace(event, occurred_at=None, informational=True)
        for event in said.report.events
    )
    return msgspec.structs.replace(said, report=msgspec.structs.replace(said.report, events=events))


def _with_surplus(batch: Sequence[Observation], arrivals: Sequence[_Arrival]) -> list[Observation]:
    """Observations whose last events found no room are shown as problems, beside what was taken of them."""
    surplus: Counter[int] = Counter()
    for arrival in arrivals:
        surplus[arrival.index] += arrival.surplus
    return [
        msgspec.structs.replace(one, problem=one.problem or f"more events than a shipment may have, by {surplus[at]}")
        if surplus[at]
        else one
        for at, one in enumerate(batch)
    ]


async def _targets(house: House, conn: Connection, batch: Sequence[Observation]) -> dict[_Place, int | None]:
    """The shipment that each report speaks of; None where none has its number."""
    found: dict[_Place, int | None] = {}
    asked: dict[_Place, _Number] = {}
    for at, observation in enumerate(batch):
        for which, said in enumerate(observation.said):
            found[at, which] = observation.shipment_id
            if observation.shipment_id is None:
                asked[at, which] = (observation.shop_id, said.carrier, said.report.tracking_number)
    found.update(zip(asked, await cases.find_numbers(conn, list(asked.values())), strict=True))
    unknown = {place: number for place, number in asked.items() if found[place] is None}
    if unknown:  # one may be about to be registered: wait for that, and look again
        await lock_numbers(house, conn, unknown.values())
        found.update(zip(unknown, await cases.find_numbers(conn, list(unknown.values())), strict=True))
    return found


async def _arrivals(
    conn: Connection,
    batch: Sequence[Observation],
    targets: Mapping[_Place, int | None],
    loaded: Mapping[int, Case],
) -> list[_Arrival]:
    """Every report at its shipment, with the events that are new there."""
    reports = [
        (at, shipment_id, batch[at].said[which].report)
        for (at, which), shipment_id in targets.items()
        if shipment_id is not None and shipment_id in loaded
    ]
    pairs = [(shipment_id, event.key) for _, shipment_id, report in reports for event in report.events]
    known = await observations.known_variants(conn, pairs)
    held = Counter({shipment_id: case.belief.events for shipment_id, case in loaded.items()})
    arrivals = []
    for at, shipment_id, report in reports:
        fresh: list[TrackingEvent] = []
        corrects, surplus, most = False, 0, _MOST_EVENTS[batch[at].source]
        for event in report.events:
            variants = known[shipment_id, event.key]
            stated = variant(event)
            if stated in variants:
                continue
            if held[shipment_id] + len(fresh) >= most:
                surplus += 1
                continue
            corrects = corrects or bool(variants)
            variants.add(stated)
            fresh.append(event)
        held[shipment_id] += len(fresh)
        arrivals.append(_Arrival(at, shipment_id, report, tuple(fresh), corrects, surplus))
    return arrivals


def _without_news(batch: Sequence[Observation], arrivals: Sequence[_Arrival], loaded: Mapping[int, Case]) -> set[int]:
    """Polls that said what was known, or failed as they had failed before: of them no raw bytes are kept."""
    news = {arrival.index for arrival in arrivals if arrival.fresh or _moves_estimate(arrival, loaded)}
    for at, one in enumerate(batch):
        case = loaded.get(one.shipment_id or 0)
        failed_anew = one.failure is not None and (case is None or not case.poll_failures)
        if one.source != "poll" or one.problem is not None or failed_anew:
            news.add(at)
    return set(range(len(batch))) - news


def _moves_estimate(arrival: _Arrival, loaded: Mapping[int, Case]) -> bool:
    case = loaded[arrival.shipment_id]
    return expect(case.expectation, arrival.report.estimate, case.belief, case.destination_zone) != case.expectation


def _full_answers(
    house: House, batch: Sequence[Observation], loaded: Mapping[int, Case]
) -> dict[int, list[TrackingEvent]]:
    """All events that a carrier listed which always lists all: only there can one be missing. An empty list says nothing."""
    full: dict[int, list[TrackingEvent]] = {}
    for one in batch:
        card = house.cards.get(one.carrier or "")
        if one.source != "poll" or one.shipment_id is None or card is None or not card.full_history:
            continue
        events = [event for said in one.said for event in said.report.events]
        if events and one.shipment_id in loaded:
            full[one.shipment_id] = events
    return full


def _heard(arrivals: Sequence[_Arrival], withdrawn: set[int], polled: Mapping[int, int]) -> dict[int, Heard]:
    """Everything that is new, by shipment."""
    events: dict[int, list[TrackingEvent]] = defaultdict(list)
    estimates: dict[int, Estimate] = {}
    refold = set(withdrawn)
    for arrival in arrivals:
        events[arrival.shipment_id] += arrival.fresh
        if arrival.corrects:
            refold.add(arrival.shipment_id)
        if arrival.report.estimate is not None:
            estimates[arrival.shipment_id] = arrival.report.estimate
    return {
        one: Heard(
            events=tuple(events[one]) if one in events else (),
            refold=one in refold,
            estimate=estimates.get(one),
            not_found=polled.get(one),
        )
        for one in events.keys() | withdrawn | polled.keys()
    }


def _taken(
    batch: Sequence[Observation], arrivals: Sequence[_Arrival], unknown: Sequence[_Place], ids: Sequence[int]
) -> list[Taken]:
    said: Counter[int] = Counter()
    fresh: Counter[int] = Counter()
    for arrival in arrivals:
        said[arrival.index] += len(arrival.report.events) - arrival.surplus
        fresh[arrival.index] += len(arrival.fresh)
    unclaimed = Counter(at for at, _ in unknown)
    return [
        Taken(
            observation_id=ids[at],
            new_events=fresh[at],
            known_events=said[at] - fresh[at],
            unclaimed=unclaimed[at],
            quarantined=observation.problem is not None,
        )
        for at, observation in enumerate(batch)
    ]
