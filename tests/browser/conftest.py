"""Pages as people see them: the real application on a free port, the system's Chromium, and rules that hold everywhere."""

import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.support.postgres import Server
from tests.support.seeded import entry_link, open_services, seeded
from tracker.web.app import make_app
from tracker.web.services import Services

__all__ = ["seeded"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# As root Chromium needs --no-sandbox; the rest keeps it from asking the outside for anything.
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@dataclass
class Town:
    """The running application; `complaints` are what the browser's console had to say."""

    services: Services
    address: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    async def context(self, **settings: Any) -> BrowserContext:
        usual: dict[str, Any] = {"locale": "en-GB", "viewport": WIDE}
        context = await self.browser.new_context(base_url=self.address, **usual | settings)
        context.set_default_timeout(15_000)
        context.on("console", self._note)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        return context

    async def board(self, path: str = "/console", **settings: Any) -> Page:
        """A page of the board, in a browser that has come in through the door."""
        page = await (await self.context(**settings)).new_page()
        await page.goto(await entry_link(self.services.house))
        await page.goto(path)
        return page

    async def customer_page(self, number: str, query: str = "", **settings: Any) -> Page:
        page = await (await self.context(**settings)).new_page()
        await page.goto(await self.link_of(number) + query)
        return page

    async def link_of(self, number: str) -> str:
        """The path of the customer's page of this parcel."""
        async with self.services.house.db.connection() as conn:
            row = await conn.fetchrow("select id, link_version from shipment where tracking_number = $1", number)
        assert row is not None
        return self.services.tracking_url(row["id"], row["link_version"]).removeprefix(self.services.public_url)

    async def id_of(self, query: str, *arguments: object) -> int:
        async with self.services.house.db.connection() as conn:
            found: int = await conn.fetchval(query, *arguments)
        return found

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def find_chromium() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("no Chromium: bin/setup system installs it as root (Debian, Ubuntu: apt-get install chromium)")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncGenerator[Browser]:
    """One browser for all; each test has contexts of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def town(postgres: Server, seeded: str, chromium: Browser) -> AsyncGenerator[Town]:
    async with open_services(postgres, seeded) as services:
        runner = web.AppRunner(make_app(services))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        town = Town(services, f"http://127.0.0.1:{runner.addresses[0][1]}", chromium)
        yield town
        for context in chromium.contexts:
            await context.close()
        await runner.cleanup()
    assert town.complaints == []
