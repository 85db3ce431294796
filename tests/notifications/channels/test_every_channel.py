"""What every channel must do; a new module in notifications/channels/ fails here until it has its rig."""

import asyncio
import inspect
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import pytest
from aiohttp import web

import notifications.channels
from notifications.channels.email import Email, Relay
from notifications.channels.twilio import Account, Sms
from notifications.contract import Channel, FailureClass, SendFailed
from tests.notifications.channels.outgoing import EMAIL, PHONE, outgoing
from tests.notifications.channels.smtp_stub import SILENCE, SmtpStub
from tests.notifications.channels.test_twilio import Twilio

SECRET = "s3cret-word"
MODULES = [module.name for module in pkgutil.iter_modules(notifications.channels.__path__)]


class Rig(Protocol):
    """A channel before a server that can be told to refuse the next message with a class of failure, or to fall silent."""

    channel: Channel

    def refuse(self, failure: FailureClass) -> None: ...
    def arrived(self) -> int: ...
    async def hanging(self) -> None: ...


@dataclass
class EmailRig:
    channel: Channel
    stub: SmtpStub

    def refuse(self, failure: FailureClass) -> None:
        stage, answer = {
            FailureClass.ADDRESS: ("RCPT", f"550 5.1.1 <{EMAIL}> unknown"),
            FailureClass.CONTENT: ("BODY", "554 5.7.1 spam"),
            FailureClass.ACCOUNT: ("MAIL", "550 5.1.8 no"),
            FailureClass.TRANSPORT: ("RCPT", "451 4.3.0 later"),
            FailureClass.AMBIGUOUS: ("BODY", SILENCE),
        }[failure]
        self.stub.will(stage, answer)

    def arrived(self) -> int:
        return len(self.stub.received)

    async def hanging(self) -> None:
        await self.stub.reached("BODY")


@dataclass
class TwilioRig:
    channel: Channel
    twilio: Twilio

    def refuse(self, failure: FailureClass) -> None:
        status, code = {
            FailureClass.ADDRESS: (400, 21211),
            FailureClass.CONTENT: (400, 21617),
            FailureClass.ACCOUNT: (401, 20003),
            FailureClass.TRANSPORT: (429, 20429),
            FailureClass.AMBIGUOUS: (0, 0),
        }[failure]

        async def answer_once() -> web.StreamResponse:
            self.twilio.answer = None
            if failure is FailureClass.AMBIGUOUS:
                await asyncio.sleep(2)
            return web.json_response({"code": code, "message": f"{PHONE} is not good"}, status=status or 201)

        self.twilio.answer = answer_once

    def arrived(self) -> int:
        return len(self.twilio.messages)

    async def hanging(self) -> None:
        async with asyncio.timeout(20):
            await self.twilio.reached.wait()


@asynccontextmanager
async def email_rig() -> AsyncIterator[Rig]:
    async with SmtpStub.running() as stub:
        relay = Relay(
            host="127.0.0.1",
            port=stub.port,
            tls="none",
            username="shop",
            password=SECRET,
            connections=1,
            body_seconds=0.3,
        )
        yield EmailRig(Email(relay), stub)


@asynccontextmanager
async def twilio_rig() -> AsyncIterator[Rig]:
    twilio = Twilio()
    await twilio.server.start_server()
    account = Account(
        account_sid="AC1", auth_token=SECRET, sender="+34600000000", base_url=str(twilio.server.make_url("/")),
        connections=1, answer_seconds=0.3,
    )  # fmt: skip
    yield TwilioRig(Sms(account), twilio)
    await twilio.server.close()


RIGS = {"email": email_rig, "twilio": twilio_rig}


@pytest.fixture(params=MODULES)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    assert request.param in RIGS, f"notifications/channels/{request.param}.py needs a rig here"
    async with RIGS[request.param]() as rig:
        yield rig
        await rig.channel.close()


def channel_class(module: ModuleType) -> type[Any]:
    [found] = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if hasattr(kind, "repeatable")]
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_channel_has_a_name_and_says_whether_it_may_repeat(module: str) -> None:
    channel = channel_class(import_module(f"notifications.channels.{module}"))

    assert isinstance(channel.name, str)
    assert isinstance(channel.repeatable, bool)


async def test_it_sends(rig: Rig) -> None:
    await rig.channel.send(outgoing())

    assert rig.arrived() == 1
    assert rig.channel.capacity >= 1


@pytest.mark.parametrize("failure", FailureClass)
async def test_it_tells_failures_apart_keeps_silent_about_persons_and_sends_the_next(
    rig: Rig, failure: FailureClass
) -> None:
    rig.refuse(failure)

    with pytest.raises(SendFailed) as caught:
        await rig.channel.send(outgoing())
    await rig.channel.send(outgoing(2))

    assert caught.value.failure is failure
    for personal in (EMAIL, PHONE, SECRET):
        assert personal not in str(caught.value)


async def test_a_cancelled_send_leaves_nothing_behind_for_the_next(rig: Rig) -> None:
    rig.refuse(FailureClass.AMBIGUOUS)
    cancelled = asyncio.create_task(rig.channel.send(outgoing()))
    await rig.hanging()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    before = rig.arrived()

    await rig.channel.send(outgoing(2))

    assert rig.arrived() == before + 1


async def test_it_shows_no_secret(rig: Rig) -> None:
    assert SECRET not in repr(rig.channel)
    assert SECRET not in repr(vars(rig.channel))


async def test_it_can_be_closed_twice_also_unused(rig: Rig) -> None:
    await rig.channel.close()
    await rig.channel.close()
