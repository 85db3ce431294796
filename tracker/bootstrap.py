"""The one place that names concrete carriers, channels, feeds, pool and clock, and puts the service together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg
import msgspec
from aiohttp import web
from asyncpg.exceptions import ClientConfigurationError

from carriers import registry
from carriers.http import open_session
from notifications.channels import twilio
from notifications.channels.email import Email, Relay
from notifications.contract import Channel, Sender
from notifications.delivery import Delivery
from notifications.policy import Rules
from sql import migrate
from sql.connection import Connection
from tracker import metrics, reach
from tracker.actions import accounts, data_key, intake
from tracker.actions.data_key import OtherMasterKey
from tracker.actions.deciding import House
from tracker.actions.examine import BATCH, examine
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Taken
from tracker.actions.poll import Rounds
from tracker.actions.trial import Trials
from tracker.clock import Chance, Clock, token_bytes
from tracker.domain.errors import NotFound
from tracker.domain.starvation import Alarm
from tracker.jobs.housekeeping import keep_house
from tracker.jobs.operators import Operators
from tracker.jobs.schedule import Repeated, Ticker
from tracker.jobs.watch import EVERY, watch
from tracker.lines import COMMON, Lines
from tracker.settings import Settings, SettingsWrong, ShopSettings, TwilioSettings
from tracker.store import shops
from tracker.store.binaries import EmbeddedPostgresError
from tracker.store.calendars import Calendars
from tracker.store.db import AWAY, Database
from tracker.store.embedded import EmbeddedPostgres, attach_dsn
from tracker.vault import MasterKey, Vault
from tracker.web.app import make_app
from tracker.web.services import Services

_log = logging.getLogger(__name__)
_ROUNDS_AT_ONCE: Final = 10  # so that a carrier that is slow keeps no other one waiting
INTAKE_LANES: Final = 2  # batches of pushes and polls that may be under way at once
_RESTART_PAUSE: Final = 5.0  # seconds
# Seconds to finish in when asked to stop; with the drain less than the 30 that orchestrators wait before they kill.
_FINISH_WORK: Final = 15.0
_FINISH_REQUESTS: Final = 10.0


def carrier_settings() -> dict[str, frozenset[str]]:
    """Every known carrier with the names of its settings."""
    return {
        code: COMMON | {*adapter.card.settings, *adapter.card.optional} for code, adapter in registry.adapters().items()
    }


class Runtime(msgspec.Struct, frozen=True):
    """The service put together, without its ticking and listening: `serve` adds those, the simulation its own steps."""

    settings: Settings
    house: House
    shop_id: int
    intake: GroupCommit[Observation, Taken]
    rounds: Rounds
    delivery: Delivery
    lines: Lines
    relay: MailRelay
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
        if channel in (None, Email.name):
            await self.relay.refresh()
        delivered = await self.delivery.deliver_due(channel)
        metrics.count_messages(channel or "all", delivered.states)
        for pause in delivered.pauses:
            said = {"channel": pause.channel, "because": pause.because, "until": pause.until.isoformat()}
            _log.warning("a channel is paused; its messages wait", extra={**said, "count": pause.failures})
        for surprise in delivered.surprises:
            _log.error("a channel failed in a way it should not", exc_info=surprise)
        return sum(count for state, count in delivered.states.items() if state != "queued")

    async def watch(self) -> int:
        """Whether the service keeps up; its operators are told when it does not."""
        return await watch(self.house, self._tell_operators)

    async def _tell_operators(self, alarms: Sequence[Alarm]) -> None:
        shop, url = self.settings.shop, self.relay.url
        relay = Email(relay_of(url, self.settings)) if url else None
        operators = Operators(
            clock=self.house.clock,
            console=f"{self.settings.public_url.rstrip('/')}/console/health",
            email=self.settings.operators_email,
            webhook=self.settings.operators_webhook,
            sender=Sender(
                name=shop.name, email=shop.sender_email, reply_email=shop.reply_email, phone=None, website=None
            ),
            relay=relay,
        )
        try:
            await operators.tell(alarms)
        finally:
            if relay is not None:
                await relay.close()

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
                settings=self.settings,
                trials=self.trials(),
                refresh_accounts=self.lines.refresh,
                api_calls_per_minute=self.settings.api_calls_per_minute,
            )
        )

    def trials(self) -> Trials:
        """What tries accounts out."""
        return Trials(self.settings, self.lines.open, partial(_relay_once, self.settings), _gateway)

    def ticker(self) -> Ticker:
        """The clock's work, ticking. A carrier or a channel that is slow keeps nobody else waiting."""
        tick = timedelta(seconds=self.settings.tick_seconds)
        jobs = {
            "accounts": Repeated(self.lines.refresh, tick),
            "poll": Repeated(self.poll, tick, at_once=_ROUNDS_AT_ONCE),
            "examine": Repeated(self.examine, tick),
            "watch": Repeated(self.watch, max(tick, EVERY)),
            "keep_house": Repeated(self.keep_house, max(tick, timedelta(minutes=10))),
        }
        sending = {
            f"deliver by {name}": Repeated(partial(self.deliver, name), tick)
            for name in {Email.name, *self.delivery.channels}
        }
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


