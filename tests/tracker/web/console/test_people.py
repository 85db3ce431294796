"""The people of the shop, as an admin changes them."""

import html
import re

import pytest

from tests.support.seeded import entry_link
from tracker.actions import people, sign_in
from tracker.actions.audit import AT_THE_MACHINE
from tracker.domain.staff import Role

PASSWORD = "three green parcels"
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def office(site, shop_services):
    """An admin at work; who was invited meanwhile is forgotten afterwards."""
    async with shop_services.house.db.connection() as conn:
        before = await conn.fetchval("select coalesce(max(id), 0) from staff")
    await site.get(await entry_link(shop_services.house))
    yield site
    async with shop_services.house.db.connection() as conn:
        for table in ("recovery_code", "staff_link", "staff_session", "staff_role"):
            await conn.execute(f"delete from {table} where staff_id > $1", before)
        await conn.execute("delete from staff where id > $1", before)
        await conn.execute("delete from shop where code = 'ribera'")


async def sends(site, path, **fields):
    found = re.search(r'name="csrf" value="(\w+)"', await (await site.get("/console/me")).text())
    assert found is not None
    form = fields | {"csrf": found[1]}
    return await site.post(f"/console/people{path}", data=form, headers=HERE, allow_redirects=False)


async def invites(site, email="carla@aurora.example", name="Carla Ruiz", role="agent", **more):
    """The page that shows the link, once."""
    return await sends(site, "", email=email, name=name, role=role, **more)


async def number_of(services, email="carla@aurora.example"):
    async with services.house.db.connection() as conn:
        return await conn.fetchval("select id from staff where email = $1", email)


async def in_the_record(services, number):
    async with services.house.db.connection() as conn:
        rows = await conn.fetch("select action from audit where object = $1 order by id", f"stf_{number}")
    return [row["action"].removeprefix("person.") for row in rows]


def link_in(page):
    found = re.search(r'<code id="once">([^<]+)</code>', page)
    assert found is not None
    return found[1]


async def test_an_invitation_is_shown_once_and_lets_them_in(office, shop_services):
    page = await (await invites(office)).text()
    link = link_in(page)
    assert "Carla Ruiz" in page
    assert link.startswith(f"{shop_services.public_url}/console/join/")
    listed = await (await office.get("/console/people")).text()
    assert "invited" in listed
    assert link.rpartition("/")[2] not in listed
    visit = sign_in.Visit("192.0.2.9")
    assert (await people.accept(shop_services.house, link.rpartition("/")[2], PASSWORD, visit)).complete
    assert "may come in" in await (await office.get("/console/people")).text()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"name": " "}, "name"),
        ({"role": "owner"}, "role"),
        ({"role": "partner"}, "partner"),
        ({"role": "partner", "partner": "999999"}, "partner"),
        ({"role": "admin", "partner": "1"}, "partner"),
        ({"email": "admin@aurora.example"}, "email"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_is_kept(office, given, field):
    answer = await invites(office, **{"name": "Dora Vidal"} | given)
    page = await answer.text()
    assert answer.status == 422
    assert f'id="{field}-wrong"' in page
    assert 'value="Dora Vidal"' in page or field == "name"


async def test_role_access_and_second_factor_change_with_the_consequences_said(office, shop_services):
    await invites(office)
    number = await number_of(shop_services)
    page = html.unescape(await (await office.get(f"/console/people/{number}")).text())
    assert "All their sessions end at once" in page
    for path, said in (
        ("role", "role"),
        ("disable", "disabled"),
        ("enable", "enabled"),
        ("second-factor/remove", "removed"),
    ):
        answer = await sends(office, f"/{number}/{path}", role="supervisor")
        assert answer.headers["Location"] == f"/console/people/{number}?said={said}"
        assert 'role="status"' in await (await office.get(answer.headers["Location"])).text()
    newer = await (await sends(office, f"/{number}/invitation")).text()
    assert link_in(newer)
    assert await in_the_record(shop_services, number) == [
        "invited", "role_changed", "disabled", "enabled", "second_factor_removed", "invited",
    ]  # fmt: skip


async def test_somebody_who_is_kept_out_is_out_at_once(office, shop_services):
    link = link_in(await (await invites(office)).text()).rpartition("/")[2]
    entrance = await people.accept(shop_services.house, link, PASSWORD, sign_in.Visit("192.0.2.9"))
    await sends(office, f"/{await number_of(shop_services)}/disable")
    async with shop_services.house.db.connection() as conn:
        assert await sign_in.find(conn, entrance.token) is None


async def test_the_last_admin_stays_one(office, shop_services):
    async with shop_services.house.db.connection() as conn:
        admins = await conn.fetch("select staff_id from staff_role where role = 'admin' order by staff_id")
        mine = await conn.fetchval("select id from staff where email = 'admin@aurora.example'")
        others = [row["staff_id"] for row in admins if row["staff_id"] != mine]
        await conn.execute("update staff_role set role = 'agent' where staff_id = any($1::bigint[])", others)
    try:
        for path in ("role", "disable"):
            answer = await sends(office, f"/{mine}/{path}", role="viewer")
            assert answer.status == 409
            assert "last admin" in await answer.text()
    finally:
        async with shop_services.house.db.connection() as conn:
            await conn.execute("update staff_role set role = 'admin' where staff_id = any($1::bigint[])", others)


async def test_who_works_for_another_shop_too_is_not_ours_to_take_over(office, shop_services):
    """A link would set the password that opens the other shop; nor may we shut them out of it."""
    house = shop_services.house
    async with house.db.connection() as conn:
        await conn.execute(
            "insert into shop (code, name, country, language, time_zone, sender_email, reply_email, created_at)"
            " select 'ribera', 'Ribera', country, language, time_zone, sender_email, reply_email, created_at from shop"
            " order by id limit 1"
        )
    await people.invite(house, "ribera", "carla@aurora.example", "Carla", Role.ADMIN, AT_THE_MACHINE)
    number = await number_of(shop_services)
    assert (await office.get(f"/console/people/{number}")).status == 404
    for path in ("role", "invitation", "disable", "enable", "second-factor/remove"):
        assert (await sends(office, f"/{number}/{path}", role="viewer")).status == 404

    page = await (await invites(office)).text()
    assert "/console/join/" not in page
    assert "another shop already" in page
    for path in ("invitation", "disable", "enable", "second-factor/remove"):
        answer = await sends(office, f"/{number}/{path}")
        assert (path, answer.status) == (path, 409)
    assert (await sends(office, f"/{number}/role", role="viewer")).status == 303
