"""Who is let in to which page of the console, and how."""

import re

import msgspec
import pytest

from tests.support.seeded import entry_link
from tracker.actions import people
from tracker.actions.audit import AT_THE_MACHINE
from tracker.domain.staff import ALLOWED, May, Role
from tracker.web.api import ENDPOINTS
from tracker.web.app import make_app
from tracker.web.console import PAGES, door

PASSWORD = "three green parcels"
HERE = {"Sec-Fetch-Site": "same-origin"}
# What is open to everybody, because it is a door itself: it checks a signature, a link, a password, or tells nothing.
DOORS = {
    "/console/sign-in", "/console/sign-in/code", "/console/join/{token}", "/console/enter/{token}", "/console/begin/{token}",
    "/push/{partner}", "/t/{token}", "/livez", "/readyz", "/metrics", "/api/openapi.json", "/api/docs",
    "/static/{name}", "/",
}  # fmt: skip


@pytest.fixture
async def ana(shop_services):
    """The token of an invitation; earlier failures of others are forgotten."""
    async with shop_services.house.db.connection() as conn:
        await conn.execute("delete from sign_in_failure")
    return await people.invite(shop_services.house, "alameda", "ana@aurora.example", "Ana", Role.ADMIN, AT_THE_MACHINE)


async def joins(site, token, password=PASSWORD):
    form = {"password": password, "again": password}
    return await site.post(f"/console/join/{token}", data=form, headers=HERE, allow_redirects=False)


async def signs_in(site, email="ana@aurora.example", password=PASSWORD, headers=HERE, query=""):
    form = {"email": email, "password": password}
    return await site.post(f"/console/sign-in{query}", data=form, headers=headers, allow_redirects=False)


def cookie(response, name):
    return next(line for line in response.headers.getall("Set-Cookie", []) if line.startswith(f"{name}="))


async def test_every_route_has_a_rule(shop_services):
    """A new one without is found here: it is a page, an endpoint of the API, or named above as a door."""
    ruled = {(page.method, f"/console{page.path}") for page in PAGES} | {(one.method, one.path) for one in ENDPOINTS}
    app = make_app(shop_services)
    without = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
        if (route.method, route.resource.canonical) not in ruled and route.resource.canonical not in DOORS
    }
    assert without == set()


@pytest.mark.parametrize("role", Role)
async def test_every_page_opens_for_those_who_may_and_no_others(site, shop_services, role):
    await site.get(await entry_link(shop_services.house, role))
    for page in PAGES:
        path = "/console" + re.sub(r"\{\w+\}", "1", page.path)
        if page.method == "GET":
            response = await site.get(path, allow_redirects=False)
            assert (path, response.status == 403) == (path, page.may not in ALLOWED[role])
            if response.status == 403:
                assert "Alameda" not in await response.text()
        elif page.may not in ALLOWED[role]:
            page_of_ours = await site.get("/console", allow_redirects=False)
            found = re.search(r'name="csrf" value="(\w+)"', await page_of_ours.text())
            form = {"csrf": found[1] if found else ""}
            assert (await site.request(page.method, path, data=form, headers=HERE, allow_redirects=False)).status == 403


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path or '/'}")
async def test_without_a_session_every_page_leads_to_the_door_and_says_nothing_else(site, page):
    path = "/console" + re.sub(r"\{\w+\}", "1", page.path)
    response = await site.request(page.method, path, allow_redirects=False, headers=HERE)
    assert response.status == 303
    assert response.headers["Location"].startswith("/console/sign-in")
    assert "Alameda" not in await response.text()


async def test_a_page_that_asks_for_news_after_the_session_is_sent_to_the_door(site):
    response = await site.get("/console", headers={"HX-Request": "true"})
    assert (response.status, response.headers["HX-Redirect"]) == (204, "/console/sign-in")


async def test_a_link_opens_the_console_once_and_leaves_a_session_that_scripts_and_other_sites_cannot_use(
    site, shop_services
):
    link = await entry_link(shop_services.house)
    response = await site.get(link, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/console")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie(response, "sid").split("; "))
    site.session.cookie_jar.clear()
    again = await site.get(link, allow_redirects=False)
    assert again.status == 403
    assert "tracker link" in await again.text()


async def test_whoever_is_in_already_is_let_in_by_a_used_link(board, shop_services):
    link = await entry_link(shop_services.house)
    await board.get(link, allow_redirects=False)
    again = await board.get(link, allow_redirects=False)
    assert (again.status, again.headers["Location"]) == (303, "/console")


async def test_a_prefetch_does_not_use_the_link_up(site, shop_services):
    link = await entry_link(shop_services.house)
    assert (await site.get(link, headers={"Sec-Purpose": "prefetch"})).status == 503
    assert (await site.get(link, allow_redirects=False)).status == 303


async def test_an_invitation_ends_in_the_console(site, ana):
    page = await (await site.get(f"/console/join/{ana}")).text()
    assert "ana@aurora.example" in page
    response = await joins(site, ana)
    assert (response.status, response.headers["Location"]) == (303, "/console")
    assert "Ana" in await (await site.get("/console")).text()
    assert (await site.get(f"/console/join/{ana}")).status == 404


async def test_a_weak_password_or_a_slip_is_told_and_nothing_lost(site, ana):
    slip = {"password": PASSWORD, "again": "three green parrots"}
    told = await site.post(f"/console/join/{ana}", data=slip, headers=HERE)
    assert told.status == 422
    assert "not the same" in await told.text()
    told = await joins(site, ana, "short")
    assert told.status == 422
    assert "at least 12" in await told.text()
    assert (await joins(site, ana)).status == 303


async def test_with_address_and_password_one_gets_where_one_wanted(site, ana):
    await joins(site, ana)
    site.session.cookie_jar.clear()
    refused = await signs_in(site, password="wrong password")
    assert refused.status == 403
    assert "do not fit together" in await refused.text()
    asked = await site.get("/console/carriers", allow_redirects=False)
    query = asked.headers["Location"].removeprefix("/console/sign-in")
    response = await signs_in(site, query=query)
    assert (response.status, response.headers["Location"]) == (303, "/console/carriers")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/console/\\evil", "/t/x", "/consolex"]
)
async def test_the_door_leads_nowhere_else(site, ana, elsewhere):
    await joins(site, ana)
    response = await signs_in(site, query=f"?next={elsewhere}")
    assert response.headers["Location"] == "/console"


