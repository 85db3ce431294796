import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tracker import arguments, logs
from tracker.cli import main

GARBAGE = [
    b"",
    b"\x00\xff",
    b"<html>down</html>",
    b"{",
    b"[]",
    b'{"trackResponse": 7}',
    b'{"shipments": [{"events": 1}]}',
]


@pytest.fixture(autouse=True)
def our_own_log(monkeypatch: pytest.MonkeyPatch):
    """The log of this process is the tests'."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("carrier", ["ups", "dhl_unified", "correos"])
@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_decoded_to_one_document_that_says_why(
    carrier: str, body: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "body.json"
    file.write_bytes(body)
    document = printed(["carriers", "decode", carrier, str(file), "--json"], capsys)
    assert document["carrier"] == carrier
    assert document["error"] in {"malformed", "not_found", "carrier_down", "bad_request"}
    assert (document["shipments"], bool(document["detail"])) == ([], True)


def test_a_body_is_decoded_with_the_status_it_came_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "body.json"
    file.write_text('{"title": "Too Many Requests", "status": 429}')
    words = ["carriers", "decode", "dhl_unified", str(file), "--status", "429", "--json"]
    assert printed(words, capsys)["error"] == "rate_limited"


def test_the_matrix_is_printed_as_one_document(capsys: pytest.CaptureFixture[str]):
    assert {card["code"] for card in printed(["carriers", "list", "--json"], capsys)} >= {
        "ups",
        "dhl_unified",
        "correos",
    }


@pytest.mark.parametrize(
    "words", [["carriers", "decode", "nobody", "x"], ["carriers", "decode", "ups", "/gone/x.json"]]
)
def test_what_cannot_be_decoded_is_used_wrongly(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("tracker: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("dance", "invalid choice: 'dance'"),
        ("demo --json", "--until-settled"),
        ("demo --speed nan", "--speed: a number from 1 to 100000"),
        ("demo --port 70000", "--port: a number from 1 to 65535"),
        ("demo --port http", "--port: a number from 1 to 65535"),
        ("sandbox --listen 8090", "--listen: a host and a port"),
        ("sandbox --listen 127.0.0.1:", "--listen: a number from 1 to 65535"),
        ("carriers decode ups x.json --status 7", "--status: a number from 100 to 599"),
        ("partners add \x1b[2J", "name: 1 to 200 characters"),
        ("shadow maybe", "invalid choice: 'maybe'"),
    ],
)
def test_arguments_that_mean_nothing_are_used_wrongly(words: str, says: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(words.split(" "))
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("role", ["web", "work"])
def test_half_a_service_without_a_database_to_share_is_used_wrongly(
    role: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "tracker.toml"
    file.write_text(f'data_directory = "{tmp_path}/data"')
    assert main(["--config", str(file), "serve", "--role", role]) == 2
    said = capsys.readouterr().err
    assert [word for word in (f"--role {role}", "TRACKER_DATABASE_URL", "--role all") if word not in said] == []
    assert not (tmp_path / "data").exists()


def test_a_database_address_that_makes_no_sense_is_used_wrongly(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "tracker.toml"
    file.write_text(f'database_url = "postgresql://localhost/x?sslmode=perhaps"\nsecret_key = "{"k" * 32}"')
    assert main(["--config", str(file), "stop-sending"]) == 2
    assert "sslmode" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["migrate", "serve", "stop-sending"])
def test_a_database_that_is_away_is_named_with_what_to_do(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, port = tmp_path / "tracker.toml", free_port()
    file.write_text(
        f'database_url = "postgresql://u:hush@127.0.0.1:{port}/orders"\nsecret_key = "{"k" * 32}"\n'
        f'listen = "127.0.0.1:{free_port()}"'
    )
    assert main(["--config", str(file), words]) == 1
    said = capsys.readouterr().err
    assert [
        word for word in (f"127.0.0.1:{port}", "orders", "TRACKER_DATABASE_URL", "doctor") if word not in said
    ] == []
    assert (len(said.splitlines()), "hush" in said) == (1, False)


def test_a_wrong_configuration_is_told_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "tracker.toml"
    file.write_text('colour = "red"\nlisten = "here"')
    assert main(["--config", str(file), "migrate"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert main(["--config", str(file), "doctor"]) == 1


def commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser of every command and of each of its verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield inner
                yield from commands_of(inner)


def test_every_command_says_what_it_does_and_every_option_what_it_is_for():
    mute = []
    for command in commands_of(arguments.build_parser()):
        mute += [] if (command.description or "").endswith(".") else [command.prog]
        mute += [
            f"{command.prog} {action.dest}"
            for action in command._actions
            if not action.help and not isinstance(action, argparse._SubParsersAction)
        ]
    assert mute == []
