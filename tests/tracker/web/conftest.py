"""The service's doors on a real database: two shops, a partner, business time that stands still."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec
import pytest

from carriers import registry
from sql import queries
from sql.connection import Connection
from tests.tracker.web.door import START, Caller, Client, Pusher, key_of, partner_of
from tracker.actions import intake
from tracker.actions.deciding import House
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Taken
from tracker.clock import Chance, SteppedClock
from tracker.store.calendars import Calendars
from tracker.store.db import Database
from tracker.vault import Vault
from tracker.web.app import make_app
from tracker.web.services import Services

Serve = Callable[[GroupCommit[Observation, Taken]], Awaitable[Client]]
_SHOP = queries.topic("access").ensure_shop


class Stop:
    """Whether the process has been asked to stop."""

    asked = False


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
async def services(database: Database, stop: Stop) -> AsyncGenerator[Services]:
    house = House(
        db=database,
        clock=SteppedClock(START),
        chance=Chance(7),
        cards={code: adapter.card for code, adapter in registry.adapters().items()},
        calendars=Calendars(),
        vault=Vault(b"k" * 32),
    )

    async def commit(batch: Sequence[Observation]) -> Sequence[Taken]:
        async def take_in(conn: Connection) -> list[Taken]:
            return await intake.take_in(house, conn, batch)

        return await database.retrying(take_in, idempotent=True)

    pushes = GroupCommit(commit, instead=intake.quarantined)
    async with database.connection() as conn:
        for code in ("north", "south"):
            mail = f"{code}@example.com"
            await conn.fetchval(_SHOP, code, code, "ES", "es", "Europe/Madrid", mail, mail, None, None, START)
    yield Services(
        house=house,
        pushes=pushes,
        public_url="https://shop.example",
        is_stopping=lambda: stop.asked,
        api_calls_per_minute=1_000_000,  # hundreds of examples call with one key
    )
    await pushes.close()


@pytest.fixture
async def client(services: Services, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    return await aiohttp_client(make_app(services))


@pytest.fixture
def serve(services: Services, aiohttp_client: Callable[..., Awaitable[Client]]) -> Serve:
    """The same services but for the way in which pushes are committed."""

    async def serve(pushes: GroupCommit[Observation, Taken]) -> Client:
        return await aiohttp_client(make_app(msgspec.structs.replace(services, pushes=pushes)))

    return serve


@pytest.fixture
async def shop(services: Services, client: Client) -> Caller:
    """The shop that the tests are about, with every scope."""
    return Caller(client, await key_of(services))


@pytest.fixture
async def other_shop(services: Services, client: Client) -> Caller:
    return Caller(client, await key_of(services, "south"))


@pytest.fixture
async def partner(services: Services, client: Client) -> Pusher:
    return await partner_of(services, client)
