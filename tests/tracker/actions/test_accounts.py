"""Accounts that are given in the console: kept sealed, changed with care, and below what the configuration says."""

import msgspec
import pytest

from tests.tracker.actions.conftest import Scene
from tracker.actions import accounts
from tracker.actions.accounts import Key, Kind
from tracker.actions.audit import Author
from tracker.domain.errors import FieldsWrong, NotFound
from tracker.settings import CarrierSettings, Settings, TwilioSettings
from tracker.vault import SecretUnreadable

ANA = Author(actor="staff:1", role="admin", shop_id=1)
RELAY = Key(Kind.MAIL, accounts.MAIL)
GATEWAY = Key(Kind.SMS, accounts.SMS)
MAIL = {"host": "relay.example", "port": "587", "security": "starttls", "username": "a@b:c/d", "password": "hush hush"}


async def kept(scene: Scene, shop_id: int | None = None) -> dict[Key, dict[str, str]]:
    async with scene.house.db.connection() as conn:
        found = await accounts.load(conn, scene.house.vault, shop_id or scene.shop.id)
    return {one.key: dict(one.values) for one in found}


async def test_what_is_kept_opens_again_and_lies_sealed(scene: Scene):
    await accounts.keep(scene.house, ANA, scene.shop.id, RELAY, MAIL)
    assert await kept(scene) == {RELAY: MAIL}
    assert await kept(scene, scene.shop.id + 1) == {}
    row = await scene.row("select * from account")
    assert not any(value.encode() in row["sealed"] for value in MAIL.values())
    await scene.rows("update account set name = 'other'")
    with pytest.raises(SecretUnreadable):
        await kept(scene)


async def test_a_secret_that_is_not_typed_again_stays_and_anything_else_is_as_typed(scene: Scene):
    await accounts.keep(scene.house, ANA, scene.shop.id, RELAY, MAIL)
    await accounts.keep(scene.house, ANA, scene.shop.id, RELAY, MAIL | {"port": "2525", "password": ""})
    assert (await kept(scene))[RELAY] == MAIL | {"port": "2525"}
    without = {name: value for name, value in MAIL.items() if name not in ("username", "password")}
    with pytest.raises(FieldsWrong, match="goes with the password"):
        await accounts.keep(scene.house, ANA, scene.shop.id, RELAY, without)


async def test_every_mistake_is_told_at_once_and_nothing_kept(scene: Scene):
    with pytest.raises(FieldsWrong) as wrong:
        await accounts.keep(
            scene.house, ANA, scene.shop.id, RELAY, {"host": "http://relay", "port": "99999", "security": "none"}
        )
    assert {one.pointer for one in wrong.value.fields} == {"/host", "/port", "/security"}
    with pytest.raises(FieldsWrong) as wrong:
        await accounts.keep(scene.house, ANA, scene.shop.id, GATEWAY, {"sender": "two\nlines"})
    assert {one.pointer for one in wrong.value.fields} == {"/account_sid", "/auth_token", "/sender"}
    for unknown in (Key(Kind.CARRIER, "nobody"), Key(Kind.MAIL, "pigeon")):
        with pytest.raises(NotFound):
            await accounts.keep(scene.house, ANA, scene.shop.id, unknown, MAIL)
    assert await kept(scene) == {}


async def test_each_change_is_on_the_record_with_names_and_no_values(scene: Scene):
    await accounts.keep(scene.house, ANA, scene.shop.id, RELAY, MAIL)
    await accounts.keep(scene.house, ANA, scene.shop.id, RELAY, MAIL | {"password": "another"})
    await accounts.remove(scene.house, ANA, scene.shop.id, RELAY)
    with pytest.raises(NotFound):
        await accounts.remove(scene.house, ANA, scene.shop.id, RELAY)
    rows = await scene.rows("select actor, action, object, detail from audit order by id")
    assert [(row["action"], msgspec.json.decode(row["detail"])) for row in rows] == [
        ("account.changed", {"fields": "host password port security username"}),
        ("account.changed", {"fields": "password"}),
        ("account.removed", {}),
    ]
    assert {(row["actor"], row["object"]) for row in rows} == {("staff:1", "acc_mail_smtp_default")}


async def test_every_change_is_a_new_version(scene: Scene):
    async def version() -> str:
        async with scene.house.db.connection() as conn:
            return await accounts.version(conn, scene.shop.id)

    seen = [await version()]
    for values in (MAIL, MAIL | {"port": "2525"}):
        await accounts.keep(scene.house, ANA, scene.shop.id, RELAY, values)
        seen.append(await version())
    assert await version() == seen[-1]
    await accounts.remove(scene.house, ANA, scene.shop.id, RELAY)
    assert len({*seen, await version()}) == 3
    assert await version() == seen[0]


async def test_the_configuration_stands_above_the_console(scene: Scene):
    """Value by value for a carrier, as a whole for relay and gateway."""
    shop = scene.shop.id
    await accounts.keep(scene.house, ANA, shop, RELAY, MAIL)
    texts = {"account_sid": "AC1", "auth_token": "hush", "sender": "SHOP"}
    await accounts.keep(scene.house, ANA, shop, GATEWAY, texts)
    await accounts.keep(scene.house, ANA, shop, Key(Kind.CARRIER, "full", "north"), {})
    async with scene.house.db.connection() as conn:
        found = await accounts.load(conn, scene.house.vault, shop)

    alone = accounts.merged(Settings(twilio=TwilioSettings(base_url="http://gateway.example")), found)
    assert alone.smtp_url == "smtp://a%40b%3Ac%2Fd:hush%20hush@relay.example:587"
    assert alone.twilio == TwilioSettings(**texts, base_url="http://gateway.example")
    assert [(one.carrier, one.account) for one in alone.carriers] == [("full", "north")]

    configured = Settings(
        smtp_url="smtp://mine:25",
        twilio=TwilioSettings(account_sid="AC2", auth_token="mine", sender="MINE"),
        carriers=(CarrierSettings(carrier="full", account="north", values={"base_url": "https://mine"}),),
    )
    assert accounts.merged(configured, found) == configured


def test_the_address_of_a_relay_keeps_every_character():
    assert accounts.smtp_url({"host": "::1", "port": "465", "security": "tls"}) == "smtps://[::1]:465"
