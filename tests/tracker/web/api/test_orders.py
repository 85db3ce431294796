"""Orders before they have a parcel, and the shop that a key belongs to."""

from tests.tracker.web.door import PARCEL, Caller

ORDERS = "/api/v1/orders"
ORDER = {
    "reference": "A-1001",
    "placed_at": "2026-03-01T10:00:00+01:00",
    "value": {"amount": "59.90", "currency": "EUR"},
    "destination_country": "CH",
    "items": [{"name": "Kettle", "quantity": 1, "hs_code": "8516.79"}],
    "customs": {"incoterm": "DAP"},
}


async def test_an_order_is_told_of_and_its_parcels_come_to_it(shop: Caller):
    made = await shop.post(ORDERS, ORDER)
    await shop.register()

    found = await shop.get(f"{ORDERS}/{made.body['id']}")

    assert (made.status, made.body["shipments"], made.body["placed_at"]) == (201, [], "2026-03-01T09:00:00Z")
    assert found.body == made.body | {"shipments": ["shp_1"]}
    assert found.body["items"][0]["hs_code"] == "8516.79"
    assert (await shop.get_unless(f"{ORDERS}/ord_1", found.headers["ETag"])).status == 304


async def test_an_order_that_is_known_is_completed_and_not_overwritten(shop: Caller):
    await shop.post("/api/v1/shipments", PARCEL | {"order": {"reference": "A-1001"}})

    again = await shop.post(ORDERS, ORDER | {"value": None})
    later = await shop.post(ORDERS, ORDER | {"destination_country": "FR"})

    assert (again.status, again.body["value"], again.body["shipments"]) == (200, None, ["shp_1"])
    assert (later.body["value"], later.body["destination_country"]) == ({"amount": "59.90", "currency": "EUR"}, "CH")


async def test_orders_are_listed_and_found_by_reference(shop: Caller, other_shop: Caller):
    for number in range(3):
        await shop.post(ORDERS, ORDER | {"reference": f"A-{number}"})
    await other_shop.post(ORDERS, ORDER)

    first = (await shop.get(ORDERS, limit="2")).body
    rest = (await shop.get(ORDERS, cursor=first["next_cursor"])).body

    assert [one["reference"] for one in first["data"] + rest["data"]] == ["A-2", "A-1", "A-0"]
    assert [one["reference"] for one in (await shop.get(ORDERS, reference="A-1")).body["data"]] == ["A-1"]


async def test_a_wrong_order_is_refused_field_by_field(shop: Caller):
    wrong = await shop.post(ORDERS, ORDER | {"placed_at": "0001-01-01T00:00:00Z", "destination_country": "ZZ"})

    assert sorted(one["pointer"] for one in wrong.body["errors"]) == ["/destination_country", "/placed_at"]


async def test_a_key_shows_its_own_shop_and_no_other(shop: Caller, other_shop: Caller):
    (own,) = (await shop.get("/api/v1/shops")).body["data"]

    assert (own["id"], own["reply_email"], own["time_zone"]) == ("north", "north@example.com", "Europe/Madrid")
    assert (await shop.get("/api/v1/shops/north")).body == own
    assert (await other_shop.get("/api/v1/shops/north")).status == 404