async def with_console(settings: Settings, db: Database) -> Settings:
    """The settings with what is kept in the console below them. Raises SettingsWrong, NotFound before the first start."""
    master = known_master_key(settings)
    async with db.connection() as conn:
        try:
            vault = await data_key.find_vault(conn, master) if master else None
        except OtherMasterKey as other:
            raise SettingsWrong([wrong_key(settings, other)]) from other
        if vault is None:
            raise NotFound("nothing is kept yet")
        shop_id = await shops.find(conn, settings.shop.code)
        kept = await accounts.load(conn, vault, shop_id)
        shop = msgspec.convert({"code": settings.shop.code, **await shops.details(conn, shop_id)}, ShopSettings)
    return msgspec.structs.replace(accounts.merged(settings, kept), shop=shop)


class DatabaseAway(Exception):
    """The database cannot be used now; the message says where it was looked for, why not, and what to do."""


async def connect(url: str, patience: float = 30.0) -> asyncpg.Connection:
    """One connection, waited for `patience` seconds. Raises DatabaseAway, SettingsWrong."""
    try:
        return await asyncpg.connect(url, timeout=patience)
    except ClientConfigurationError as mistake:
        raise SettingsWrong([f"database_url (TRACKER_DATABASE_URL) cannot be used: {mistake}"]) from mistake
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
        parts = urlsplit(url)
        reason = str(away) or f"no answer within {patience:g} seconds"
        raise DatabaseAway(
            f"the database {parts.path.lstrip('/')} on {parts.netloc.rpartition('@')[2] or 'this machine'} cannot be"
            f" used: {reason}. Start it, or correct database_url (TRACKER_DATABASE_URL); `tracker doctor` looks again"
        ) from away


