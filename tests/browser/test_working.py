"""Two people at one incident, each in a browser of their own."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Town
from tests.support.seeded import entry_link
from tracker.domain.staff import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser's own loop


async def at_work(town: Town, role: Role, path: str, **settings: bool) -> Page:
    page = await (await town.context(**settings)).new_page()
    await page.goto(await entry_link(town.services.house, role))
    await page.goto(path)
    return page


async def test_two_work_at_the_same_incident_and_nobodys_words_are_lost(town: Town):
    incident = await town.id_of("select min(id) from incident where cause = 'documents_missing' and state = 'open'")
    path = f"/console/incidents/{incident}"
    ana, ben = await at_work(town, Role.SUPERVISOR, path), await at_work(town, Role.AGENT, path)
    await ben.locator("#move_resolve summary").click()
    await ben.locator("#resolve_note").fill("Rang the broker: they have it all.")

    await ana.get_by_role("button", name="Acknowledge").click()
    await expect(ana.locator(".toast")).to_contain_text("Acknowledged.")

    await expect(ben.locator(".next")).to_contain_text("Acknowledged")  # news come, and the begun form stays as it is
    await expect(ben.locator("#resolve_note")).to_have_value("Rang the broker: they have it all.")
    await ben.get_by_role("button", name="Resolve", exact=True).click()
    alert = ben.get_by_role("alert")
    await expect(alert).to_contain_text("changed while you were at it")
    await expect(alert).to_contain_text("by Supervisor")
    await expect(ben.locator("#resolve_note")).to_have_value("Rang the broker: they have it all.")

    await ana.locator(".toast").get_by_role("button", name="Undo").click()
    await expect(ana.locator(".toast")).to_contain_text("Taken back")
    await expect(ana.get_by_role("button", name="Acknowledge")).to_be_visible()
    town.complaints.clear()  # the browser notes the answer 412


async def test_an_incident_is_worked_without_scripts(town: Town):
    incident = await town.id_of("select max(id) from incident where cause = 'documents_missing' and state = 'open'")
    page = await at_work(town, Role.AGENT, f"/console/incidents/{incident}", java_script_enabled=False)
    await page.get_by_role("button", name="Start work").click()
    await expect(page.locator(".toast")).to_contain_text("Work has begun.")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("button", name="Start work")).to_be_visible()
    await page.locator("#note_note").fill("Rang the broker.")
    await page.get_by_role("button", name="Add the note").click()
    await expect(page.locator(".turn").last).to_contain_text("Rang the broker.")
    await page.locator("#move_resolve summary").click()
    await expect(page.get_by_label("Why it is over")).to_be_visible()
