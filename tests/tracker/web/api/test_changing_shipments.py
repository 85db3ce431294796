"""The shop changes what it said of a parcel, or looks after it itself: what is believed and said follows."""

from typing import Any

from tests.tracker.web.door import PARCEL, Caller, Pusher, event
from tracker.web.services import Services

ONE = "/api/v1/shipments/shp_1"


async def told(shop: Caller, services: Services) -> dict[str, Any]:
    """The recipient as kept."""
    async with services.house.db.connection() as conn:
        return dict((await conn.fetch("select * from contact"))[0])


async def test_what_is_named_is_changed_and_all_else_stays(shop: Caller, services: Services):
    made = await shop.register()
    before = await told(shop, services)

    answer = await shop.patch(
        ONE,
        {
            "promised_at": "2026-03-10",
            "essential_date": True,
            "destination": {"postcode": "35001", "city": "Las Palmas"},
            "customer": {"phone": "699 999 999", "company": "Ruiz SL", "email": None},
        },
        (await shop.get(ONE)).headers["ETag"],
    )

    changed = answer.body
    assert (answer.status, changed["essential_date"], changed["destination"]["postcode"]) == (200, True, "35001")
    assert changed["promised_at"] == "2026-03-10T23:59:59Z"  # the end of that day where it goes now
    assert changed["version"] > made["version"]
    assert changed | {name: made[name] for name in ("promised_at", "essential_date", "destination", "version")} == made
    after = await told(shop, services)
    assert {name: after[name] for name in after if after[name] != before[name]} == {
        "email": None,
        "phone": "+34699999999",
        "company": "Ruiz SL",
        "city": "Las Palmas",
        "time_zone": "Atlantic/Canary",
    }


async def test_beliefs_follow_a_promise_that_is_over(shop: Caller):
    made = await shop.register()

    late = await shop.patch(ONE, {"promised_at": "2026-02-27"})
    put_off = await shop.patch(ONE, {"promised_at": None})

    assert [one["health"] for one in (made, late.body, put_off.body)] == ["unknown", "late", "unknown"]


async def test_a_change_that_was_decided_on_something_older_is_refused(shop: Caller, partner: Pusher):
    await shop.register()
    old = (await shop.get(ONE)).headers["ETag"]
    await partner.events(event("2026-03-02T08:00:00+01:00"))

    answers = [
        await shop.patch(ONE, {"promised_at": "2026-03-10"}, version) for version in (old, '"x"', "W/" + old, None)
    ]

    assert [(one.status, one.body["code"]) for one in answers] == [(412, "outdated")] * 3 + [(428, "if_match_missing")]
    assert (await shop.get(ONE)).body["promised_at"] == "2026-03-06T22:59:59Z"


async def test_a_wrong_change_is_refused_field_by_field_and_changes_nothing(shop: Caller):
    made = await shop.register()

    wrong = await shop.patch(ONE, {"promised_at": "soon", "customer": {"phone": "1", "email": "ana", "time_zone": "X"}})
    form = await shop.patch(ONE, {"promised_at": 3, "tracking_number": "X", "customer": {"name": None}})

    assert [(one.status, sorted(fault["pointer"] for fault in one.body["errors"])) for one in (wrong, form)] == [
        (422, ["/customer/email", "/customer/phone", "/customer/time_zone", "/promised_at"]),
        (422, ["/customer/name", "/promised_at", "/tracking_number"]),
    ]
    assert (await shop.get(ONE)).body == made


async def test_the_feed_and_the_record_name_the_fields_and_not_what_stands_in_them(shop: Caller, services: Services):
    await shop.register()

    await shop.patch(ONE, {"customer": {"name": "Berta Gil"}, "service": "express"})

    async with services.house.db.connection() as conn:
        change = await conn.fetchval("select detail::text from change where kind = 'shipment.changed'")
        record = await conn.fetchval("select detail::text from audit where action = 'shipment.changed'")
    assert change == '{"fields": ["customer.name", "service"]}'
    assert "customer.name service" in record
    assert "Berta" not in change + record


async def test_a_parcel_that_is_not_watched_any_more_is_left_alone(shop: Caller, partner: Pusher, services: Services):
    await shop.register()
    await partner.events(event("2026-03-02T08:00:00+01:00", milestone="returning", status_detail="refused", code="R"))
    assert (await shop.get(ONE)).body["incidents"] != []

    ended = await shop.delete(ONE)

    assert (ended.status, ended.body["milestone"], ended.body["status_detail"]) == (200, "ended", "cancelled")
    assert (ended.body["ask_next_at"], ended.body["ended_at"] is not None) == (None, True)
    assert {one["state"] for one in ended.body["incidents"]} == {"resolved"}
    again = await shop.delete(ONE)
    assert again.body == ended.body
    await partner.events(event("2026-03-02T09:00:00+01:00", milestone="delivered", status_detail="to_recipient"))
    async with services.house.db.connection() as conn:
        assert await conn.fetchval("select count(*) from message where state = 'queued'") == 0
        acts = [row["action"] for row in await conn.fetch("select action from audit")]
    assert acts == ["shipment.unwatched"]
    assert (await shop.patch(ONE, {"essential_date": True})).status == 409
    assert (await shop.get("/api/v1/shipments/shp_1/events")).body["data"] != []


async def test_what_is_registered_again_after_that_is_still_the_same_shipment(shop: Caller):
    await shop.register()
    await shop.delete(ONE)

    again = await shop.post("/api/v1/shipments", PARCEL)

    assert (again.status, again.body["id"], again.body["milestone"]) == (200, "shp_1", "ended")
