"""A carrier's far end on loopback, and the waits and chances that make retries instant and repeatable."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from carriers.contract import Account
from carriers.http import CarrierHttp, Waits, open_session

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StepClock:
    """Monotonic seconds that only move when they are told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


class Highest:
    """The longest wait that chance could have drawn; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.asked.append((a, b))
        return b


class FarEnd:
    """A server, the seam to it, and everything that happened between them."""

    def __init__(
        self, server: BaseTestServer, http: CarrierHttp, clock: StepClock, chance: Highest, slept: list[float]
    ) -> None:
        self.url = str(server.make_url("")).rstrip("/")
        self.http = http
        self.clock = clock
        self.chance = chance
        self.slept = slept

    def account(self, carrier: str, **values: str) -> Account:
        return Account(shop="shop", carrier=carrier, name="main", base_url=self.url, auth_url=self.url, values=values)


@asynccontextmanager
async def far_end(handler: Handler, waits: Waits | None = None) -> AsyncIterator[FarEnd]:
    async def door(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", door)
    clock, chance, slept = StepClock(), Highest(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with TestServer(app) as server, open_session() as session:
        http = CarrierHttp(session, "acme", clock, chance, now=lambda: NOW, sleep=sleep, waits=waits or Waits())
        yield FarEnd(server, http, clock, chance, slept)


def everything_logged(records: list[logging.LogRecord]) -> str:
    return " ".join(f"{record.getMessage()} {record.__dict__}" for record in records)
