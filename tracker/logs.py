"""Structured logs on standard error: an allow-list of fields, and nothing personal or secret in any text."""

from __future__ import annotations

import logging
import re
import sys
from typing import Final

import structlog
from aiohttp.http_exceptions import BadHttpMessage
from structlog.typing import EventDict, Processor

# Ids, counts and kinds. What is not listed is dropped, so that a careless `extra` cannot leak.
_FIELDS: Final = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "logger",
        "exception",
        "account",
        "accepted",
        "attempt",
        "because",
        "carrier",
        "channel",
        "code",
        "count",
        "due",
        "duration",
        "error",
        "failed",
        "failure",
        "incident_id",
        "job",
        "kind",
        "message_id",
        "method",
        "notice_id",
        "outcome",
        "path",
        "problem",
        "request_id",
        "role",
        "route",
        "shipment_id",
        "size",
        "status",
        "until",
        "version",
        "waiting",
    ]
)
_HIDDEN: Final = (
    (re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"), "<email>"),
    (re.compile(r"\+\d[\d ]{7,15}\d"), "<phone>"),
    (re.compile(r"(?i)(bearer|basic)\s+[A-Za-z0-9._~+/=-]+"), r"\1 <secret>"),
    (re.compile(r"trk_live_\w+"), "<key>"),
    (re.compile(r"whsec_[A-Za-z0-9+/=]+"), "<secret>"),
    (re.compile(r"(/t/|/console/(?:enter|join|set-up)/)[A-Za-z0-9]+"), r"\1<token>"),
    (re.compile(r"(?i)((?:password|secret|token|key|sig)=)[^\s&]+"), r"\1<secret>"),
    (re.compile(r"(://)[^/@\s]+@"), r"\1<secret>@"),
)


def configure(level: str, form: str) -> None:
    """Send every log line of the process through the same allow-list; `form` is json or console."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
        keep_listed,
        hide_secrets,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("apscheduler").setLevel("ERROR")  # a tick that finds the last one under way is no news
    logging.getLogger("aiohttp.server").addFilter(without_foreign_lines)
    for chatty in ("aiosmtplib", "asyncio", "aiohttp.access", "mail.log"):
        logging.getLogger(chatty).setLevel("WARNING")


def without_foreign_lines(record: logging.LogRecord) -> bool:
    """aiohttp quotes requests that are no HTTP, with whatever stands in them, as errors of ours: they are neither."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BadHttpMessage):
        record.msg, record.args, record.exc_info = "a request that is no HTTP was refused", (), None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def keep_listed(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Drop every field that is not on the list; structlog's own, which start with an underscore, stay."""
    return {name: value for name, value in event.items() if name in _FIELDS or name.startswith("_")}


def hide_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Whatever text a library wrote, addresses, numbers, keys and tokens do not leave in it, nor in what prints as text."""
    return {
        name: value if name.startswith("_") or isinstance(value, int | float | None) else hidden(str(value))
        for name, value in event.items()
    }


def hidden(text: str) -> str:
    """The text without anything personal or secret that has a recognisable shape."""
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text
