"""The first run in the browser: who may begin it, what each step keeps, and what a trial says."""

import asyncio
import re

import pytest

from tests.support.first_run import DHL_KEY, first_run
from tracker.actions import accounts, set_up
from tracker.actions.sign_in import SignInRefused, Visit
from tracker.simulation import sinks as sinking

HERE = {"Sec-Fetch-Site": "same-origin"}
ADMIN = {
    "name": "Lucía Marín",
    "email": "lucia@aurora.example",
    "password": "three green parcels",
    "again": "three green parcels",
}


@pytest.fixture
async def run(postgres):
    async with first_run(postgres) as run:
        yield run


@pytest.fixture
async def walled(postgres):
    """Where private addresses are not allowed, as is usual."""
    async with first_run(postgres, allow_private=False) as run:
        yield run


class Hand:
    """Somebody at a browser: forms are sent with what their page holds."""

    def __init__(self, site):
        self.site = site
        self.csrf = ""

    async def begins(self, run):
        answer = await self.site.post(run.begin, data=ADMIN, headers=HERE, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/console/shop?step=1")
        found = re.search(r'name="csrf" value="(\w+)"', await self.reads("/console/set-up"))
        assert found is not None
        self.csrf = found[1]

    async def reads(self, path):
        answer = await self.site.get(path)
        assert answer.status == 200, path
        return await answer.text()

    async def sends(self, path, **form):
        answer = await self.site.post(path, data={"csrf": self.csrf, **form}, headers=HERE, allow_redirects=False)
        return answer.status, answer.headers.get("Location"), await answer.text()


@pytest.fixture
async def hand(run, aiohttp_client):
    hand = Hand(await aiohttp_client(run.runtime.app()))
    await hand.begins(run)
    return hand


async def value(run, sql):
    async with run.runtime.house.db.connection() as conn:
        return await conn.fetchval(sql)


async def test_the_printed_link_makes_one_admin_in_shadow_mode_and_opens_nothing_more(run, aiohttp_client):
    site = await aiohttp_client(run.runtime.app())
    assert (await site.get("/console/begin/another")).status == 404
    assert "first admin" in await (await site.get(run.begin)).text()
    await Hand(site).begins(run)
    assert await value(run, "select engaged from switch where name = 'shadow'") is True
    assert await value(run, "select role from staff_role") == "admin"
    stranger = {**ADMIN, "email": "eve@elsewhere.example"}
    assert (await site.get(run.begin)).status == 404
    assert (await site.post(run.begin, data=stranger, headers=HERE)).status == 404
    assert await value(run, "select count(*) from staff") == 1


async def test_of_two_who_begin_at_once_one_is_the_first(run):
    house = run.runtime.house
    words = [(f"{name}@aurora.example", name) for name in ("ana", "eva", "ida")]
    ended = await asyncio.gather(
        *(
            set_up.begin(house, "default", set_up.token(house), email, name, ADMIN["password"], Visit("192.0.2.1"))
            for email, name in words
        ),
        return_exceptions=True,
    )
    assert [type(one) for one in ended].count(SignInRefused) == 2
    assert await value(run, "select count(*) from staff") == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"again": "another"}, "not the same"),
        ({"password": "short", "again": "short"}, "at least 12"),
        ({"email": "x"}, "@"),
    ],
)
async def test_a_slip_of_the_first_admin_is_told_and_nothing_is_made(run, aiohttp_client, wrong, said):
    site = await aiohttp_client(run.runtime.app())
    answer = await site.post(run.begin, data=ADMIN | wrong, headers=HERE)
    assert answer.status == 422
    assert said in await answer.text()
    assert await value(run, "select count(*) from staff") == 0
    assert (await site.post(run.begin, data=ADMIN, headers={"Sec-Fetch-Site": "cross-site"})).status == 403


async def test_the_shop_is_told_of_and_every_mistake_beside_its_field(hand, run):
    page = await hand.reads("/console/shop?step=1")
    told = dict(re.findall(r'<input id="(\w+)" name="\w+" type="text" value="([^"]*)"', page))
    assert told["name"] == "My shop"
    status, _, page = await hand.sends("/console/shop", **told | {"country": "Spain", "sender_email": "nobody"})
    assert status == 422
    assert {"country-wrong", "sender_email-wrong"} <= set(re.findall(r'id="(\w+-wrong)"', page))
    told |= {"name": "Tienda Aurora", "sender_email": "pedidos@aurora.example", "phone": "+34 910 000 000"}
    status, location, _ = await hand.sends("/console/shop?step=1", **told)
    assert (status, location) == (303, "/console/shop?step=carrier")
    assert await value(run, "select name from shop") == "Tienda Aurora"
    assert await value(run, "select count(*) from audit where action = 'shop.changed'") == 1


