"""The demo's stage: the sandbox world, the sinks and the settings that make the real service play against them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import aiohttp
import msgspec

from carriers.sandbox import server
from carriers.sandbox.world import World
from tracker.clock import Clock
from tracker.settings import CarrierSettings, Settings, ShopSettings, TwilioSettings
from tracker.simulation import sinks as sinking
from tracker.simulation.shop import Shop
from tracker.simulation.sinks import Sinks
from tracker.simulation.story import is_settled
from tracker.store.db import Database

_log = logging.getLogger(__name__)
STARTS_AT: Final = datetime(2026, 3, 2, 7, tzinfo=UTC)  # a Monday morning in Madrid
PARCELS: Final = 60


class Stage(msgspec.Struct, frozen=True):
    """Everything around the service."""

    world: World
    sinks: Sinks
    settings: Settings


@asynccontextmanager
async def staged(settings: Settings, clock: Clock, seed: str, *, faults: bool) -> AsyncIterator[Stage]:
    """Start sandbox and sinks; gives the settings that point the service at them: the demo differs in nothing else."""
    world = World.seeded(seed, STARTS_AT, PARCELS, faults=faults)
    running = await server.start(world, clock)
    sinks = Sinks(clock)
    try:
        smtp_url, gateway_url = await sinks.start()
        yield Stage(world, sinks, _pointed(settings, running.base_url, smtp_url, gateway_url))
    finally:
        await sinks.stop()
        await running.stop()


def _pointed(settings: Settings, sandbox_url: str, smtp_url: str, gateway_url: str) -> Settings:
    accepted = server.Accounts()
    ups = {
        "auth_url": f"{sandbox_url}/ups",
        "client_id": accepted.ups_client_id,
        "client_secret": accepted.ups_client_secret,
    }
    accounts = {"dhl_unified": {"api_key": accepted.dhl_api_key}, "ups": ups, "correos": {}}
    at_any_speed = {"calls_per_day": "1000000", "spacing": "0"}
    return msgspec.structs.replace(
        settings,
        shop=ShopSettings(
            name="Tienda Aurora",
            sender_email="pedidos@tienda-aurora.example",
            reply_email="atencion@tienda-aurora.example",
            phone="+34 910 000 000",
            website="https://tienda-aurora.example",
        ),
        smtp_url=smtp_url,
        twilio=TwilioSettings(
            account_sid=sinking.ACCOUNT_SID, auth_token=sinking.AUTH_TOKEN, sender="AURORA", base_url=gateway_url
        ),
        carriers=tuple(
            CarrierSettings(
                carrier=code,
                account="default",
                values={"base_url": f"{sandbox_url}/{code}", **values, **at_any_speed},
            )
            for code, values in accounts.items()
        ),
        tick_seconds=0.5,
        api_calls_per_minute=1_000_000,  # a shop's months may pass in minutes
    )


async def keep_playing(
    shop: Shop, db: Database, clock: Clock, stopping: asyncio.Event, at_the_end: Callable[[datetime], None]
) -> None:
    """Play the shop and the partners beside the running service, until the service is asked to stop.

    `at_the_end` is called once, when nothing more will move.
    """
    over = False
    while not stopping.is_set():
        try:
            await shop.act(clock.now())
        except aiohttp.ClientConnectionError:
            _log.warning("the tracker cannot be reached; the shop tries again")
        if not over and shop.is_done and await is_settled(db):
            over = True
            at_the_end(clock.now())
        try:
            await asyncio.wait_for(stopping.wait(), 0.5)
        except TimeoutError:
            continue
