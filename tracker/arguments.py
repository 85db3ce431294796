"""What may be typed: every command with its options, and what people are told of them."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tracker.domain.staff import Role

_ANCHOR: Final = re.compile(r"(?P<row>[0-9]{1,18}):(?P<hash>[0-9a-f]{64})")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
SANDBOX_ADDRESS: Final = "127.0.0.1:8090"
_JSON: Final = "one JSON document in place of words for people"
_SHOP: Final = "the shop's code (default: default)"


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


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host):
        raise argparse.ArgumentTypeError("a host and a port, such as 127.0.0.1:8090")
    _PORT(port)
    return text


_PORT: Final = _between(int, 1, 65535)


def build_parser() -> argparse.ArgumentParser:
    """Every command with its words."""
    parser = argparse.ArgumentParser(
        prog="tracker", description="Watches parcels, sees trouble first, tells the customer."
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (default: tracker.toml, if there)"
    )
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_running(verbs)
    _add_sending(verbs)
    _add_access(verbs)
    _add_partners(verbs)
    _add_carriers(verbs)
    return parser


def _command(verbs: Any, name: str, what: str, description: str) -> Any:
    return verbs.add_parser(name, help=what, description=description)


def _group(verbs: Any, name: str, what: str, description: str) -> Any:
    """A command of which each verb is one of its own."""
    return _command(verbs, name, what, description).add_subparsers(dest="verb", required=True, metavar="VERB")


def _add_running(verbs: Any) -> None:
    """What runs, and what is looked at before."""
    serve = _command(
        verbs,
        "serve",
        "run the service",
        "Runs the service until SIGTERM or Ctrl-C: it asks carriers, takes pushes, finds incidents and sends messages."
        " The database is brought up to date first.",
    )
    serve.add_argument(
        "--role", choices=["all", "web", "work"], default="all", help="which half runs here (default: all)"
    )
    demo = _command(
        verbs,
        "demo",
        "the whole service beside a world of pretend carriers",
        "Plays three weeks of a Spanish shop with the real service, in about nine minutes; --until-settled plays them at"
        " once, in a minute or two. It needs nothing, reaches nobody outside this machine, and leaves nothing behind.",
    )
    demo.add_argument(
        "--speed",
        type=_between(float, 1, 100_000),
        help="simulated seconds per second of the live demo (default: 3600)",
    )
    demo.add_argument("--seed", type=_name, default="1", help="another seed, another story (default: 1)")
    demo.add_argument("--port", type=_PORT, default=8080, help="where to listen on 127.0.0.1 (default: 8080)")
    demo.add_argument("--until-settled", action="store_true", help="do not wait: play to the end and sum up")
    demo.add_argument("--json", action="store_true", help="the summary of --until-settled as one JSON document")
    _command(
        verbs,
        "migrate",
        "bring the database up to date: its tables and the configured shop",
        "Makes or updates the tables, and writes the configured shop into them. Safe to run again, and beside a service"
        " that runs.",
    )
    setup = _command(
        verbs,
        "setup",
        "set up the shop, the first admin and the accounts, each tried out",
        "Asks what the set-up in the browser asks, and may be run again at any time. With --answers a file in TOML answers"
        " instead: [shop], [admin] name, email and password, [carriers.<code>], [mail], [sms].",
    )
    setup.add_argument("--answers", type=Path, metavar="FILE", help="a file of answers; what it lacks is asked for")
    setup.add_argument("--yes", action="store_true", help="ask nothing: what is not answered stays as it is")
    doctor = _command(
        verbs,
        "doctor",
        "what is configured, what is missing, what can be reached",
        "Looks at the configuration and at all that it names, changes nothing, and says of each thing whether it is"
        " right and what to do. The exit code is 1 when something is wrong.",
    )
    doctor.add_argument("--json", action="store_true", help=_JSON)
    sandbox = _command(
        verbs,
        "sandbox",
        "only the world of pretend carriers, to develop against",
        "Runs pretend carriers that answer like DHL, UPS and Correos, in real time, until SIGTERM or Ctrl-C. Its parcels,"
        " and the accounts that it accepts, are listed at /_sandbox/parcels and in the README.",
    )
    sandbox.add_argument(
        "--listen",
        type=_address,
        default=SANDBOX_ADDRESS,
        metavar="HOST:PORT",
        help=f"where to listen (default: {SANDBOX_ADDRESS})",
    )
    sandbox.add_argument("--seed", type=_name, default="1", help="another seed, other parcels (default: 1)")


def _add_sending(verbs: Any) -> None:
    """Whether messages leave."""
    _command(
        verbs,
        "stop-sending",
        "keep every message in",
        "Keeps every message in, at once and in every process. What waits is sent after `tracker resume-sending`, as far"
        " as it is still true by then.",
    )
    _command(verbs, "resume-sending", "let messages out again", "Undoes `tracker stop-sending`.")
    shadow = _command(
        verbs,
        "shadow",
        "plan and show everything, send nothing",
        "While it is on, messages are planned, written and shown in the console, and none is sent, also not later.",
    )
    shadow.add_argument("state", choices=["on", "off"], help="whether messages are only shown")


def _add_access(verbs: Any) -> None:
    """Who may come in, and what they did."""
    link = _command(
        verbs,
        "link",
        "a one-time link into the console, for whoever works on this machine",
        "Prints a link that opens the console once, without a password.",
    )
    link.add_argument("email", type=_name, nargs="?", help="whose (default: the first admin's)")
    staff = _group(verbs, "staff", "the people of a shop", "The people who work in the console.")
    invite = _command(
        staff,
        "add",
        "invite somebody: prints a link to choose a password with",
        "Prints a link with which somebody chooses a password and comes in; run again it prints a new one.",
    )
    invite.add_argument("email", type=_name, help="the mail address with which they sign in")
    invite.add_argument("name", type=_name, help="what they are called in the console")
    invite.add_argument("--role", choices=list(Role), default=Role.AGENT, help="what they may do (default: agent)")
    invite.add_argument("--shop", type=_name, default="default", help=_SHOP)
    invite.add_argument("--partner", type=_name, help="for the role partner: whose pushes they see")
    record = _group(verbs, "audit", "what people did", "The record of what people did in the console.")
    verify = _command(
        record,
        "verify",
        "whether the record is whole: every row follows from the one before",
        "Reads the whole record and says whether a row was changed or taken out. The exit code is 1 when it is broken.",
    )
    verify.add_argument(
        "--anchor", type=_anchor, metavar="ROW:HASH", help="what an earlier look printed, kept elsewhere"
    )
    verify.add_argument("--json", action="store_true", help=_JSON)


def _add_partners(verbs: Any) -> None:
    """Which programs may come in, and with which secrets."""
    keys = _group(verbs, "keys", "API keys", "The keys with which a shop's programs use the REST interface.")
    create = _command(
        keys,
        "create",
        "a new API key, shown once",
        "Prints a new API key; it is shown this once and kept only as a hash.",
    )
    create.add_argument("--shop", type=_name, default="default", help=_SHOP)
    create.add_argument("--label", type=_name, default="command line", help="what it is for, as the console shows it")
    may = create.add_mutually_exclusive_group()
    may.add_argument("--read-only", action="store_true", help="may look, and change nothing")
    may.add_argument("--with-keys", action="store_true", help="may also make, replace and end keys")
    listing = _command(keys, "list", "a shop's keys", "Lists a shop's keys with what they may do; of none the secret.")
    listing.add_argument("--shop", type=_name, default="default", help=_SHOP)
    listing.add_argument("--json", action="store_true", help=_JSON)
    revoke = _command(keys, "revoke", "end a key at once", "Ends a key, such as one that has become known to others.")
    revoke.add_argument("key", type=_name, help="its id as `keys list` prints it, such as key_3")
    revoke.add_argument("--shop", type=_name, default="default", help=_SHOP)
    partners = _group(verbs, "partners", "who pushes to us", "Carriers and partners that push updates of parcels.")
    add = _command(
        partners,
        "add",
        "a new partner: its push URL and signing secret, shown once",
        "Prints the address to which a partner pushes and the secret with which it signs (Standard Webhooks).",
    )
    add.add_argument("name", type=_name, help="what the partner is called in the console")
    add.add_argument("--shop", type=_name, default="default", help=_SHOP)
    rotate = _command(
        partners,
        "rotate",
        "a new secret; the old one is good for another day",
        "Prints a new signing secret for a partner; the one before it is accepted for another 24 hours.",
    )
    rotate.add_argument("partner", type=_name, help="the id that `partners add` printed")
    secrets = _group(
        verbs, "secrets", "what keeps the secrets", "The key under which secrets are kept in the database."
    )
    _command(
        secrets,
        "rewrap",
        "replace the master key by another one; every link stays good",
        "Replaces the master key TRACKER_OLD_SECRET_KEY by TRACKER_SECRET_KEY; every link, secret and second factor stays"
        " good.",
    )


def _add_carriers(verbs: Any) -> None:
    """What is known of carriers, without any database."""
    carriers = _group(verbs, "carriers", "what is known of carriers", "What is known of carriers; needs no database.")
    listing = _command(
        carriers, "list", "the carrier matrix", "Prints what each carrier can do and which credentials it asks for."
    )
    listing.add_argument("--json", action="store_true", help=_JSON)
    reading = _command(
        carriers,
        "decode",
        "what the tracker makes of a raw body",
        "Reads a file as if it were a carrier's answer, and prints the events and problems that the tracker sees in it.",
    )
    reading.add_argument("carrier", help="the carrier's code, as `tracker carriers list` prints it")
    reading.add_argument("file", type=Path, help="the body as it came")
    reading.add_argument(
        "--status", type=_between(int, 100, 599), default=200, help="HTTP status that the body came with (default: 200)"
    )
    reading.add_argument("--content-type", type=_name, help="its content type (default: by the file's ending)")
    reading.add_argument("--number", type=_name, help="one parcel out of several")
    reading.add_argument("--json", action="store_true", help=_JSON)
