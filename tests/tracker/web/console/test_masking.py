"""Personal data: masked for viewers on every page, and where it is shown it is written down who asked."""

import html
import re

import pytest

from tests.support.seeded import entry_link
from tracker.domain.staff import May, Role
from tracker.web.console import PAGES

HERE = {"Sec-Fetch-Site": "same-origin"}
EXAMPLES = {
    "shipments": "select min(shipment_id) from incident",
    "incidents": "select min(id) from incident",
}


async def customers(services):
    """All that a viewer must not read, of every customer; a first name alone is no secret."""
    async with services.house.db.connection() as conn:
        rows = await conn.fetch("select name, email, phone from contact")
    return {value for row in rows for value in row.values() if value}


async def page_of(services):
    """A parcel of Marta's."""
    async with services.house.db.connection() as conn:
        found = await conn.fetchval(
            "select min(s.id) from shipment s join contact c on c.id = s.contact_id"
            " where c.name = 'Marta Iglesias Pardo' and c.phone = '+34612345678'"
        )
    assert found is not None
    return f"/console/shipments/{found}"


async def read(site, path):
    return html.unescape(await (await site.get(path)).text())


async def test_a_viewer_reads_no_name_address_or_number_on_any_page(site, shop_services):
    await site.get(await entry_link(shop_services.house, Role.VIEWER))
    secrets = await customers(shop_services)
    assert len(secrets) > 10
    for page in PAGES:
        if page.method != "GET" or page.may not in (May.SEE, May.ENTER):
            continue
        path = f"/console{page.path}"
        if "{id}" in path:
            async with shop_services.house.db.connection() as conn:
                path = path.replace("{id}", str(await conn.fetchval(EXAMPLES[page.path.split("/")[1]])))
        text = await read(site, f"{path}?q=1001")
        assert (path, {secret for secret in secrets if secret in text}) == (path, set())
    shown = await read(site, await page_of(shop_services))
    assert "Marta I." in shown
    assert "+34******678" in shown
    assert "m***@" in shown
    assert "Show the number" not in shown


async def test_who_works_sees_the_number_once_they_ask_and_it_is_written_down(site, shop_services):
    await site.get(await entry_link(shop_services.house, Role.AGENT))
    path = await page_of(shop_services)
    before = await read(site, path)
    assert "Marta Iglesias Pardo" in before
    assert "+34612345678" not in before
    csrf = re.search(r'name="csrf" value="(\w+)"', before)
    assert csrf is not None
    answer = await site.post(f"{path}/personal-data", data={"csrf": csrf[1]}, headers=HERE)
    shown = html.unescape(await answer.text())
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "+34612345678" in shown
    assert "hx-get" not in shown  # news would mask it again while it is read
    assert "+34612345678" not in await read(site, path)
    async with shop_services.house.db.connection() as conn:
        last = await conn.fetchrow(
            "select * from audit where action = 'personal_data.revealed' order by id desc limit 1"
        )
    assert last["object"] == f"shp_{path.rpartition('/')[2]}"
    assert last["role"] == "agent"
    assert last["detail"] == b"{}"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PARTNER])
async def test_who_may_not_see_it_cannot_ask_for_it(site, shop_services, role):
    await site.get(await entry_link(shop_services.house, role))
    csrf = re.search(r'name="csrf" value="(\w+)"', await (await site.get("/console/me")).text())
    assert csrf is not None
    path = await page_of(shop_services)
    assert (await site.post(f"{path}/personal-data", data={"csrf": csrf[1]}, headers=HERE)).status == 403
