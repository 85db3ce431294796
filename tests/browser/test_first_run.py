"""The set-up, followed in a real browser on a fresh machine: from the printed link to the first message that is sent."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from carriers.sandbox.control import NewParcel, made
from tests.browser.conftest import PHONE, WIDE
from tests.browser.test_pages import faults
from tests.support.first_run import DHL_KEY, FirstRun, first_run
from tests.support.postgres import Server
from tracker.actions import access
from tracker.simulation import sinks as sinking

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser's own loop


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(postgres: Server) -> AsyncGenerator[tuple[FirstRun, str]]:
    async with first_run(postgres) as run:
        runner = web.AppRunner(run.runtime.app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield run, f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


@pytest.mark.parametrize("look", [(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
async def test_from_the_printed_link_to_the_first_message(
    fresh: tuple[FirstRun, str], chromium: Browser, look: tuple[dict[str, int], str]
) -> None:
    run, address = fresh
    size, scheme = look
    seen: dict[str, Any] = {"viewport": size, "color_scheme": scheme}
    context = await chromium.new_context(base_url=address, locale="en-GB", **seen)
    context.set_default_timeout(15_000)
    complaints: list[str] = []
    context.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page = await context.new_page()

    await page.goto(run.begin)
    await beheld(page, scheme)
    await fill(page, {"Your name": "Lucía Marín", "Email": "lucia@aurora.example", "Once more": "three green parcels"})
    await page.get_by_label("Password", exact=True).fill("three green parcels")
    await page.get_by_role("button", name="Go on to the shop").click()

    await beheld(page, scheme)
    await fill(page, {"Name of the shop": "Tienda Aurora", "Mails come from": "pedidos@aurora.example"})
    await page.get_by_role("button", name="Save and go on").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("Which carriers do you ship with?")
    await beheld(page, scheme)
    await page.get_by_role("link", name="Give an account dhl_unified").click()
    await fill(page, {"API key": DHL_KEY})
    await tries(page, "It works.")
    await beheld(page, scheme)
    await page.get_by_role("link", name="Go on").click()

    host, port = run.relay
    await fill(page, {"Host": host, "Port": str(port)})
    await tries(page, "A test mail is on its way to lucia@aurora.example.")
    await page.get_by_role("link", name="Go on").click()

    await fill(page, {"Account SID": sinking.ACCOUNT_SID, "Auth token": sinking.AUTH_TOKEN, "Sender": "AURORA"})
    await tries(page, "It works.")
    await page.get_by_role("link", name="Go on").click()

    await expect(page.get_by_role("heading", level=1)).to_contain_text("Shadow mode")
    await beheld(page, scheme)
    assert await told_of_a_parcel(run, address, "A-1") == 0

    await page.get_by_role("button", name="Go live").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("The shop is live: customers are told.")
    assert await told_of_a_parcel(run, address, "A-2") > 0
    assert complaints == []
    await context.close()


async def fill(page: Page, values: dict[str, str]) -> None:
    for label, value in values.items():
        await page.get_by_label(label, exact=True).fill(value)


async def tries(page: Page, said: str) -> None:
    await page.get_by_role("button", name="Save and try it out").click()
    await expect(page.locator("main [role=status]")).to_contain_text(said)


async def beheld(page: Page, scheme: str) -> None:
    """Nothing runs out of the page; on the wide one everything can be measured, there axe has its say."""
    assert page.viewport_size is not None
    if page.viewport_size["width"] == WIDE["width"]:
        assert await faults(page, {"color_scheme": scheme}) == []
    wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, page.url


async def told_of_a_parcel(run: FirstRun, address: str, order: str) -> int:
    """A parcel is registered and goes on its way; how many mails its customer has got a day later."""
    runtime, clock = run.runtime, run.clock
    parcel = made(NewParcel(carrier="correos", seed=order), clock.now())
    run.world.add(parcel)
    async with runtime.house.db.transaction() as conn:
        key = await access.create_key(conn, "default", order, ["read", "shipments:write"])
    body = {
        "carrier": "correos",
        "tracking_number": parcel.number,
        "order": {"reference": order},
        "customer": {"name": "Ana", "email": f"{order}@home.example", "language": "es"},
        "destination": {"country": "ES", "postcode": "41001", "city": "Sevilla"},
    }
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.post(f"{address}/api/v1/shipments", json=body) as answer,
    ):
        assert answer.status == 201, await answer.text()
    for _ in range(12):
        clock.move_to(clock.now() + timedelta(hours=2))
        for job in (runtime.keep_house, runtime.poll, runtime.examine, runtime.deliver):
            await job()
    return sum(mail.recipient == f"{order}@home.example" for mail in run.sinks.mails)
