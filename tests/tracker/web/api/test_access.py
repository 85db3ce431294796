"""Who may call what: nobody without a key, nobody beyond their scopes, nobody beyond their shop."""

import pytest

from tests.tracker.web.door import EVERYTHING, Caller, Client, Pusher, event, key_of
from tracker.web.api import ENDPOINTS
from tracker.web.api.endpoint import Endpoint, Scope
from tracker.web.services import Services

BODIES = {
    "merge": {"into": "inc_1"},
    "note": {"note": "Called them."},
    "wait": {"on": "carrier"},
    "resolve": {"reason": "refunded"},
    "settle": {"settled_as": "refunded"},
    "assign": {"owner": None},
    "rate": {"severity": "high"},
    "plan": {"owner": "carrier"},
}
READABLE = {
    "shipments": "shp_1",
    "incidents": "inc_1",
    "notices": "ntc_1",
    "returns": "ret_1",
    "orders": "ord_1",
    "shops": "north",
}
IDS = READABLE | {"keys": "key_1"}


async def make(caller: Caller, one: Endpoint, query: dict[str, str] | None = None):
    path = one.path.replace("{id}", IDS.get(one.path.split("/")[3], ""))
    if one.method == "GET":
        return await caller.get(path, **(query or {}))
    if one.method == "PATCH":
        return await caller.patch(path, {})
    if one.method == "DELETE":
        return await caller.delete(path)
    return await caller.post(path, BODIES.get(path.rpartition("/")[2]))


async def test_no_call_is_answered_without_a_key(client: Client, services: Services):
    good = await key_of(services)
    for key in (None, "", "trk_live_x", good[:-1] + ("a" if good[-1] != "a" else "b"), good.swapcase()):
        for one in ENDPOINTS:
            answer = await make(Caller(client, key), one)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), (one.path, key)


async def test_a_key_that_was_revoked_or_has_expired_is_none(client: Client, services: Services):
    for column in ("revoked_at", "expires_at"):
        caller = Caller(client, await key_of(services))
        assert (await caller.get("/api/v1/shipments")).status == 200
        async with services.house.db.connection() as conn:
            await conn.execute(f"update api_key set {column} = clock_timestamp()")
        assert (await caller.get("/api/v1/shipments")).status == 401


async def test_a_key_may_do_what_its_scopes_say_and_nothing_else(client: Client, services: Services):
    assert sorted(EVERYTHING) == sorted(Scope)
    for scope in Scope:
        caller = Caller(client, await key_of(services, scopes=[scope]))
        for one in ENDPOINTS:
            answer = await make(caller, one)
            assert (answer.status == 403) == (one.scope is not scope), (scope, one.path, answer)


@pytest.fixture
async def full_house(shop: Caller, partner: Pusher) -> None:
    """A shop with one of each: shp_1, inc_1, ntc_1, ret_1."""
    made = await shop.register()
    await partner.events(event(milestone="returning", status_detail="refused", code="R"))
    for path, thing in (("incidents", "inc_1"), ("returns", "ret_1"), ("notices", "ntc_1")):
        listed = (await shop.get(f"/api/v1/{path}", shipment=made["id"])).body["data"]
        assert thing in [one["id"] for one in listed]


async def test_what_is_another_shop_s_does_not_exist(full_house: None, shop: Caller, other_shop: Caller):
    await other_shop.register()  # shp_2, so that the other shop is not simply empty
    before = [(await shop.get(f"/api/v1/{kind}/{one}")).body for kind, one in READABLE.items()]
    for one in ENDPOINTS:
        if "{id}" in one.path:
            assert (await make(other_shop, one)).status == 404, one.path
    for kind in ("incidents", "returns", "notices"):
        assert (await other_shop.get(f"/api/v1/{kind}", shipment="shp_1")).status == 404
    for kind in ("incidents", "returns"):
        assert (await other_shop.get(f"/api/v1/{kind}")).body["data"] == []
    assert [one["id"] for one in (await other_shop.get("/api/v1/shipments")).body["data"]] == ["shp_2"]
    assert {one["shipment"] for one in (await other_shop.get("/api/v1/changes")).body["data"]} == {"shp_2"}

    assert [(await shop.get(f"/api/v1/{kind}/{one}")).body for kind, one in READABLE.items()] == before


async def test_what_is_no_id_is_not_found(shop: Caller):
    for wrong in ("1", "shp_", "inc_1", "shp_-1", "shp_1 ", "shp_²", "shp_9999999999999999999999", "%00", "shp_1%00"):
        answer = await shop.get(f"/api/v1/shipments/{wrong}")
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json"), wrong


async def test_pages_of_other_sites_may_neither_call_nor_read(client: Client, services: Services):
    headers = {"Origin": "https://elsewhere.example", "Authorization": f"Bearer {await key_of(services)}"}
    asked = headers | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for one in ENDPOINTS:
        path = one.path.replace("{id}", "shp_1")
        for method, given in (("OPTIONS", asked), ("GET", headers)):
            async with client.request(method, path, headers=given) as answer:
                opened = [name for name in answer.headers if name.lower().startswith("access-control-")]
                assert (opened, method == "OPTIONS" and answer.ok) == ([], False), path
