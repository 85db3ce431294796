"""The board as somebody watches it: news come by themselves, and nothing moves that is being read."""

import re
from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, Town
from tests.support import seeded_shop
from tracker.actions import access
from tracker.clock import SteppedClock

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser's own loop


async def test_news_come_by_themselves_and_focus_and_place_stay(town: Town):
    page = await town.board()
    await expect(page.locator("#status")).to_contain_text("Live")
    row = page.locator("#parcels .row-link").nth(30)
    await row.focus()
    await row.scroll_into_view_if_needed()
    before = await page.evaluate("[document.activeElement.href, scrollY]")

    clock = town.services.house.clock
    assert isinstance(clock, SteppedClock)
    clock.move_to(seeded_shop.NOW + timedelta(hours=2))
    async with town.services.house.db.connection() as conn:
        await access.turn_switch(conn, "stop_sending", engaged=True, by="test")
    await expect(page.locator("#status")).to_contain_text("Sending is stopped")

    assert await page.evaluate("[document.activeElement.href, scrollY]") == before
    async with town.services.house.db.connection() as conn:
        await access.turn_switch(conn, "stop_sending", engaged=False, by="test")


async def test_what_is_under_the_pointer_is_left_as_it_is_while_the_rest_goes_on(town: Town):
    page = await town.board()
    await expect(page.locator("#status")).to_contain_text("Live")
    row = page.locator("#parcels tbody tr").first
    await row.hover()
    shown = await page.locator("#parcels").inner_text()

    clock = town.services.house.clock
    assert isinstance(clock, SteppedClock)
    clock.move_to(seeded_shop.NOW + timedelta(days=3))
    await expect(page.locator("#incidents")).to_contain_text("overdue")
    assert await page.locator("#parcels").inner_text() == shown
    await expect(page.locator("#parcels-title + .steady")).to_be_visible()

    await page.mouse.move(5, 5)
    await expect(page.locator("#parcels")).not_to_have_text(shown, use_inner_text=True)


async def test_a_lost_connection_is_said(town: Town):
    page = await town.board()
    await expect(page.locator("#status")).to_contain_text("Live")

    await page.context.set_offline(True)

    await expect(page.get_by_text("No connection")).to_be_visible()
    await page.context.set_offline(False)
    await expect(page.get_by_text("No connection")).to_be_hidden()
    town.complaints.clear()  # the browser notes every request that failed


async def test_the_keyboard_searches_and_walks_the_rows(town: Town):
    page = await town.board()
    await expect(page.locator("body")).to_have_class(re.compile("is-live"))
    await page.keyboard.press("/")
    await page.keyboard.type("1004")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/console/shipments/\d+"))

    await page.goto("/console/messages")
    links = page.locator("#inbox .row-link")
    await links.first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(links.nth(1)).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(links.nth(2)).to_be_focused()


async def test_letters_walk_the_rows_open_them_and_lead_to_pages(town: Town):
    page = await town.board("/console/shipments")
    links = page.locator("#parcels .row-link")
    for key, row in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        await page.keyboard.press(key)
        await expect(links.nth(row)).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/console/shipments/\d+"))
    for letter, address in (("i", "/console/incidents"), ("s", "/console/shipments"), ("t", "/console")):
        await page.keyboard.press("g")
        await page.keyboard.press(letter)
        await page.wait_for_url(re.compile(f"{address}$"))
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("i")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.url.endswith("/console")


async def test_letters_that_are_typed_stay_letters(town: Town):
    page = await town.board("/console/shipments")
    await page.keyboard.press("/")
    await page.keyboard.type("jk gi ?")
    await expect(page.locator("#q")).to_have_value("jk gi ?")
    assert page.url.endswith("/console/shipments")


async def test_the_palette_leads_to_pages_by_name_and_searches_for_the_rest(town: Town):
    page = await town.board()
    await page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    await page.keyboard.type("quar")
    await expect(palette.get_by_role("link")).to_have_text(["Quarantine"])
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile("/console/quarantine$"))
    await page.keyboard.press("Control+k")
    await page.keyboard.type("1004")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/console/shipments/\d+"))


async def test_a_filter_that_was_unfolded_stays_so_while_news_come(town: Town):
    page = await town.board("/console/incidents")
    await page.locator("summary", has_text="Severity").click()
    async with page.expect_response(lambda answer: "/console/incidents" in answer.url):
        pass
    async with page.expect_response(lambda answer: "/console/incidents" in answer.url):
        pass
    await page.get_by_role("link", name="High").click()
    await page.wait_for_url(re.compile(r"severity=high"))


async def test_the_first_stop_of_the_keyboard_skips_to_the_content(town: Town):
    page = await town.board()

    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()


async def test_the_board_works_without_scripts(town: Town):
    page = await town.board(java_script_enabled=False, viewport=PHONE)

    await expect(page.locator("#parcels tbody tr")).to_have_count(len(seeded_shop.PLAN))
    await expect(page.get_by_text("Live", exact=True)).to_be_hidden()
    await page.get_by_role("searchbox").fill(seeded_shop.number(0))
    await page.get_by_role("searchbox").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("In customs: documents required")


async def test_the_way_leads_from_the_incident_to_the_raw_payload_and_to_the_letter(town: Town):
    page = await town.board()
    await page.locator("#incidents").get_by_role("link", name=re.compile("Documents missing")).first.click()
    await page.get_by_role("link", name="The parcel").click()
    turn = page.locator(".turn", has_text="CD42")
    await turn.get_by_role("link", name=re.compile("Raw payload")).click()
    await expect(page.locator(".raw-bytes")).to_contain_text('"code": "CD42"')

    await page.go_back()
    await turn.get_by_role("link", name="Email").click()
    letter = page.frame_locator("iframe")
    await expect(letter.get_by_role("heading").first).to_contain_text("Customs needs documents for your order")
    await page.context.route(f"{seeded_shop.PUBLIC_URL}/t/*", lambda route: route.fulfill(body="the customer's page"))
    async with page.context.expect_page() as opened:
        await letter.get_by_role("link").first.click()
    await expect((await opened.value).get_by_text("the customer's page")).to_be_visible()


async def test_a_letter_cannot_run_scripts_or_reach_the_board(town: Town):
    message = await town.id_of("select min(id) from message where channel = 'email' and state = 'accepted'")
    async with town.services.house.db.connection() as conn:
        kept = await conn.fetchval("select body from message where id = $1", message)
        hostile = kept.replace(b"<body", b'<script>document.title = "taken"</script><body onload="parent.name = 1"', 1)
        await conn.execute("update message set body = $2 where id = $1", message, hostile)

    page = await town.board(f"/console/messages/{message}")
    await expect(page.frame_locator("iframe").get_by_role("heading").first).to_be_visible()

    frame = next(frame for frame in page.frames if frame.url.endswith("/letter"))
    assert await frame.title() != "taken"
    assert await page.evaluate("window.name") == ""
    assert any("script" in one.lower() for one in town.complaints)
    town.complaints.clear()
    async with town.services.house.db.connection() as conn:
        await conn.execute("update message set body = $2 where id = $1", message, kept)
