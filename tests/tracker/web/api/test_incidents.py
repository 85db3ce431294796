from typing import get_args

import pytest

from tests.tracker.web.door import Caller, Pusher, event
from tracker.actions import people
from tracker.actions.audit import AT_THE_MACHINE
from tracker.domain.incident import CLOSING_REASONS
from tracker.domain.staff import Role
from tracker.web.api.incidents import ClosingReason
from tracker.web.services import Services

INCIDENTS = "/api/v1/incidents"
HELD = event(milestone="in_customs", status_detail="documents_required", code="H1", text="Documents required")


@pytest.fixture
async def held(shop: Caller, partner: Pusher) -> str:
    """The id of a shipment that customs holds; its incident is inc_1."""
    made = await shop.register(destination={"country": "CH", "postcode": "8001", "city": "Zürich"})
    await partner.events(HELD)
    return str(made["id"])


async def test_an_incident_is_found_and_tells_its_story(held: str, shop: Caller):
    (listed,) = (await shop.get(INCIDENTS, shipment=held)).body["data"]
    story = (await shop.get(f"{INCIDENTS}/inc_1")).body

    assert (listed["category"], listed["cause"], listed["state"]) == ("customs", "documents_missing", "open")
    assert listed["action"].keys() == {"owner", "what", "until", "otherwise", "by_staff"}
    assert [entry["kind"] for entry in story["timeline"]] == ["opened"]
    (finding,) = story["findings"]
    assert (finding["rule"], finding["withdrawn_at"]) == ("carrier_stated", None)
    assert {name: story[name] for name in listed} == listed
    shipment = (await shop.get(f"/api/v1/shipments/{held}")).body
    assert shipment["incidents"] == [{name: listed[name] for name in ("id", "category", "cause", "state", "severity")}]


async def test_an_incident_is_worked_from_open_to_closed_and_reopened(held: str, shop: Caller):
    steps = [
        ("acknowledge", {}, "acknowledged"),
        ("start", {"note": "Called the broker.\nThey look for it."}, "in_progress"),
        ("wait", {"on": "authority", "until": "2026-03-09T12:00:00+01:00"}, "waiting"),
        ("stabilise", {}, "stable"),
        ("resolve", {"reason": "cured_by_shop"}, "resolved"),
        ("close", {}, "closed"),
        ("reopen", {}, "open"),
    ]
    for command, body, state in steps:
        answer = await shop.post(f"{INCIDENTS}/inc_1/{command}", body)
        assert (answer.status, answer.body["state"]) == (200, state), answer

        if state == "waiting":
            assert answer.body["action"]["until"] == "2026-03-09T11:00:00Z"

    timeline = (await shop.get(f"{INCIDENTS}/inc_1")).body["timeline"]
    ours = [(entry["kind"], entry["detail"].get("note")) for entry in timeline if entry["actor"] == "api_key:1"]
    assert ours[1] == ("start", "Called the broker.\nThey look for it.")
    assert [kind for kind, _ in ours][-3:] == ["resolved", "closed", "reopened"]


async def test_what_was_decided_on_an_older_version_is_refused_and_its_words_come_back(held: str, shop: Caller):
    seen = (await shop.get(f"{INCIDENTS}/inc_1")).headers["ETag"]
    first = await shop.post(f"{INCIDENTS}/inc_1/acknowledge", {}, {"If-Match": seen})
    assert first.status == 200

    stale = await shop.post(f"{INCIDENTS}/inc_1/note", {"note": "They look for it."}, {"If-Match": seen})

    assert (stale.status, stale.body["code"], stale.body["note"]) == (412, "outdated", "They look for it.")
    assert [one["kind"] for one in (await shop.get(f"{INCIDENTS}/inc_1")).body["timeline"]] == ["opened", "acknowledge"]
    for tag, status in ((first.headers["ETag"], 200), ("*", 200), ('W/"1"', 412), ('"x"', 412)):
        answer = await shop.post(f"{INCIDENTS}/inc_1/note", {"note": "Found."}, {"If-Match": tag})
        assert (tag, answer.status, answer.body.get("note")) == (tag, status, "Found." if status == 412 else None)


async def test_an_incident_is_assigned_rated_and_planned(held: str, shop: Caller, services: Services):
    await people.invite(services.house, "north", "ana@north.example", "Ana", Role.AGENT, AT_THE_MACHINE)
    async with services.house.db.connection() as conn:
        ana = f"stf_{await conn.fetchval('select max(id) from staff')}"
    given = (
        ("assign", {"owner": ana, "note": "for you"}, "owner", ana),
        ("assign", {"owner": None}, "owner", None),
        ("rate", {"severity": "low"}, "severity", "low"),
        ("plan", {"owner": "shop", "until": "2026-03-09T12:00:00Z"}, "action_by", None),
    )
    for command, body, name, value in given:
        answer = await shop.post(f"{INCIDENTS}/inc_1/{command}", body)
        assert answer.status == 200, answer
        assert answer.body.get(name) == value
    story = (await shop.get(f"{INCIDENTS}/inc_1")).body
    assert (story["severity_by_staff"], story["action"]["by_staff"]) == (True, True)
    assert (story["action"]["owner"], story["action"]["until"]) == ("shop", "2026-03-09T12:00:00Z")
    for command, body, pointer in (
        ("assign", {}, "/owner"), ("assign", {"owner": "stf_999"}, "/owner"), ("rate", {"severity": "huge"}, "/severity"),
        ("plan", {"owner": "weather"}, "/owner"), ("plan", {"owner": "shop", "until": "0001-01-01T00:00:00+23:59"}, "/until"),
    ):  # fmt: skip
        wrong = await shop.post(f"{INCIDENTS}/inc_1/{command}", body)
        assert (wrong.status, wrong.body["errors"][0]["pointer"]) == (422, pointer)


