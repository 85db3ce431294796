"""Commands beside a service: they use its database, and leave it to `migrate` to change it."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sql import migrate
from tests.support.postgres import Server, run
from tests.tracker.web.garbage import NASTY
from tracker import commands, logs
from tracker.cli import main

USING = {
    "stop-sending": "no message leaves",
    "resume-sending": "messages go out",
    "shadow on": "none is sent",
    "keys create": "trk_live_",
    "keys list": "key_1  trk_live_",
    "keys revoke key_1": "accepted no more",
    "partners add Carrier": "whsec_",
    "staff add ana@example.com Ana --role admin": "/console/join/",
    "link": "/console/enter/",
    "audit verify": "whole: 3 rows",
}


class Shell:
    """A folder with a configuration, in which commands are typed."""

    def __init__(self, file: Path, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._file, self._dsn, self._capsys = file, dsn, capsys

    def types(
        self, words: str | list[str], shop: str = "First", key: str = "k" * 32, old_key: str | None = None
    ) -> tuple[object, str]:
        """The exit code and all that was said."""
        keys = f'secret_key = "{key}"\n' + (f'old_secret_key = "{old_key}"\n' if old_key else "")
        text = f'database_url = "{self._dsn}"\n{keys}[shop]\nname = "{shop}"\n'
        self._file.write_text(text)
        code = self._exit_code(["--config", str(self._file), *(words.split() if isinstance(words, str) else words)])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    @staticmethod
    def _exit_code(words: list[str]) -> object:
        try:
            return main(words)
        except SystemExit as ended:
            return ended.code

    def value(self, sql: str) -> Any:
        return run(_value(self._dsn, sql))


async def _value(dsn: str, sql: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@pytest.fixture(autouse=True)
def our_own_log(monkeypatch: pytest.MonkeyPatch):
    """The log of this process is the tests'."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)


