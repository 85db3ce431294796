"""What the commands do that need settings and, most of them, the database; one coroutine each, named like its command."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from carriers.sandbox import server
from carriers.sandbox.world import World
from sql.migrate import MigrationError
from tracker import bootstrap, keys, listening, premises
from tracker.actions import access, audit, data_key, people, set_up
from tracker.actions.audit import AT_THE_MACHINE
from tracker.actions.data_key import OtherMasterKey
from tracker.actions.deciding import House
from tracker.clock import Chance, RealClock
from tracker.doctor import examine
from tracker.domain.errors import NotFound
from tracker.domain.staff import Role
from tracker.settings import Settings
from tracker.simulation import demo as stage
from tracker.store import shops
from tracker.store.calendars import Calendars
from tracker.store.db import Database
from tracker.vault import MasterKey

ELSEWHERE = "listen in tracker.toml or TRACKER_LISTEN"  # where the service is told where to listen
READ, WRITE = ["read"], ["read", "shipments:write", "incidents:write", "returns:write"]


class UsedWrongly(Exception):
    """What was asked for does not go together; the message says what to do."""


async def serve(settings: Settings, given: argparse.Namespace) -> int:
    """Run until asked to stop."""
    if given.role != "all" and settings.database_url is None:
        raise UsedWrongly(
            f"serve --role {given.role} shares its database with other processes, and the embedded one serves a single"
            " process: set TRACKER_DATABASE_URL (database_url in tracker.toml), or use --role all"
        )
    if given.role in ("all", "web"):
        listening.refuse_unusable(settings.host, settings.port, ELSEWHERE)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(premises.database_url(settings))
        await premises.bring_up_to_date(settings, url)
        clock = RealClock()
        runtime = await stack.enter_async_context(bootstrap.open_runtime(settings, url, clock, Chance()))
        if given.role in ("all", "web"):
            await stack.enter_async_context(bootstrap.listening(runtime))
        if given.role in ("all", "work"):  # entered last: it ends while the doors still say that we are going
            await stack.enter_async_context(bootstrap.ticking(runtime))
            async with runtime.house.db.connection() as conn:
                say(at_work(runtime.delivery.channels, await access.switches(conn)))
        if given.role in ("all", "web"):
            if given.role == "web":
                await stack.enter_async_context(bootstrap.keeping_up(runtime))
            say(f"listening on http://{settings.listen}")
            say(await _how_to_get_in(runtime.house, settings))
        await bootstrap.until_asked_to_stop(runtime.stopping)
    return 0


def at_work(channels: Sequence[str], switches: Mapping[str, bool]) -> str:
    """What becomes of messages now, and what would change it."""
    if switches["stop_sending"]:
        return "at work; sending is stopped: no message leaves until `tracker resume-sending`"
    if switches["shadow"]:
        return "at work in shadow: messages are planned and shown, none is sent until `tracker shadow off`"
    if not channels:
        return "at work; messages wait: no channel is configured"
    return f"at work; messages go by {', '.join(channels)}"


async def _how_to_get_in(house: House, settings: Settings) -> str:
    async with house.db.connection() as conn:
        is_first_run = await set_up.is_open(conn)
    if is_first_run:
        return f"set up, until there is an admin: http://127.0.0.1:{settings.port}/console/begin/{set_up.token(house)}"
    try:
        return f"console, for the first admin, once: {await entry_link(house, settings)}"
    except NotFound:  # every admin is kept out
        return f"console: {settings.public_url}/console"


async def migrate(settings: Settings, _given: argparse.Namespace) -> int:
    """Bring the schema up to date."""
    async with any_database(settings) as url:
        applied = await premises.bring_up_to_date(settings, url)
        async with await Database.open(url, settings.database_schema, max_size=1) as db, db.transaction() as conn:
            await shops.ensure(conn, settings.shop, settings.shop_given, RealClock().now())
    say("\n".join(applied) if applied else "the schema is up to date")
    return 0


async def doctor(settings: Settings, given: argparse.Namespace) -> int:
    """Print every check; the answer is no when something is wrong."""
    checks = await examine(settings)
    wrong = any(check.verdict == "wrong" for check in checks)
    if given.json:
        print(json.dumps({"ok": not wrong, "checks": msgspec.to_builtins(checks)}, indent=2))
    else:
        print("\n".join(f"{check.verdict:8} {check.subject:22} {check.says}" for check in checks))
    return 1 if wrong else 0


async def stop_sending(settings: Settings, _given: argparse.Namespace) -> int:
    """Keep every message in."""
    return await _turn(settings, "stop_sending", engaged=True, said="no message leaves until `tracker resume-sending`")


async def resume_sending(settings: Settings, _given: argparse.Namespace) -> int:
    """Let messages out again."""
    return await _turn(settings, "stop_sending", engaged=False, said="messages go out")


async def shadow(settings: Settings, given: argparse.Namespace) -> int:
    """Plan and show, send nothing."""
    engaged = given.state == "on"
    said = "messages are planned and shown, none is sent" if engaged else "messages planned from now on are sent"
    return await _turn(settings, "shadow", engaged=engaged, said=said)


async def link(settings: Settings, given: argparse.Namespace) -> int:
    """A one-time link into the console."""
    async with _house(settings) as house:
        print(await entry_link(house, settings, given.email))
    return 0


async def staff_add(settings: Settings, given: argparse.Namespace) -> int:
    """An invitation for somebody, printed once; run again it makes a new one."""
    async with _house(settings) as house:
        token = await people.invite(
            house, given.shop, given.email, given.name, Role(given.role), AT_THE_MACHINE, partner=given.partner
        )
    print(f"{settings.public_url.rstrip('/')}/console/join/{token}")
    say("Send them this link: within a week it opens once, to choose a password.")
    return 0


async def audit_verify(settings: Settings, given: argparse.Namespace) -> int:
    """Look at the whole record of what people did."""
    async with _database(settings) as db, db.connection() as conn:
        verdict = await audit.verify(conn, given.anchor)
    if given.json:
        print(json.dumps({"ok": verdict.broken_at is None} | msgspec.to_builtins(verdict), indent=2))
    elif verdict.broken_at is None:
        print(f"whole: {verdict.rows} rows; note this elsewhere, for --anchor: {verdict.rows}:{verdict.head}")
    else:
        print(f"broken at row {verdict.broken_at}: it does not follow from the {verdict.rows} rows before it")
    return 0 if verdict.broken_at is None else 1


async def keys_create(settings: Settings, given: argparse.Namespace) -> int:
    """A new API key, shown once."""
    scopes = READ if given.read_only else [*WRITE, access.Scope.KEYS_WRITE] if given.with_keys else WRITE
    async with _database(settings) as db, db.transaction() as conn:
        print(await access.create_key(conn, given.shop, given.label, scopes))
    say("This key is shown this once.")
    return 0


async def keys_list(settings: Settings, given: argparse.Namespace) -> int:
    """A shop's keys, and what became of them."""
    async with _database(settings) as db, db.connection() as conn:
        known = await access.list_keys(conn, await shops.find(conn, given.shop))
    if given.json:
        print(json.dumps([{**msgspec.to_builtins(one), "id": f"key_{one.id}"} for one in known], indent=2))
    for one in known if not given.json else ():
        ended = f"  ended {one.revoked_at:%Y-%m-%d %H:%M} UTC" if one.revoked_at else ""
        used = f"used {one.last_used_at:%Y-%m-%d %H:%M} UTC" if one.last_used_at else "never used"
        print(f"key_{one.id}  trk_live_{one.name}_...  {one.label}  {' '.join(one.scopes)}  {used}{ended}")
    return 0


