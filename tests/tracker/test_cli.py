import json
from pathlib import Path
from typing import Any

import pytest

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


def test_an_unknown_command_is_used_wrongly():
    with pytest.raises(SystemExit) as ended:
        main(["dance"])
    assert ended.value.code == 2


def test_a_wrong_configuration_is_told_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "tracker.toml"
    file.write_text('colour = "red"\nlisten = "here"')
    assert main(["--config", str(file), "migrate"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert main(["--config", str(file), "doctor"]) == 1
