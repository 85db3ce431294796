"""The record of what people did, as an admin reads it."""

import re

import pytest

from tests.architecture.tree import ROOT
from tests.support.seeded import entry_link
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.domain.staff import Role
from tracker.web import words
from tracker.web.console.record import page_of

HERE = {"Sec-Fetch-Site": "same-origin"}
ACTS = re.compile(r'"((?:person|key|partner|personal_data|secrets)\.[a-z_]+)"')


@pytest.fixture
async def office(site, shop_services):
    await site.get(await entry_link(shop_services.house))
    return site


async def text(site, path):
    response = await site.get(path)
    assert response.status == 200
    return await response.text()


async def write(services, times):
    house = services.house
    async with house.db.connection() as conn:
        shop_id = await conn.fetchval("select id from shop order by id limit 1")
    for _ in range(times):
        async with house.db.transaction() as conn:
            by = Author(actor="api_key:77", shop_id=shop_id)
            await audit.record(house.db, conn, by, "person.invited", "inc_12", role="agent")


def rows(page):
    return [int(number) for number in re.findall(r'<tr id="aud_(\d+)"', page)]


async def test_pages_run_from_the_newest_to_the_oldest_without_a_gap(office, shop_services):
    await write(shop_services, 60)
    page = await text(office, "/console/audit?actor=api_key:77")
    seen = rows(page)
    assert len(seen) == 50
    while older := re.search(r'href="([^"]*before=\d+)"', page):
        page = await text(office, older[1].replace("&amp;", "&"))
        seen += rows(page)
    async with shop_services.house.db.connection() as conn:
        kept = await conn.fetch("select id from audit where actor = 'api_key:77' order by id desc")
    assert seen == [row["id"] for row in kept]


async def test_person_object_and_action_narrow_it_and_a_filter_can_be_taken_off(office, shop_services):
    await write(shop_services, 1)
    page = await text(office, "/console/audit?actor=api_key:77&object=inc_12&action=person.invited")
    assert rows(page)
    assert 'href="/console/incidents/12"' in page
    assert 'href="/console/audit?actor=api_key%3A77&amp;object=inc_12"' in page
    assert rows(await text(office, "/console/audit?actor=api_key:78")) == []
    assert "No entry" in await text(office, "/console/audit?object=%3Cscript%3E")


async def test_another_shops_record_is_not_shown(office, shop_services):
    house = shop_services.house
    async with house.db.transaction() as conn:
        foreign = Author(actor="staff:1", shop_id=424242)
        await audit.record(house.db, conn, foreign, "person.invited", "stf_424242", role="agent")
    assert rows(await text(office, "/console/audit?object=stf_424242")) == []


async def test_whether_it_is_whole_is_said_when_asked(office, shop_services):
    page = await text(office, "/console/audit")
    assert "The record is whole" not in page
    csrf = re.search(r'name="csrf" value="(\w+)"', page)
    assert csrf is not None
    told = await (await office.post("/console/audit/check", data={"csrf": csrf[1]}, headers=HERE)).text()
    assert "The record is whole" in told
    async with shop_services.house.db.connection() as conn:
        last = await conn.fetchrow("select id, actor from audit order by id desc limit 1")
        await conn.execute("update audit set actor = 'staff:0' where id = $1", last["id"])
        told = await (await office.post("/console/audit/check", data={"csrf": csrf[1]}, headers=HERE)).text()
        await conn.execute("update audit set actor = $2 where id = $1", last["id"], last["actor"])
    assert f"broken at entry {last['id']}" in told


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPERVISOR])
async def test_it_is_for_admins(site, shop_services, role):
    await site.get(await entry_link(shop_services.house, role))
    assert (await site.get("/console/audit")).status == 403


def test_every_act_has_its_words():
    acts = {act for file in (ROOT / "tracker").rglob("*.py") for act in ACTS.findall(file.read_text())}
    unsaid = [(code, act) for code in words.available() for act in acts if not words.language(code).knows("act", act)]
    assert unsaid == []
    assert len(acts) > 10


@pytest.mark.parametrize(
    ("about", "page"),
    [
        ("stf_3", "/console/people/3"),
        ("shp_9", "/console/shipments/9"),
        ("key_4", None),
        ("xyz_1", None),
        (None, None),
    ],
)
def test_an_object_leads_to_its_page(about, page):
    assert page_of(about) == page
