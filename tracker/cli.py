"""The command line: words in, one action, words or one JSON document out.

Exit codes: 0 done, 1 the answer is no, 2 used wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from carriers import registry
from carriers.contract import Answer
from sql.migrate import MigrationError
from tracker import bootstrap, commands, logs
from tracker.actions.decode import decode
from tracker.domain.errors import NotFound, RuleRefused
from tracker.settings import Settings, SettingsWrong, load
from tracker.store.binaries import EmbeddedPostgresError

_CONTENT_TYPES: Final = {".json": "application/json", ".xml": "text/xml", ".html": "text/html"}
Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


def build_parser() -> argparse.ArgumentParser:
    """Every command with its words."""
    parser = argparse.ArgumentParser(
        prog="tracker", description="Watches parcels, sees trouble first, tells the customer."
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (default: tracker.toml, if there)"
    )
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = verbs.add_parser("serve", help="run the service")
    serve.add_argument(
        "--role", choices=["all", "web", "work"], default="all", help="which half runs here (default: all)"
    )
    demo = verbs.add_parser("demo", help="the whole service beside a world of pretend carriers")
    demo.add_argument("--speed", type=_positive, default=3600.0, help="simulated seconds per second (default: 3600)")
    demo.add_argument("--seed", default="1", help="another seed, another story (default: 1)")
    demo.add_argument("--port", type=_port, default=8080, help="where to listen (default: 8080)")
    demo.add_argument("--until-settled", action="store_true", help="do not wait: play to the end and sum up")
    demo.add_argument("--json", action="store_true", help="the summary as one JSON document")

    verbs.add_parser("migrate", help="bring the database schema up to date")
    doctor = verbs.add_parser("doctor", help="what is configured, what is missing, what can be reached")
    doctor.add_argument("--json", action="store_true")
    verbs.add_parser("stop-sending", help="keep every message in")
    verbs.add_parser("resume-sending", help="let messages out again")
    shadow = verbs.add_parser("shadow", help="plan and show everything, send nothing")
    shadow.add_argument("state", choices=["on", "off"])
    verbs.add_parser("link", help="a one-time link into the live board")

    keys = verbs.add_parser("keys", help="API keys").add_subparsers(dest="verb", required=True)
    create = keys.add_parser("create", help="a new API key, shown once")
    create.add_argument("--shop", default="default")
    create.add_argument("--label", default="command line")
    create.add_argument("--read-only", action="store_true", help="may look, and change nothing")
    partners = verbs.add_parser("partners", help="who pushes to us").add_subparsers(dest="verb", required=True)
    add = partners.add_parser("add", help="a new partner: its push URL and signing secret, shown once")
    add.add_argument("name")
    add.add_argument("--shop", default="default")
    rotate = partners.add_parser("rotate", help="a new secret; the old one is good for another day")
    rotate.add_argument("partner", help="the id that `partners add` printed")

    carriers = verbs.add_parser("carriers", help="what is known of carriers").add_subparsers(dest="verb", required=True)
    listing = carriers.add_parser("list", help="the carrier matrix")
    listing.add_argument("--json", action="store_true")
    reading = carriers.add_parser("decode", help="what the tracker makes of a raw body")
    reading.add_argument("carrier")
    reading.add_argument("file", type=Path)
    reading.add_argument("--status", type=int, default=200, help="HTTP status that the body came with (default: 200)")
    reading.add_argument("--content-type", help="its content type (default: by the file's ending)")
    reading.add_argument("--number", help="one parcel out of several")
    reading.add_argument("--json", action="store_true")

    sandbox = verbs.add_parser("sandbox", help="only the world of pretend carriers, to develop against")
    sandbox.add_argument("--listen", type=_address, default="127.0.0.1:8090", metavar="HOST:PORT")
    sandbox.add_argument("--seed", default="1")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = build_parser().parse_args(arguments)
    if given.command == "carriers":
        return _carriers(given)
    try:
        settings = load(bootstrap.carrier_settings(), file=given.config)
    except SettingsWrong as wrong:
        if given.command == "doctor":
            return commands.report_mistakes(wrong.mistakes, as_json=given.json)
        for mistake in wrong.mistakes:
            print(f"tracker: {mistake}", file=sys.stderr)
        return 2
    playing = given.command == "demo"  # whose output is for the eye
    logs.configure("ERROR" if playing else settings.log_level, "console" if playing else settings.log_format)
    name = "_".join(filter(None, (given.command.replace("-", "_"), getattr(given, "verb", None))))
    command: Command = getattr(commands, name)
    try:
        return asyncio.run(command(settings, given))
    except (NotFound, RuleRefused, MigrationError, EmbeddedPostgresError, commands.Unavailable) as refusal:
        print(f"tracker: {refusal}", file=sys.stderr)
        return 1
    except SettingsWrong as wrong:
        print("\n".join(f"tracker: {mistake}" for mistake in wrong.mistakes), file=sys.stderr)
        return 2
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
        print(f"tracker: {type(away).__name__}: {away}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _carriers(given: argparse.Namespace) -> int:
    adapters = registry.adapters()
    if given.verb == "list":
        cards = [adapters[code].card for code in sorted(adapters)]
        print(json.dumps([_plain(card) for card in cards], indent=2) if given.json else registry.matrix())
        return 0
    adapter = adapters.get(given.carrier)
    if adapter is None:
        print(f"tracker: no carrier {given.carrier!r}; known: {', '.join(sorted(adapters))}", file=sys.stderr)
        return 2
    try:
        body = given.file.read_bytes()
    except OSError as mistake:
        print(f"tracker: {given.file}: {mistake.strerror}", file=sys.stderr)
        return 2
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


def _positive(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 100_000:
        raise argparse.ArgumentTypeError("between 1 and 100000")
    return value


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host:
        raise argparse.ArgumentTypeError("a host and a port, such as 127.0.0.1:8090")
    _port(port)
    return text


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError("between 1 and 65535")
    return value
