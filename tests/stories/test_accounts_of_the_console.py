"""An account that is given in the console is used from the next tick on, and no longer once it is taken away."""

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.faults.test_our_own_mistakes import moved
from tests.stories.scene import Scene
from tests.support.postgres import Server
from tests.support.recorded_dhl import API_KEY
from tracker.actions import accounts
from tracker.actions.accounts import Key, Kind
from tracker.actions.audit import AT_THE_MACHINE
from tracker.settings import CarrierSettings, Settings

DHL, RELAY = Key(Kind.CARRIER, "dhl_unified"), Key(Kind.MAIL, accounts.MAIL)


class Bare(Scene):
    """Of DHL only the address is configured, and of the relay nothing; private addresses as said."""

    allow_private = True
    relay = ""

    async def _settings(self, stack: AsyncExitStack, smtp_url: str | None) -> Settings:
        settings = await super()._settings(stack, smtp_url)
        self.relay = settings.smtp_url or ""
        address = {"base_url": self.dhl.url, "spacing": "0"}
        return msgspec.structs.replace(
            settings,
            smtp_url=None,
            carriers=(CarrierSettings(carrier="dhl_unified", account="default", values=address),),
            allow_private_addresses=self.allow_private,
        )

    async def gives(self, key: Key, **values: str) -> None:
        await accounts.keep(self.runtime.house, AT_THE_MACHINE, self.runtime.shop_id, key, values)
        await self.runtime.lines.refresh()

    async def gives_relay(self) -> None:
        parts = urlsplit(self.relay)
        await self.gives(RELAY, host=parts.hostname or "", port=str(parts.port), security="starttls")


class Walled(Bare):
    allow_private = False


async def test_a_carrier_is_asked_once_its_account_is_there_and_no_more_once_it_is_gone(postgres: Server):
    async with Bare.set(postgres) as scene:
        runtime = scene.runtime
        assert (runtime.lines.open, runtime.house.accounts) == ({}, {})
        await scene.gives(DHL, api_key=API_KEY)
        await scene.register("dhl_unified", "8811223300")
        assert await runtime.poll() == 1
        assert scene.dhl.asked.total() == 1
        await accounts.remove(runtime.house, AT_THE_MACHINE, runtime.shop_id, DHL)
        await runtime.lines.refresh()
        assert (runtime.lines.open, runtime.house.accounts) == ({}, {})


@pytest.mark.parametrize(("kind", "letters"), [(Bare, 1), (Walled, 0)])
async def test_mail_goes_by_the_relay_of_the_console_unless_it_stands_inside_our_walls(
    postgres: Server, kind: type[Bare], letters: int
):
    async with kind.set(postgres) as scene:
        number = "8811223301"
        await scene.register("dhl_unified", number)
        await scene.push(moved(number) | {"carrier": "dhl_unified"})
        await scene.go_on(hours=12)
        assert scene.sinks.mails == []
        await scene.gives_relay()
        await scene.go_on(hours=12)
        assert len(scene.sinks.mails) == letters
