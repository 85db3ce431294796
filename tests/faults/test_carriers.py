"""Carriers misbehave: what was believed stays believed, they are not hammered, and nobody else waits for them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest

from tests.stories.scene import MONDAY, Scene
from tests.support.eventually import eventually
from tests.support.recorded_dhl import Instead, always, never

HTML = b"<!DOCTYPE html><html><title>Maintenance</title><body>We will be back soon.</body></html>"


async def under_way(scene: Scene, count: int = 1) -> list[str]:
    """So many parcels of DHL that have been picked up, as we know."""
    numbers = [f"88112233{index:02}" for index in range(count)]
    shipments = [await scene.register("dhl_unified", number) for number in numbers]
    for number in numbers:
        scene.dhl.says(number, "2026-03-02T08:30:00", "Shipment picked up")
    await scene.go_on(hours=1)
    scene.dhl.asked.clear()
    return shipments


async def account(scene: Scene) -> dict[str, object]:
    async with scene.runtime.house.db.connection() as conn:
        row = await conn.fetchrow("select * from carrier_account where carrier = 'dhl_unified'")
    assert row is not None
    return dict(row)


async def quarantined(scene: Scene) -> list[str]:
    async with scene.runtime.house.db.connection() as conn:
        rows = await conn.fetch("select problem from observation where problem is not null and settled_at is null")
    return [row["problem"] for row in rows]


@pytest.mark.parametrize(
    "instead",
    [
        always(500, b'{"title": "Internal error"}', "application/json"),
        always(503, HTML, "text/html"),
    ],
    ids=["500", "503 page"],
)
async def test_a_carrier_that_is_down_is_left_alone_and_caught_up_with(scene: Scene, instead: Instead) -> None:
    shipments = await under_way(scene, 20)
    elsewhere = await scene.register_played(scene.parcel("correos", "on_time"))
    scene.dhl.instead = instead
    told = len(scene.letters)
    await scene.go_on(hours=8)

    assert scene.dhl.asked.total() <= 3 * (8 + 40)  # three tries each: those under way when it began, then probes
    assert {(await scene.believed(one))["milestone"] for one in shipments} == {"accepted"}
    assert [letter for letter in scene.letters[told:] if "correos" not in letter.text.lower()] == []
    assert (await scene.believed(elsewhere))["milestone"] != "registered"

    scene.dhl.instead = None
    for index in range(20):
        scene.dhl.says(f"88112233{index:02}", "2026-03-02T18:00:00", "Arrived at DHL Sort Facility MADRID - SPAIN")
    await scene.go_on(hours=7)
    assert {(await scene.believed(one))["milestone"] for one in shipments} == {"in_transit"}
    assert (await account(scene))["failures"] == 0


async def test_the_time_that_a_carrier_names_is_waited_for(scene: Scene) -> None:
    await under_way(scene, 20)
    scene.dhl.instead = always(429, b'{"title": "Too many requests"}', "application/json", **{"Retry-After": "7200"})
    while not scene.dhl.asked:
        await scene.go_on(minutes=30)
    asked, paused_until = scene.dhl.asked.total(), (await account(scene))["paused_until"]
    assert asked <= 8
    assert paused_until == pytest.approx(scene.clock.now() + timedelta(hours=2), abs=timedelta(minutes=30))

    await scene.go_on(minutes=85)
    assert scene.dhl.asked.total() == asked


async def test_refused_credentials_are_tried_once_per_pause_and_never_cost_a_parcel(scene: Scene) -> None:
    shipments = await under_way(scene, 20)
    scene.dhl.api_key = "another key since this morning"
    await scene.go_on(hours=8)

    assert scene.dhl.refused <= 8 + 8 * 4
    assert (await account(scene))["paused_because"] is not None
    assert {(await scene.believed(one))["milestone"] for one in shipments} == {"accepted"}
    assert {one["milestone"] for one in (await scene.get("/api/v1/shipments"))["data"]} == {"accepted"}

    scene.dhl.api_key = "recorded-key"
    scene.dhl.asked.clear()
    await scene.go_on(hours=7)
    assert len(scene.dhl.asked) == 20


async def test_a_carrier_that_never_answers_keeps_nobody_else_waiting(scene: Scene) -> None:
    await under_way(scene)
    elsewhere = await scene.register_played(scene.parcel("correos", "on_time"))
    await scene.settle_down()
    scene.dhl.instead = never
    ticker = scene.runtime.ticker()
    ticker.start()
    try:
        scene.clock.move_to(MONDAY + timedelta(hours=7))
        await eventually(lambda: _is_asked(scene))
        for hours in (15, 23, 31):  # at night it is asked every six hours or so
            scene.clock.move_to(MONDAY + timedelta(hours=hours))
            await eventually(lambda: _is_asked_at(scene, elsewhere))
    finally:
        await ticker.stop(0.1)


async def _is_asked(scene: Scene) -> bool:
    return bool(scene.dhl.asked)


async def _is_asked_at(scene: Scene, shipment: str) -> bool:
    return datetime.fromisoformat((await scene.believed(shipment))["asked_at"]) == scene.clock.now()


def _somebody_elses(number: str) -> bytes:
    event = {"timestamp": "2026-03-02T11:00:00", "statusCode": "delivered", "description": "Delivered"}
    return json.dumps(
        {"shipments": [{"id": number, "service": "express", "status": event, "events": [event]}]}
    ).encode()


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b"",
        b'{"shipments": [{"id": "8811223300", "events": [{"times',
        b"\x00\xff" * 100,
        b'{"shipments": 7}',
        b'{"shipments": [{"id": "8811223300", "service": "express", "events": []}]}',
        b'{"shipments": [], "padding": "' + b"x" * 11_000_000 + b'"}',
        b"[" * 100_000,
    ],
    ids=["page", "nothing", "truncated", "noise", "drift", "empty history", "eleven megabytes", "deep"],
)
async def test_an_answer_that_says_nothing_changes_nothing(scene: Scene, body: bytes) -> None:
    (shipment,) = await under_way(scene)
    told = await scene.kinds(shipment)
    scene.dhl.gives("8811223300", body)
    await scene.go_on(hours=10)

    assert scene.dhl.asked.total() >= 2
    believed = await scene.believed(shipment)
    assert (believed["milestone"], believed["undecided"]) == ("accepted", False)
    assert await scene.kinds(shipment) == told
    assert await scene.incidents(shipment) == []


async def test_an_answer_about_two_parcels_speaks_of_the_one_that_was_asked_for(scene: Scene) -> None:
    (shipment,) = await under_way(scene)
    mine, other = (json.loads(_somebody_elses(number))["shipments"][0] for number in ("8811223300", "9999999999"))
    mine["events"][0] |= {"statusCode": "transit", "description": "Arrived at DHL Sort Facility MADRID - SPAIN"}
    mine["status"] = mine["events"][0]
    scene.dhl.gives("8811223300", json.dumps({"shipments": [other, mine]}).encode())
    await scene.go_on(hours=4)

    assert (await scene.believed(shipment))["milestone"] == "in_transit"


async def test_another_parcels_news_is_not_taken_for_this_ones(scene: Scene) -> None:
    (shipment,) = await under_way(scene)
    scene.dhl.gives("8811223300", _somebody_elses("9999999999"))
    await scene.go_on(hours=4)

    assert (await scene.believed(shipment))["milestone"] == "accepted"
    assert set(await quarantined(scene)) == {"the answer is about another number: 9999999999"}


async def test_a_body_that_our_adapter_trips_over_is_shown_and_holds_up_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipments = await under_way(scene, 5)
    mend = _trip_over(scene, "8811223302", monkeypatch)
    for index in range(5):
        scene.dhl.says(f"88112233{index:02}", "2026-03-02T11:00:00", "Arrived at DHL Sort Facility MADRID - SPAIN")
    await scene.go_on(hours=7)

    milestones = [(await scene.believed(one))["milestone"] for one in shipments]
    assert milestones == ["in_transit", "in_transit", "accepted", "in_transit", "in_transit"]
    assert set(await quarantined(scene)) == {"reading it failed: KeyError"}
    assert scene.dhl.asked["8811223302"] <= 6

    mend()
    await scene.go_on(hours=7)
    assert (await scene.believed(shipments[2]))["milestone"] == "in_transit"
    assert await quarantined(scene) == []


def _trip_over(scene: Scene, number: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Our reading of this parcel fails in a way that nobody foresaw, until it is mended."""
    rounds = scene.runtime.rounds
    key = next(key for key in rounds._lines if key[1] == "dhl_unified")
    line, broken = rounds._lines[key], True

    def parse(answer, lookups=()):
        if broken and lookups[0].tracking_number == number:
            raise KeyError("a field that was always there")
        return line.adapter.parse(answer, lookups)

    def mend() -> None:
        nonlocal broken
        broken = False

    adapter = msgspec.structs.replace(line.adapter, parse=parse)
    monkeypatch.setattr(rounds, "_lines", {**rounds._lines, key: msgspec.structs.replace(line, adapter=adapter)})
    return mend
