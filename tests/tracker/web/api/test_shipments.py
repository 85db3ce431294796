import asyncio
from typing import Any

from tests.tracker.web.door import PARCEL, Caller, Pusher, event
from tracker.web.services import Services

SHIPMENTS = "/api/v1/shipments"


async def test_a_shipment_is_registered_and_all_that_is_believed_comes_back(shop: Caller):
    answer = await shop.post(SHIPMENTS, PARCEL)

    assert answer.status == 201
    made = answer.body
    assert made["tracking_url"].startswith("https://shop.example/t/")
    assert (made["id"], made["shop"], made["milestone"], made["health"]) == ("shp_1", "north", "registered", "unknown")
    assert (made["promised_at"], made["registered_at"]) == ("2026-03-06T22:59:59Z", "2026-03-02T09:00:00Z")
    assert made["order"] == {
        "reference": "A-1001",
        "placed_at": None,
        "value": {"amount": "59.90", "currency": "EUR"},
    }
    assert (await shop.get(f"{SHIPMENTS}/shp_1")).body == made


async def test_nothing_personal_is_given_back(shop: Caller):
    raw = (await shop.post(SHIPMENTS, PARCEL)).raw.decode()

    assert [text for text in ("Ana", "ana@", "612345678", "Carrer", "Barcelona") if text in raw] == []


async def test_the_same_shipment_again_is_the_same_shipment(shop: Caller):
    first = await shop.register()

    again = await shop.post(SHIPMENTS, PARCEL | {"tracking_number": PARCEL["tracking_number"].lower()})
    other_order = await shop.post(SHIPMENTS, PARCEL | {"order": {"reference": "A-1002"}})

    assert (again.status, again.body["id"]) == (200, first["id"])
    assert (other_order.status, other_order.body["id"]) == (201, "shp_2")


async def test_ten_at_once_make_one_shipment(shop: Caller):
    answers = await asyncio.gather(*(shop.post(SHIPMENTS, PARCEL) for _ in range(10)))

    assert sorted(answer.status for answer in answers) == [200] * 9 + [201]
    assert len((await shop.get(SHIPMENTS)).body["data"]) == 1


async def test_every_wrong_field_is_named_at_once_and_nothing_is_made(shop: Caller):
    wrong = PARCEL | {
        "carrier": "pigeon",
        "direction": "sideways",
        "customer": {"name": "Ana", "email": "ana", "phone": "12", "time_zone": "Mars/Olympus"},
        "promised_at": "2026-03-06T10:00:00",
    }

    answer = await shop.post(SHIPMENTS, wrong)

    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    pointers = {one["pointer"] for one in answer.body["errors"]}
    assert pointers == {
        "/carrier",
        "/direction",
        "/customer/email",
        "/customer/phone",
        "/customer/time_zone",
        "/promised_at",
    }
    assert (await shop.get(SHIPMENTS)).body["data"] == []


async def test_every_field_of_a_wrong_form_is_named_at_once_with_what_would_be_right(shop: Caller):
    wrong = {
        "tracking_number": "PQ4F",
        "carrier": 3,
        "order": {"reference": "", "value": {"amount": "1,50", "currency": "EUR"}, "placed_at": "2026-03-01T10:00:00"},
        "customer": {"email": "ana@", "name": None},
        "destination": {"country": "Spain", "planet": "Earth"},
        "items": [{"name": "Kettle", "quantity": 1}, {"quantity": "2"}, 4, *[{"name": "Cup", "quantity": 0}] * 8],
        "direction": "sideways",
        "a/b~c": 1,
    }

    answer = await shop.post(SHIPMENTS, wrong)

    assert (answer.status, answer.body["code"]) == (422, "fields_wrong")
    told = {one["pointer"]: one["detail"] for one in answer.body["errors"]}
    assert list(told.items())[:13] == [
        ("/a~1b~0c", told["/a~1b~0c"]),
        ("/carrier", "must be text or null"),
        ("/customer/email", "must be an email address, such as ana@example.com"),
        ("/customer/name", "must be text"),
        ("/destination/country", "must be a country's two letters, such as ES (ISO 3166-1)"),
        ("/destination/planet", "no such field; there are: country, postcode, city, street"),
        ("/direction", "must be one of outbound, return"),
        ("/items/1/name", "is missing"),
        ("/items/1/quantity", "must be a whole number"),
        ("/items/2", "must be an object"),
        ("/items/3/quantity", "must be 1 at the least"),
        ("/items/4/quantity", "must be 1 at the least"),
        ("/items/5/quantity", "must be 1 at the least"),
    ]
    assert list(told)[-4:] == [
        "/items/10/quantity",
        "/order/placed_at",
        "/order/reference",
        "/order/value/amount",
    ]
    assert told["/order/placed_at"] == "must be a time with its offset, such as 2026-11-22T09:00:00Z"
    assert told["/order/value/amount"] == 'must be an amount as text, such as "12.34"'
    assert (await shop.get(SHIPMENTS)).body["data"] == []


async def test_whoever_sends_much_that_is_wrong_is_told_of_fifty_fields_and_of_a_mountain_of_one(shop: Caller):
    many = PARCEL | {"items": [{"name": "Cup", "quantity": 0} for _ in range(400)]}
    mountain = PARCEL | {"items": [{"name": "Cup", "quantity": 0} for _ in range(5000)]}

    assert len((await shop.post(SHIPMENTS, many)).body["errors"]) == 50
    assert len((await shop.post(SHIPMENTS, mountain)).body["errors"]) == 1


