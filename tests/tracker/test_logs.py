import io
import json
import logging
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest
from aiohttp.http_exceptions import BadStatusLine

from tracker import logs
from tracker.vault import Vault, new_api_key

CHATTY = ("apscheduler", "aiosmtplib", "asyncio", "aiohttp.access", "mail.log")


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[str], io.StringIO]]:
    """Logs in this form; gives what goes to standard error. The process logs as before when the test is over."""
    loggers = [logging.getLogger(name) for name in ("", *CHATTY)]
    levels, handlers = [logger.level for logger in loggers], loggers[0].handlers[:]

    def configured(form: str) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        logs.configure("INFO", form)
        return stream

    yield configured
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def lines(configure: Callable[[str], io.StringIO]) -> Callable[[], list[dict[str, Any]]]:
    """Each line written, read as JSON."""
    stream = configure("json")
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_one_json_document_with_its_level_logger_and_time(lines):
    logging.getLogger("tracker.jobs").warning("job failed\nfor %s reasons", 2, extra={"job": "poll", "count": 3})
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "job failed\nfor 2 reasons", "level": "warning", "logger": "tracker.jobs", "job": "poll", "count": 3,
    }  # fmt: skip


def test_a_field_that_is_not_listed_is_dropped(lines):
    logging.getLogger("tracker").info("told", extra={"recipient": "Carmen Núñez", "street": "Calle 1", "notice_id": 4})
    [line] = lines()
    assert line.keys() == {"event", "level", "logger", "timestamp", "notice_id"}


@pytest.mark.parametrize(
    "secret",
    [
        "ana.lopez+shop@correo.example",
        "+34 600 123 456",
        "+34600123456",
        "Bearer eyJhbGciOi.x-y_z",
        "Basic dXNlcjpwYXNz",
        new_api_key()[0],
        "whsec_c2VjcmV0c2VjcmV0",
        "/t/" + Vault(b"k" * 32).link_token(1, 1),
        "/console/enter/1234567890abcdefghijkl",
        "client_secret=hush&x=1",
        "password=hush",
        "smtps://user:hush@relay.example",
    ],
)
def test_what_is_personal_or_secret_leaves_in_no_text(lines, secret: str):
    """Whoever wrote it, and wherever: in the text, its arguments, a field, or an exception."""
    log = logging.getLogger("some.library")
    log.error(f"failed: {secret}")  # noqa: G004 - as libraries do
    log.error("failed: %s", secret)
    log.error("failed", extra={"because": secret})
    log.error("failed", extra={"error": ValueError(secret)})
    log.error("failed", extra={"problem": [secret]})
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed")
    written = lines()
    assert len(written) == 6
    hush = secret.rpartition("=")[2] if "password" in secret else secret
    kept = [
        piece for line in written for piece in (secret, hush, "hush") if piece in json.dumps(line, ensure_ascii=False)
    ]
    assert kept == []
    assert "ValueError" in written[-1]["exception"]


def test_what_libraries_chat_about_is_left_out(lines):
    for name in CHATTY:
        logging.getLogger(name).info("chat")
    logging.getLogger("apscheduler").warning("still under way")
    logging.getLogger("tracker").debug("detail")
    assert lines() == []


def test_for_people_a_line_is_plain_text(configure: Callable[[str], io.StringIO]):
    stream = configure("console")
    logging.getLogger("tracker").info("listening", extra={"role": "web"})
    line = stream.getvalue()
    assert "listening" in line
    assert "role=web" in line
    assert "\x1b" not in line


def test_a_request_that_is_no_http_is_no_error_and_none_of_it_is_quoted(lines):
    try:
        raise BadStatusLine("GET /t/tokentokentoken?q=600111222 Cookie: sid=secret")
    except BadStatusLine:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", "192.0.2.7")
    [line] = lines()
    assert (line["event"], line["level"]) == ("a request that is no HTTP was refused", "info")
    assert line.keys() == {"event", "level", "logger", "timestamp"}
