"""Nobody sees what belongs to another shop: every page of the console, tried with the neighbour's ids."""

import re

import pytest

from tests.support.seeded_shop import NOW
from tracker.actions import people
from tracker.actions.audit import AT_THE_MACHINE
from tracker.domain.staff import Role
from tracker.web.console import PAGES
from tracker.web.console.entrance import leave

# An id of the first shop for each kind of address with an id in it.
EXAMPLES = {
    "shipments": "select min(shipment_id) from incident",
    "incidents": "select min(id) from incident",
    "observations": "select min(id) from observation",
    "messages": "select min(id) from message where channel = 'email' and state = 'accepted'",
    "customers": "select min(id) from contact",
    "views": "select coalesce(max(id), 0) + 1 from saved_view",
    "people": "select min(r.staff_id) from staff_role r join shop s on s.id = r.shop_id where s.code = 'alameda'",
}
# What is below /me is the person's own, in whatever shop they are; accounts have no ids, only the shop's own are found.
OF_A_SHOP = [page for page in PAGES if "{id}" in page.path and not page.path.startswith("/me/")]
THEIRS = re.compile(
    r"Alameda|PK\d{4}ES|mail\.example|/console/(?:shipments|incidents|observations|messages|customers)/\d"
)


@pytest.fixture
async def neighbour(site, shop_services):
    """The admin of a second, empty shop; what there is of it goes away again."""
    house = shop_services.house
    async with house.db.connection() as conn:
        await conn.execute(
            "insert into shop (code, name, country, language, time_zone, sender_email, reply_email, created_at)"
            " values ('vecina', 'La Vecina', 'ES', 'es', 'Europe/Madrid', 'a@vecina.example', 'b@vecina.example', $1)",
            NOW,
        )
    await people.invite(house, "vecina", "vera@vecina.example", "Vera", Role.ADMIN, AT_THE_MACHINE)
    link = await people.entry_link(house, "vera@vecina.example", AT_THE_MACHINE)
    assert (await site.get(f"/console/enter/{link}", allow_redirects=False)).status == 303
    yield site
    async with house.db.transaction() as conn:
        for table in ("staff_session", "staff_role", "staff_link"):
            await conn.execute(f"delete from {table} where staff_id = (select id from staff where name = 'Vera')")
        await conn.execute("delete from staff where name = 'Vera'")
        await conn.execute("delete from shop where code = 'vecina'")


async def example(services, path):
    """The address with ids of the first shop. A kind that is new here needs its example above."""
    async with services.house.db.connection() as conn:
        return re.sub("{id}", str(await conn.fetchval(EXAMPLES[path.split("/")[1]])), f"/console{path}")


@pytest.mark.parametrize("page", OF_A_SHOP, ids=lambda page: f"{page.method} {page.path}")
async def test_what_is_another_shops_is_not_there(neighbour, shop_services, page):
    path = await example(shop_services, page.path)
    csrf = re.search(r'name="csrf" value="(\w+)"', await (await neighbour.get("/console")).text())
    headers = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": csrf[1] if csrf else ""}
    answer = await neighbour.request(page.method, path, headers=headers, allow_redirects=False)
    assert (path, answer.status) == (path, 404)
    assert not THEIRS.search(await answer.text())


@pytest.mark.parametrize("path", [p.path for p in OF_A_SHOP if p.method == "GET"])
async def test_the_examples_are_there_for_their_own_shop(board, shop_services, path):
    answer = await board.get(await example(shop_services, path), allow_redirects=False)
    assert answer.status == 200
    assert path.endswith("/letter") or THEIRS.search(await answer.text())


@pytest.mark.parametrize("page", [p for p in PAGES if "{" not in p.path], ids=lambda page: f"{page.method} {page.path}")
async def test_a_shop_without_parcels_shows_none_of_its_neighbours(neighbour, page):
    if page.handle is leave:
        return
    for sought in ("PK0000ES00000", "1001", "Marta"):
        answer = await neighbour.request(
            page.method, f"/console{page.path}", params={"q": sought}, allow_redirects=False
        )
        body = (await answer.text()).replace(sought, "")  # what was asked for is said again
        assert THEIRS.findall(body) == [], sought
        assert not THEIRS.search(answer.headers.get("Location", ""))
