"""Rounds of questions: who may ask what, how often, and what becomes of it when the carrier or we ourselves stumble."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from carriers.contract import (
    Account,
    Adapter,
    Answer,
    CarrierFailure,
    Client,
    Clock,
    FailureKind,
    Http,
    Lookup,
    Report,
)
from sql import queries
from sql.connection import Connection
from tests.tracker.actions.conftest import START, Scene, card
from tests.tracker.domain.building import event
from tracker.actions import intake
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Taken
from tracker.actions.permit import Permit
from tracker.actions.poll import Line, Rounds

HOUR = timedelta(hours=1)
_CLAIM = queries.topic("polling").claim


class Carrier:
    """A carrier that answers each question with one movement, or as it is told."""

    def __init__(self, scene: Scene, *, batch_size: int = 1, calls_per_day: int | None = None, spacing: float = 0.0):
        self.scene, self.spacing = scene, spacing
        self.card = msgspec.structs.replace(card("full"), batch_size=batch_size)
        self.key = (scene.shop.id, "full", "default")
        self.permit = Permit(scene.house.db, scene.clock, self.key, calls_per_day, spacing)
        self.calls: list[tuple[str, ...]] = []
        self.under_way = self.most_at_once = 0
        self.refusals: list[CarrierFailure] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.reports: Callable[[str], Report] = lambda number: Report(
            tracking_number=number, events=(event("in_transit", 0),)
        )

    async def fetch(self, lookups: Sequence[Lookup]) -> Answer:
        await self.permit()
        self.calls.append(tuple(lookup.tracking_number for lookup in lookups))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.meanwhile:
            await self.meanwhile()
        if self.refusals:
            raise self.refusals.pop(0)
        return Answer(200, "application/json", b"{}")

    def parse(self, answer: Answer, lookups: Sequence[Lookup] = ()) -> list[Report]:
        return [self.reports(lookup.tracking_number) for lookup in lookups]

    def connect(self, account: Account, http: Http, clock: Clock) -> Client:
        return self

    @property
    def asked(self) -> Counter[str]:
        return Counter(number for call in self.calls for number in call)

    def rounds(self) -> Rounds:
        """As one process of several would ask."""
        adapter = Adapter(card=self.card, parse=self.parse, connect=self.connect)
        lines = {self.key: Line(adapter=adapter, client=self, spacing=self.spacing)}
        return Rounds(self.scene.house, lines, GroupCommit(partial(_commit, self.scene)))

    async def account(self) -> dict[str, Any]:
        return dict(await self.scene.row("select * from carrier_account"))


async def _commit(scene: Scene, batch: Sequence[Observation]) -> Sequence[Taken]:
    async def take_in(conn: Connection) -> list[Taken]:
        return await intake.take_in(scene.house, conn, batch)

    return await scene.house.db.retrying(take_in, idempotent=True)


async def due(scene: Scene, *numbers: str) -> list[int]:
    """These parcels are registered, and due to be asked about."""
    return [await scene.registers(number) for number in numbers]


async def milestones(scene: Scene) -> list[str]:
    return [row["milestone"] for row in await scene.rows("select milestone from shipment order by id")]


async def test_what_is_due_is_asked_once_and_taken_in(scene: Scene):
    carrier = Carrier(scene)
    await due(scene, "AAA1", "AAA2")

    assert await carrier.rounds().poll_due() == 2
    assert carrier.asked == {"AAA1": 1, "AAA2": 1}
    assert await milestones(scene) == ["in_transit", "in_transit"]
    assert await carrier.rounds().poll_due() == 0
    assert (await carrier.account())["calls_today"] == 2


async def test_many_numbers_share_a_call_and_each_gets_its_own_answer(scene: Scene):
    carrier = Carrier(scene, batch_size=3)
    events = {"AAA1": "in_transit", "AAA3": "out_for_delivery", "AAA4": "accepted"}
    carrier.reports = lambda number: Report(
        tracking_number=number,
        events=(event(events[number], 0),) if number in events else (),
        failure=None if number in events else FailureKind.NOT_FOUND,
    )
    await due(scene, "AAA1", "AAA2", "AAA3", "AAA4")

    assert await carrier.rounds().poll_due() == 4
    assert sorted(map(len, carrier.calls)) == [1, 3]
    assert await milestones(scene) == ["in_transit", "registered", "out_for_delivery", "accepted"]
    assert [row["not_found_count"] for row in await scene.rows("select * from schedule order by shipment_id")] == [
        0,
        1,
        0,
        0,
    ]


async def test_a_lone_answer_in_a_batch_speaks_for_one_parcel_only(scene: Scene):
    carrier = Carrier(scene, batch_size=2)
    await due(scene, "AAA1", "AAA2")
    carrier.parse = lambda answer, lookups=(): [  # type: ignore[method-assign]
        Report(tracking_number="AAA2", events=(event("in_transit", 0),))
    ]
    await carrier.rounds().poll_due()
    assert await milestones(scene) == ["registered", "in_transit"]


@pytest.mark.parametrize(
    ("answered", "believed"),
    [
        (Report(tracking_number="aa-a 1", events=(event("in_transit", 0),)), "in_transit"),
        (Report(tracking_number="ZZZ9", also_known_as=("AAA1",), events=(event("in_transit", 0),)), "in_transit"),
        (Report(tracking_number="ZZZ9", events=(event("in_transit", 0),)), "registered"),
    ],
    ids=["spelled otherwise", "a piece of it", "somebody else's"],
)
async def test_only_an_answer_about_this_parcel_is_believed(scene: Scene, answered: Report, believed: str):
    carrier = Carrier(scene)
    carrier.reports = lambda _number: answered
    await due(scene, "AAA1")
    await carrier.rounds().poll_due()

    assert await milestones(scene) == [believed]
    problems = await scene.rows("select problem from observation where problem is not null")
    assert [row["problem"] for row in problems] == (
        [] if believed == "in_transit" else ["the answer is about another number: ZZZ9"]
    )


async def test_two_processes_never_ask_about_the_same_parcel(scene: Scene):
    carrier = Carrier(scene)
    await due(scene, *(f"AAA{n}" for n in range(20)))
    await asyncio.gather(*(carrier.rounds().poll_due() for _ in range(4)))
    assert set(carrier.asked.values()) == {1}
    assert len(carrier.asked) == 20


async def test_whoever_was_overtaken_takes_no_lease_away_and_counts_nothing(scene: Scene):
    """Its lease ran out while the carrier was slow, and another process is asking by now."""
    carrier = Carrier(scene)
    carrier.reports = lambda number: Report(tracking_number=number, failure=FailureKind.NOT_FOUND)
    (shipment,) = await due(scene, "AAA1")

    async def overtaken() -> None:
        async with scene.house.db.connection() as conn:
            await conn.execute("update schedule set poll_lease_until = clock_timestamp() - interval '1 second'")
            assert len(await conn.fetch(_CLAIM, *carrier.key, START, HOUR, 100)) == 1

    carrier.meanwhile = overtaken
    await carrier.rounds().poll_due()
    row = await scene.shipment(shipment)
    assert (row["poll_lease_until"] is not None, row["poll_token"], row["not_found_count"]) == (True, 2, 0)


async def test_the_days_calls_are_never_overspent_however_many_ask(scene: Scene):
    carrier = Carrier(scene, calls_per_day=5)
    await due(scene, *(f"AAA{n}" for n in range(12)))
    await asyncio.gather(*(carrier.rounds().poll_due() for _ in range(3)))
    assert (len(carrier.calls), set(carrier.asked.values())) == (5, {1})

    account = await carrier.account()
    tomorrow = START.replace(hour=0) + timedelta(days=1)
    assert (account["paused_until"], account["paused_because"]) == (tomorrow, "the day's calls are spent")
    assert (account["failures"], account["calls_today"]) == (0, 5)

    scene.clock.move_to(tomorrow)
    await carrier.rounds().poll_due()
    assert len(carrier.calls) == 10


async def test_calls_keep_their_distance_across_processes(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("tracker.actions.permit.asyncio.sleep", note)
    permits = [Permit(scene.house.db, scene.clock, (scene.shop.id, "full", "default"), None, 60.0) for _ in range(2)]
    await scene.registers("AAA1")
    for permit in permits * 2:
        await permit()
    assert [round(seconds) for seconds in waited] == [60, 120, 180]


async def test_where_space_is_wanted_one_call_follows_the_other(scene: Scene):
    carrier = Carrier(scene, spacing=0.001)
    await due(scene, *(f"AAA{n}" for n in range(6)))
    assert await carrier.rounds().poll_due() == 6
    assert carrier.most_at_once == 1


async def test_where_space_is_wide_a_round_is_short(scene: Scene):
    carrier = Carrier(scene, spacing=5.0)
    await due(scene, "AAA1", "AAA2")
    assert await carrier.rounds().poll_due() == 1


async def test_calls_without_space_go_side_by_side(scene: Scene):
    carrier = Carrier(scene)
    await due(scene, *(f"AAA{n}" for n in range(12)))
    await carrier.rounds().poll_due()
    assert 1 < carrier.most_at_once <= 8


@pytest.mark.parametrize(
    ("refusal", "pause"),
    [
        (CarrierFailure(FailureKind.RATE_LIMITED, "slow down", retry_after=7200.0), timedelta(hours=2)),
        (CarrierFailure(FailureKind.RATE_LIMITED, "slow down"), timedelta(minutes=1)),
        (CarrierFailure(FailureKind.AUTH, "who are you"), timedelta(minutes=15)),
        (CarrierFailure(FailureKind.CARRIER_DOWN, "HTTP 503"), timedelta(seconds=30)),
    ],
    ids=["limited until", "limited", "refused", "down"],
)
async def test_a_refusal_pauses_the_account_and_spares_the_parcels(
    scene: Scene, refusal: CarrierFailure, pause: timedelta
):
    carrier = Carrier(scene, batch_size=2)
    carrier.refusals = [refusal] * 99
    shipments = await due(scene, *(f"AAA{n}" for n in range(40)))
    await carrier.rounds().poll_due()

    assert len(carrier.calls) <= 8  # those that were under way together
    account = await carrier.account()
    assert (account["paused_until"], account["failures"]) == (START + pause, 1)
    rows = await scene.rows("select * from schedule order by shipment_id")
    assert [row["shipment_id"] for row in rows] == shipments
    assert {(row["poll_lease_until"], row["poll_failures"], row["not_found_count"]) for row in rows} == {(None, 0, 0)}
    assert min(row["next_poll_at"] for row in rows) == START + timedelta(minutes=5)
    assert await scene.counts() == dict.fromkeys(("observation", "event", "unclaimed", "incident", "notice"), 0) | {
        "shipment": 40,
        "contact": 40,
    }

    calls = len(carrier.calls)
    scene.clock.move_to(START + pause - timedelta(seconds=1))
    assert await carrier.rounds().poll_due() == 0
    assert len(carrier.calls) == calls


async def test_one_call_goes_ahead_after_a_pause_and_pauses_grow(scene: Scene):
    carrier = Carrier(scene)
    await due(scene, *(f"AAA{n}" for n in range(30)))
    carrier.refusals = [CarrierFailure(FailureKind.CARRIER_DOWN, "HTTP 503") for _ in range(99)]
    await carrier.rounds().poll_due()
    pauses = []
    for _ in range(12):
        until = (await carrier.account())["paused_until"]
        scene.clock.move_to(max(until, scene.clock.now() + timedelta(minutes=6)))
        carrier.calls.clear()
        await carrier.rounds().poll_due()
        assert len(carrier.calls) == 1
        pauses.append(((await carrier.account())["paused_until"] - scene.clock.now()).total_seconds())
    assert pauses == [30, 30, 30, 30, 30, 60, 120, 240, 480, 900, 900, 900]

    carrier.refusals.clear()
    scene.clock.move_to(scene.clock.now() + HOUR)
    await carrier.rounds().poll_due()
    account = await carrier.account()
    assert (account["failures"], account["paused_until"], account["answered_at"]) == (0, None, scene.clock.now())


async def test_a_mistake_of_ours_costs_one_parcel_its_answer_and_no_other(scene: Scene):
    carrier = Carrier(scene)

    def stumbles(number: str) -> Report:
        if number == "AAA2":
            raise ZeroDivisionError
        return Report(tracking_number=number, events=(event("in_transit", 0),))

    carrier.reports = stumbles
    await due(scene, "AAA1", "AAA2", "AAA3")
    assert await carrier.rounds().poll_due() == 3
    assert await milestones(scene) == ["in_transit", "registered", "in_transit"]
    kept = await scene.row("select problem, raw from observation where problem is not null")
    assert (kept["problem"], bytes(kept["raw"])) == ("reading it failed: ZeroDivisionError", b"{}")


async def test_when_taking_in_fails_the_others_are_finished_first(scene: Scene):
    carrier = Carrier(scene)
    await due(scene, "AAA1", "AAA2", "AAA3")
    taken: list[str] = []

    async def commit(batch: Sequence[Observation]) -> Sequence[Taken]:
        if any(one.said[0].report.tracking_number == "AAA1" for one in batch):
            raise OSError("the database is away")
        taken.extend(one.said[0].report.tracking_number for one in batch)
        return await _commit(scene, batch)

    rounds = carrier.rounds()
    rounds._intake = GroupCommit(commit)
    with pytest.raises(OSError, match="away"):
        await rounds.poll_due()
    assert sorted(taken) == ["AAA2", "AAA3"]


async def test_a_slow_account_is_passed_by_the_next_round(scene: Scene):
    carrier = Carrier(scene)
    await due(scene, "AAA1")
    rounds, reached, let_go = carrier.rounds(), asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await let_go.wait()

    carrier.meanwhile = wait
    first = asyncio.create_task(rounds.poll_due())
    await reached.wait()
    await scene.registers("AAA2")
    assert await rounds.poll_due() == 0
    let_go.set()
    assert await first == 1
