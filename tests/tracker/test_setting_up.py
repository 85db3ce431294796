"""The set-up on the command line: by a file of answers, or by whoever sits there."""

import argparse

import msgspec
import pytest

from tests.support.first_run import DHL_KEY, first_run
from tracker import setting_up
from tracker.domain.errors import FieldsWrong
from tracker.simulation import sinks as sinking

PASSWORD = "three green parcels"


@pytest.fixture
async def run(postgres):
    async with first_run(postgres) as run:
        async with run.runtime.house.db.connection() as conn:
            dsn = postgres.dsn_of(await conn.fetchval("select current_database()"))
        run.runtime = msgspec.structs.replace(
            run.runtime, settings=msgspec.structs.replace(run.runtime.settings, database_url=dsn)
        )
        yield run


def answers(run, tmp_path, **changed):
    given = {
        "shop": {"name": "Tienda Aurora", "sender_email": "pedidos@aurora.example"},
        "admin": {"name": "Lucía Marín", "email": "lucia@aurora.example", "password": PASSWORD},
        "carriers": {"dhl_unified": {"api_key": DHL_KEY}},
        "mail": {"host": run.relay[0], "port": str(run.relay[1])},
        "sms": {"account_sid": sinking.ACCOUNT_SID, "auth_token": sinking.AUTH_TOKEN, "sender": "AURORA"},
    } | changed
    file = tmp_path / "answers.toml"
    file.write_bytes(toml(given).encode())
    return argparse.Namespace(answers=file, yes=True)


def toml(table, prefix=""):
    plain = "".join(f'{name} = "{value}"\n' for name, value in table.items() if isinstance(value, str))
    inner = (toml(one, f"{prefix}{name}.") for name, one in table.items() if isinstance(one, dict))
    return (f"[{prefix[:-1]}]\n{plain}" if prefix and plain else plain) + "".join(inner)


async def value(run, sql):
    async with run.runtime.house.db.connection() as conn:
        return await conn.fetchval(sql)


async def test_a_file_of_answers_sets_all_up_and_says_that_it_works(run, tmp_path, capsys):
    assert await setting_up.setup(run.runtime.settings, answers(run, tmp_path)) == 0
    said = capsys.readouterr().out
    assert said.count("it works") == 3
    assert await value(run, "select name from shop") == "Tienda Aurora"
    assert await value(run, "select engaged from switch where name = 'shadow'") is True
    assert [mail.recipient for mail in run.sinks.mails] == ["lucia@aurora.example"]
    assert PASSWORD not in said
    assert DHL_KEY not in said
    assert await setting_up.setup(run.runtime.settings, answers(run, tmp_path)) == 0  # again: nothing is made twice
    assert await value(run, "select count(*) from staff") == 1


async def test_what_does_not_work_is_told_and_is_the_exit_code(run, tmp_path, capsys):
    wrong = {"dhl_unified": {"api_key": "wrong"}}
    assert await setting_up.setup(run.runtime.settings, answers(run, tmp_path, carriers=wrong)) == 1
    assert "dhl_unified: the other side knows this account not" in capsys.readouterr().out


async def test_a_wrong_answer_in_a_file_ends_it(run, tmp_path):
    with pytest.raises(FieldsWrong, match="at least 12"):
        await setting_up.setup(
            run.runtime.settings, answers(run, tmp_path, admin={"name": "Ana", "email": "a@b.example", "password": "x"})
        )
    missing = argparse.Namespace(answers=tmp_path / "none.toml", yes=True)
    with pytest.raises(FieldsWrong, match="answers"):
        await setting_up.setup(run.runtime.settings, missing)


async def test_whoever_sits_there_is_asked_and_a_slip_is_asked_again(run, monkeypatch, capsys):
    typed = iter(["n", "Ana", "ana@shop.example", "Ana", "ana@shop.example", *"nnnnn"])
    secrets = iter(["short", PASSWORD])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    monkeypatch.setattr(setting_up, "getpass", lambda _: next(secrets))
    assert await setting_up.setup(run.runtime.settings, argparse.Namespace(answers=None, yes=False)) == 0
    assert "password: at least 12" in capsys.readouterr().out
    assert await value(run, "select email from staff") == "ana@shop.example"
