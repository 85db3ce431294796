"""A service as it is after its first start: a shop of which nothing is known, and on loopback whom it could reach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from carriers.sandbox import server
from carriers.sandbox.world import World
from tests.support.postgres import SCHEMA, Server
from tracker.actions import set_up
from tracker.bootstrap import Runtime, open_runtime
from tracker.clock import Chance, SteppedClock
from tracker.settings import CarrierSettings, Settings, TwilioSettings
from tracker.simulation.sinks import Sinks

DHL_KEY = server.Accounts().dhl_api_key
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_AT_ONCE = {"spacing": "0", "calls_per_day": "100000"}


@dataclass
class FirstRun:
    """Of carriers and gateway only the addresses are configured; `relay` is where mails would be taken."""

    runtime: Runtime
    clock: SteppedClock
    world: World
    sinks: Sinks
    relay: tuple[str, int]

    @property
    def begin(self) -> str:
        """The path of the link that is printed."""
        return f"/console/begin/{set_up.token(self.runtime.house)}"


@asynccontextmanager
async def first_run(postgres: Server, *, allow_private: bool = True) -> AsyncIterator[FirstRun]:
    clock, world = SteppedClock(NOW), World()
    sinks = Sinks(clock)
    async with AsyncExitStack() as stack:
        name = await postgres.clone()
        stack.push_async_callback(postgres.drop, name)
        played = await server.start(world, clock)
        stack.push_async_callback(played.stop)
        smtp_url, gateway_url = await sinks.start()
        stack.push_async_callback(sinks.stop)
        settings = Settings(
            database_schema=SCHEMA,
            secret_key="of the first run, long enough for a key",
            twilio=TwilioSettings(base_url=gateway_url),
            allow_private_addresses=allow_private,
            carriers=tuple(
                CarrierSettings(
                    carrier=code, account="default", values={"base_url": f"{played.base_url}/{code}", **_AT_ONCE}
                )
                for code in ("correos", "dhl_unified")
            ),
        )
        runtime = await stack.enter_async_context(
            open_runtime(settings, postgres.dsn_of(name), clock, Chance(1), connections=6)
        )
        parts = urlsplit(smtp_url)
        yield FirstRun(runtime, clock, world, sinks, (parts.hostname or "", parts.port or 0))
