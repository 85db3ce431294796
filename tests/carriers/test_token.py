import asyncio

import pytest

from carriers.contract import Answer, CarrierFailure, FailureKind
from carriers.token import Fields, Token, TokenCache, client_credentials
from tests.carriers.seam import StepClock


class Grants:
    """Hands out t1, t2, ... and counts; waits where it is told to."""

    def __init__(self, life: float = 600.0) -> None:
        self.count = 0
        self.life = life
        self.gate: asyncio.Event | None = None
        self.failing = 0

    async def __call__(self) -> Token:
        if self.gate is not None:
            await self.gate.wait()
        self.count += 1
        if self.count <= self.failing:
            raise CarrierFailure(FailureKind.CARRIER_DOWN, "no token")
        return Token(f"t{self.count}", self.life)


class Http:
    """Remembers the one request and gives the one answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = Answer(status, "application/json", body)
        self.sent: dict[str, object] = {}

    async def request(self, method: str, url: str, **sent: object) -> Answer:
        self.sent = {"method": method, "url": url, **sent}
        return self.answer


async def test_however_many_ask_the_token_is_fetched_once() -> None:
    grants = Grants()
    grants.gate = asyncio.Event()
    cache = TokenCache(grants, StepClock())
    asking = [asyncio.create_task(cache.get()) for _ in range(20)]
    await asyncio.sleep(0)
    grants.gate.set()
    assert set(await asyncio.gather(*asking)) == {"t1"}
    assert grants.count == 1


async def test_one_who_gives_up_waiting_does_not_take_the_token_from_the_others() -> None:
    grants = Grants()
    grants.gate = asyncio.Event()
    cache = TokenCache(grants, StepClock())
    first, second = asyncio.create_task(cache.get()), asyncio.create_task(cache.get())
    await asyncio.sleep(0)
    first.cancel()
    grants.gate.set()
    assert await second == "t1"


@pytest.mark.parametrize(("life", "good_for"), [(600.0, 539.0), (30.0, 26.9)])
async def test_a_token_is_renewed_before_it_expires(life: float, good_for: float) -> None:
    clock = StepClock()
    cache = TokenCache(Grants(life), clock)
    assert await cache.get() == "t1"
    clock.seconds += good_for
    assert await cache.get() == "t1"
    clock.seconds += 1.2
    assert await cache.get() == "t2"


async def test_a_refused_token_is_replaced_once_and_the_call_repeated() -> None:
    cache = TokenCache(Grants(), StepClock())
    seen: list[str] = []

    async def send(token: str) -> Answer:
        seen.append(token)
        return Answer(401 if token == "t1" else 200, "", b"")

    assert (await cache.call(send)).status == 200
    assert seen == ["t1", "t2"]


async def test_a_token_that_is_refused_again_is_the_answer() -> None:
    grants = Grants()
    cache = TokenCache(grants, StepClock())

    async def send(token: str) -> Answer:
        return Answer(401, "", b"")

    assert (await cache.call(send)).status == 401
    assert grants.count == 2


async def test_many_calls_refused_at_once_share_one_new_token() -> None:
    grants = Grants()
    cache = TokenCache(grants, StepClock())

    async def send(token: str) -> Answer:
        await asyncio.sleep(0)
        return Answer(401 if token == "t1" else 200, "", b"")

    answers = await asyncio.gather(*(cache.call(send) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert grants.count == 2


async def test_a_failed_grant_is_tried_anew_by_the_next_call() -> None:
    grants = Grants()
    grants.failing = 1
    cache = TokenCache(grants, StepClock())
    with pytest.raises(CarrierFailure):
        await cache.get()
    assert await cache.get() == "t2"


async def test_client_credentials_go_into_the_header_and_the_life_may_be_text() -> None:
    http = Http(200, b'{"access_token": "abc", "expires_in": "14399"}')
    token = await client_credentials(http, "https://auth.example/token", ("id", "secret"))()
    assert (token.value, token.life) == ("abc", 14399.0)
    assert http.sent["basic"] == ("id", "secret")
    assert http.sent["body"] == b"grant_type=client_credentials"
    assert "abc" not in repr(token)


async def test_a_carrier_may_want_them_in_the_form_and_name_its_fields() -> None:
    http = Http(200, b'{"idToken": "abc", "expiresIn": 60}')
    fields = Fields("idToken", "expiresIn", lambda minutes: minutes * 60.0)
    grant = client_credentials(
        http, "https://auth.example/token", ("id", "se&cret"), scope="TPB", in_body=True, fields=fields
    )
    assert (await grant()).life == 3600.0
    assert http.sent["body"] == b"grant_type=client_credentials&scope=TPB&client_id=id&client_secret=se%26cret"
    assert http.sent["basic"] is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (401, b'{"error": "secret is wrong"}', FailureKind.AUTH, False),
        (400, b'{"error": "invalid_client"}', FailureKind.AUTH, False),
        (429, b"", FailureKind.RATE_LIMITED, True),
        (500, b"<html>", FailureKind.CARRIER_DOWN, True),
        (200, b"<html>", FailureKind.MALFORMED, True),
        (200, b'{"access_token": ""}', FailureKind.MALFORMED, True),
        (200, b'{"access_token": ["x"]}', FailureKind.MALFORMED, True),
    ],
)
async def test_no_token_is_a_failure_that_quotes_nothing(
    status: int, body: bytes, kind: FailureKind, *, retryable: bool
) -> None:
    with pytest.raises(CarrierFailure) as caught:
        await client_credentials(Http(status, body), "https://auth.example/token", ("id", "secret"))()
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert "secret" not in caught.value.detail