async def test_a_session_that_was_planted_is_not_taken_over(site, ana):
    site.session.cookie_jar.update_cookies({"sid": "planted"})
    await joins(site, ana)
    assert (await site.get("/console", headers={"Cookie": "sid=planted"}, allow_redirects=False)).status in (200, 303)
    site.session.cookie_jar.clear()
    site.session.cookie_jar.update_cookies({"sid": "planted"})
    assert (await site.get("/console", allow_redirects=False)).status == 303


async def test_too_many_tries_have_to_wait_and_are_told_how_long(site, ana):
    for _ in range(5):
        await signs_in(site, password="wrong password")
    response = await signs_in(site)
    assert response.status == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert "tried too often" in await response.text()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=["another site", "typed", "another origin", "hidden", "silent"],
)
async def test_a_form_from_elsewhere_does_nothing(board, site, ana, headers):
    csrf = re.search(r'name="csrf" value="(\w+)"', await (await board.get("/console")).text())
    assert csrf is not None
    refused = await board.post("/console/sign-out", data={"csrf": csrf[1]}, headers=headers, allow_redirects=False)
    assert refused.status == 403
    assert (await board.get("/console", allow_redirects=False)).status == 200
    assert (await signs_in(site, headers=headers)).status == 403
    form = {"password": PASSWORD, "again": PASSWORD}
    assert (await site.post(f"/console/join/{ana}", data=form, headers=headers)).status == 403


async def test_a_form_of_another_session_does_nothing_and_ones_own_does(board):
    for another in ("", "0" * 22, "ñ"):
        answer = await board.post("/console/sign-out", data={"csrf": another}, headers=HERE, allow_redirects=False)
        assert answer.status == 403
    csrf = re.search(r'name="csrf" value="(\w+)"', await (await board.get("/console")).text())
    assert csrf is not None
    out = await board.post("/console/sign-out", data={"csrf": csrf[1]}, headers=HERE, allow_redirects=False)
    assert (out.status, out.headers["Location"]) == (303, "/console/sign-in")
    assert (await board.get("/console", allow_redirects=False)).status == 303


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        *[(host, True) for host in ("127.8.9.1", "::1", "::ffff:127.0.0.1", "localhost.")],
        *[(host, False) for host in ("::ffff:10.0.0.1", "0.0.0.0", "", "localhost.example", "2130706433")],
    ],
)
def test_loopback_is_known_by_every_name_and_no_other(host, is_here):
    assert door.is_loopback(host) is is_here


async def test_with_tls_the_cookies_are_guarded_by_their_name(shop_services, aiohttp_client):
    """Only on this machine itself, where no TLS is, the plain name is used."""
    guarded = msgspec.structs.replace(shop_services, public_url="https://track.alameda.example")
    site = await aiohttp_client(make_app(guarded))
    host = {"Host": "track.alameda.example"}
    response = await site.get(await entry_link(shop_services.house), headers=host, allow_redirects=False)
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie(response, "__Host-sid").split("; "))


def test_whoever_may_do_nothing_may_not_even_enter():
    assert all(May.ENTER in allowed for allowed in ALLOWED.values())
    assert May.SEE not in ALLOWED[Role.PARTNER]
    assert ALLOWED[Role.VIEWER] < ALLOWED[Role.AGENT] < ALLOWED[Role.SUPERVISOR] < ALLOWED[Role.ADMIN]


@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "GET"], ids=lambda page: page.path or "/")
async def test_what_no_text_can_hold_is_refused_and_breaks_nothing(board, page):
    path = "/console" + re.sub(r"\{\w+\}", "1", page.path)
    for query in ("q", "actor", "object", "before", "carrier", "state"):
        assert (await board.get(f"{path}?{query}=%00", allow_redirects=False)).status == 400, query
    named = "/console" + re.sub(r"\{\w+\}", "%00", page.path)
    assert (await board.get(named, allow_redirects=False)).status < 500


async def test_garbage_at_the_door_is_refused_in_words(site):
    form = HERE | {"Content-Type": "application/x-www-form-urlencoded"}
    for body, status in ((b"email=a%00b&password=x", 400), (b"email=\xff\xfe", 400), (b"%ff=%ff&&==", 403)):
        refused = await site.post("/console/sign-in", data=body, headers=form)
        assert refused.status == status, body
    cookie = {"Cookie": "sid=x\udcff"}
    assert (await site.get("/console", headers=cookie, allow_redirects=False)).status == 303
