"""Whatever is sent to the API gets a specific answer: never a 500, and 4xx says what is wrong."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.web.door import PARCEL, Caller, Pusher, event
from tests.tracker.web.garbage import DOCUMENTS, NASTY, spoilt, torn, written
from tracker.web.api import ENDPOINTS

FULL = PARCEL | {
    "shop": "north",
    "service": "express",
    "account": "default",
    "carrier_reference": "R1",
    "shipped_at": "2026-03-02T08:00:00Z",
    "origin": {"country": "ES", "postcode": "28001"},
    "essential_date": True,
    "items": [{"name": "Kettle", "quantity": 1, "sku": "K", "hs_code": "8516.79", "origin_country": "CN"}],
    "customs": {"incoterm": "DAP", "ioss": "IM1", "eori": "ES1", "description": "Kettle"},
    "direction": "outbound",
    "replaces": "shp_1",
}
COMMANDS = {
    "merge": {"into": "inc_2"},
    "note": {"note": "x"},
    "wait": {"on": "carrier", "note": "x", "until": "2026-03-09T12:00:00+01:00"},
    "resolve": {"reason": "refunded"},
}
IDS = st.sampled_from(["shp_1", "inc_1", "ntc_1", "ret_1", "x", "shp_0", "inc_999999999999999999", "%00", "%ff", "ñ"])
same_house = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@same_house
@given(raw=st.one_of(spoilt(FULL).map(written), DOCUMENTS.map(written), torn(written(FULL)), st.binary(max_size=100)))
async def test_registrations(raw: bytes, shop: Caller):
    answer = await shop.post("/api/v1/shipments", raw=raw)

    assert answer.status in (200, 201, 400, 422), answer
    if answer.status == 422:
        assert answer.body["errors"]


@same_house
@given(data=st.data())
async def test_steps(data: st.DataObject, shop: Caller, partner: Pusher):
    await shop.post("/api/v1/shipments", PARCEL)
    await partner.events(event(milestone="returning", status_detail="refused", code="R"))
    one = data.draw(st.sampled_from([one for one in ENDPOINTS if one.method == "POST" and "{id}" in one.path]))
    good = COMMANDS.get(one.path.rpartition("/")[2], {"settled_as": "refunded", "note": "x"})
    raw = data.draw(st.one_of(spoilt(good).map(written), torn(written(good))))
    key = data.draw(st.sampled_from([{}, {"Idempotency-Key": '"k"'}, {"Idempotency-Key": '"k'}]))

    answer = await shop.post(one.path.replace("{id}", data.draw(IDS)), raw=raw, headers=key)

    assert answer.status in (200, 400, 404, 409, 422), answer


@same_house
@given(data=st.data())
async def test_queries(data: st.DataObject, shop: Caller):
    one = data.draw(st.sampled_from([one for one in ENDPOINTS if one.method == "GET"]))
    names = [*one.query.__struct_encode_fields__] if one.query else []
    query = data.draw(st.dictionaries(st.sampled_from([*names, "x"]), NASTY | st.integers().map(str), max_size=3))
    given = {name: value.encode(errors="replace").decode() for name, value in query.items()}

    answer = await shop.get(one.path.replace("{id}", data.draw(IDS)), **given)

    assert answer.status in (200, 400, 404, 422), answer  # 400: aiohttp refuses an address of more than 8 kB