async def keys_revoke(settings: Settings, given: argparse.Namespace) -> int:
    """End a key at once."""
    number = given.key.removeprefix("key_")
    if not (number.isascii() and number.isdecimal() and len(number) <= 18):
        raise UsedWrongly(f"{given.key}: a key's id looks like key_3; `tracker keys list` prints it")
    async with _house(settings) as house:
        async with house.db.connection() as conn:
            shop_id = await shops.find(conn, given.shop)
        await access.revoke_key(house, shop_id, AT_THE_MACHINE, int(number))
    say("It is accepted no more.")
    return 0


async def partners_add(settings: Settings, given: argparse.Namespace) -> int:
    """A new partner with its push URL and signing secret."""
    async with _house(settings) as house, house.db.transaction() as conn:
        code, secret = await access.add_partner(conn, house.vault, given.shop, given.name)
    print(f"partner  {code}\npush to  {settings.public_url.rstrip('/')}/push/{code}\nsecret   {secret}")
    say("The secret (Standard Webhooks) is shown this once.")
    return 0


async def partners_rotate(settings: Settings, given: argparse.Namespace) -> int:
    """A new secret for a partner."""
    async with _house(settings) as house, house.db.transaction() as conn:
        secret = await access.rotate_partner(conn, house.vault, given.partner)
    print(f"secret   {secret}")
    say("Shown this once; the secret before it is accepted for another 24 hours.")
    return 0


