"""What we get wrong ourselves: received things are kept and shown, their neighbours go through, and mending it heals it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.stories.scene import Scene
from tracker.actions import deciding
from tracker.domain import decision

PARCELS = [f"PQ4K7R02310213{index:05}001A" for index in range(12)]


def moved(number: str, text: str = "En camino") -> dict[str, Any]:
    said = {"carrier": "correos", "tracking_number": number, "milestone": "in_transit", "text": text}
    return said | {"occurred_at": "2026-03-02T08:30:00+01:00"}


async def refuse_in_the_database(scene: Scene, text: str) -> None:
    """An event with this text is one that PostgreSQL will not take."""
    async with scene.runtime.house.db.connection() as conn:
        await conn.execute(f"alter table event add constraint not_this check (text <> '{text}')")


async def test_one_poisonous_push_is_kept_aside_and_its_whole_batch_goes_through(scene: Scene) -> None:
    shipments = [await scene.register("correos", number) for number in PARCELS]
    await refuse_in_the_database(scene, "poison")

    receipts = await asyncio.gather(
        *(scene.push(moved(number, "poison" if number is PARCELS[5] else "En camino")) for number in PARCELS)
    )

    assert [one.get("quarantined", False) for one in receipts] == [number is PARCELS[5] for number in PARCELS]
    milestones = [(await scene.believed(one))["milestone"] for one in shipments]
    assert milestones == ["registered" if number is PARCELS[5] else "in_transit" for number in PARCELS]
    async with scene.runtime.house.db.connection() as conn:
        (kept,) = await conn.fetch("select raw, problem from observation where problem is not null")
    assert b"poison" in kept["raw"]
    assert "CheckViolation" in kept["problem"]


async def test_a_poisonous_answer_of_a_carrier_is_kept_aside_and_not_asked_for_again_at_once(scene: Scene) -> None:
    numbers = [f"88112233{index:02}" for index in range(10)]
    shipments = [await scene.register("dhl_unified", number) for number in numbers]
    await refuse_in_the_database(scene, "poison")
    for number in numbers:
        scene.dhl.says(number, "2026-03-02T08:30:00", "poison" if number is numbers[3] else "Shipment picked up")

    await scene.go_on(hours=9)

    milestones = [(await scene.believed(one))["milestone"] for one in shipments]
    assert milestones == ["registered" if number is numbers[3] else "accepted" for number in numbers]
    assert 2 <= scene.dhl.asked[numbers[3]] <= 4


async def test_a_shipment_that_cannot_be_decided_keeps_its_events_is_shown_and_heals(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipments = [await scene.register("dhl_unified", number) for number in ("8811223300", "8811223301")]
    broken = int(shipments[0].removeprefix("shp_"))
    for number in ("8811223300", "8811223301"):
        scene.dhl.says(number, "2026-03-02T08:30:00", "Shipment picked up")

    def decide(case: decision.Case, *given: Any, **named: Any) -> decision.Outcome:
        if case.shipment_id == broken:
            raise ZeroDivisionError("nobody thought of this")
        return decision.decide(case, *given, **named)

    monkeypatch.setattr(deciding, "decide", decide)
    await scene.go_on(hours=9)

    believed = [await scene.believed(one) for one in shipments]
    assert [one["undecided"] for one in believed] == [True, False]
    assert [one["milestone"] for one in believed] == ["registered", "accepted"]
    assert len((await scene.get(f"/api/v1/shipments/{shipments[0]}/events"))["data"]) == 1
    assert scene.dhl.asked["8811223300"] <= 9 * 12 + 3  # at every new attempt at the most, never in a loop

    monkeypatch.undo()
    await scene.go_on_until_mail("A-1001", within=timedelta(hours=6))
    healed = await scene.believed(shipments[0])
    assert (healed["milestone"], healed["undecided"]) == ("accepted", False)
