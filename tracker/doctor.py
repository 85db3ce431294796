"""What is configured, what is missing and what can be reached, in words that say what to do."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from stat import S_IROTH
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import msgspec

from carriers import registry
from sql import migrate
from sql.connection import Connection
from tracker import bootstrap, keys, listening, plausible, premises
from tracker.actions import access, data_key
from tracker.actions.data_key import OtherMasterKey
from tracker.domain.errors import NotFound
from tracker.lines import has_credentials, missing_settings
from tracker.settings import CarrierSettings, Settings, SettingsWrong, ShopSettings
from tracker.store import board
from tracker.store.board import AccountState
from tracker.store.db import Database

_PATIENCE = 5.0  # seconds for one connection
_RELAY = "correct smtp_url (TRACKER_SMTP_URL): smtps:// speaks TLS from the first byte, smtp:// after STARTTLS"


class Check(msgspec.Struct, frozen=True):
    """One thing looked at. `missing` is a choice not made yet, `wrong` keeps the service from working.

    `warning` is what works and should not stay as it is.
    """

    verdict: Literal["ok", "missing", "warning", "wrong"]
    subject: str
    says: str


async def examine(settings: Settings) -> list[Check]:
    """Look at everything, even where an earlier look has failed."""
    with_console = await _with_console(settings)
    checks = [check async for check in _database(with_console)]
    checks += _secret_files(settings)
    checks += [await _listen(settings), _public_url(settings), _shop(with_console), *_carriers(with_console)]
    checks += [await _mail(with_console), _sms(with_console)]
    return checks


async def _with_console(settings: Settings) -> Settings:
    """The settings with what is kept in the console; as they are where that cannot be read, which a check will tell."""
    url = premises.running_database_url(settings)
    if url is None:
        return settings
    try:
        async with asyncio.timeout(_PATIENCE), await Database.open(url, settings.database_schema, max_size=1) as db:
            return await bootstrap.with_console(settings, db)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SettingsWrong, NotFound):
        return settings


async def _database(settings: Settings) -> AsyncIterator[Check]:
    url = premises.running_database_url(settings)
    if url is None:
        yield _embedded(settings.data_directory)
        return
    try:
        connection = await premises.connect(url, _PATIENCE)
    except (premises.DatabaseAway, SettingsWrong) as away:
        yield Check("wrong", "database", str(away))
        return
    try:
        version = connection.get_server_version()
        yield Check("ok", "database", f"PostgreSQL {version.major}.{version.minor}")
        yield await _schema(connection, settings)
    finally:
        await connection.close()
    try:
        async with await Database.open(url, settings.database_schema, max_size=1) as db, db.connection() as conn:
            yield _switches(await access.switches(conn))
            yield await _secret_key(conn, settings)
            for account in await board.accounts(conn):
                if account.next_poll_at is not None and not _can_be_asked(account, settings):
                    yield _unasked(account)
    except asyncpg.PostgresError:
        yield Check("missing", "switches", "the schema is not there yet: `tracker migrate`")


def _embedded(directory: Path) -> Check:
    """Whether the embedded database can be kept there: tried in the nearest folder that is there already."""
    nearest = next(one for one in (directory.absolute(), *directory.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".tracker-doctor-", dir=nearest):
            pass
    except OSError as refused:
        says = f"nothing can be written in {nearest} ({refused.strerror}): give another data_directory (TRACKER_DATA_DIRECTORY)"
        return Check("wrong", "database", says)
    return Check("ok", "database", f"embedded in {directory}, not running now; `tracker serve` starts it")


def _secret_files(settings: Settings) -> Iterator[Check]:
    """Files with secrets that every user of this machine can read."""
    kept = (*settings.secret_files, settings.data_directory / "secret_key")
    open_to_all = [str(path) for path in kept if path.is_file() and path.stat().st_mode & S_IROTH]
    if open_to_all:
        says = f"every user of this machine can read {', '.join(open_to_all)}: chmod o= {' '.join(open_to_all)}"
        yield Check("warning", "secret files", says)


async def _listen(settings: Settings) -> Check:
    try:
        listening.refuse_unusable(settings.host, settings.port, "listen (TRACKER_LISTEN)")
    except listening.AddressInUse as taken:
        if await _is_ours(settings):
            return Check("ok", "listen", f"the service answers on {settings.listen}")
        return Check("wrong", "listen", str(taken))
    except listening.AddressUnusable as unusable:
        return Check("wrong", "listen", str(unusable))
    return Check("ok", "listen", f"{settings.listen} is free")


async def _is_ours(settings: Settings) -> bool:
    """Whether who listens there is the service."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 - only compared
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as session,
            session.get(f"http://{host}:{settings.port}/livez") as answer,
        ):
            return bool(msgspec.json.decode(await answer.read()) == {"status": "alive"})
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
        return False


