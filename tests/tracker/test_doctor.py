"""Each thing that may be missing or wrong is found, and said with what to do about it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.postgres import SCHEMA, Server
from tests.tracker.actions import conftest
from tests.tracker.actions.conftest import Scene
from tracker import doctor
from tracker.actions import access, data_key
from tracker.settings import CarrierSettings, Settings, ShopSettings, TwilioSettings
from tracker.store.db import Database
from tracker.vault import MasterKey

scene = conftest.scene
UPS = {"client_id": "a", "client_secret": "hush"}


async def found(**given: Any) -> dict[str, tuple[str, str]]:
    """By subject: the verdict and what is said."""
    checks = await doctor.examine(Settings(**({"listen": f"127.0.0.1:{free_port()}"} | given)))
    assert len({check.subject for check in checks}) == len(checks)
    return {check.subject: (check.verdict, check.says) for check in checks}


@pytest.fixture
async def url(postgres: Server, database: Database) -> str:
    """A database that is up to date."""
    async with database.connection() as conn:
        return postgres.dsn_of(await conn.fetchval("select current_database()"))


@asynccontextmanager
async def relay(greeting: bytes = b"220 relay.test ESMTP\r\n") -> AsyncGenerator[int]:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_nothing_configured_is_a_service_that_works_alone(tmp_path):
    said = await found(data_directory=tmp_path)
    assert {subject: verdict for subject, (verdict, _) in said.items()} == {
        "database": "ok", "listen": "ok", "public address": "missing", "shop": "missing", "carriers": "missing", "mail": "missing",
        "sms": "missing",
    }  # fmt: skip
    assert "`tracker serve` starts it" in said["database"][1]
    assert "correos" in said["carriers"][1]
    assert "TRACKER_SMTP_URL" in said["mail"][1]


async def test_all_configured_and_reachable_is_well(url: str):
    async with relay() as port:
        said = await found(
            database_url=url,
            database_schema=SCHEMA,
            secret_key="k" * 32,
            public_url="https://track.shop.test",
            shop=ShopSettings(name="Shop", sender_email="a@shop.test", reply_email="b@shop.test"),
            carriers=(CarrierSettings(carrier="ups", account="default", values=UPS),),
            smtp_url=f"smtp://127.0.0.1:{port}",
            twilio=TwilioSettings(account_sid="AC1", auth_token="hush", sender="SHOP"),
        )
    assert {verdict for verdict, _ in said.values()} == {"ok"}, said
    assert said["switches"] == ("ok", "messages go out")
    assert "hush" not in str(said)


async def test_a_database_that_is_away_is_wrong_and_the_rest_is_still_looked_at(tmp_path):
    said = await found(database_url=f"postgresql://tracker@127.0.0.1:{free_port()}/tracker", data_directory=tmp_path)
    assert said["database"][0] == "wrong"
    assert "TRACKER_DATABASE_URL" in said["database"][1]
    assert {"schema", "switches"}.isdisjoint(said)
    assert "mail" in said


async def test_a_master_key_that_does_not_open_the_database_is_told_with_its_setting(database: Database, url: str):
    here = {"database_url": url, "database_schema": SCHEMA}
    assert "makes the data key" in (await found(**here, secret_key="k" * 32))["secret key"][1]
    async with database.connection() as conn:
        assert await conn.fetchval("select count(*) from data_key") == 0
        await data_key.open_vault(conn, MasterKey(b"k" * 32))
    assert (await found(**here, secret_key="k" * 32))["secret key"] == ("ok", "opens this database")
    verdict, said = (await found(**here, secret_key="x" * 32))["secret key"]
    assert (verdict, said.startswith("secret_key: not the key"), "rewrap" in said) == ("wrong", True, True)


async def test_a_key_file_that_is_damaged_is_named(url: str, tmp_path):
    here = {"database_url": url, "database_schema": SCHEMA, "data_directory": tmp_path}
    assert (await found(**here))["secret key"][0] == "missing"
    assert not list(tmp_path.iterdir())
    (tmp_path / "secret_key").write_text("short")
    verdict, said = (await found(**here))["secret key"]
    assert (verdict, f"{tmp_path}/secret_key" in said) == ("wrong", True)


async def test_a_database_without_its_schema_is_to_be_migrated(postgres: Server):
    name = await postgres.create_empty()
    said = await found(database_url=postgres.dsn_of(name))
    await postgres.drop(name)
    assert said["database"][0] == "ok"
    assert (said["schema"][0], said["switches"][0]) == ("missing", "missing")
    assert "`tracker migrate`" in said["schema"][1]


async def test_a_database_ahead_of_this_release_is_wrong(url: str, database: Database):
    async with database.connection() as conn:
        await conn.execute(
            "insert into migration (number, name, sha256) values (9999, '9999_of_the_next_release.sql', '')"
        )
    verdict, says = (await found(database_url=url, database_schema=SCHEMA))["schema"]
    assert verdict == "wrong"
    assert "9999_of_the_next_release" in says


@pytest.mark.parametrize(("switch", "undo"), [("stop_sending", "resume-sending"), ("shadow", "shadow off")])
async def test_a_switch_that_keeps_messages_in_is_named_with_what_undoes_it(
    url: str, database: Database, switch: str, undo: str
):
    async with database.connection() as conn:
        await access.turn_switch(conn, switch, engaged=True, by="somebody")
    _, says = (await found(database_url=url, database_schema=SCHEMA))["switches"]
    assert f"{switch} is engaged, undone by `tracker {undo}`" in says


async def test_parcels_of_an_account_that_cannot_be_asked_are_noticed(url: str, scene: Scene):
    await scene.registers(carrier="partial")
    verdict, says = (await found(database_url=url, database_schema=SCHEMA))["carrier partial"]
    assert verdict == "missing"
    assert "[carriers.partial]" in says


async def test_a_carrier_without_its_credentials_is_wrong_and_they_are_named(tmp_path):
    carriers = (CarrierSettings(carrier="ups", account="north", values={"client_id": "a"}),)
    verdict, says = (await found(data_directory=tmp_path, carriers=carriers))["carrier ups"]
    assert verdict == "wrong"
    assert "north" in says
    assert "client_secret" in says


async def test_a_relay_that_does_not_answer_is_wrong(tmp_path):
    port = free_port()
    verdict, says = (await found(data_directory=tmp_path, smtp_url=f"smtp://user:hush@127.0.0.1:{port}"))["mail"]
    assert verdict == "wrong"
    assert f"127.0.0.1:{port}" in says
    assert "hush" not in says


@pytest.mark.parametrize(
    ("address", "verdict"),
    [("https://track.shop.test", "ok"), ("http://track.shop.test", "wrong"), ("http://localhost:8080", "missing")],
)
async def test_links_that_customers_cannot_open_safely_are_noticed(tmp_path, address: str, verdict: str):
    assert (await found(data_directory=tmp_path, public_url=address))["public address"][0] == verdict


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n", b"554 go away\r\n", b"", b"220", b"220" * 100_000]
)
async def test_what_answers_and_is_no_relay_is_wrong(tmp_path: Path, greeting: bytes):
    async with relay(greeting) as port:
        verdict, says = (await found(data_directory=tmp_path, smtp_url=f"smtp://127.0.0.1:{port}"))["mail"]
    assert verdict == "wrong"
    assert f"127.0.0.1:{port}" in says
    assert "TRACKER_SMTP_URL" in says


async def test_example_addresses_and_the_given_name_are_named(tmp_path: Path):
    shop = ShopSettings(name="Shop", sender_email="orders@shop.example", reply_email="help@shop.test")
    verdict, says = (await found(data_directory=tmp_path, shop=shop))["shop"]
    assert (verdict, "sender_email orders@shop.example" in says) == ("missing", True)
    assert "reply_email" not in says
    assert "name is still" not in says
    assert "name is still 'My shop'" in (await found(data_directory=tmp_path))["shop"][1]


@pytest.mark.parametrize("within", ["a file", "a file/deeper/still", "/proc/nobody"])
async def test_a_data_directory_that_cannot_be_made_is_wrong(tmp_path: Path, within: str):
    (tmp_path / "a file").touch()
    verdict, says = (await found(data_directory=tmp_path / within))["database"]
    assert (verdict, "TRACKER_DATA_DIRECTORY" in says) == ("wrong", True)


async def test_looking_at_a_data_directory_to_come_makes_nothing(tmp_path: Path):
    assert (await found(data_directory=tmp_path / "a" / "b"))["database"][0] == "ok"
    assert list(tmp_path.iterdir()) == []


async def test_an_address_on_which_nobody_can_listen_is_wrong(tmp_path: Path):
    async with relay(b"HTTP/1.1 200 OK\r\n\r\nhello") as port:
        verdict, says = (await found(data_directory=tmp_path, listen=f"127.0.0.1:{port}"))["listen"]
    assert (verdict, "in use" in says, "TRACKER_LISTEN" in says) == ("wrong", True, True)
    assert (await found(data_directory=tmp_path, listen="no-such-host.invalid:80"))["listen"][0] == "wrong"


async def test_beside_the_running_service_its_own_port_is_well(tmp_path: Path):
    body = b'{"status": "alive"}'
    async with relay(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as port:
        said = await found(data_directory=tmp_path, listen=f"127.0.0.1:{port}")
    assert said["listen"] == ("ok", f"the service answers on 127.0.0.1:{port}")


async def test_an_address_of_a_database_that_makes_no_sense_is_wrong_and_the_rest_is_still_looked_at(tmp_path: Path):
    said = await found(database_url="postgresql://localhost/x?sslmode=perhaps", data_directory=tmp_path)
    assert said["database"][0] == "wrong"
    assert "sslmode" in said["database"][1]
    assert {"listen", "mail", "shop"} <= set(said)


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o600, False), (0o640, False)])
async def test_a_secret_that_everybody_can_read_is_warned_of(tmp_path: Path, mode: int, warned: bool):
    for path in (given := tmp_path / "relay", made := tmp_path / "secret_key"):
        path.touch()
        path.chmod(mode)
    said = await found(data_directory=tmp_path, secret_files=(given,))
    assert (said.get("secret files", ("", ""))[0] == "warning") is warned
    assert not warned or (str(given) in said["secret files"][1] and str(made) in said["secret files"][1])
