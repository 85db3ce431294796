import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from notifications.channels.twilio import ERRORS, Account, Sms
from notifications.contract import FailureClass, SendFailed
from tests.notifications.channels.outgoing import PHONE, outgoing

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
TEXT = "Sol: su pedido está en camino."
A, C, K, T, AMBIGUOUS = (
    FailureClass.ADDRESS,
    FailureClass.CONTENT,
    FailureClass.ACCOUNT,
    FailureClass.TRANSPORT,
    FailureClass.AMBIGUOUS,
)


class Twilio:
    """The two calls of the Messages API that we use, as their documentation shows them."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.answer: Callable[[], Awaitable[web.StreamResponse]] | web.StreamResponse | None = None
        self.reached = asyncio.Event()
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/AC1/Messages.json", self._create)
        app.router.add_get("/2010-04-01/Accounts/AC1/Messages.json", self._list)
        self.server = TestServer(app)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.authorizations.append(request.headers["Authorization"])
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        self.reached.set()
        if self.answer is not None:
            return self.answer if isinstance(self.answer, web.StreamResponse) else await self.answer()
        return web.json_response(self._take(self.forms[-1]), status=201)

    def _take(self, form: dict[str, str]) -> dict[str, Any]:
        message = {
            "sid": f"SM{len(self.messages) + 1:032x}",
            "to": form["To"],
            "body": form["Body"],
            "status": "queued",
            "num_segments": "1",
            "error_code": None,
            "error_message": None,
            "date_created": format_datetime(NOW),
            "date_sent": None,
        }
        self.messages.append(message)
        return message

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        return web.json_response({"messages": self.messages, "next_page_uri": None, "page": 0})


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    twilio = Twilio()
    await twilio.server.start_server()
    yield twilio
    await twilio.server.close()


@pytest.fixture
async def channel(twilio: Twilio) -> AsyncIterator[Sms]:
    channel = Sms(account(twilio))
    yield channel
    await channel.close()


def account(twilio: Twilio, **more: Any) -> Account:
    fields: dict[str, Any] = {
        "account_sid": "AC1", "auth_token": "secret-token", "sender": "+34600000000", "answer_seconds": 0.3,
        "base_url": str(twilio.server.make_url("/")),
    }  # fmt: skip
    return Account(**fields | more)


def credentials(twilio: Twilio) -> str:
    return b64decode(twilio.authorizations[0].removeprefix("Basic ")).decode()


async def failure(channel: Sms) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        await channel.send(outgoing(body=TEXT.encode()))
    return caught.value


async def test_a_message_is_handed_over_in_twilios_own_words(twilio: Twilio, channel: Sms) -> None:
    accepted = await channel.send(outgoing(body=TEXT.encode()))

    assert accepted.provider_reference == twilio.messages[0]["sid"]
    assert twilio.forms == [{"To": PHONE, "From": "+34600000000", "Body": TEXT}]
    assert credentials(twilio) == "AC1:secret-token"


async def test_a_messaging_service_an_api_key_and_a_validity_are_passed_on(twilio: Twilio) -> None:
    channel = Sms(account(twilio, sender="MG1", api_key="SK1", valid_for=timedelta(hours=4)))

    await channel.send(outgoing(body=TEXT.encode()))
    await channel.close()

    assert twilio.forms == [{"To": PHONE, "MessagingServiceSid": "MG1", "ValidityPeriod": "14400", "Body": TEXT}]
    assert credentials(twilio) == "SK1:secret-token"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21211, A),
        (400, 21408, A),
        (400, 21610, A),
        (400, 21614, A),
        (400, 21606, K),
        (400, 21617, C),
        (400, 99999, C),
        (401, 20003, K),
        (403, None, K),
        (404, 20404, K),
        (429, 20429, T),
        (503, None, T),
        (500, None, AMBIGUOUS),
        (502, None, AMBIGUOUS),
    ],
)
async def test_refusals(twilio: Twilio, channel: Sms, status: int, code: int | None, expected: FailureClass) -> None:
    message = f"The 'To' number {PHONE} is not good"
    twilio.answer = web.json_response({"code": code, "message": message, "status": status}, status=status)

    refused = await failure(channel)

    assert refused.failure is expected
    assert PHONE not in str(refused)


async def test_the_time_that_twilio_asks_for_is_passed_on(twilio: Twilio, channel: Sms) -> None:
    twilio.answer = web.json_response({"code": 20429}, status=429, headers={"Retry-After": "7"})

    assert (await failure(channel)).retry_after == 7


@pytest.mark.parametrize("body", ["<html>sign in to this network</html>", "[]", '{"sid": null}', ""])
async def test_a_success_that_is_not_twilios_is_in_doubt(twilio: Twilio, channel: Sms, body: str) -> None:
    twilio.answer = web.Response(text=body, status=201)

    assert (await failure(channel)).failure is AMBIGUOUS


async def test_a_message_that_fails_at_once_is_not_accepted(twilio: Twilio, channel: Sms) -> None:
    twilio.answer = web.json_response({"sid": "SM1", "status": "failed", "error_code": 30006}, status=201)

    assert (await failure(channel)).failure is A


async def test_a_redirect_is_not_followed(twilio: Twilio, channel: Sms) -> None:
    twilio.answer = web.Response(status=307, headers={"Location": "http://elsewhere.test/"})

    assert (await failure(channel)).failure is AMBIGUOUS


async def test_no_connection_is_no_doubt(twilio: Twilio, channel: Sms) -> None:
    await twilio.server.close()

    assert (await failure(channel)).failure is T


async def test_no_answer_is_in_doubt_and_the_message_can_be_found(twilio: Twilio, channel: Sms) -> None:
    async def take_and_fall_silent() -> web.StreamResponse:
        twilio._take(twilio.forms[-1])
        await asyncio.sleep(2)
        return web.Response()

    twilio.answer = take_and_fall_silent

    assert (await failure(channel)).failure is AMBIGUOUS
    found = await channel.find(outgoing(body=TEXT.encode()), NOW)

    assert found is not None
    assert found.provider_reference == twilio.messages[0]["sid"]
    assert twilio.queries == [{"To": PHONE, "DateSent>": "2026-11-24", "PageSize": "100"}]


@pytest.mark.parametrize(
    "sent",
    [
        {"body": "another text"},
        {"date_created": format_datetime(NOW - timedelta(hours=1))},
        {"date_created": None},
        {"date_created": "yesterday"},
    ],
)
async def test_another_message_is_not_taken_for_the_one_in_doubt(
    twilio: Twilio, channel: Sms, sent: dict[str, Any]
) -> None:
    twilio.messages.append({"sid": "SM9", "body": TEXT, "date_created": format_datetime(NOW)} | sent)

    assert await channel.find(outgoing(body=TEXT.encode()), NOW) is None


async def test_a_provider_that_cannot_be_asked_knows_nothing(twilio: Twilio, channel: Sms) -> None:
    await twilio.server.close()

    assert await channel.find(outgoing(body=TEXT.encode()), NOW) is None


def test_every_error_that_we_know_has_a_class() -> None:
    assert set(ERRORS.values()) == {A, C, K, T}
