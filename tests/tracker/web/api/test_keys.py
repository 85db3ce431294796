"""Keys over REST: made, replaced and ended, by keys that may, and never stronger than their maker."""

from datetime import timedelta

from tests.tracker.web.door import Caller, Client, key_of
from tracker.web.services import Services

KEYS = "/api/v1/keys"
PAST = "2026-01-01T00:00:00Z"


async def test_a_key_that_was_made_is_shown_once_and_may_do_what_was_given(shop: Caller, client: Client):
    made = await shop.post(KEYS, {"label": "checkout", "scopes": ["read", "shipments:write"]})

    assert made.status == 201
    assert made.body["key"].startswith(f"trk_live_{made.body['name']}_")
    checkout = Caller(client, made.body["key"])
    await checkout.register()
    assert (await checkout.get(KEYS)).status == 403
    listed = await shop.get(KEYS)
    shown = listed.body["data"][0]
    assert (shown["id"], shown["label"], shown["scopes"]) == (
        made.body["id"],
        "checkout",
        ["read", "shipments:write"],
    )
    assert shown["last_used_at"] is not None
    assert made.body["key"][-38:] not in listed.raw.decode()


async def test_nobody_makes_or_takes_over_a_stronger_key_than_theirs(client: Client, services: Services, shop: Caller):
    weak = Caller(client, await key_of(services, scopes=["read", "keys:write"]))
    strong = (await shop.get(KEYS)).body["data"][-1]["id"]

    refused = [
        await weak.post(KEYS, {"label": "x", "scopes": ["read", "returns:write"]}),
        await weak.post(f"{KEYS}/{strong}/rotate"),
    ]

    assert [(one.status, one.body["code"]) for one in refused] == [(409, "refused")] * 2
    assert (await weak.post(KEYS, {"label": "x", "scopes": ["read"]})).status == 201


async def test_a_key_in_the_place_of_another_leaves_a_day_to_change_over(
    shop: Caller, client: Client, services: Services
):
    old = (await shop.post(KEYS, {"label": "checkout", "scopes": ["read"]})).body
    new = (await shop.post(f"{KEYS}/{old['id']}/rotate")).body

    assert (new["label"], new["scopes"]) == ("checkout", ["read"])
    both = [Caller(client, one["key"]) for one in (old, new)]
    assert [(await one.get("/api/v1/shipments")).status for one in both] == [200, 200]
    async with services.house.db.connection() as conn:
        await conn.execute("update api_key set expires_at = expires_at - $1::interval", timedelta(hours=25))
    assert [(await one.get("/api/v1/shipments")).status for one in both] == [401, 200]
    assert (await shop.post(f"{KEYS}/{old['id']}/rotate")).status == 409


async def test_a_revoked_key_is_none_at_once_and_stays_on_the_record(shop: Caller, client: Client, services: Services):
    made = (await shop.post(KEYS, {"label": "lost", "scopes": ["read"]})).body

    ended = await shop.post(f"{KEYS}/{made['id']}/revoke")

    assert (ended.status, ended.body["revoked_at"] is not None) == (200, True)
    assert (await Caller(client, made["key"]).get("/api/v1/shipments")).status == 401
    assert (await shop.post(f"{KEYS}/{made['id']}/revoke")).status == 409
    async with services.house.db.connection() as conn:
        rows = await conn.fetch("select actor, action, object from audit order by id")
    assert [(row["action"], row["object"]) for row in rows] == [("key.made", made["id"]), ("key.revoked", made["id"])]
    assert {row["actor"] for row in rows} == {"api_key:1"}


async def test_wrong_keys_are_refused_by_field(shop: Caller):
    wrong = {
        "/scopes": {"label": "x", "scopes": []},
        "/scopes/0": {"label": "x", "scopes": ["everything"]},
        "/label": {"label": "", "scopes": ["read"]},
        "/expires_at": {"label": "x", "scopes": ["read"], "expires_at": PAST},
    }
    for pointer, body in wrong.items():
        answer = await shop.post(KEYS, body)
        assert (answer.status, [one["pointer"] for one in answer.body["errors"]]) == (422, [pointer])


async def test_the_same_call_again_makes_no_second_key(shop: Caller):
    given = {"label": "checkout", "scopes": ["read"]}
    first, again = [await shop.post(KEYS, given, headers={"Idempotency-Key": '"k1"'}) for _ in range(2)]

    assert (first.body, again.headers["Idempotent-Replayed"]) == (again.body, "true")
    assert len((await shop.get(KEYS)).body["data"]) == 2
