"""Nobody calls so often that others wait: a quota for each key, told with every answer."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.tracker.web.door import Caller, Client, key_of
from tracker.web.api.quota import Quotas
from tracker.web.app import make_app
from tracker.web.errors import Problem
from tracker.web.services import Services

LIST = "/api/v1/shipments"


class Watch:
    """Seconds that pass when they are told to."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


def take(quotas: Quotas, key_id: int = 1) -> Problem | None:
    try:
        quotas.take(make_mocked_request("GET", "/"), key_id)
    except Problem as refused:
        return refused
    return None


def test_an_empty_bucket_fills_up_again_evenly_and_never_over_its_brim():
    watch = Watch()
    quotas = Quotas(6, watch)
    assert [take(quotas) for _ in range(6)] == [None] * 6
    refused = take(quotas)
    assert refused is not None
    assert (refused.status, refused.code, refused.headers) == (429, "too_many_calls", {"Retry-After": "10"})

    watch.at += 9.9
    assert take(quotas) is not None
    watch.at += 0.1
    assert (take(quotas), take(quotas) is not None) == (None, True)
    watch.at += 3600
    assert [take(quotas) is None for _ in range(7)] == [True] * 6 + [False]


def test_each_key_has_its_own():
    quotas = Quotas(1, Watch())

    assert [take(quotas, key) is None for key in (1, 2, 1, 2)] == [True, True, False, False]


@pytest.fixture
async def narrow(services: Services, aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> Client:
    return await aiohttp_client(make_app(msgspec.structs.replace(services, api_calls_per_minute=3)))


async def test_every_answer_to_a_key_says_what_is_left_and_the_last_one_when_to_come_back(
    narrow: Client, services: Services
):
    caller = Caller(narrow, await key_of(services))
    answers = [await caller.get(LIST), await caller.get(f"{LIST}/shp_1"), await caller.get(LIST, limit="0")]
    refused = await caller.get(LIST)

    assert [answer.status for answer in (*answers, refused)] == [200, 404, 422, 429]
    assert [answer.headers["RateLimit"].split(";t=")[0] for answer in (*answers, refused)] == [
        '"default";r=2',
        '"default";r=1',
        '"default";r=0',
        '"default";r=0',
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in (*answers, refused)} == {'"default";q=3;w=60'}
    assert refused.body["code"] == "too_many_calls"
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert (await Caller(narrow, await key_of(services)).get(LIST)).status == 200


async def test_calls_at_the_same_time_take_one_each(narrow: Client, services: Services):
    caller = Caller(narrow, await key_of(services))

    statuses = [answer.status for answer in await asyncio.gather(*(caller.get(LIST) for _ in range(5)))]

    assert sorted(statuses) == [200, 200, 200, 429, 429]


async def test_who_has_no_key_is_told_of_no_quota(client: Client):
    answer = await Caller(client, None).get(LIST)

    assert (answer.status, "RateLimit" in answer.headers) == (401, False)
