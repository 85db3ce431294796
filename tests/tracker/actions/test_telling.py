"""What is decided is said in the transaction that decides it, and what is no longer true is taken back unsent."""

from datetime import timedelta

from tests.tracker.actions.conftest import Scene, report
from tests.tracker.domain.building import event
from tracker.actions import intake


async def planned(scene: Scene) -> list[str]:
    """Every notice as "kind state"."""
    rows = await scene.rows("select kind || ' ' || state as said from notice order by id")
    return [row["said"] for row in rows]


async def everything_goes_out(scene: Scene) -> None:
    await scene.value("update message set state = 'accepted', due_at = null where state = 'queued'")
    await scene.value("update notice set state = 'sent' where state = 'planned'")


async def test_a_notice_exists_only_if_its_cause_was_committed(scene: Scene):
    await scene.registers()
    transaction = scene.house.db.transaction()
    try:
        async with transaction as conn:
            await intake.take_in(scene.house, conn, [scene.pushed(report("NUMBER1", event("delivered", -1)))])
            raise ConnectionError("cut off before the commit")
    except ConnectionError:
        pass
    assert await planned(scene) == []
    await scene.hears("NUMBER1", event("delivered", -1))
    assert await planned(scene) == ["delivered planned"]


async def test_the_next_scan_does_not_take_back_that_it_was_shipped(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", event("accepted", -0.2))
    await scene.hears("NUMBER1", event("in_transit", -0.1))
    await scene.hears("NUMBER1", event("in_customs", -0.05))
    assert await planned(scene) == ["shipped planned"]


async def test_what_was_overtaken_before_it_went_out_is_taken_back(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", event("accepted", -0.2))
    await scene.hears("NUMBER1", event("out_for_delivery", -0.1))
    await scene.hears("NUMBER1", event("delivered", -0.05))
    assert await planned(scene) == ["shipped superseded", "out_for_delivery superseded", "delivered planned"]


async def test_nobody_is_told_to_wait_for_a_courier_who_was_there(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", event("out_for_delivery", -0.2))
    nobody = event("out_for_delivery.attempt_failed", -0.1, problem="delivery_attempt.nobody_home")
    await scene.hears("NUMBER1", nobody)
    assert await planned(scene) == ["out_for_delivery superseded", "incident_opened planned"]


async def test_a_trouble_that_passed_before_anybody_heard_of_it_is_silence(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", -1, problem="weather.storm"))
    await scene.hears("NUMBER1", event("in_transit.departed_hub", -0.5))
    assert await planned(scene) == ["incident_opened superseded"]


async def test_a_trouble_that_was_told_is_told_to_be_over(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", -1, problem="weather.storm"))
    await everything_goes_out(scene)
    await scene.hears("NUMBER1", event("in_transit.departed_hub", -0.5))
    assert await planned(scene) == ["incident_opened sent", "incident_resolved planned"]


async def test_a_delivery_that_was_told_and_taken_back_is_corrected_and_one_that_was_not_is_not(scene: Scene):
    for number in ("NUMBER1", "NUMBER2"):
        await scene.registers(number)
    await scene.hears("NUMBER1", event("delivered", -3))
    await everything_goes_out(scene)
    await scene.hears("NUMBER2", event("delivered", -3))
    for number in ("NUMBER1", "NUMBER2"):
        await scene.hears(number, event("in_transit", -1))
    assert await planned(scene) == ["delivered sent", "delivered superseded", "correction planned"]


async def test_an_update_overtakes_the_one_before_it(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", event("in_customs", -1, problem="customs.duties_unpaid"))
    await everything_goes_out(scene)
    await scene.passes(days=9)
    said = await planned(scene)
    assert said[0] == "incident_opened sent"
    assert [one for one in said if one.endswith("planned")] == ["incident_update planned"]


async def test_a_subject_that_two_parcels_share_in_time_is_kept_apart(scene: Scene):
    """The same trouble opened at the same instant on two parcels: the end of one does not silence the other."""
    for number in ("NUMBER1", "NUMBER2"):
        await scene.registers(number)
    held = event("in_transit", -1, problem="weather.storm")
    await scene.takes_in(*(scene.pushed(report(number, held)) for number in ("NUMBER1", "NUMBER2")))
    await scene.hears("NUMBER1", event("in_transit.departed_hub", -0.5))
    assert await planned(scene) == ["incident_opened superseded", "incident_opened planned"]


async def test_messages_wait_for_corrections_only_where_nothing_is_urgent(scene: Scene):
    await scene.registers()
    await scene.hears("NUMBER1", event("ready_for_collection.at_point", -0.1))
    await scene.registers("NUMBER2")
    await scene.hears("NUMBER2", event("delivered", -0.1))
    now = scene.clock.now()
    rows = await scene.rows(
        "select n.kind, m.channel, m.due_at - $1 as wait from message m join notice n on n.id = m.notice_id order by m.id",
        now,
    )
    waits = {(row["kind"], row["channel"]): row["wait"] for row in rows}
    assert waits["ready_for_collection", "email"] == timedelta(0)
    assert waits["delivered", "email"] == timedelta(minutes=10)
