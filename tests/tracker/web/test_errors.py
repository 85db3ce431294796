import logging

import asyncpg
import msgspec
import pytest
from aiohttp import web

from tests.tracker.web.door import Caller, Client, Pusher
from tracker.actions.group_commit import Overloaded
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused, Wrong
from tracker.store.db import CommitUnknown, ConnectionLost
from tracker.web.errors import PAGE, Problem, answer_problems, problem_of, unreadable, wrong_form
from tracker.web.passage import add_headers, note_request


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FieldsWrong([Wrong("/a", "b")]), 422),
        (RuleRefused("no"), 409),
        (NotFound("no such thing"), 404),
        (Problem(401, "unauthorized", "no"), 401),
        (web.HTTPNotFound(), 404),
        (web.HTTPMethodNotAllowed("PUT", ["GET"]), 405),
        (web.HTTPRequestEntityTooLarge(1, 2), 413),
        (Overloaded("full"), 503),
        (ConnectionRefusedError(), 503),
        (TimeoutError(), 503),
        (ConnectionLost("gone"), 503),
        (CommitUnknown("gone"), 503),
        (asyncpg.InterfaceError("pool is closed"), 503),
        (asyncpg.QueryCanceledError("too slow"), 503),
        (asyncpg.TooManyConnectionsError("full"), 503),
        (asyncpg.DeadlockDetectedError("again"), 503),
        (asyncpg.UniqueViolationError("ours"), 500),
        (asyncpg.DataError("ours"), 500),
        (msgspec.ValidationError("of a row, not of a body"), 500),
        (ValueError("ours"), 500),
    ],
)
def test_the_one_map(error: Exception, status: int):
    assert problem_of(error).status == status


def test_our_own_mistakes_tell_nothing():
    problem = problem_of(ValueError("secret of ana@example.com"))

    assert "secret" not in problem.detail
    assert "Retry-After" not in problem.headers


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    more: dict[str, int] = {}


class Outer(msgspec.Struct):
    items: list[Inner]


def problem_with(body: bytes) -> Problem:
    try:
        msgspec.convert(msgspec.json.decode(body), Outer)
    except msgspec.ValidationError as error:
        return wrong_form(error, [])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return unreadable(error)
    raise AssertionError("it was read")


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b'{"items": [{}, {"name": 1}]}', 422, "/items/1/name"),
        (b'{"items": [{"colour~/": 1}]}', 422, "/items/0/colour~0~1"),
        (b'{"items": [{"more": {"a": "b"}}]}', 422, "/items/0/more"),
        (b"{}", 422, "/items"),
        (b"[]", 422, ""),
        (b"{", 400, None),
        (b"\xff", 400, None),
        (b'"\xff"', 400, None),
        (b"[" * 100_000, 400, None),
    ],
)
def test_an_unreadable_body_is_pointed_into(body: bytes, status: int, pointer: str | None):
    problem = problem_with(body)

    assert (problem.status, [one["pointer"] for one in problem.errors]) == (
        status,
        [pointer] if pointer is not None else [],
    )
    assert "<class" not in problem.detail


@pytest.fixture
async def broken(aiohttp_client) -> Client:
    """An application that falls over, with pages for people."""

    async def fall(request: web.Request) -> web.Response:
        raise ZeroDivisionError(f"over {request.match_info['token']}")

    async def leave(_: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/")

    app = web.Application(middlewares=[note_request, answer_problems])
    app.on_response_prepare.append(add_headers)
    app.router.add_get("/fall/{token}", fall)
    app.router.add_get("/leave", leave)
    app[PAGE] = lambda request, problem: web.Response(status=problem.status, text="sorry", content_type="text/html")
    client: Client = await aiohttp_client(app)
    return client


async def test_an_unforeseen_mistake_is_answered_with_an_id_that_leads_to_the_log(
    broken: Client, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    async with broken.get("/fall/tok3n") as answer:
        body = await answer.json(content_type="application/problem+json")

    assert (answer.status, body["code"], body["request_id"]) == (500, "internal", answer.headers["X-Request-Id"])
    failure, line = [vars(record) for record in caplog.records if record.name.startswith("tracker.web")]
    assert (failure["message"], failure["request_id"]) == ("request failed", body["request_id"])
    assert isinstance(failure["exc_info"][1], ZeroDivisionError)
    assert (line["route"], line["status"], line["method"]) == ("/fall/{token}", 500, "GET")
    assert "tok3n" not in str(line)


async def test_people_see_a_page_and_redirects_pass(broken: Client):
    async with broken.get("/fall/x", headers={"Accept": "text/html"}) as answer:
        assert (answer.status, await answer.text()) == (500, "sorry")
    async with broken.get("/leave", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_what_does_not_exist_is_said_in_json(shop: Caller, client: Client):
    missing = await shop.get("/api/v1/nothing")
    async with client.put("/api/v1/shipments") as answer:
        body = await answer.json(content_type="application/problem+json")

    assert (missing.status, missing.body["code"]) == (404, "not_found")
    assert (answer.status, body["code"], answer.headers["Allow"]) == (405, "method_not_allowed", "GET,HEAD,POST")


async def test_every_answer_carries_the_headers_that_keep_browsers_safe(shop: Caller, partner: Pusher):
    for answer in (await shop.get("/api/v1/shipments"), await shop.get("/nothing"), await partner.push(b"{}")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert len(answer.headers["X-Request-Id"]) == 16


async def test_a_body_of_another_kind_or_size_is_refused(shop: Caller):
    kind = await shop.post("/api/v1/shipments", raw=b"<a/>", headers={"Content-Type": "text/xml"})
    size = await shop.post("/api/v1/shipments", raw=b" " * (1024 * 1024 - 1) + b"{}")

    assert (kind.status, size.status) == (415, 413)
    assert size.body["code"] == "payload_too_large"


async def test_without_a_database_the_api_asks_to_come_back(shop: Caller, services):
    await services.house.db.close()
    answer = await shop.get("/api/v1/shipments")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