async def bring_up_to_date(settings: Settings, url: str) -> list[str]:
    """Migrate as the owner, and let the application role in. Returns the migrations applied. Raises DatabaseAway."""
    connection = await connect(settings.database_owner_url or url)
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
    connection = await connect(url)
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
        vault = await open_vault(settings, db)
        async with db.transaction() as conn:
            shop_id = await shops.ensure(conn, settings.shop, settings.shop_given, clock.now())
            given = accounts.merged(settings, await accounts.load(conn, vault, shop_id))
        reachable: dict[str, list[str]] = {}
        house = House(
            db=db,
            clock=clock,
            chance=chance,
            cards={code: adapter.card for code, adapter in adapters.items()},
            calendars=Calendars(),
            vault=vault,
            rules=_rules(given),
            accounts=reachable,
        )
        session = await stack.enter_async_context(open_session())
        lines = Lines(settings, shop_id, house, adapters, session, reachable)
        await lines.refresh()
        pushes = GroupCommit(
            partial(_commit, house), instead=intake.quarantined, away=AWAY, weigh=_events_of, lanes=INTAKE_LANES
        )
        delivery = _delivery(given, house, stack)
        relay = MailRelay(settings, shop_id, house, delivery)
        await relay.refresh()
        runtime = Runtime(
            settings=settings,
            house=house,
            shop_id=shop_id,
            intake=pushes,
            rounds=Rounds(house, lines.open, pushes),
            delivery=delivery,
            lines=lines,
            relay=relay,
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


def _rules(settings: Settings) -> Rules:
    """Mail is always planned, since it can wait for a relay; SMS only where there is an account to send them."""
    channels = {"email", "sms"} if settings.twilio.account_sid else {"email"}
    return Rules(channels=frozenset(channels))


def _delivery(settings: Settings, house: House, stack: AsyncExitStack) -> Delivery:
    channels: list[Channel] = []
    if settings.twilio.account_sid:
        channels.append(_gateway(settings.twilio))
    links = _Links(settings.public_url.rstrip("/"), house.vault)
    delivery = Delivery(house.db, channels, links=links, clock=house.clock, chance=house.chance, rules=house.rules)
    stack.push_async_callback(delivery.close)
    return delivery


def _gateway(sms: TwilioSettings) -> twilio.Sms:
    assert sms.account_sid and sms.auth_token and sms.sender, "checked where they are read"  # noqa: PT018
    return twilio.Sms(
        twilio.Account(
            account_sid=sms.account_sid, auth_token=sms.auth_token, sender=sms.sender, base_url=sms.base_url.rstrip("/")
        )
    )


def _relay_once(settings: Settings, url: str) -> Email:
    return Email(relay_of(url, settings))


class MailRelay:
    """Keeps the mail channel with the relay that is given: in the configuration, else in the console."""

    def __init__(self, settings: Settings, shop_id: int, house: House, delivery: Delivery) -> None:
        self._settings, self._shop_id, self._house, self._delivery = settings, shop_id, house, delivery
        self._url: str | None = None
        self._seen: str | None = None

    @property
    def url(self) -> str | None:
        """Where mail goes now, None where nobody has said."""
        return self._url

    async def refresh(self) -> None:
        """Look whether the relay has changed; to be called while no mail is being sent."""
        async with self._house.db.connection() as conn:
            version = await accounts.version(conn, self._shop_id)
            if version == self._seen:
                return
            kept = await accounts.load(conn, self._house.vault, self._shop_id)
        url = accounts.merged(self._settings, kept).smtp_url
        if url != self._url:
            await self._delivery.use(Email.name, Email(relay_of(url, self._settings)) if url else None)
        self._url, self._seen = url, version


class _Links:
    """The addresses that messages carry."""

    def __init__(self, public_url: str, vault: Vault) -> None:
        self._public_url, self._vault = public_url, vault

    def tracking(self, shipment_id: int, link_version: int) -> str:
        return f"{self._public_url}/t/{self._vault.link_token(shipment_id, link_version)}"


def relay_of(url: str, settings: Settings) -> Relay:
    """smtp:// asks for STARTTLS unless the relay is this machine, smtps:// speaks TLS from the first byte.

    A relay that was named in the console is dialled with a look at where it is.
    """
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
        connections=settings.smtp_connections,
        dial=None if url == settings.smtp_url else partial(reach.dial, allow_private=settings.allow_private_addresses),
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


@asynccontextmanager
async def keeping_up(runtime: Runtime) -> AsyncIterator[None]:
    """For a process that only answers: what other processes change in the accounts is noticed here too."""
    ticker = Ticker({"accounts": Repeated(runtime.lines.refresh, timedelta(seconds=runtime.settings.tick_seconds))})
    ticker.start()
    try:
        yield
    finally:
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