async def secrets_rewrap(settings: Settings, _given: argparse.Namespace) -> int:
    """Put another master key in the place of the one in use; links, secrets and second factors stay good."""
    old, new = settings.old_secret_key, settings.secret_key
    if old is None or new is None:
        raise UsedWrongly(
            "needs both keys: the one in use as TRACKER_OLD_SECRET_KEY (old_secret_key in tracker.toml, or the name of a"
            " file as old_secret_key_file), and the one to come as TRACKER_SECRET_KEY"
        )
    async with _database(settings) as db:
        try:
            done = await data_key.rewrap(db, MasterKey(old.encode()), MasterKey(new.encode()), AT_THE_MACHINE)
        except OtherMasterKey as other:
            raise UsedWrongly(f"old_secret_key: not the key of this database: {other}") from other
    say(
        "The data key is wrapped with secret_key now; the old key opens nothing any more, and old_secret_key can go."
        " Processes that are running go on; start them with the new key from now on."
        if done
        else "The data key is wrapped with secret_key already; nothing was changed."
    )
    return 0


async def sandbox(_settings: Settings, given: argparse.Namespace) -> int:
    """Only the pretend carriers, in real time, from today on, until asked to stop."""
    host, _, port = given.listen.rpartition(":")
    listening.refuse_unusable(host, int(port), "--listen")
    clock = RealClock()
    world = World.seeded(given.seed, clock.now(), stage.PARCELS)
    running = await server.start(world, clock, host=host, port=int(port))
    try:
        say(f"pretend carriers on {running.base_url} (dhl_unified, ups, correos); parcels: /_sandbox/parcels")
        await bootstrap.until_asked_to_stop(asyncio.Event())
    finally:
        await running.stop()
    return 0


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """The database of the running service, or the embedded one started for this command alone; it is only used.

    Raises MigrationError where there is none yet or it is behind this release.
    """
    folder = settings.data_directory / "postgres"
    if settings.database_url is None and not folder.is_dir():
        raise MigrationError(
            f"there is no database in {folder} yet: `tracker migrate` makes it, as does `tracker serve`"
        )
    async with any_database(settings) as url:
        await premises.refuse_outdated(settings, url)
        async with await Database.open(url, settings.database_schema, max_size=2) as db:
            yield db


@asynccontextmanager
async def any_database(settings: Settings) -> AsyncIterator[str]:
    """The running service's database, else the embedded one started for as long as this block lasts."""
    url = premises.running_database_url(settings)
    if url is not None:
        yield url
        return
    async with premises.database_url(settings) as started:
        yield started


async def _turn(settings: Settings, name: str, *, engaged: bool, said: str) -> int:
    async with _database(settings) as db, db.transaction() as conn:
        await access.turn_switch(conn, name, engaged=engaged, by="command line")
    say(said)
    return 0


@asynccontextmanager
async def _house(settings: Settings) -> AsyncIterator[House]:
    """What actions work with, for a command beside the service."""
    async with _database(settings) as db:
        yield House(
            db=db,
            clock=RealClock(),
            chance=Chance(),
            cards={},
            calendars=Calendars(),
            vault=await keys.open_vault(settings, db),
        )


async def entry_link(house: House, settings: Settings, email: str | None = None) -> str:
    """A one-time link into the console of a service on this machine. Raises NotFound."""
    token = await people.entry_link(house, email, AT_THE_MACHINE)
    return f"http://127.0.0.1:{settings.port}/console/enter/{token}"


def report_mistakes(mistakes: Sequence[str], *, as_json: bool) -> int:
    """What `doctor` says when the configuration cannot even be read."""
    if as_json:
        print(json.dumps({"ok": False, "mistakes": list(mistakes)}, indent=2))
    else:
        print("\n".join(f"wrong    {mistake}" for mistake in mistakes))
    return 1


def say(text: str) -> None:
    """To people, beside the command's own output."""
    print(text, file=sys.stderr, flush=True)
