from datetime import timedelta

from tests.stories.scene import MONDAY, Scene

NUMBER = "PQ4K7R0231021370141001A"
HELD = {
    "carrier": "correos",
    "tracking_number": NUMBER,
    "occurred_at": "2026-03-02T22:15:00+01:00",
    "milestone": "in_customs",
    "status_detail": "inspection",
}


async def test_without_an_email_address_i_get_sms_alone_and_not_at_night(scene: Scene):
    await scene.register("correos", NUMBER, customer={"name": "Ana Ruiz", "phone": "612 345 678"})
    await scene.go_on(until=MONDAY + timedelta(hours=14))  # eleven at night
    await scene.push(HELD)

    await scene.go_on(hours=9)
    assert scene.texts == []
    await scene.go_on(hours=2)

    assert scene.letters == []
    (sms,) = scene.sinks.texts
    assert "aduana" in sms.body
    assert sms.recipient == "+34612345678"
    assert sms.at == MONDAY + timedelta(days=1)  # nine in the morning


async def test_with_neither_email_nor_phone_the_parcel_is_watched_for_staff_alone(scene: Scene):
    shipment = await scene.register("correos", NUMBER, customer={"name": "Ana Ruiz"})
    await scene.go_on(until=MONDAY + timedelta(hours=14))
    await scene.push(HELD)
    await scene.go_on(days=2)

    assert (scene.letters, scene.texts) == ([], [])
    assert set(await scene.kinds(shipment)) == set(await scene.kinds(shipment, "failed"))
    assert [one["cause"] for one in await scene.incidents(shipment)] == ["inspection"]


async def test_in_a_language_that_we_do_not_have_i_am_written_to_in_the_shops(scene: Scene):
    customer = {"name": "Jörg Müller", "email": "joerg@home.example", "language": "de-AT"}
    await scene.register("correos", NUMBER, customer=customer, destination={"country": "AT", "postcode": "1010"})
    await scene.push(HELD | {"occurred_at": "2026-03-02T08:15:00+01:00"})
    await scene.settle_down()

    (letter,) = scene.letters
    assert (letter.message["Content-Language"], "Jörg Müller" in letter.text) == ("es", True)
    assert "aduana" in letter.text