@pytest.fixture
def shell(postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Generator[Shell]:
    name = run(postgres.create_empty())
    yield Shell(tmp_path / "tracker.toml", postgres.dsn_of(name), capsys)
    run(postgres.drop(name))


def test_a_database_that_is_behind_is_named_and_left_alone(shell: Shell):
    for words in USING:
        code, said = shell.types(words)
        assert (code, "0001_the_house.sql" in said, "`tracker migrate`" in said) == (1, True, True), (words, said)
        assert len(said.splitlines()) == 1
    assert shell.value("select to_regnamespace('tracker')::text") is None


def test_a_database_that_is_ahead_is_named_and_left_alone(shell: Shell):
    assert shell.types("migrate")[0] == 0
    shell.value("insert into tracker.migration (number, name, sha256) values (999, '0999_from_tomorrow.sql', '')")
    code, said = shell.types("stop-sending")
    assert (code, "0999_from_tomorrow.sql" in said, "newer" in said) == (1, True, True), said
    assert shell.value("select count(*) from tracker.switch") == 0


def test_once_migrated_every_command_works_and_none_changes_the_shop(shell: Shell):
    code, said = shell.types("migrate")
    assert (code, said.splitlines()) == (0, [one.name for one in migrate.read()])
    for words, expected in USING.items():
        code, said = shell.types(words, shop="Second")
        assert (code, expected in said) == (0, True), (words, said)
    assert shell.value("select name from tracker.shop") == "First"
    assert shell.types("migrate", shop="Second") == (0, "the schema is up to date\n")
    assert shell.value("select name from tracker.shop") == "Second"


def test_a_key_that_is_ended_is_listed_as_such(shell: Shell):
    shell.types("migrate")
    shell.types("keys create --label till")
    assert "till  incidents:write read returns:write shipments:write  never used\n" in shell.types("keys list")[1]
    assert shell.types("keys revoke key_2") == (1, "tracker: no key key_2\n")
    assert shell.types("keys revoke till")[0] == 2
    assert shell.types("keys revoke key_1")[0] == 0
    assert "  ended 20" in shell.types("keys list")[1]
    (listed,) = json.loads(shell.types("keys list --json")[1])
    assert (listed["id"], listed["revoked_at"] is not None) == ("key_1", True)


def test_a_key_may_do_what_it_was_made_for(shell: Shell):
    shell.types("migrate")
    for words in ("", " --read-only", " --with-keys"):
        assert shell.types(f"keys create{words}")[0] == 0
    made = shell.value("select string_agg(array_to_string(scopes, ','), ' ' order by id) from tracker.api_key")
    everyday = "incidents:write,read,returns:write,shipments:write"
    assert made == f"{everyday} read {everyday.replace('read,', 'keys:write,read,')}"
    assert shell.types("keys create --read-only --with-keys")[0] == 2


def test_whom_nobody_knows_is_no_for_an_answer(shell: Shell):
    shell.types("migrate")
    assert shell.types("keys create --shop elsewhere") == (1, "tracker: no shop 'elsewhere'\n")
    assert shell.types("partners rotate ptn_x") == (1, "tracker: no partner ptn_x\n")
    assert shell.types("link ana@example.com") == (1, "tracker: nobody 'ana@example.com' can come in\n")
    assert shell.types("link") == (1, "tracker: there is no admin yet: `tracker staff add`\n")


def test_the_master_key_is_replaced_and_the_old_one_opens_nothing_more(shell: Shell):
    old, new = "o" * 32, "n" * 32
    shell.types("migrate")
    _, said = shell.types("partners add Carrier", key=old)
    rotate = f"partners rotate {said.split()[1]}"
    code, said = shell.types(rotate, key=new)
    assert (code, "secret_key: not the key of this database" in said, "`tracker secrets rewrap`" in said) == (2, 1, 1)
    code, said = shell.types("secrets rewrap", key=new)
    assert (code, "TRACKER_OLD_SECRET_KEY" in said) == (2, True)
    code, said = shell.types("secrets rewrap", key=new, old_key="x" * 32)
    assert (code, "old_secret_key: not the key" in said) == (2, True)
    assert shell.types(rotate, key=old)[0] == 0
    assert shell.types("secrets rewrap", key=new, old_key=old)[0] == 0
    assert shell.types(rotate, key=new)[0] == 0
    assert shell.types(rotate, key=old)[0] == 2
    code, said = shell.types("secrets rewrap", key=new, old_key=old)
    assert (code, "nothing was changed" in said) == (0, True)
    assert old not in said
    assert new not in said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(name=NASTY | st.text(max_size=20), words=st.sampled_from(["keys create --label={}", "keys create --shop={}",
       "partners add -- {}", "partners rotate -- {}"]))  # fmt: skip
def test_any_name_is_taken_or_refused(shell: Shell, name: str, words: str):
    shell.types("migrate")
    code, said = shell.types([word.format(name) for word in words.split()])
    assert code == 0 or (code == 1 and said.startswith("tracker: no ")) or (code == 2 and "argument" in said)


@pytest.mark.parametrize("words", USING)
def test_without_any_database_none_is_made(words: str, tmp_path: Path, capsys):
    file = tmp_path / "embedded.toml"
    file.write_text(f'data_directory = "{tmp_path}/data"')
    assert main(["--config", str(file), *words.split()]) == 1
    assert "`tracker migrate`" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("channels", "engaged", "said"),
    [
        (("email", "sms"), (), "messages go by email, sms"),
        ((), (), "no channel is configured"),
        (("email",), ("shadow",), "`tracker shadow off`"),
        (("email",), ("stop_sending", "shadow"), "`tracker resume-sending`"),
    ],
)
def test_the_service_says_what_becomes_of_messages(channels: tuple[str, ...], engaged: tuple[str, ...], said: str):
    switches = {name: name in engaged for name in ("stop_sending", "shadow")}
    assert said in commands.at_work(channels, switches)
    assert not engaged or "messages go" not in commands.at_work(channels, switches)
