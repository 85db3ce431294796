"""Who guesses links is asked to wait; who has one is let in."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_network

import msgspec
import pytest

from tests.support import seeded_shop
from tests.support.seeded import Site, link_of
from tracker.vault import hash_token
from tracker.web.app import make_app
from tracker.web.customer.misses import Budget, Misses
from tracker.web.customer.page import MISSES
from tracker.web.services import Services

UNKNOWN = "/t/AAAAAAAAAAAAAAAAAAAAAA"


class Watch:
    """A clock in seconds that stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def site(shop_services: Services, watch: Watch, aiohttp_client: Callable[..., Awaitable[Site]]) -> Site:
    """The shop's site behind a proxy on this machine, over a watch."""
    app = make_app(msgspec.structs.replace(shop_services, trusted_proxies=(ip_network("127.0.0.1"),)))
    app[MISSES] = Misses(watch)
    return await aiohttp_client(app)


async def tries(site: Site, path: str = UNKNOWN, address: str = "198.51.100.1") -> tuple[int, str | None]:
    async with site.get(path, headers={"X-Forwarded-For": address}) as answer:
        return answer.status, answer.headers.get("Retry-After")


async def test_whoever_tries_many_unknown_links_is_asked_to_wait(site: Site, watch: Watch):
    assert [await tries(site) for _ in range(20)] == [(404, None)] * 20
    assert await tries(site) == (429, "30")
    assert await tries(site, address="198.51.100.2") == (404, None)

    watch.now += 29.5
    assert await tries(site) == (429, "1")
    watch.now += 0.5
    assert [await tries(site) for _ in range(2)] == [(404, None), (429, "30")]


async def test_a_link_that_is_over_and_one_that_never_was_are_told_apart_by_nothing(
    site: Site, shop_services: Services, watch: Watch
):
    over = await link_of(shop_services, 40)
    async with shop_services.house.db.connection() as conn:
        hashed = hash_token(over.removeprefix("/t/"))
        await conn.execute("update capability set revoked_at = $2 where token_hash = $1", hashed, seeded_shop.NOW)
    try:
        statuses = [(await tries(site, path))[0] for _ in range(11) for path in (over, UNKNOWN)]
    finally:
        async with shop_services.house.db.connection() as conn:
            await conn.execute("update capability set revoked_at = null where token_hash = $1", hashed)
    assert statuses == [404] * 20 + [429] * 2


async def test_the_customers_who_share_an_address_with_somebody_who_guesses_are_let_in(
    site: Site, shop_services: Services
):
    good = await link_of(shop_services, 0)
    while (await tries(site))[0] != 429:
        pass
    assert await tries(site, good) == (200, None)


async def test_people_see_a_page_that_says_what_to_do(site: Site):
    while (await tries(site))[0] != 429:
        pass
    headers = {"X-Forwarded-For": "198.51.100.1", "Accept": "text/html", "Accept-Language": "es"}
    async with site.get(UNKNOWN, headers=headers) as answer:
        assert "Espere unos minutos" in await answer.text()
        assert (answer.status, answer.headers["Referrer-Policy"]) == (429, "no-referrer")


def test_many_addresses_together_have_a_budget_of_their_own(watch: Watch):
    misses = Misses(watch)
    waits = [misses.count(f"198.51.{one // 250}.{one % 250}") for one in range(2001)]
    assert set(waits[:2000]) == {0.0}
    assert waits[2000] == pytest.approx(0.3)


def test_a_budget_remembers_no_more_than_it_may(watch: Watch):
    budget = Budget(1, timedelta(minutes=1), watch, most_keys=3)
    for key in "abcb":
        budget.spend(key)
    budget.spend("d")
    assert len(budget) == 3
    assert {key: bool(budget.spend(key)) for key in "bcd"} == {"b": True, "c": True, "d": True}
    assert budget.spend("a") == 0
