from datetime import timedelta

from tests.stories.scene import MONDAY, Scene

NUMBER = "8811223344"


async def test_it_came_back_to_the_shop_and_i_got_my_money(scene: Scene):
    shipment = await scene.register_played(scene.parcel("correos", "refused"))
    await scene.go_on(days=12)

    (back,) = (await scene.get(f"/api/v1/returns?shipment={shipment}"))["data"]
    assert (back["state"], back["reason"]) == ("received", "refused")
    assert (await scene.believed(shipment))["ended_at"] is None

    await scene.post(f"/api/v1/returns/{back['id']}/settle", {"settled_as": "refunded"})
    letter = await scene.go_on_until_mail("devuelto el importe", within=timedelta(hours=1))

    assert "A-1001" in letter.text
    assert (await scene.believed(shipment))["ended_at"] is not None
    await scene.go_on(days=40)
    assert scene.letters[-1].message["Message-ID"] == letter.message["Message-ID"]
    assert {one["state"] for one in await scene.incidents(shipment)} == {"closed"}


async def test_it_was_lost_and_i_was_refunded(scene: Scene):
    shipment = await scene.register("correos", "PQ4K7R0231021370141001A")
    number = {"carrier": "correos", "tracking_number": "PQ4K7R0231021370141001A"}
    await scene.push(number | {"occurred_at": "2026-03-02T08:30:00+01:00", "milestone": "accepted"})
    await scene.go_on(days=1)
    lost = {"milestone": "ended", "status_detail": "lost_declared", "text": "Envío extraviado"}
    await scene.push(number | lost | {"occurred_at": "2026-03-03T08:45:00+01:00"})
    await scene.go_on_until_mail("perdido", within=timedelta(hours=1))
    assert (await scene.believed(shipment))["ended_at"] is None

    (incident,) = [one for one in await scene.incidents(shipment) if one["category"] == "loss"]
    await scene.post(f"/api/v1/incidents/{incident['id']}/resolve", {"reason": "refunded"})
    await scene.go_on_until_mail("devuelto el importe", within=timedelta(hours=1))

    assert (await scene.believed(shipment))["ended_at"] is not None
    told = len(scene.letters)
    await scene.go_on(days=40)
    assert len(scene.letters) == told
    assert (await scene.believed(shipment))["ask_next_at"] is None


async def test_it_was_not_delivered_after_all_and_i_am_told_so(scene: Scene):
    shipment = await scene.register("dhl_unified", NUMBER)
    scene.dhl.says(NUMBER, "2026-03-02T10:00:00", "Shipment picked up")
    scene.dhl.says(NUMBER, "2026-03-03T08:10:00", "Shipment is out with courier for delivery", city="Sevilla")
    await scene.go_on(until=MONDAY + timedelta(days=1, hours=2))
    scene.dhl.says(NUMBER, "2026-03-03T11:30:00", "Delivered", code="delivered", city="Sevilla")
    await scene.go_on_until_mail("se ha entregado")
    assert (await scene.believed(shipment))["ended_at"] is not None

    scene.dhl.takes_back(NUMBER)
    correction = await scene.go_on_until_mail("no se ha entregado", within=timedelta(days=2))
    believed = await scene.believed(shipment)
    assert (believed["milestone"], believed["ended_at"]) == ("out_for_delivery", None)

    scene.dhl.says(NUMBER, "2026-03-05T09:30:00", "Delivered", code="delivered", city="Sevilla")
    again = await scene.go_on_until_mail("se ha entregado", within=timedelta(days=3))
    assert again.at > correction.at
    events = (await scene.get(f"/api/v1/shipments/{shipment}/events"))["data"]
    assert [one["withdrawn_at"] is not None for one in events if one["milestone"] == "delivered"].count(True) == 1
