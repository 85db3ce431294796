"""The command line: words in, one action, words or one JSON document out.

Exit codes: 0 done, 1 the answer is no, 2 used wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from asyncpg.exceptions import ClientConfigurationError

from carriers import registry
from carriers.contract import Answer
from sql.migrate import MigrationError
from tracker import bootstrap, commands, demonstration, logs
from tracker.actions.decode import decode
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused
from tracker.domain.staff import Role
from tracker.listening import AddressUnusable
from tracker.settings import Settings, SettingsWrong, load
from tracker.store.binaries import EmbeddedPostgresError

_ANCHOR: Final = re.compile(r"(?P<row>[0-9]{1,18}):(?P<hash>[0-9a-f]{64})")
_CONTENT_TYPES: Final = {".json": "application/json", ".xml": "text/xml", ".html": "text/html"}
Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


def _between(read: Callable[[str], float], least: int, most: int) -> Callable[[str], float]:
    """What takes a number in these bounds from an argument, and says them otherwise."""

    def number(text: str) -> float:
        try:
            value = read(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"a number from {least} to {most}")
        return value

    return number


def _anchor(text: str) -> tuple[int, str]:
    found = _ANCHOR.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(
            "a row and its hash as `tracker audit verify` prints them, such as 12:9f86d0..."
        )
    return int(found["row"]), found["hash"]


def _name(text: str) -> str:
    if not (text.strip() and text.isprintable() and len(text) <= 200):
        raise argparse.ArgumentTypeError("1 to 200 characters that can be printed")
    return text


_PORT: Final = _between(int, 1, 65535)
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")


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
    demo.add_argument(
        "--speed",
        type=_between(float, 1, 100_000),
        help="simulated seconds per second of the live demo (default: 3600)",
    )
    demo.add_argument("--seed", type=_name, default="1", help="another seed, another story (default: 1)")
    demo.add_argument("--port", type=_PORT, default=8080, help="where to listen (default: 8080)")
    demo.add_argument("--until-settled", action="store_true", help="do not wait: play to the end and sum up")
    demo.add_argument("--json", action="store_true", help="the summary as one JSON document")

    verbs.add_parser("migrate", help="bring the database up to date: its tables and the configured shop")
    doctor = verbs.add_parser("doctor", help="what is configured, what is missing, what can be reached")
    doctor.add_argument("--json", action="store_true")
    verbs.add_parser("stop-sending", help="keep every message in")
    verbs.add_parser("resume-sending", help="let messages out again")
    shadow = verbs.add_parser("shadow", help="plan and show everything, send nothing")
    shadow.add_argument("state", choices=["on", "off"])
    _add_access(verbs)

    carriers = verbs.add_parser("carriers", help="what is known of carriers").add_subparsers(dest="verb", required=True)
    listing = carriers.add_parser("list", help="the carrier matrix")
    listing.add_argument("--json", action="store_true")
    reading = carriers.add_parser("decode", help="what the tracker makes of a raw body")
    reading.add_argument("carrier")
    reading.add_argument("file", type=Path)
    reading.add_argument(
        "--status", type=_between(int, 100, 599), default=200, help="HTTP status that the body came with (default: 200)"
    )
    reading.add_argument("--content-type", type=_name, help="its content type (default: by the file's ending)")
    reading.add_argument("--number", type=_name, help="one parcel out of several")
    reading.add_argument("--json", action="store_true")

    sandbox = verbs.add_parser("sandbox", help="only the world of pretend carriers, to develop against")
    sandbox.add_argument("--listen", type=_address, default="127.0.0.1:8090", metavar="HOST:PORT")
    sandbox.add_argument("--seed", type=_name, default="1")
    return parser


def _add_access(verbs: Any) -> None:
    """Who may come in, and what they did."""
    link = verbs.add_parser("link", help="a one-time link into the console, for whoever works on this machine")
    link.add_argument("email", type=_name, nargs="?", help="whose (default: the first admin's)")
    staff = verbs.add_parser("staff", help="the people of a shop").add_subparsers(dest="verb", required=True)
    invite = staff.add_parser("add", help="invite somebody: prints a link to choose a password with")
    invite.add_argument("email", type=_name)
    invite.add_argument("name", type=_name)
    invite.add_argument("--role", choices=list(Role), default=Role.AGENT, help="what they may do (default: agent)")
    invite.add_argument("--shop", type=_name, default="default")
    invite.add_argument("--partner", type=_name, help="for the role partner: whose pushes they see")
    record = verbs.add_parser("audit", help="what people did").add_subparsers(dest="verb", required=True)
    verify = record.add_parser("verify", help="whether the record is whole: every row follows from the one before")
    verify.add_argument(
        "--anchor", type=_anchor, metavar="ROW:HASH", help="what an earlier look printed, kept elsewhere"
    )
    verify.add_argument("--json", action="store_true")

    keys = verbs.add_parser("keys", help="API keys").add_subparsers(dest="verb", required=True)
    create = keys.add_parser("create", help="a new API key, shown once")
    create.add_argument("--shop", type=_name, default="default")
    create.add_argument("--label", type=_name, default="command line")
    create.add_argument("--read-only", action="store_true", help="may look, and change nothing")
    partners = verbs.add_parser("partners", help="who pushes to us").add_subparsers(dest="verb", required=True)
    add = partners.add_parser("add", help="a new partner: its push URL and signing secret, shown once")
    add.add_argument("name", type=_name)
    add.add_argument("--shop", type=_name, default="default")
    rotate = partners.add_parser("rotate", help="a new secret; the old one is good for another day")
    rotate.add_argument("partner", type=_name, help="the id that `partners add` printed")
    secrets = verbs.add_parser("secrets", help="what keeps the secrets").add_subparsers(dest="verb", required=True)
    secrets.add_parser(
        "rewrap", help="replace the master key TRACKER_OLD_SECRET_KEY by TRACKER_SECRET_KEY; every link stays good"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = build_parser()
    given = parser.parse_args(arguments)
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
    return _run(demonstration.demo if playing else getattr(commands, name), settings, given)


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
        bootstrap.DatabaseAway,
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


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host):
        raise argparse.ArgumentTypeError("a host and a port, such as 127.0.0.1:8090")
    _PORT(port)
    return text
