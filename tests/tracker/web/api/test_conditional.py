"""What was read before is not sent again."""

from tests.tracker.web.door import PARCEL, Caller, Pusher, event


async def test_what_has_not_changed_is_not_sent_again(shop: Caller, partner: Pusher):
    made = await shop.register()
    await partner.events(event(milestone="returning", status_detail="refused", code="R"))
    for path in (f"shipments/{made['id']}", "incidents/inc_1", "returns/ret_1"):
        first = await shop.get(f"/api/v1/{path}")
        again = await shop.get_unless(f"/api/v1/{path}", first.headers["ETag"])
        weakly = await shop.get_unless(f"/api/v1/{path}", f'"x", W/{first.headers["ETag"]}')

        assert first.headers["ETag"].startswith(f'"{first.body["version"]}-'), path
        assert [(one.status, one.raw, one.headers["ETag"]) for one in (again, weakly)] == [
            (304, b"", first.headers["ETag"])
        ] * 2


async def test_what_has_changed_is_sent_with_another_tag(shop: Caller, partner: Pusher):
    made = await shop.register()
    first = await shop.get(f"/api/v1/shipments/{made['id']}")

    await partner.events(event())
    now = await shop.get_unless(f"/api/v1/shipments/{made['id']}", first.headers["ETag"])

    assert (now.status, now.body["milestone"]) == (200, "in_transit")
    assert now.headers["ETag"] != first.headers["ETag"]


async def test_a_thing_that_was_just_made_comes_with_its_tag(shop: Caller):
    made = await shop.post("/api/v1/shipments", PARCEL)

    assert (await shop.get("/api/v1/shipments/shp_1")).headers["ETag"] == made.headers["ETag"]
