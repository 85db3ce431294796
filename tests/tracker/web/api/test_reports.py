"""What people report opens incidents that no detector takes back; what they hold back is not sent."""

from tests.tracker.web.door import Caller, Pusher, event
from tracker.web.services import Services

INCIDENTS = "/api/v1/incidents"
DAMAGED = {"category": "damage", "cause": "damaged_in_transit", "note": "The box is torn", "reported_by": "customer"}


async def test_a_report_opens_an_incident_that_the_customer_hears_of(shop: Caller, services: Services):
    made = await shop.register()

    answer = await shop.post(INCIDENTS, DAMAGED | {"shipment": made["id"]})

    opened = answer.body
    assert (answer.status, opened["signal"], opened["provenance"]) == (201, "reported", "customer")
    assert (opened["state"], opened["explanation"]) == ("open", "Reported by the customer.")
    (entry,) = opened["timeline"]
    assert (entry["kind"], entry["actor"], entry["detail"]["note"]) == ("opened", "api_key:1", "The box is torn")
    (notice,) = (await shop.get("/api/v1/notices", shipment=made["id"])).body["data"]
    assert (notice["kind"], notice["incident"]) == ("incident_opened", opened["id"])
    async with services.house.db.connection() as conn:
        row = await conn.fetchrow("select action, object from audit")
    assert tuple(row or ()) == ("incident.reported", opened["id"])


async def test_what_carriers_say_later_does_not_cure_what_people_reported(shop: Caller, partner: Pusher):
    made = await shop.register()
    await shop.post(INCIDENTS, DAMAGED | {"shipment": made["id"], "reported_by": "staff"})

    await partner.events(event("2026-03-02T08:00:00+01:00"))

    assert (await shop.get(f"{INCIDENTS}/inc_1")).body["state"] == "open"


async def test_the_same_report_again_is_refused_and_after_its_end_brings_it_back(shop: Caller):
    given = DAMAGED | {"shipment": (await shop.register())["id"]}
    await shop.post(INCIDENTS, given)

    again = await shop.post(INCIDENTS, given)
    await shop.post(f"{INCIDENTS}/inc_1/resolve", {"reason": "cured_by_shop"})
    back = await shop.post(INCIDENTS, given)

    assert (again.status, again.body["code"]) == (409, "refused")
    assert (back.status, back.body["id"], back.body["state"], back.body["reopened"]) == (200, "inc_1", "open", 1)


async def test_a_report_about_what_is_not_is_refused(shop: Caller, other_shop: Caller):
    foreign = (await other_shop.register())["id"]
    own = (await shop.register())["id"]

    assert (await shop.post(INCIDENTS, DAMAGED | {"shipment": foreign})).status == 404
    wrong = await shop.post(INCIDENTS, DAMAGED | {"shipment": own, "cause": "storm"})
    assert (wrong.status, [one["pointer"] for one in wrong.body["errors"]]) == (422, ["/cause"])


async def test_what_is_queued_can_be_held_back_and_what_has_gone_out_cannot(shop: Caller, services: Services):
    made = await shop.register()
    await shop.post(INCIDENTS, DAMAGED | {"shipment": made["id"]})
    (notice,) = (await shop.get("/api/v1/notices", shipment=made["id"])).body["data"]

    held = await shop.post(f"/api/v1/notices/{notice['id']}/cancel")

    assert (held.status, held.body["state"]) == (200, "cancelled")
    assert {one["state"] for one in held.body["messages"]} == {"cancelled"}
    assert {one["due_at"] for one in held.body["messages"]} == {None}
    again = await shop.post(f"/api/v1/notices/{notice['id']}/cancel")
    assert (again.status, again.body["code"]) == (409, "refused")
    async with services.house.db.connection() as conn:
        kinds = [row["kind"] for row in await conn.fetch("select kind from change where notice_id is not null")]
    assert kinds.count("notice.cancelled") == 1
    assert kinds.count("message.cancelled") == len(held.body["messages"])
