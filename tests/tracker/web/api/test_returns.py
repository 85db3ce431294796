import pytest

from tests.tracker.web.door import Caller, Pusher, event

RETURNS = "/api/v1/returns"


@pytest.fixture
async def returning(shop: Caller, partner: Pusher) -> str:
    """The id of a shipment that was refused and is on its way back; its return is ret_1."""
    made = await shop.register()
    await partner.events(event(milestone="returning", status_detail="refused", code="R"))
    return str(made["id"])


async def test_a_return_is_found_by_its_shipment_and_settled(returning: str, shop: Caller):
    (listed,) = (await shop.get(RETURNS, shipment=returning)).body["data"]
    replacement = await shop.register(tracking_number="REPLACEMENT1", replaces=returning)

    answer = await shop.post(f"{RETURNS}/ret_1/settle", {"settled_as": "replaced", "replacement": replacement["id"]})

    assert (listed["id"], listed["state"], listed["reason"]) == ("ret_1", "in_transit", "refused")
    assert (answer.status, answer.body["state"], answer.body["replacement"]) == (200, "settled", replacement["id"])
    shipment = (await shop.get(f"/api/v1/shipments/{returning}")).body
    assert (shipment["return"], shipment["ended_at"]) == ({"id": "ret_1", "state": "settled"}, "2026-03-02T09:00:00Z")
    assert replacement["replaces"] == returning


async def test_a_return_is_settled_once(returning: str, shop: Caller):
    answers = [await shop.post(f"{RETURNS}/ret_1/settle", {"settled_as": "refunded"}) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 409]


async def test_what_settles_a_return_is_checked(returning: str, shop: Caller, other_shop: Caller):
    foreign = await other_shop.register()
    wrong = [
        ({}, 422),
        ({"settled_as": "forgotten"}, 422),
        ({"settled_as": "refunded", "replacement": "shp_1"}, 422),
        ({"settled_as": "replaced", "replacement": "shp_99"}, 404),
        ({"settled_as": "replaced", "replacement": foreign["id"]}, 404),
    ]
    for body, status in wrong:
        assert (await shop.post(f"{RETURNS}/ret_1/settle", body)).status == status, body

    assert (await shop.get(f"{RETURNS}/ret_1")).body["state"] == "in_transit"
    assert [(await shop.get(RETURNS, state=state)).body["data"] == [] for state in ("settled", "in_transit")] == [
        True,
        False,
    ]