async def _secret_key(conn: Connection, settings: Settings) -> Check:
    """Whether the key that is given opens this database; nothing is made here."""
    try:
        master = keys.known_master_key(settings)
        if master is None:
            return Check("missing", "secret key", "none yet; the first start makes it")
        vault = await data_key.find_vault(conn, master)
    except SettingsWrong as damaged:
        return Check("wrong", "secret key", str(damaged))
    except OtherMasterKey as other:
        return Check("wrong", "secret key", keys.wrong_key(settings, other))
    return Check("ok", "secret key", "opens this database" if vault else "the first start makes the data key with it")


async def _schema(connection: asyncpg.Connection, settings: Settings) -> Check:
    try:
        waiting = await migrate.pending(connection, settings.database_schema)
    except migrate.MigrationError as refusal:
        return Check("wrong", "schema", str(refusal))
    if waiting:
        return Check("missing", "schema", f"{len(waiting)} migrations to run: `tracker migrate`")
    return Check("ok", "schema", f"{settings.database_schema}, up to date")


def _switches(switches: Mapping[str, bool]) -> Check:
    engaged = [name for name, on in switches.items() if on]
    if not engaged:
        return Check("ok", "switches", "messages go out")
    undo = {"stop_sending": "`tracker resume-sending`", "shadow": "`tracker shadow off`"}
    return Check("ok", "switches", "; ".join(f"{name} is engaged, undone by {undo[name]}" for name in engaged))


def _can_be_asked(account: AccountState, settings: Settings) -> bool:
    return any((one.carrier, one.account) == (account.carrier, account.account) for one in settings.carriers)


def _unasked(account: AccountState) -> Check:
    says = f"parcels of account {account.account} are heard of by pushes alone: add [carriers.{account.carrier}] to ask too"
    return Check("missing", f"carrier {account.carrier}", says)


def _public_url(settings: Settings) -> Check:
    parts = urlsplit(settings.public_url)
    if parts.hostname in ("localhost", "127.0.0.1"):
        says = f"{settings.public_url} opens on this machine alone: set public_url to what customers can open"
        return Check("missing", "public address", says)
    if parts.scheme != "https":
        return Check("wrong", "public address", f"{settings.public_url}: customers' links must be https")
    return Check("ok", "public address", settings.public_url)


def _shop(settings: Settings) -> Check:
    shop = settings.shop
    unset = [f"name is still {shop.name!r}"] if shop.name == ShopSettings().name else []
    addresses = {"sender_email": shop.sender_email, "reply_email": shop.reply_email}
    unset += [
        f"{name} {address} is an example address, which no mail reaches"
        for name, address in addresses.items()
        if plausible.is_example(address)
    ]
    if unset:
        says = (
            f"{'; '.join(unset)}: messages go out in the shop's name, set [shop] in tracker.toml (or TRACKER_SHOP_...)"
        )
        return Check("missing", "shop", says)
    return Check("ok", "shop", f"{shop.name}, writes as {shop.sender_email}")


def _carriers(settings: Settings) -> list[Check]:
    if not settings.carriers:
        known = ", ".join(sorted(bootstrap.carrier_settings()))
        return [Check("missing", "carriers", f"none configured: add [carriers.<code>]; known: {known}")]
    return [_account(one) for one in settings.carriers]


def _account(one: CarrierSettings) -> Check:
    missing = missing_settings(one, registry.card(one.carrier))
    if missing and not has_credentials(one):
        return Check("missing", f"carrier {one.carrier}", f"no account yet, only its address: {', '.join(missing)}")
    if missing:
        return Check("wrong", f"carrier {one.carrier}", f"account {one.account} needs {', '.join(missing)}")
    where = one.values.get("base_url", "its own address")
    return Check("ok", f"carrier {one.carrier}", f"account {one.account}, asked at {where}")


async def _mail(settings: Settings) -> Check:
    if settings.smtp_url is None:
        return Check("missing", "mail", "no relay: set TRACKER_SMTP_URL, such as smtp://user:password@relay:587")
    parts = urlsplit(settings.smtp_url)
    host, port = parts.hostname or "localhost", parts.port or (465 if parts.scheme == "smtps" else 587)
    try:
        greeting = await asyncio.wait_for(_greeting(host, port, tls=parts.scheme == "smtps"), _PATIENCE)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as away:
        reason = str(away) or f"no answer within {_PATIENCE:g} seconds"
        return Check("wrong", "mail", f"{host}:{port} cannot be reached as a relay: {reason}; {_RELAY}")
    if not greeting.startswith(b"220"):
        heard = greeting.decode(errors="replace").strip()[:80]
        return Check("wrong", "mail", f"{host}:{port} greets with {heard!r}, which no SMTP server does; {_RELAY}")
    return Check("ok", "mail", f"{host}:{port} answers")


async def _greeting(host: str, port: int, *, tls: bool) -> bytes:
    """The first line of whoever listens there. Raises OSError, ValueError for a line without end, IncompleteReadError."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls or None)
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as endless:
        raise ValueError("it does not stop talking") from endless
    finally:
        writer.close()


def _sms(settings: Settings) -> Check:
    if settings.twilio.account_sid is None:
        return Check("missing", "sms", "no account: set [twilio] account_sid, auth_token and sender, or go without")
    return Check("ok", "sms", f"Twilio, from {settings.twilio.sender}; in Spain the sender must be registered")
