"""One's account, the people of the shop and the record of what they did, as people see and use them."""

import re
from typing import Any

import pyotp
import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, Town
from tests.browser.test_pages import LOOKS, faults, hangs_over

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser's own loop


@pytest.mark.parametrize("look", LOOKS)
async def test_accounts_people_and_the_record_can_be_read_by_everybody(town: Town, look: dict[str, Any]):
    page = await town.board(**look, locale="es-ES")
    me = await town.id_of("select id from staff where email = 'admin@aurora.example'")
    for path in ("/console/me", "/console/people", f"/console/people/{me}", "/console/audit"):
        await page.goto(path)
        assert (path, await hangs_over(page)) == (path, 0)
        assert (path, await faults(page, look)) == (path, [])


async def test_a_phone_is_set_up_as_second_factor_without_scripts(town: Town):
    page = await town.board("/console/me", java_script_enabled=False, viewport=PHONE)
    await page.get_by_role("button", name="Set it up").click()
    await expect(page.get_by_role("img", name=re.compile("The code to scan"))).to_be_visible()
    secret = await page.locator("p code").last.inner_text()
    picture = await page.locator(".drawn img").bounding_box()
    assert picture is not None
    assert picture["x"] + picture["width"] <= PHONE["width"]
    await page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret.replace(" ", "")).now())
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.locator("#codes li")).to_have_count(10)
    await page.get_by_role("link", name="I have kept them").click()
    await expect(page.get_by_text("10 recovery codes are left")).to_be_visible()
    await page.get_by_role("button", name="Remove the second factor").click()
    await expect(page.get_by_role("status")).to_contain_text("no second factor any more")


async def test_somebody_is_invited_and_the_link_copied(town: Town):
    page = await town.board("/console/people")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_label("Email", exact=True).fill("nuria@aurora.example")
    await page.get_by_label("Name", exact=True).fill("Nuria Soler")
    await page.get_by_role("button", name="Make an invitation").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Nuria Soler")
    await page.get_by_role("button", name="Copy the link").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == await page.locator("#once").inner_text()
    assert await faults(page) == []
    async with town.services.house.db.connection() as conn:
        for table in ("staff_link", "staff_role"):
            await conn.execute(
                f"delete from {table} where staff_id = (select id from staff where name = 'Nuria Soler')"
            )
        await conn.execute("delete from staff where name = 'Nuria Soler'")


async def test_who_chose_dark_reads_dark_on_a_light_machine(town: Town):
    page = await town.board("/console/me", color_scheme="light")
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_label("Colours", exact=True).select_option("dark")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_contain_text("Saved")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert await faults(page, {"color_scheme": "dark"}) == []
    await page.get_by_label("Colours", exact=True).select_option("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("html:not([data-scheme])")).to_be_attached()
