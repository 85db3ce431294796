"""The one place that names concrete carriers, channels, feeds, pool and clock, and puts the service together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec
from aiohttp import web

from carriers import registry
from carriers.http import open_session
from notifications.channels import twilio
from notifications.channels.email import Email, Relay
from notifications.contract import Channel, Sender
from notifications.delivery import Delivery
from notifications.policy import Rules
from sql.connection import Connection
from tracker import keys, metrics, reach
from tracker.actions import accounts, data_key, intake
from tracker.actions.data_key import OtherMasterKey
from tracker.actions.deciding import House
from tracker.actions.examine import BATCH, examine
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Taken
from tracker.actions.poll import Rounds
from tracker.actions.trial import Trials
from tracker.clock import Chance, Clock
from tracker.domain.errors import NotFound
from tracker.domain.starvation import Alarm
from tracker.jobs.housekeeping import keep_house
from tracker.jobs.operators import Operators
from tracker.jobs.schedule import Repeated, Ticker
from tracker.jobs.watch import EVERY, watch
from tracker.lines import COMMON, Lines
from tracker.settings import Settings, SettingsWrong, ShopSettings, TwilioSettings
from tracker.store import shops
from tracker.store.calendars import Calendars
from tracker.store.db import AWAY, Database
from tracker.vault import Vault
from tracker.web.app import make_app
from tracker.web.services import Services

_log = logging.getLogger(__name__)
_ROUNDS_AT_ONCE: Final = 10  # so that a carrier that is slow keeps no other one waiting
INTAKE_LANES: Final = 2  # batches of pushes and polls that may be under way at once
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


async def with_console(settings: Settings, db: Database) -> Settings:
    """The settings with what is kept in the console below them. Raises SettingsWrong, NotFound before the first start."""
    master = keys.known_master_key(settings)
    async with db.connection() as conn:
        try:
            vault = await data_key.find_vault(conn, master) if master else None
        except OtherMasterKey as other:
            raise SettingsWrong([keys.wrong_key(settings, other)]) from other
        if vault is None:
            raise NotFound("nothing is kept yet")
        shop_id = await shops.find(conn, settings.shop.code)
        kept = await accounts.load(conn, vault, shop_id)
        shop = msgspec.convert({"code": settings.shop.code, **await shops.details(conn, shop_id)}, ShopSettings)
    return msgspec.structs.replace(accounts.merged(settings, kept), shop=shop)


@asynccontextmanager
async def open_runtime(
    settings: Settings, url: str, clock: Clock, chance: Chance, *, connections: int = 12
) -> AsyncIterator[Runtime]:
    """Put the service together over a database that is up to date. Raises SettingsWrong, OSError, PostgresError."""
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(await Database.open(url, settings.database_schema, max_size=connections))
        adapters = registry.adapters()
        vault = await keys.open_vault(settings, db)
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