async def test_every_wrong_parameter_is_named_at_once(shop: Caller):
    answer = await shop.get("/api/v1/notices?limit=x&colour=red&colour=blue")

    assert [one["parameter"] for one in answer.body["errors"]] == ["limit", "colour", "shipment"]


async def test_a_wrong_field_is_pointed_at(shop: Caller):
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"colour": "red"}, "/colour"),
        ({"destination": {}}, "/destination/country"),
        ({"items": [{"name": "Kettle", "quantity": 1}, {"name": "Cup", "quantity": "2"}]}, "/items/1/quantity"),
        ({"promised_at": "0001-01-01T00:00:00+23:59"}, "/promised_at"),
        ({"order": {"reference": "A", "placed_at": "9999-12-31T23:59:59-23:00"}}, "/order/placed_at"),
        ({"shop": "south"}, "/shop"),
    ]
    for changed, pointer in wrong:
        answer = await shop.post(SHIPMENTS, PARCEL | changed)
        assert (answer.status, [one["pointer"] for one in answer.body["errors"]]) == (422, [pointer])


async def test_texts_are_made_fit_to_be_stored_and_shown(shop: Caller):
    made = await shop.register(order={"reference": " A\x00-\u202e1\n0\t01 "})

    assert made["order"]["reference"] == "A-1 0 01"


async def test_lists_are_filtered_by_each_word_and_by_all_of_them(shop: Caller, partner: Pusher):
    await shop.register()
    await shop.register(tracking_number="1Z999AA10123456784", carrier="ups", order={"reference": "B-2"})
    await shop.register(tracking_number="1Z999AA10123456785", carrier="ups")
    await partner.events(event(carrier="ups", tracking_number="1Z999AA10123456784", milestone="accepted"))

    async def ids(**query: str) -> list[str]:
        return [one["id"] for one in (await shop.get(SHIPMENTS, **query)).body["data"]]

    assert await ids() == ["shp_3", "shp_2", "shp_1"]
    assert await ids(carrier="ups") == ["shp_3", "shp_2"]
    assert await ids(order="A-1001") == ["shp_3", "shp_1"]
    assert await ids(order="A-1001", carrier="ups", tracking_number="1Z999AA10123456785") == ["shp_3"]
    assert await ids(tracking_number="1z999 aa10123456784") == ["shp_2"]
    assert await ids(tracking_number="1Z999AA10123456784", milestone="registered") == []
    assert await ids(milestone="accepted") == ["shp_2"]
    assert await ids(health="unknown", order="A-1001") == ["shp_3", "shp_1"]


async def test_pages_show_each_shipment_once_however_many_are_added_meanwhile(shop: Caller):
    for number in range(5):
        await shop.register(tracking_number=f"NUMBER{number}")
    seen, query = [], {"limit": "2"}
    while True:
        page = await shop.get(SHIPMENTS, **query)
        seen += [one["tracking_number"] for one in page.body["data"]]
        await shop.register(tracking_number=f"LATER{len(seen)}")
        if page.body["next_cursor"] is None:
            break
        assert page.headers["Link"] == f'<{SHIPMENTS}?limit=2&cursor={page.body["next_cursor"]}>; rel="next"'
        query["cursor"] = page.body["next_cursor"]

    assert seen == [f"NUMBER{number}" for number in (4, 3, 2, 1, 0)]


async def test_a_cursor_is_good_for_one_list_of_one_shop(shop: Caller, other_shop: Caller):
    for number in range(2):
        await shop.register(tracking_number=f"NUMBER{number}")
    cursor = (await shop.get(SHIPMENTS, limit="1")).body["next_cursor"]

    strange = [
        await other_shop.get(SHIPMENTS, cursor=cursor),
        await shop.get("/api/v1/incidents", cursor=cursor),
        await shop.get(SHIPMENTS, cursor=cursor[:-2] + "AA"),
        await shop.get(SHIPMENTS, cursor="1"),
        await shop.get(SHIPMENTS, cursor="ñ\x00"),
    ]

    assert [answer.status for answer in strange] == [422] * 5
    assert strange[0].body["errors"] == [{"detail": "no cursor of this list; begin without one", "parameter": "cursor"}]


async def test_a_wrong_parameter_is_named(shop: Caller):
    wrong = {
        "limit=0": "limit",
        "limit=201": "limit",
        "limit=x": "limit",
        "color=red": "color",
        "carrier=a&carrier=b": "carrier",
        "health=fine": "health",
        "milestone=%00": "milestone",
    }
    for query, parameter in wrong.items():
        answer = await shop.get(f"{SHIPMENTS}?{query}")
        assert (answer.status, [one["parameter"] for one in answer.body["errors"]]) == (422, [parameter]), query


async def test_events_show_what_was_corrected_and_withdrawn(shop: Caller, partner: Pusher, services: Services):
    made = await shop.register()
    at = "2026-03-02T08:00:00+01:00"
    await partner.events(event(at, code="A"), event("2026-03-02T09:00:00+01:00", code="B"))
    await partner.events(event(at, code="A", milestone="out_for_delivery"))
    async with services.house.db.connection() as conn:
        await conn.execute("update event set withdrawn_at = received_at where code = 'B'")

    first = await shop.get(f"{SHIPMENTS}/{made['id']}/events", limit="2")
    rest = await shop.get(f"{SHIPMENTS}/{made['id']}/events", cursor=first.body["next_cursor"])

    shown = [(one["code"], one["milestone"], one["standing"]) for one in first.body["data"] + rest.body["data"]]
    assert shown == [
        ("A", "in_transit", "corrected"),
        ("B", "in_transit", "withdrawn"),
        ("A", "out_for_delivery", "counts"),
    ]
    assert rest.body["next_cursor"] is None
