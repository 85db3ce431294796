from datetime import UTC, datetime, timedelta

from tests.stories.scene import MONDAY, Scene

ENGLISH = {"name": "Grace Hall", "email": "grace@home.example", "phone": "+34612345678", "language": "en"}
NUMBER = "8811223344"


async def test_my_parcel_is_stuck_in_customs_and_i_am_told_what_to_do_until_it_is_released(scene: Scene):
    parcel = scene.parcel("correos", "customs_documents", "Las Palmas de Gran Canaria")
    shipment = await scene.register_played(parcel)

    held = await scene.go_on_until_mail("retenido en la aduana")
    for told in ("A-1001", "factura", "puede ser devuelto al remitente", "a más tardar", parcel.number):
        assert told in held.text
    (sms,) = scene.texts
    assert sms.startswith("Tienda Aurora: la aduana pide documentos para su pedido A-1001")
    assert "https://tienda.example/t/" in sms

    released = await scene.go_on_until_mail("ha salido de la aduana")
    assert str(held.message["Message-ID"]) in str(released.message["References"])
    (incident,) = await scene.incidents(shipment)
    assert (incident["category"], incident["cause"]) == ("customs", "documents_missing")
    assert (incident["state"], incident["closing_reason"]) == ("resolved", "cured_by_carrier")

    await scene.go_on_until_mail("se ha entregado")
    await scene.go_on(days=16)
    assert (await scene.incidents(shipment))[0]["state"] == "closed"
    believed = await scene.believed(shipment)
    assert (believed["milestone"], believed["health"], believed["ask_next_at"]) == ("delivered", "on_track", None)


async def test_a_storm_delays_it_and_i_get_the_new_date(scene: Scene):
    shipment = await scene.register("dhl_unified", NUMBER, customer=ENGLISH)
    scene.dhl.says(NUMBER, "2026-03-02T18:00:00", "Shipment picked up")
    scene.dhl.expects(NUMBER, "2026-03-04")
    await scene.go_on(until=MONDAY + timedelta(hours=30))

    scene.dhl.says(
        NUMBER, "2026-03-03T16:10:00", "Shipment on hold", remark="Severe weather conditions have delayed the shipment."
    )
    scene.dhl.expects(NUMBER, "2026-03-06")
    letter = await scene.go_on_until_mail("weather")

    assert letter.at - datetime(2026, 3, 3, 15, 10, tzinfo=UTC) < timedelta(hours=3)
    assert "We expect it on Friday 6 March" in letter.text
    assert "4 March" not in letter.text
    (incident,) = await scene.incidents(shipment)
    assert (incident["category"], incident["cause"], incident["state"]) == ("weather", "storm", "open")


async def test_nobody_was_home_and_i_get_sms_and_email_at_once(scene: Scene):
    await scene.register("correos", "PQ4K7R0231021370141001A")
    await scene.settle_down()
    number = {"carrier": "correos", "tracking_number": "PQ4K7R0231021370141001A"}
    missed = {"milestone": "out_for_delivery", "status_detail": "attempt_failed", "text": "Ausente"}

    await scene.push(number | missed | {"occurred_at": "2026-03-02T08:58:00+01:00"})
    await scene.settle_down()  # no time passes

    (letter,), (sms,) = scene.letters, scene.texts
    assert letter.at == MONDAY
    assert "no había nadie" in letter.text
    assert "A-1001" in sms


async def test_nothing_moves_and_i_hear_at_every_time_that_was_promised(scene: Scene):
    shipment = await scene.register("dhl_unified", NUMBER)
    scene.dhl.says(NUMBER, "2026-03-02T10:00:00", "Shipment picked up")
    scene.dhl.says(NUMBER, "2026-03-02T23:10:00", "Arrived at DHL Sort Facility MADRID - SPAIN")
    await scene.go_on(days=16)

    notices = (await scene.get(f"/api/v1/notices?shipment={shipment}"))["data"][::-1]
    promises = [datetime.fromisoformat(one["promised_update_at"]) for one in notices if one["promised_update_at"]]
    heard = [letter.at for letter in scene.letters]
    assert [one["kind"] for one in notices][:3] == ["shipped", "incident_opened", "incident_update"]
    assert len(promises) >= 3
    for promise, said_at in zip(promises, heard[1:], strict=True):
        assert promise > scene.clock.now() or any(said_at < at <= promise for at in heard)
    (incident,) = await scene.incidents(shipment)
    assert incident["signal"] == "stalled"

    scene.dhl.says(NUMBER, "2026-03-18T09:00:00", "Shipment has departed from a DHL facility MADRID - SPAIN")
    await scene.go_on_until_mail("vuelve a estar en camino")


async def test_it_does_not_come_on_the_promised_day_and_i_hear_it_before_i_ask(scene: Scene):
    shipment = await scene.register("dhl_unified", NUMBER, promised_at="2026-03-04")
    scene.dhl.says(NUMBER, "2026-03-02T10:00:00", "Shipment picked up")
    scene.dhl.says(NUMBER, "2026-03-04T19:00:00", "Arrived at DHL Sort Facility MADRID - SPAIN")

    letter = await scene.go_on_until_mail("retraso", within=timedelta(days=3))

    assert letter.at.date().isoformat() in ("2026-03-04", "2026-03-05")
    (incident,) = await scene.incidents(shipment)
    assert incident["signal"] == "missed_promise"
