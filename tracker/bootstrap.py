"""The one place that names concrete carriers, channels, feeds, pool and clock, and puts the service together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg
import msgspec
from aiohttp import web

from carriers import registry
from carriers.contract import Account, Adapter
from carriers.http import CarrierHttp, open_session
from notifications.channels import twilio
from notifications.channels.email import Email, Relay
from notifications.contract import Channel
from notifications.delivery import Delivery
from notifications.policy import Rules
from sql import migrate
from sql.connection import Connection
from tracker import metrics
from tracker.actions import data_key, intake
from tracker.actions.data_key import OtherMasterKey
from tracker.actions.deciding import House
from tracker.actions.examine import BATCH, examine
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Taken
from tracker.actions.permit import Permit
from tracker.actions.poll import Line, Rounds
from tracker.clock import Chance, Clock, token_bytes
from tracker.jobs.housekeeping import keep_house
from tracker.jobs.schedule import Repeated, Ticker
from tracker.settings import CarrierSettings, Settings, SettingsWrong
from tracker.store import shops
from tracker.store.binaries import EmbeddedPostgresError
from tracker.store.calendars import Calendars
from tracker.store.db import AWAY, Database
from tracker.store.embedded import EmbeddedPostgres, attach_dsn
from tracker.vault import MasterKey, Vault
from tracker.web.app import make_app
from tracker.web.services import Services

_log = logging.getLogger(__name__)
INTAKE_LANES: Final = 2  # batches of pushes and polls that may be under way at once
_COMMON: Final = frozenset({"base_url", "auth_url", "calls_per_day", "spacing"})  # settings that every carrier takes
_RESTART_PAUSE: Final = 5.0  # seconds
# Seconds to finish in when asked to stop; with the drain less than the 30 that orchestrators wait before they kill.
_FINISH_WORK: Final = 15.0
_FINISH_REQUESTS: Final = 10.0


def carrier_settings() -> dict[str, frozenset[str]]:
    """Every known carrier with the names of its settings."""
    return {
        code: _COMMON | {*adapter.card.settings, *adapter.card.optional}
        for code, adapter in registry.adapters().items()
    }


def missing_settings(account: CarrierSettings) -> list[str]:
    """The credentials that this account's carrier asks for and that are not given."""
    return [name for name in registry.card(account.carrier).settings if name not in account.values]


class Runtime(msgspec.Struct, frozen=True):
    """The service put together, without its ticking and listening: `serve` adds those, the simulation its own steps."""

    settings: Settings
    house: House
    shop_id: int
    intake: GroupCommit[Observation, Taken]
    rounds: Rounds
    delivery: Delivery
    stopping: asyncio.Event

    async def poll(self) -> int:
        """One round of asking carriers; returns how many shipments were asked about."""
        return await self.rounds.poll_due()

    async def examine(self) -> int:
        """One batch of shipments whose moment has come; returns 0 once there was less than a batch."""
        examined = await examine(self.house)
        return examined if examined == BATCH else 0

    async def deliver(self, channel: str | None = None) -> int:
        """Send what is due until nothing is, on all channels or on one; returns how many messages got somewhere."""
        delivered = await self.delivery.deliver_due(channel)
        metrics.count_messages(channel or "all", delivered.states)
        for surprise in delivered.surprises:
            _log.error("a channel failed in a way it should not", exc_info=surprise)
        return sum(count for state, count in delivered.states.items() if state != "queued")

    async def keep_house(self) -> int:
        """The day's chores."""
        return await keep_house(self.house)

    def app(self) -> web.Application:
        """The web application over this runtime."""
        return make_app(
            Services(
                house=self.house,
                pushes=self.intake,
                public_url=self.settings.public_url.rstrip("/"),
                is_stopping=self.stopping.is_set,
                trusted_proxies=self.settings.proxies,
                api_calls_per_minute=self.settings.api_calls_per_minute,
            )
        )

    def ticker(self) -> Ticker:
        """The clock's work, ticking. A carrier or a channel that is slow keeps nobody else waiting."""
        tick = timedelta(seconds=self.settings.tick_seconds)
        jobs = {
            "poll": Repeated(self.poll, tick, at_once=1 + len(self.settings.carriers)),
            "examine": Repeated(self.examine, tick),
            "keep_house": Repeated(self.keep_house, max(tick, timedelta(minutes=10))),
        }
        sending = {f"deliver by {name}": Repeated(partial(self.deliver, name), tick) for name in self.delivery.channels}
        return Ticker(jobs | sending)


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """The database to use: the configured one, else an embedded PostgreSQL that lives as long as this block."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    async with EmbeddedPostgres(settings.data_directory / "postgres") as server:
        watch = asyncio.create_task(_keep_running(server))
        try:
            yield server.dsn
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _keep_running(server: EmbeddedPostgres) -> None:
    """Bring the server back whenever it dies, also where the first attempts fail (a full disk that is cleared)."""
    while True:
        try:
            await server.supervise()
        except EmbeddedPostgresError:
            _log.exception("the embedded PostgreSQL died and cannot be started; it is tried again")
            await asyncio.sleep(_RESTART_PAUSE)
        else:
            return


def running_database_url(settings: Settings) -> str | None:
    """For commands beside a running service: the configured database, else the embedded one that it runs."""
    return settings.database_url or attach_dsn(settings.data_directory / "postgres")


async def open_vault(settings: Settings, db: Database) -> Vault:
    """The vault over the database's data key. Raises SettingsWrong where the master key does not open it."""
    async with db.connection() as conn:
        try:
            return await data_key.open_vault(conn, master_key(settings))
        except OtherMasterKey as other:
            raise SettingsWrong([wrong_key(settings, other)]) from other


