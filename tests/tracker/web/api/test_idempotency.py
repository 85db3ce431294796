import asyncio
from typing import Any

import asyncpg
import pytest

from sql.connection import Connection
from tests.tracker.web.door import PARCEL, Caller, Client, Pusher, event, key_of
from tracker.store import repeats
from tracker.web.api.acting import read_key
from tracker.web.errors import Problem
from tracker.web.services import Services

SHIPMENTS = "/api/v1/shipments"
KEY = {"Idempotency-Key": '"8e03978e-40d5"'}


@pytest.fixture
async def held(shop: Caller, partner: Pusher) -> None:
    """inc_1 is open."""
    await shop.register()
    await partner.events(event(milestone="in_customs", status_detail="documents_required", code="H1"))


async def test_the_first_answer_is_given_again(shop: Caller):
    first = await shop.post(SHIPMENTS, PARCEL, KEY)
    again = await shop.post(SHIPMENTS, dict(reversed(PARCEL.items())), {"Idempotency-Key": "8e03978e-40d5"})

    assert (first.status, "Idempotent-Replayed" in first.headers) == (201, False)
    assert (again.status, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.raw == first.raw


async def test_a_step_is_taken_once(held: None, shop: Caller):
    answers = [await shop.post("/api/v1/incidents/inc_1/resolve", {"reason": "refunded"}, KEY) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].raw == answers[1].raw
    timeline = (await shop.get("/api/v1/incidents/inc_1")).body["timeline"]
    assert [entry["kind"] for entry in timeline].count("resolved") == 1


async def test_ten_at_once_are_one(held: None, shop: Caller):
    answers = await asyncio.gather(*(shop.post("/api/v1/incidents/inc_1/acknowledge", {}, KEY) for _ in range(10)))

    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.headers.get("Idempotent-Replayed", "no") for answer in answers) == ["no"] + ["true"] * 9
    assert len({answer.raw for answer in answers}) == 1


async def test_a_key_stands_for_one_request(held: None, shop: Caller):
    await shop.post("/api/v1/incidents/inc_1/acknowledge", {"note": "seen"}, KEY)

    for path, body in (("acknowledge", {"note": "other"}), ("start", {"note": "seen"})):
        answer = await shop.post(f"/api/v1/incidents/inc_1/{path}", body, KEY)
        assert (answer.status, answer.body["code"]) == (422, "key_reused")


async def test_what_was_refused_may_be_tried_again(held: None, shop: Caller):
    path = "/api/v1/incidents/inc_1/close"
    refused = await shop.post(path, {}, KEY)
    await shop.post("/api/v1/incidents/inc_1/resolve", {"reason": "refunded"})

    assert [refused.status, (await shop.post(path, {}, KEY)).status] == [409, 200]


async def test_a_key_belongs_to_the_caller_who_sent_it(shop: Caller, services: Services, client: Client):
    await shop.post(SHIPMENTS, PARCEL, KEY)
    colleague = Caller(client, await key_of(services))

    answer = await colleague.post(SHIPMENTS, PARCEL | {"tracking_number": "OTHER1234"}, KEY)

    assert (answer.status, "Idempotent-Replayed" in answer.headers) == (201, False)


async def test_a_key_is_forgotten_after_three_days_of_machine_time(shop: Caller, services: Services):
    await shop.post(SHIPMENTS, PARCEL, KEY)
    async with services.house.db.connection() as conn:
        await conn.execute("update idempotency set created_at = created_at - interval '73 hours'")

    answer = await shop.post(SHIPMENTS, PARCEL | {"tracking_number": "OTHER1234"}, KEY)

    assert (answer.status, answer.body["tracking_number"]) == (201, "OTHER1234")


async def test_what_is_kept_can_be_read_by_nobody_else(shop: Caller, services: Services):
    made = await shop.post(SHIPMENTS, PARCEL, KEY)
    async with services.house.db.connection() as conn:
        body = await conn.fetchval("select body from idempotency")

    assert made.body["tracking_url"].encode() not in body
    assert made.body["tracking_number"].encode() not in body


async def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    held: None, shop: Caller, services: Services, monkeypatch: pytest.MonkeyPatch
):
    keep, is_cut = repeats.keep, False

    async def keep_and_lose_the_line(conn: Connection, *kept: Any) -> None:
        nonlocal is_cut
        await keep(conn, *kept)
        if not is_cut:
            is_cut = True
            await conn.execute("commit")  # it is durable, and then the connection goes
            conn.terminate()
            raise asyncpg.ConnectionDoesNotExistError("gone")

    monkeypatch.setattr(repeats, "keep", keep_and_lose_the_line)

    answer = await shop.post("/api/v1/incidents/inc_1/acknowledge", {}, KEY)

    assert (answer.status, answer.headers["Idempotent-Replayed"]) == (200, "true")
    assert answer.body["state"] == "acknowledged"


@pytest.mark.parametrize(
    ("header", "key"),
    [(None, None), ("abc", "abc"), (' "abc" ', "abc"), ('"a b"', "a b"), (r'"a\"\\"', 'a"\\'), ("x" * 255, "x" * 255)],
)
def test_a_key_is_a_quoted_string_or_bare(header: str | None, key: str | None):
    assert read_key(header) == key


@pytest.mark.parametrize("header", ["", '""', "a b", '"a', 'a"', '"a"b"', "ñ", "x" * 256, '"\\x"', "a\x00"])
def test_what_is_no_key_is_refused(header: str):
    with pytest.raises(Problem):
        read_key(header)
