from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import msgspec
import pytest

from sql.connection import Connection
from tests.tracker.actions.conftest import START, Scene, report
from tests.tracker.domain.building import event
from tracker.actions.examine import examine
from tracker.actions.intake import take_in
from tracker.store import cases

HELD = event("in_customs.duties_due", -1, problem="customs.duties_unpaid")


async def test_nothing_due_costs_nothing(scene: Scene):
    await scene.registers()
    before = await scene.counts()
    assert await examine(scene.house) == 0
    assert await scene.counts() == before


async def test_only_what_is_due_is_looked_at(scene: Scene):
    due = await scene.registers("NUMBER1")
    await scene.hears("NUMBER1", event("in_transit", -1))
    later = await scene.registers("NUMBER2")
    scene.clock.move_to(START + timedelta(days=2, hours=23))  # the silence of the first began an hour earlier
    await scene.hears("NUMBER2", event("in_transit", 70))
    untouched = await scene.shipment(later)
    scene.clock.move_to(START + timedelta(days=3))
    assert await examine(scene.house) == 1
    assert (await scene.shipment(due))["health"] == "stalled"
    assert (await scene.shipment(later))["version"] == untouched["version"]


async def test_time_alone_opens_an_incident_at_its_moment(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", 0))
    await scene.passes(days=3, seconds=-1)
    assert await scene.incidents(shipment_id) == []
    await scene.passes(seconds=1)
    assert await scene.incidents(shipment_id) == ["delay.unexplained open"]
    found = await scene.row("select * from finding")
    assert (found["signal"], found["rule"], found["found_at"]) == ("stalled", "stalled", START + timedelta(days=3))


async def test_promised_updates_are_written_in_time_and_again(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", HELD)
    await scene.passes(days=10)
    rows = await scene.rows(
        "select planned_at, promised_update_at from notice where kind like 'incident%' and shipment_id = $1 order by id",
        shipment_id,
    )
    assert len(rows) >= 3
    for one, following in pairwise(rows):
        assert one["planned_at"] < following["planned_at"] < one["promised_update_at"]
    kinds = await scene.rows("select kind from incident_entry order by id")
    assert [row["kind"] for row in kinds] == ["opened"] + ["no_news"] * (len(rows) - 1)


async def test_a_batch_has_an_end_and_the_rest_comes_next(scene: Scene):
    for n in range(5):
        await scene.registers(f"NUMBER{n}")
    scene.clock.move_to(START + timedelta(days=2))
    assert [await examine(scene.house, most=3) for _ in range(3)] == [3, 2, 0]


async def test_what_another_worker_holds_is_left_to_it(scene: Scene):
    await scene.registers("NUMBER1")
    await scene.registers("NUMBER2")
    scene.clock.move_to(START + timedelta(days=2))
    async with scene.house.db.transaction() as conn:
        await take_in(scene.house, conn, [scene.pushed(report("NUMBER1", event("accepted", 1)))])
        assert await examine(scene.house) == 1
    assert await examine(scene.house) == 0


async def deadlock(scene: Scene, conn: Connection) -> None:
    raise asyncpg.DeadlockDetectedError


async def lost_connection(scene: Scene, conn: Connection) -> None:
    await scene.value("select pg_terminate_backend($1)", conn.get_server_pid())


@pytest.mark.parametrize("trouble", [deadlock, lost_connection])
async def test_a_transaction_that_fails_by_chance_is_done_again_at_once(
    scene: Scene, trouble: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", 0))
    scene.clock.move_to(START + timedelta(days=3))
    save, calls = cases.save, []

    async def save_in_trouble(conn: Connection, *arguments: Any, **named: Any) -> Any:
        calls.append(conn)
        if len(calls) == 1:
            await trouble(scene, conn)
        return await save(conn, *arguments, **named)

    monkeypatch.setattr(cases, "save", save_in_trouble)
    assert await examine(scene.house) == 1
    assert len(calls) == 2
    assert await scene.incidents(shipment_id) == ["delay.unexplained open"]


async def test_findings_that_stand_no_longer_are_withdrawn(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", HELD)
    await scene.hears("NUMBER1", event("in_customs.import_released", -0.5))
    row = await scene.row("select * from finding")
    assert (row["withdrawn_at"], row["withdrawn_because"]) == (START, "no longer true")


async def test_an_incident_whose_cause_changes_keeps_its_row(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", -1))
    await scene.passes(days=4)
    await scene.hears("NUMBER1", event("in_transit", 95, problem="weather.storm"))
    assert await scene.incidents(shipment_id) == ["weather.storm open"]
    standing = await scene.rows("select cause from finding where withdrawn_at is null")
    assert [row["cause"] for row in standing] == ["storm"]
    entry = await scene.row("select detail from incident_entry where kind = 'changed'")
    assert msgspec.json.decode(entry["detail"])["category"] == "delay"


async def test_a_merged_incident_names_the_one_it_goes_on_in(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("out_for_delivery.attempt_failed", -2, problem="delivery_attempt.nobody_home"))
    await scene.hears("NUMBER1", event("returning.unclaimed", -1))
    attempt, back = await scene.rows("select * from incident where shipment_id = $1 order by id", shipment_id)
    assert (attempt["state"], attempt["merged_into"], back["cause"]) == ("merged", back["id"], "unclaimed")
    entry, change = await scene.merged()
    named = {"into": "return.unclaimed", "into_incident": f"inc_{back['id']}"}
    assert {name: entry[name] for name in named} == named
    assert change["into_incident"] == f"inc_{back['id']}"