async def test_a_carrier_is_tried_with_one_call(hand, run):
    path = "/console/shop/carrier/dhl_unified"
    _, _, page = await hand.sends(path, api_key="wrong", then="try")
    assert "refuses it" in page
    _, _, page = await hand.sends(path, api_key=DHL_KEY, then="try")
    assert "It works." in page
    assert DHL_KEY not in page + await hand.reads(path)
    assert (1, "dhl_unified", "default") in run.runtime.lines.open
    _, _, page = await hand.sends("/console/shop/carrier/correos/try")
    assert "It works." in page
    assert (await hand.sends(f"{path}/remove"))[0] == 303
    assert (1, "dhl_unified", "default") not in run.runtime.lines.open


async def test_a_mail_comes_from_the_relay_that_was_typed(hand, run):
    host, port = run.relay
    typed = {"host": host, "port": str(port), "security": "starttls", "username": "", "password": ""}
    status, _, page = await hand.sends("/console/shop/mail/smtp", **typed | {"then": "try"})
    assert (status, "It works." in page, ADMIN["email"] in page) == (200, True, True)
    assert [mail.recipient for mail in run.sinks.mails] == [ADMIN["email"]]
    assert b"Mail goes out by this relay" in run.sinks.mails[0].raw


async def test_a_relay_inside_our_walls_is_not_even_dialled(walled, aiohttp_client):
    hand = Hand(await aiohttp_client(walled.runtime.app()))
    await hand.begins(walled)
    host, port = walled.relay
    for inside in (host, "localhost"):
        typed = {"host": inside, "port": str(port), "security": "starttls", "then": "try"}
        _, _, page = await hand.sends("/console/shop/mail/smtp", **typed)
        assert "allow_private_addresses" in page
    assert walled.sinks.mails == []


async def test_an_sms_account_is_asked_whether_it_is_known(hand, run):
    typed = {"account_sid": sinking.ACCOUNT_SID, "auth_token": "wrong", "sender": "AURORA", "then": "try"}
    _, _, page = await hand.sends("/console/shop/sms/twilio", **typed)
    assert "refuses it" in page
    _, _, page = await hand.sends("/console/shop/sms/twilio", **typed | {"auth_token": sinking.AUTH_TOKEN})
    assert "It works." in page
    assert sinking.AUTH_TOKEN not in page
    assert run.sinks.texts == []


async def test_the_steps_follow_each_other_to_the_list_and_nothing_unknown_is_kept(hand, run):
    typed = {"account_sid": "AC1", "auth_token": "hush", "sender": "AURORA"}
    assert (await hand.sends("/console/shop/carrier/dhl_unified?step=1", api_key="key"))[
        1
    ] == "/console/shop/mail/smtp?step=1"
    mail = {"host": "relay.example", "port": "587", "security": "tls"}
    assert (await hand.sends("/console/shop/mail/smtp?step=1", **mail))[1] == "/console/shop/sms/twilio?step=1"
    assert (await hand.sends("/console/shop/sms/twilio?step=1", **typed, base_url="http://169.254.169.254"))[
        1
    ] == "/console/set-up"
    async with run.runtime.house.db.connection() as conn:
        kept = await accounts.load(conn, run.runtime.house.vault, 1)
    assert {name for one in kept for name in one.values} == {"api_key", *mail, *typed}
    assert (await hand.sends("/console/shop/pigeon/post"))[0] == 404
    assert (await hand.sends("/console/shop/carrier/nobody"))[0] == 404


async def test_going_live_is_a_switch_with_its_consequences_and_on_the_record(hand, run):
    page = await hand.reads("/console/set-up")
    assert "nothing is sent" in page
    assert "customers get every message from then on" in page
    assert (await hand.sends("/console/set-up/shadow/off"))[:2] == (303, "/console/set-up")
    assert "The shop is live" in await hand.reads("/console/set-up")
    await hand.sends("/console/set-up/shadow/off")
    await hand.sends("/console/set-up/stop-sending/on")
    assert "Sending is stopped" in await hand.reads("/console/set-up")
    assert await value(run, "select count(*) from audit where action = 'switch.turned'") == 2
    assert (await hand.sends("/console/set-up/pigeons/on"))[0] == 404
