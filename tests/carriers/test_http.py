import asyncio
import gzip
import logging
from datetime import timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from carriers.contract import CarrierFailure, FailureKind
from carriers.http import Waits, retry_after
from carriers.payload import MAX_BODY
from tests.carriers.seam import NOW, everything_logged, far_end


class Answers:
    """Gives the prepared answers one after the other, the last one for ever; counts what was asked."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses)
        self.headers = headers or {}
        self.requests: list[web.Request] = []

    async def __call__(self, request: web.Request) -> web.Response:
        await request.read()
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, text=f"answer {len(self.requests)}", headers=self.headers)


async def test_an_answer_comes_back_as_received() -> None:
    async with far_end(Answers(200)) as end:
        answer = await end.http.request("GET", f"{end.url}/x", params={"q": "a b&c"})
    assert (answer.status, answer.body, answer.content_type) == (200, b"answer 1", "text/plain; charset=utf-8")


async def test_a_server_error_is_asked_again_with_full_jitter_and_no_real_sleep() -> None:
    answers = Answers(503, 502, 200)
    async with far_end(answers) as end:
        answer = await end.http.request("GET", f"{end.url}/x")
    assert answer.status == 200
    assert end.slept == [0.5, 1.0]
    assert end.chance.asked == [(0.0, 0.5), (0.0, 1.0)]


async def test_a_server_error_that_stays_is_the_answer() -> None:
    answers = Answers(500)
    async with far_end(answers) as end:
        answer = await end.http.request("GET", f"{end.url}/x")
    assert answer.status == 500
    assert len(answers.requests) == 3


@pytest.mark.parametrize(("method", "status"), [("POST", 500), ("GET", 429), ("GET", 404), ("GET", 401)])
async def test_what_asking_again_would_harm_or_not_help_is_asked_once(method: str, status: int) -> None:
    answers = Answers(status)
    async with far_end(answers) as end:
        answer = await end.http.request(method, f"{end.url}/x", body=b"x" if method == "POST" else None)
    assert answer.status == status
    assert len(answers.requests) == 1


async def test_a_fault_that_names_a_long_time_is_not_waited_for_here() -> None:
    answers = Answers(503, headers={"Retry-After": "120"})
    async with far_end(answers) as end:
        answer = await end.http.request("GET", f"{end.url}/x")
    assert answer.retry_after == 120.0
    assert (len(answers.requests), end.slept) == (1, [])


async def test_nobody_there_is_carrier_down_after_some_tries() -> None:
    async with far_end(Answers(200)) as end:
        with pytest.raises(CarrierFailure) as caught:
            await end.http.request("GET", "http://127.0.0.1:9/x")
    assert caught.value.kind is FailureKind.CARRIER_DOWN
    assert caught.value.retryable
    assert len(end.slept) == 2


async def test_a_slow_carrier_is_given_up() -> None:
    released = asyncio.Event()

    async def never(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    async with far_end(never, Waits(total=0.05, tries=1)) as end:
        with pytest.raises(CarrierFailure, match=r"no answer within 0\.05 s"):
            await end.http.request("GET", f"{end.url}/x")
        released.set()


async def test_a_connection_cut_in_the_middle_of_a_body_is_asked_again() -> None:
    calls = 0

    async def cut_once(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls > 1:
            return web.Response(text="whole")
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async with far_end(cut_once) as end:
        assert (await end.http.request("GET", f"{end.url}/x")).body == b"whole"


@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_beyond_the_limit_is_malformed_also_when_it_is_packed(packed: bool) -> None:
    large = b" " * (MAX_BODY + 1)

    async def flood(request: web.Request) -> web.Response:
        if packed:
            return web.Response(body=gzip.compress(large), headers={"Content-Encoding": "gzip"})
        return web.Response(body=large)

    async with far_end(flood) as end:
        with pytest.raises(CarrierFailure) as caught:
            await end.http.request("GET", f"{end.url}/x")
    assert caught.value.kind is FailureKind.MALFORMED


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    async with far_end(elsewhere) as end:
        assert (await end.http.request("GET", f"{end.url}/x")).status == 302


async def test_a_credential_that_http_cannot_carry_is_refused_without_being_quoted() -> None:
    async with far_end(Answers(200)) as end:
        with pytest.raises(CarrierFailure) as caught:
            await end.http.request("GET", f"{end.url}/x", headers={"Key": "s3cret\r\nX: y"})
    assert caught.value.kind is FailureKind.BAD_REQUEST
    assert not caught.value.retryable
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__} {caught.value.__suppress_context__}"


async def test_the_log_names_the_route_and_the_outcome_but_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with far_end(Answers(200)) as end:
        await end.http.request(
            "POST",
            f"{end.url}/token",
            params={"apikey": "s3cret-query"},
            headers={"X-Key": "s3cret-header"},
            body=b"s3cret-body",
            basic=("user", "s3cret-password"),
        )
    [record] = [record for record in caplog.records if record.name == "carriers.http"]
    assert record.__dict__["carrier"] == "acme"
    assert record.__dict__["route"] == "POST 127.0.0.1/token"
    assert record.__dict__["outcome"] == 200
    # what the far end logs of its callers is its own affair
    logged = everything_logged([record for record in caplog.records if record.name != "aiohttp.access"])
    assert "s3cret" not in logged
    assert "answer 1" not in logged


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("-3", 0.0),
        ("99999999", 86400.0),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120.0),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_absurd(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
