"""One's own account in the console."""

import html
import re

import pyotp
import pytest

from tracker.actions import people
from tracker.actions.audit import AT_THE_MACHINE
from tracker.domain.staff import Role
from tracker.web.console.me import browser

PASSWORD = "three green parcels"
HERE = {"Sec-Fetch-Site": "same-origin"}
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0"


@pytest.fixture
async def ben(site, shop_services):
    """Somebody who has come in by an invitation, and leaves no trace in the shop that others share."""
    house = shop_services.house
    await people.invite(house, "alameda", "eva@aurora.example", "Eva", Role.AGENT, AT_THE_MACHINE)
    token = await people.invite(house, "alameda", "ben@aurora.example", "Ben", Role.AGENT, AT_THE_MACHINE)
    await site.post(f"/console/join/{token}", data={"password": PASSWORD, "again": PASSWORD}, headers=HERE)
    yield site
    async with house.db.connection() as conn:
        await conn.execute(
            "update staff set second_factor = null, second_factor_at = null, second_factor_step = 0, language = null,"
            " time_zone = null, scheme = null, name = 'Ben' where email = 'ben@aurora.example'"
        )


async def sends(site, path, **fields):
    page = await (await site.get("/console/me")).text()
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found is not None
    return await site.post(f"/console/me{path}", data=fields | {"csrf": found[1]}, headers=HERE, allow_redirects=False)


async def test_language_zone_and_colours_hold_on_every_page(ben):
    answer = await sends(ben, "", name="Benito", language="es", time_zone="Atlantic/Canary", scheme="dark")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/me?said=saved")
    for path in ("/console", "/console/me?said=saved"):
        page = await (await ben.get(path, headers={"Accept-Language": "en"})).text()
        assert '<html lang="es" data-scheme="dark">' in page
        assert "Benito" in page
        assert "WET" in page or "WEST" in page
    await sends(ben, "", name="Benito", language="", time_zone="", scheme="")
    assert '<html lang="en">' in await (await ben.get("/console", headers={"Accept-Language": "en"})).text()


async def test_a_wrong_field_is_said_beside_it_and_nothing_is_kept(ben):
    answer = await sends(ben, "", name=" ", language="xx", time_zone="Europe/Nowhere", scheme="neon")
    page = await answer.text()
    assert answer.status == 422
    assert 'id="name-wrong"' in page
    assert 'id="time_zone-wrong"' in page
    assert "data-scheme" not in page


async def test_a_new_password_needs_the_old_one_and_ends_the_other_sessions(ben, shop_services):
    again = "three green parrots"
    wrong = await sends(ben, "/password", old="not mine at all", password=again, again=again)
    assert wrong.status == 422
    assert 'id="old-wrong"' in await wrong.text()
    slip = await sends(ben, "/password", old=PASSWORD, password=again, again="three green carrots")
    assert 'id="again-wrong"' in await slip.text()
    done = await sends(ben, "/password", old=PASSWORD, password=again, again=again)
    assert done.headers["Location"] == "/console/me?said=password"
    assert (await ben.get("/console/me")).status == 200


async def test_the_second_factor_is_set_up_asked_for_and_removed(ben):
    assert (await sends(ben, "/second-factor")).headers["Location"] == "/console/me/second-factor"
    page = await (await ben.get("/console/me/second-factor")).text()
    assert 'src="data:image/svg+xml' in page
    secret = re.search(r"<code>([A-Z2-7 ]{32,})</code>", page)
    assert secret is not None
    totp = pyotp.TOTP(secret[1].replace(" ", ""))

    slip = await sends(ben, "/second-factor/confirm", code="000000")
    assert slip.status == 422
    assert secret[1] in await slip.text()
    shown = await (await sends(ben, "/second-factor/confirm", code=totp.now())).text()
    codes = re.findall(r"<li><code>([\w-]+)</code>", shown)
    assert len(codes) == 10

    account = await (await ben.get("/console/me")).text()
    assert "10 recovery codes are left" in account
    assert not any(code in account for code in codes)
    assert (await ben.get("/console/me/second-factor", allow_redirects=False)).status == 303

    ben.session.cookie_jar.clear()
    form = {"email": "ben@aurora.example", "password": PASSWORD}
    asked = await ben.post("/console/sign-in", data=form, headers=HERE, allow_redirects=False)
    assert asked.headers["Location"] == "/console/sign-in/code"
    await ben.post("/console/sign-in/code", data={"code": codes[0]}, headers=HERE)
    assert "9 recovery codes are left" in await (await ben.get("/console/me")).text()

    slip = await sends(ben, "/second-factor/remove", password="not mine at all")
    assert 'id="factor_password-wrong"' in await slip.text()
    gone = await sends(ben, "/second-factor/remove", password=PASSWORD)
    assert gone.headers["Location"] == "/console/me?said=removed"
    assert "Set it up" in await (await ben.get("/console/me")).text()


