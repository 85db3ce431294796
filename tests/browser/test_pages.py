"""Each page in light and dark, wide and on a phone: no serious fault of accessibility, nothing that the browser complains of."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.browser.conftest import PHONE, WIDE, Town
from tests.support import seeded_shop

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser's own loop

CUSTOMS, DELIVERED, RETURNING, SILENT = 0, 15, 10, 13
LOOKS = [
    pytest.param({"viewport": size, "color_scheme": scheme}, id=f"{scheme}-{size['width']}")
    for scheme in ("light", "dark")
    for size in (WIDE, PHONE)
]


# What is measured is a copy that stands still: without what covers text (links that span their rows, lines that join the
# links of a chain, the part of a long text that is cut off), and of long tables only the first lines, as the others are
# made alike and measuring them takes minutes.
STAND_STILL = """() => {
    document.styleSheets[0].insertRule("::before, ::after { display: none !important }");
    document.styleSheets[0].insertRule(".fit { white-space: normal !important }");
    const live = document.getElementById("live");
    if (live) live.replaceWith(live.cloneNode(true));
    document.querySelectorAll("tbody tr:nth-child(n + 30)").forEach((row) => row.remove());
}"""


async def faults(page: Page, look: dict[str, Any] | None = None) -> list[str]:
    """Serious and critical violations, each with the elements at fault, and text whose contrast could not be measured.

    The dark look differs in its colours alone, so there only they are looked at.
    """
    await page.evaluate(STAND_STILL)
    dark = look is not None and look["color_scheme"] == "dark"
    only = {"runOnly": {"type": "rule", "values": ["color-contrast"]}} if dark else {}
    result: dict[str, Any] = (await Axe().run(page, options={"iframes": False} | only)).response
    return [*violations(result), *unmeasured(result)]


def violations(result: dict[str, Any]) -> list[str]:
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes'][:3]]}"
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def unmeasured(result: dict[str, Any]) -> list[str]:
    """Text whose contrast could not be measured, for another reason than that it is a single sign."""
    nodes = [node for one in result["incomplete"] if one["id"] == "color-contrast" for node in one["nodes"]]
    reasons = [(node["target"], check["data"]["messageKey"]) for node in nodes for check in node["any"]]
    return [f"unmeasured: {target} {reason}" for target, reason in reasons if reason != "shortTextContent"]


async def hangs_over(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


@pytest.mark.parametrize("look", LOOKS)
async def test_the_board_can_be_read_by_everybody(town: Town, look: dict[str, Any]):
    shipment = await town.id_of("select id from shipment where tracking_number = $1", seeded_shop.number(CUSTOMS))
    incident = await town.id_of("select min(id) from incident where shipment_id = $1", shipment)
    email = await town.id_of("select min(id) from message where channel = 'email' and state = 'accepted'")
    sms = await town.id_of("select min(id) from message where channel = 'sms' and state = 'accepted'")
    raw = await town.id_of("select min(id) from observation where raw is not null")
    customer = await town.id_of("select contact_id from shipment where id = $1", shipment)
    page = await town.board(**look)
    for path in (
        "/console",
        "/console/incidents?category=customs",
        "/console/shipments?health=held",
        f"/console/customers/{customer}",
        f"/console/shipments/{shipment}",
        f"/console/incidents/{incident}",
        f"/console/observations/{raw}",
        "/console/messages",
        f"/console/messages/{email}",
        f"/console/messages/{sms}",
        "/console/quarantine",
        "/console/carriers",
        "/console/search?q=1001",
    ):
        await page.goto(path)
        assert (path, await hangs_over(page)) == (path, 0)
        assert (path, await faults(page, look)) == (path, [])


@pytest.mark.parametrize("look", LOOKS)
async def test_the_customers_page_can_be_read_by_everybody(town: Town, look: dict[str, Any]):
    page = await (await town.context(**look)).new_page()
    for index, spoken in ((CUSTOMS, "es"), (DELIVERED, "es"), (RETURNING, "en"), (SILENT, "en")):
        await page.goto(await town.link_of(seeded_shop.number(index)) + f"?lang={spoken}")
        assert (index, await hangs_over(page), await faults(page, look)) == (index, 0, [])


async def test_a_fault_is_found(town: Town):
    page = await town.customer_page(seeded_shop.number(CUSTOMS), color_scheme="dark", viewport=PHONE)

    assert await faults(page, {"color_scheme": "dark"}) == []
    await page.locator("h1").evaluate("one => { one.style.color = '#555' }")
    assert await faults(page, {"color_scheme": "dark"}) == ["color-contrast: [['#headline']]"]
    await page.locator("h1").evaluate("one => { one.style.width = '500px' }")
    assert await hangs_over(page) > 0


async def test_doors_that_are_closed_can_be_read_too(town: Town):
    page = await (await town.context(viewport=PHONE)).new_page()
    for path in ("/console", "/console/sign-in", "/console/enter/used", "/console/join/used", "/t/nothing"):
        await page.goto(path)
        assert (path, await hangs_over(page), await faults(page)) == (path, 0, [])
    # The browser itself notes an answer that is not 2xx; nothing else may be noted.
    assert [one for one in town.complaints if "Failed to load resource" not in one] == []
    town.complaints.clear()


async def test_on_a_phone_everything_that_can_be_touched_is_large_enough(town: Town):
    page = await town.customer_page(seeded_shop.number(CUSTOMS), viewport=PHONE, has_touch=True)

    small = await page.evaluate(
        """() => [...document.querySelectorAll("a, button, summary")]
            .filter((one) => !one.classList.contains("skip"))
            .map((one) => [one.textContent.trim(), one.getBoundingClientRect()])
            .filter(([, box]) => box.height < 44 || box.width < 44)
            .map(([text, box]) => `${text}: ${box.width} x ${box.height}`)"""
    )

    assert small == []


async def test_the_customers_page_is_whole_without_scripts(town: Town):
    page = await town.customer_page(seeded_shop.number(CUSTOMS), "?lang=es", java_script_enabled=False)

    await page.get_by_role("heading", level=1, name="La aduana necesita documentos para su pedido").wait_for()
    assert await page.locator("script").count() == 0
    await page.get_by_role("link", name="English").click()
    await page.get_by_role("heading", level=1, name="Customs needs documents for your order").wait_for()