def wrong_key(settings: Settings, other: OtherMasterKey) -> str:
    """Which setting holds a key that does not open this database, and what to do."""
    name = "secret_key" if settings.secret_key is not None else str(_key_file(settings))
    return (
        f"{name}: not the key of this database: {other}. Give the key that was in use before; to replace it by another"
        " one: `tracker secrets rewrap`"
    )


def master_key(settings: Settings) -> MasterKey:
    """The secret key. With an embedded database it is made at the first start and kept beside the data."""
    if settings.secret_key is None and not _key_file(settings).is_file():
        _make_key(_key_file(settings))
    known = known_master_key(settings)
    assert known is not None
    return known


def known_master_key(settings: Settings) -> MasterKey | None:
    """The secret key, None where none is given and none was made yet. Raises SettingsWrong for a file that is damaged."""
    if settings.secret_key is not None:
        return MasterKey(settings.secret_key.encode())
    path = _key_file(settings)
    if not path.is_file():
        return None
    try:
        return MasterKey(path.read_text(encoding="ascii").strip().encode())
    except ValueError as damaged:
        raise SettingsWrong([f"{path}: {damaged}"]) from damaged


def _key_file(settings: Settings) -> Path:
    return settings.data_directory / "secret_key"


def _make_key(path: Path) -> None:
    """Written aside and linked into place: a key is whole or not there, and the first of two that are made stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix="secret_key.")  # readable by us alone
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token_bytes(32).hex())
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        Path(aside).unlink()


async def bring_up_to_date(settings: Settings, url: str) -> list[str]:
    """Migrate as the owner, and let the application role in. Returns the migrations applied."""
    connection = await asyncpg.connect(settings.database_owner_url or url)
    try:
        applied = await migrate.migrate(connection, settings.database_schema)
        role = urlsplit(url).username
        if settings.database_owner_url is not None and role is not None:
            await migrate.grant(connection, settings.database_schema, unquote(role))
        return applied
    finally:
        await connection.close()


async def refuse_outdated(settings: Settings, url: str) -> None:
    """For commands that only use the database. Raises MigrationError where it is not up to date, and says what to do."""
    connection = await asyncpg.connect(url)
    try:
        waiting = await migrate.pending(connection, settings.database_schema)
    finally:
        await connection.close()
    if waiting:
        schema = settings.database_schema
        raise migrate.MigrationError(
            f"the database is behind this release: schema {schema} lacks {', '.join(waiting)}; run `tracker migrate`"
        )


@asynccontextmanager
async def open_runtime(
    settings: Settings, url: str, clock: Clock, chance: Chance, *, connections: int = 12
) -> AsyncIterator[Runtime]:
    """Put the service together over a database that is up to date. Raises SettingsWrong, OSError, PostgresError."""
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(await Database.open(url, settings.database_schema, max_size=connections))
        adapters = registry.adapters()
        house = House(
            db=db,
            clock=clock,
            chance=chance,
            cards={code: adapter.card for code, adapter in adapters.items()},
            calendars=Calendars(),
            vault=await open_vault(settings, db),
            rules=_rules(settings),
            accounts=_accounts(settings),
        )
        async with db.transaction() as conn:
            shop_id = await shops.ensure(conn, settings.shop, clock.now())
        lines = await _lines(settings, adapters, shop_id, house, stack)
        async with db.transaction() as conn:
            await shops.ensure_accounts(conn, list(lines))
        pushes = GroupCommit(
            partial(_commit, house), instead=intake.quarantined, away=AWAY, weigh=_events_of, lanes=INTAKE_LANES
        )
        runtime = Runtime(
            settings=settings,
            house=house,
            shop_id=shop_id,
            intake=pushes,
            rounds=Rounds(house, lines, pushes),
            delivery=_delivery(settings, house, stack),
            stopping=asyncio.Event(),
        )
        stack.push_async_callback(pushes.close)
        yield runtime


def _events_of(observation: Observation) -> int:
    """What an observation costs: its events; one at the least, since it is kept in any case."""
    return max(1, sum(len(said.report.events) for said in observation.said))


async def _commit(house: House, batch: Sequence[Observation]) -> Sequence[Taken]:
    async def take_in(conn: Connection) -> list[Taken]:
        return await intake.take_in(house, conn, batch)

    taken = await house.db.retrying(take_in, idempotent=True)
    metrics.count_intake(batch, taken)
    return taken


async def _lines(
    settings: Settings, adapters: Mapping[str, Adapter], shop_id: int, house: House, stack: AsyncExitStack
) -> dict[tuple[int, str, str], Line]:
    session = await stack.enter_async_context(open_session())
    lines: dict[tuple[int, str, str], Line] = {}
    mistakes: list[str] = []
    for configured in settings.carriers:
        adapter = adapters[configured.carrier]
        card, values = adapter.card, configured.values
        missing = missing_settings(configured)
        if missing:
            mistakes.append(f"carriers.{card.code}: account {configured.account} needs {', '.join(missing)}")
            continue
        account = Account(
            shop=settings.shop.code,
            carrier=card.code,
            name=configured.account,
            base_url=values.get("base_url", card.base_url).rstrip("/"),
            auth_url=values.get("auth_url", card.auth_url),
            values={name: value for name, value in values.items() if name not in _COMMON},
        )
        key = (shop_id, card.code, configured.account)
        calls_per_day = int(values["calls_per_day"]) if "calls_per_day" in values else card.calls_per_day
        spacing = float(values.get("spacing", card.spacing))
        permit = Permit(house.db, house.clock, key, calls_per_day, spacing)
        http = CarrierHttp(session, card.code, house.clock, house.chance, permit=permit, now=house.clock.now)
        lines[key] = Line(adapter=adapter, client=adapter.connect(account, http, house.clock), spacing=spacing)
    if mistakes:
        raise SettingsWrong(mistakes)
    return lines


def _accounts(settings: Settings) -> dict[str, list[str]]:
    accounts: dict[str, list[str]] = {}
    for one in settings.carriers:
        accounts.setdefault(one.carrier, []).append(one.account)
    return accounts


def _rules(settings: Settings) -> Rules:
    """Mail is always planned, since it can wait for a relay; SMS only where there is an account to send them."""
    channels = {"email", "sms"} if settings.twilio.account_sid else {"email"}
    return Rules(channels=frozenset(channels))


def _delivery(settings: Settings, house: House, stack: AsyncExitStack) -> Delivery:
    channels: list[Channel] = []
    if settings.smtp_url is not None:
        channels.append(Email(_relay(settings.smtp_url, settings.smtp_connections)))
    sms = settings.twilio
    if sms.account_sid and sms.auth_token and sms.sender:
        account = twilio.Account(
            account_sid=sms.account_sid, auth_token=sms.auth_token, sender=sms.sender, base_url=sms.base_url.rstrip("/")
        )
        channels.append(twilio.Sms(account))
    links = _Links(settings.public_url.rstrip("/"), house.vault)
    delivery = Delivery(house.db, channels, links=links, clock=house.clock, chance=house.chance, rules=house.rules)
    stack.push_async_callback(delivery.close)
    return delivery


class _Links:
    """The addresses that messages carry."""

    def __init__(self, public_url: str, vault: Vault) -> None:
        self._public_url, self._vault = public_url, vault

    def tracking(self, shipment_id: int, link_version: int) -> str:
        return f"{self._public_url}/t/{self._vault.link_token(shipment_id, link_version)}"


def _relay(url: str, connections: int) -> Relay:
    """smtp:// asks for STARTTLS unless the relay is this machine, smtps:// speaks TLS from the first byte."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    implicit = parts.scheme == "smtps"
    loopback = host in ("localhost", "127.0.0.1", "::1")
    return Relay(
        host=host,
        port=parts.port or (465 if implicit else 587),
        tls="implicit" if implicit else "none" if loopback else "starttls",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        connections=connections,
    )


@asynccontextmanager
async def listening(runtime: Runtime) -> AsyncIterator[None]:
    """Answer HTTP for as long as this block lasts. Raises OSError.

    At its end the doors stay open for `drain_seconds` in which /readyz says no; then requests under way are finished.
    """
    runner = web.AppRunner(runtime.app(), access_log=None, shutdown_timeout=_FINISH_REQUESTS)
    await runner.setup()
    try:
        await web.TCPSite(runner, runtime.settings.host, runtime.settings.port).start()
        yield
    finally:
        if runtime.stopping.is_set():
            await asyncio.sleep(runtime.settings.drain_seconds)
        await runner.cleanup()


@asynccontextmanager
async def ticking(runtime: Runtime) -> AsyncIterator[None]:
    """Do the clock's work for as long as this block lasts; what is under way at its end has a while to finish."""
    ticker = runtime.ticker()
    ticker.start()
    try:
        yield
    finally:
        runtime.delivery.stop()
        await ticker.stop(_FINISH_WORK)


async def until_asked_to_stop(stopping: asyncio.Event) -> None:
    """Wait for SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    for asked in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(asked, stop)
    await stopping.wait()
