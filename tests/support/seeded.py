"""Fixtures over the seeded shop, lived through once per run: tests read it, and what they change they put back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.support import postgres as support
from tests.support import seeded_shop
from tests.support.postgres import Server
from tracker.actions import people
from tracker.actions.audit import AT_THE_MACHINE
from tracker.actions.deciding import House
from tracker.domain.staff import Role
from tracker.store.db import Database
from tracker.web.app import make_app
from tracker.web.services import Services

Site = TestClient[web.Request, web.Application]


_LIVED = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def seeded(postgres: Server, pytestconfig: pytest.Config) -> Generator[str]:
    """The name of a database in which a shop has lived for a fortnight; one for all folders that ask for it."""
    if _LIVED in pytestconfig.stash:
        yield pytestconfig.stash[_LIVED]
        return
    name = support.run(postgres.clone())

    async def live() -> None:
        async with await Database.open(postgres.dsn_of(name), support.SCHEMA, application_name="tests") as database:
            await seeded_shop.live_a_fortnight(database)

    support.run(live())
    pytestconfig.stash[_LIVED] = name
    yield name
    support.run(postgres.drop(name))


@asynccontextmanager
async def open_services(postgres: Server, name: str) -> AsyncIterator[Services]:
    """What handlers work with, over the seeded shop, at the end of its fortnight."""
    async with await Database.open(postgres.dsn_of(name), support.SCHEMA, application_name="tests") as database:
        yield seeded_shop.services_of(seeded_shop.open_house(database, seeded_shop.NOW))


@pytest.fixture
async def shop_services(postgres: Server, seeded: str) -> AsyncGenerator[Services]:
    async with open_services(postgres, seeded) as services:
        yield services


@pytest.fixture
async def site(shop_services: Services, aiohttp_client: Callable[..., Awaitable[Site]]) -> Site:
    return await aiohttp_client(make_app(shop_services))


async def entry_link(house: House, role: Role = Role.ADMIN) -> str:
    """The path that lets somebody with this role into the console, once."""
    email = f"{role}@aurora.example"
    partner = None
    if role is Role.PARTNER:
        async with house.db.connection() as conn:
            partner = await conn.fetchval("select code from partner order by id limit 1")
    await people.invite(house, "alameda", email, role.capitalize(), role, AT_THE_MACHINE, partner=partner)
    return f"/console/enter/{await people.entry_link(house, email, AT_THE_MACHINE)}"


@pytest.fixture
async def board(site: Site, shop_services: Services) -> Site:
    """Somebody who has come in through the door."""
    response = await site.get(await entry_link(shop_services.house), allow_redirects=False)
    assert response.status == 303
    return site


async def link_of(services: Services, index: int) -> str:
    """The path of the page of one of the shop's parcels."""
    async with services.house.db.connection() as conn:
        row = await conn.fetchrow(
            "select id, link_version from shipment where tracking_number = $1", seeded_shop.number(index)
        )
    assert row is not None
    return services.tracking_url(row["id"], row["link_version"]).removeprefix(services.public_url)
