from datetime import timedelta
from typing import Any

from tests.stories.scene import MONDAY, Scene
from tracker.actions import access

NUMBER = "PQ4K7R0231021370141001A"


def event(at: str, milestone: str, detail: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"carrier": "correos", "tracking_number": NUMBER, "occurred_at": at, "milestone": milestone}
    return said | ({"status_detail": detail} if detail else {}) | more


HELD = event("2026-03-02T08:50:00+01:00", "in_customs", "inspection", text="Retenido para su inspección")
MISSED = event("2026-03-02T08:55:00+01:00", "out_for_delivery", "attempt_failed", text="Ausente")
DELIVERED = event("2026-03-02T16:00:00+01:00", "delivered", "to_recipient", text="Entregado")


async def turn(scene: Scene, switch: str, *, on: bool) -> None:
    async with scene.runtime.house.db.transaction() as conn:
        await access.turn_switch(conn, switch, engaged=on, by="story")


async def test_the_same_push_three_times_is_one_mail(scene: Scene):
    await scene.register("correos", NUMBER)
    receipts = [await scene.push(HELD) for _ in range(2)]
    await scene.go_on(hours=1)
    receipts.append(await scene.push(HELD))
    await scene.go_on(hours=1)

    assert [(one["accepted"], one["known"]) for one in receipts] == [(1, 0), (0, 1), (0, 1)]
    assert len(scene.letters) == 1


async def test_what_a_partner_pushes_before_the_shop_registers_is_not_lost(scene: Scene):
    assert (await scene.push(HELD))["unclaimed"] == 1
    await scene.go_on(hours=2)
    assert scene.letters == []

    await scene.register("correos", NUMBER)
    letter = await scene.go_on_until_mail("aduana", within=timedelta(minutes=30))

    assert "A-1001" in letter.text


async def test_a_parcel_imported_late_brings_no_old_news(scene: Scene):
    for at, description in (
        ("2026-02-16T10:00:00", "Shipment picked up"),
        ("2026-02-18T09:00:00", "Delivery attempted; recipient not home"),
    ):
        scene.dhl.says("8811223344", at, description)
    scene.dhl.says("8811223344", "2026-02-20T10:00:00", "Delivered", code="delivered")
    scene.dhl.says("8811223355", "2026-02-24T10:00:00", "Shipment picked up")
    scene.dhl.says("8811223355", "2026-03-02T08:10:00", "Shipment is out with courier for delivery", city="Sevilla")
    over = await scene.register("dhl_unified", "8811223344")
    under_way = await scene.register("dhl_unified", "8811223355")

    await scene.go_on(hours=6)

    assert await scene.kinds(over) == []
    assert (await scene.believed(over))["milestone"] == "delivered"
    assert await scene.kinds(under_way) == ["out_for_delivery"]


async def test_nothing_leaves_while_sending_is_stopped_and_then_only_what_is_still_true(scene: Scene):
    cured = await scene.register("correos", NUMBER)
    held = await scene.register("correos", "PQ4K7R0231021370241001B")
    await turn(scene, "stop_sending", on=True)
    await scene.push(MISSED, HELD | {"tracking_number": "PQ4K7R0231021370241001B"})
    await scene.go_on(until=MONDAY + timedelta(hours=8))
    await scene.push(DELIVERED)
    await scene.go_on(hours=1)
    assert (scene.letters, scene.texts) == ([], [])

    await turn(scene, "stop_sending", on=False)
    await scene.settle_down()

    subjects = [letter.subject for letter in scene.letters]
    assert [("A-1001" in one, "A-1002" in one) for one in sorted(subjects)] == [(True, False), (False, True)]
    assert await scene.kinds(cured, "sent") == ["delivered"]
    assert await scene.kinds(held, "sent") == ["incident_opened"]
    assert scene.texts == []


async def test_shadow_mode_plans_and_shows_everything_and_sends_nothing(scene: Scene):
    shipment = await scene.register("correos", NUMBER)
    await turn(scene, "shadow", on=True)
    await scene.push(HELD)
    await scene.go_on(days=1)

    assert (scene.letters, scene.texts) == ([], [])
    (notice,) = (await scene.get(f"/api/v1/notices?shipment={shipment}"))["data"][-1:]
    assert (notice["kind"], notice["state"]) == ("incident_opened", "shown")
    shown = await scene.get(f"/api/v1/notices/{notice['id']}")
    assert [one["state"] for one in shown["messages"]] == ["shown"]

    await turn(scene, "shadow", on=False)
    await scene.go_on(until=MONDAY + timedelta(days=1, hours=1))
    assert scene.letters == []

    await scene.push(event("2026-03-03T09:30:00+01:00", "in_customs", "import_released"))
    await scene.go_on(hours=1)
    assert scene.letters == []  # the end of a trouble that nobody was told of is no news


async def test_the_resolution_of_what_was_told_is_told(scene: Scene):
    await scene.register("correos", NUMBER)
    await scene.push(HELD)
    await scene.go_on(hours=1)
    await scene.push(event("2026-03-02T09:30:00+01:00", "in_customs", "import_released"))
    await scene.go_on(hours=1)

    assert ["salido de la aduana" in letter.text for letter in scene.letters] == [False, True]
