"""The command line: words in, one action, words or one JSON document out.

Exit codes: 0 done, 1 the answer is no, 2 used wrongly, 128 and the signal when cut short.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

import asyncpg
import msgspec
from asyncpg.exceptions import ClientConfigurationError

from carriers import registry
from carriers.contract import Answer
from sql.migrate import MigrationError
from tracker import arguments, bootstrap, commands, demonstration, logs, premises, setting_up
from tracker.actions.decode import decode
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused
from tracker.listening import AddressUnusable
from tracker.settings import Settings, SettingsWrong, load
from tracker.store.binaries import EmbeddedPostgresError

_CONTENT_TYPES: Final = {".json": "application/json", ".xml": "text/xml", ".html": "text/html"}
Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


def main(words: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = arguments.build_parser()
    given = parser.parse_args(words)
    if given.command == "carriers":
        return _carriers(given)
    playing = given.command == "demo"  # whose output is for the eye
    if playing and given.json and not given.until_settled:
        parser.error("--json sums up a story that has ended: it goes with --until-settled")
    try:
        settings = load(bootstrap.carrier_settings(), file=given.config)
    except SettingsWrong as wrong:
        if given.command == "doctor":
            return commands.report_mistakes(wrong.mistakes, as_json=given.json)
        return _ended(2, *wrong.mistakes)
    logs.configure("ERROR" if playing else settings.log_level, "console" if playing else settings.log_format)
    name = "_".join(filter(None, (given.command.replace("-", "_"), getattr(given, "verb", None))))
    elsewhere = {"demo": demonstration.demo, "setup": setting_up.setup}
    return _run(elsewhere.get(name) or getattr(commands, name), settings, given)


def _run(command: Command, settings: Settings, given: argparse.Namespace) -> int:
    try:
        return asyncio.run(command(settings, given))
    except SettingsWrong as wrong:
        return _ended(2, *wrong.mistakes)
    except (commands.UsedWrongly, ClientConfigurationError) as mistake:
        return _ended(2, mistake)
    except (
        NotFound,
        FieldsWrong,
        RuleRefused,
        MigrationError,
        EmbeddedPostgresError,
        AddressUnusable,
        premises.DatabaseAway,
    ) as refusal:
        return _ended(1, refusal)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
        return _ended(1, f"{type(away).__name__}: {away}")
    except KeyboardInterrupt:
        return 130


def _ended(code: int, *words: object) -> int:
    """The exit code, with the reasons said to people."""
    for line in words:
        print(f"tracker: {line}", file=sys.stderr)
    return code


def _carriers(given: argparse.Namespace) -> int:
    adapters = registry.adapters()
    if given.verb == "list":
        cards = [adapters[code].card for code in sorted(adapters)]
        print(json.dumps([_plain(card) for card in cards], indent=2) if given.json else registry.matrix())
        return 0
    adapter = adapters.get(given.carrier)
    if adapter is None:
        return _ended(2, f"no carrier {given.carrier!r}; known: {', '.join(sorted(adapters))}")
    try:
        body = given.file.read_bytes()
    except OSError as mistake:
        return _ended(2, f"{given.file}: {mistake.strerror}")
    content_type = given.content_type or _CONTENT_TYPES.get(given.file.suffix, "text/plain")
    document = decode(adapter, Answer(given.status, content_type, body), given.number)
    print(json.dumps(document, indent=2, ensure_ascii=False) if given.json else _readable(document))
    return 0


def _plain(card: Any) -> Any:
    return msgspec.to_builtins(card)


def _readable(document: dict[str, Any]) -> str:
    if document["error"] is not None:
        return f"{document['carrier']}: {document['error']}: {document['detail']}"
    lines: list[str] = []
    for shipment in document["shipments"]:
        if shipment["error"] is not None:
            lines.append(f"{shipment['tracking_number']}: {shipment['error']}: {shipment['detail']}")
            continue
        problem = shipment["open_problem"]
        wrong = f", {problem['category']}: {problem['cause']}" if problem else ""
        lines.append(f"{shipment['tracking_number']}: {shipment['milestone']} {shipment['status_detail'] or ''}{wrong}")
        for event in shipment["events"]:
            place = event["place"]["city"] or event["place"]["country"] or ""
            when = event["occurred_at"] or "no time"
            lines.append(
                f"  {when:20}  {event['milestone']:20} {event['code'] or '':10} {event['text'] or ''}  {place}"
            )
    return "\n".join(lines)