async def test_a_slip_is_undone(held: str, shop: Caller):
    await shop.post(f"{INCIDENTS}/inc_1/start")

    undone = await shop.post(f"{INCIDENTS}/inc_1/undo", {"note": "the wrong one"})

    assert (undone.status, undone.body["state"]) == (200, "open")
    assert (await shop.post(f"{INCIDENTS}/inc_1/undo")).status == 409


@pytest.mark.parametrize("before", [(), ("start",), ("resolve", "close")])
async def test_a_note_may_be_made_in_any_state_and_moves_nothing(held: str, shop: Caller, before: tuple[str, ...]):
    for command in before:
        body = {"reason": "cured_by_shop"} if command == "resolve" else {}
        assert (await shop.post(f"{INCIDENTS}/inc_1/{command}", body)).status == 200
    kept = (await shop.get(f"{INCIDENTS}/inc_1")).body

    noted = await shop.post(f"{INCIDENTS}/inc_1/note", {"note": "Called the broker.\nNo answer."})

    assert noted.status == 200, noted
    last = noted.body["timeline"][-1]
    assert (last["kind"], last["actor"], last["detail"]["note"]) == (
        "note",
        "api_key:1",
        "Called the broker.\nNo answer.",
    )
    moving = {"timeline", "version", "next_moment_at"}
    assert {name: noted.body[name] for name in kept if name not in moving} == {
        name: value for name, value in kept.items() if name not in moving
    }
    changes = (await shop.get("/api/v1/changes")).body["data"]
    assert (changes[-1]["kind"], changes[-1]["incident"]) == ("incident.note", "inc_1")


@pytest.mark.parametrize("body", [{}, {"note": ""}, {"note": " \n"}, {"note": None}, {"note": "x" * 2001}])
async def test_a_note_without_words_is_refused(held: str, shop: Caller, body: dict[str, str]):
    answer = await shop.post(f"{INCIDENTS}/inc_1/note", body)

    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/note")
    assert len((await shop.get(f"{INCIDENTS}/inc_1")).body["timeline"]) == 1


async def test_lists_are_filtered(held: str, shop: Caller):
    async def ids(**query: str) -> list[str]:
        return [one["id"] for one in (await shop.get(INCIDENTS, **query)).body["data"]]

    assert await ids(state="open") == await ids(category="customs") == await ids(closed="false") == ["inc_1"]
    assert await ids(state="closed") == await ids(category="loss") == await ids(closed="true") == []
    assert await ids(shipment=held, closed="false", category="customs", state="open") == ["inc_1"]
    assert await ids(shipment=held, closed="true") == []


async def test_a_step_that_the_life_of_an_incident_forbids_is_refused(held: str, shop: Caller):
    answer = await shop.post(f"{INCIDENTS}/inc_1/close")

    assert (answer.status, answer.body["code"]) == (409, "refused")
    assert "acknowledge" in answer.body["detail"]
    assert (await shop.get(f"{INCIDENTS}/inc_1")).body["state"] == "open"


async def test_what_it_waits_for_and_goes_on_in_is_checked(held: str, shop: Caller):
    await shop.post(f"{INCIDENTS}/inc_1/start")
    wrong: list[tuple[str, dict[str, str], int]] = [
        ("wait", {"on": "weather"}, 422),
        ("wait", {"on": "shop", "until": "2026-03-09T12:00:00"}, 422),
        ("wait", {"on": "shop", "until": "0001-01-01T00:00:00+23:59"}, 422),
        ("wait", {"on": "shop", "until": "2026-03-01T12:00:00Z"}, 409),
        ("merge", {"into": "inc_1"}, 409),
        ("merge", {"into": "inc_2"}, 409),
        ("merge", {"into": "shp_1"}, 422),
    ]
    for command, body, status in wrong:
        answer = await shop.post(f"{INCIDENTS}/inc_1/{command}", body)
        assert answer.status == status, (command, body, answer)


async def test_to_resolve_takes_a_reason_that_is_known(held: str, shop: Caller):
    for body, pointer in (({}, "/reason"), ({"reason": "because"}, "/reason"), ({"reason": "merged"}, "/reason")):
        answer = await shop.post(f"{INCIDENTS}/inc_1/resolve", body)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer)


def test_the_reasons_are_those_of_the_domain_but_merged_which_nobody_chooses():
    assert set(get_args(ClosingReason)) == CLOSING_REASONS - {"merged"}


async def test_the_customer_hears_and_the_notice_can_be_followed(held: str, shop: Caller):
    notices = (await shop.get("/api/v1/notices", shipment=held)).body["data"]
    (opened,) = [one for one in notices if one["kind"] == "incident_opened"]
    story = (await shop.get(f"/api/v1/notices/{opened['id']}")).body

    assert (opened["incident"], opened["state"]) == ("inc_1", "planned")
    assert {one["channel"] for one in story["messages"]} >= {"email"}
    assert [one["attempts"] for one in story["messages"] if one["channel"] == "email"] == [[]]
    assert not {"body", "subject", "contact_id"} & story["messages"][0].keys()


async def test_notices_are_asked_for_by_shipment(shop: Caller):
    answer = await shop.get("/api/v1/notices")

    assert (answer.status, answer.body["errors"]) == (
        422,
        [{"detail": "is missing", "parameter": "shipment"}],
    )