async def test_a_session_elsewhere_can_be_ended_and_nobody_elses(ben, site, shop_services):
    house = shop_services.house
    async with house.db.connection() as conn:
        other = await conn.fetchval(
            "insert into staff_session (token_hash, staff_id, shop_id, complete, browser, created_at, seen_at, expires_at)"
            " select decode(md5(random()::text), 'hex'), id, 1, true, $1, clock_timestamp(), clock_timestamp(),"
            " clock_timestamp() + interval '1 hour' from staff where email = 'ben@aurora.example' returning id",
            EDGE,
        )
    assert "Edge, Windows" in await (await ben.get("/console/me")).text()
    assert (await sends(ben, f"/sessions/{other}/end")).headers["Location"] == "/console/me?said=ended"
    assert "Edge, Windows" not in await (await ben.get("/console/me")).text()
    async with house.db.connection() as conn:
        of_another = await conn.fetchval(
            "insert into staff_session (token_hash, staff_id, shop_id, complete, created_at, seen_at, expires_at)"
            " select decode(md5(random()::text), 'hex'), id, 1, true, clock_timestamp(), clock_timestamp(),"
            " clock_timestamp() + interval '1 hour' from staff where email <> 'ben@aurora.example' limit 1 returning id"
        )
    assert (await sends(ben, f"/sessions/{of_another}/end")).status == 404
    page = await (await ben.get("/console/me")).text()
    mine = re.search(r"this one.*?/console/me/sessions/(\d+)/end", page, re.DOTALL)
    assert mine is not None
    assert (await sends(ben, f"/sessions/{mine[1]}/end")).headers["Location"] == "/console/sign-in"
    assert (await ben.get("/console/me", allow_redirects=False)).status == 303


async def test_who_works_in_two_shops_changes_between_them_under_a_new_token(ben, shop_services):
    assert "Your shops" not in await (await ben.get("/console/me")).text()
    house = shop_services.house
    async with house.db.connection() as conn:
        second = await conn.fetchval(
            "insert into shop (code, name, country, language, time_zone, sender_email, reply_email, created_at)"
            " select 'ribera', 'Ribera', country, language, time_zone, sender_email, reply_email, created_at from shop"
            " order by id limit 1 on conflict (code) do update set name = excluded.name returning id"
        )
    await people.invite(house, "ribera", "ben@aurora.example", "Ben", Role.VIEWER, AT_THE_MACHINE)
    before = {cookie.key: cookie.value for cookie in ben.session.cookie_jar}
    moved = await sends(ben, "/shop", shop_id=str(second))
    assert (moved.status, moved.headers["Location"]) == (303, "/console")
    assert {cookie.key: cookie.value for cookie in ben.session.cookie_jar}["sid"] != before["sid"]
    page = html.unescape(await (await ben.get("/console/me")).text())
    assert "Viewer · Ribera" in page
    assert (await sends(ben, "/shop", shop_id="999999")).status == 404
    async with house.db.connection() as conn:
        await conn.execute("delete from staff_session where shop_id = $1", second)
        await conn.execute("delete from staff_role where shop_id = $1", second)
        await conn.execute("delete from shop where id = $1", second)


@pytest.mark.parametrize(
    ("called", "said"), [(CHROME, "Chrome, Linux"), (EDGE, "Edge, Windows"), ("curl/8.1", "curl"), (None, ""), ("", "")]
)
def test_a_browser_is_called_as_people_call_it(called, said):
    assert browser(called) == said
