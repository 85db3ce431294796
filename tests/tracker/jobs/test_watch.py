"""What starves is told once, as soon as somebody can be reached, and again when it comes back."""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from notifications.channels.email import Email, Relay
from notifications.contract import Sender
from tests.notifications.channels.smtp_stub import SmtpStub
from tests.tracker.actions.conftest import Scene, scene
from tracker.domain.starvation import Alarm
from tracker.jobs.operators import Operators
from tracker.jobs.watch import NobodyReached, watch
from tracker.store import alarms

__all__ = ["scene"]

SENDER = Sender(
    name="Librería Núñez", email="pedidos@shop.example", reply_email="a@shop.example", phone=None, website=None
)
CONSOLE = "https://track.example/console/health"


class Told:
    """The operators, who can be reached or not."""

    def __init__(self) -> None:
        self.alarms: list[str] = []
        self.away = False

    async def __call__(self, alarms: Sequence[Alarm]) -> None:
        if self.away:
            raise NobodyReached
        self.alarms += [alarm.name for alarm in alarms]


async def falls_behind(scene: Scene) -> None:
    """Nobody has looked at the parcel for a while."""
    await scene.rows("update schedule set next_moment_at = $1", scene.clock.now() - timedelta(minutes=11))


async def test_what_starves_is_told_once_and_again_when_it_comes_back(scene: Scene):
    told = Told()
    await scene.registers()
    await watch(scene.house, told)
    assert told.alarms == []

    await falls_behind(scene)
    for _ in range(3):
        await watch(scene.house, told)
    assert told.alarms == ["queue.examinations"]

    await scene.passes(minutes=1)
    await watch(scene.house, told)
    async with scene.house.db.connection() as conn:
        (line,) = await alarms.newest(conn, 10)
    assert line.ended_at == scene.clock.now()

    await falls_behind(scene)
    await watch(scene.house, told)
    assert told.alarms == ["queue.examinations"] * 2


async def test_whoever_could_not_be_reached_is_told_at_the_next_look(scene: Scene):
    told = Told()
    await scene.registers()
    await falls_behind(scene)
    told.away = True
    await watch(scene.house, told)
    told.away = False
    await watch(scene.house, told)
    assert told.alarms == ["queue.examinations"]


async def test_two_processes_tell_it_once(scene: Scene):
    told, other = Told(), Told()
    await scene.registers()
    await falls_behind(scene)
    await watch(scene.house, told)
    await watch(scene.house, other)
    assert (told.alarms, other.alarms) == (["queue.examinations"], [])


@pytest.fixture
async def relay() -> AsyncGenerator[SmtpStub]:
    async with SmtpStub.running() as relay:
        yield relay


def operators(scene: Scene, relay: SmtpStub, webhook: str | None = None) -> Operators:
    channel = Email(Relay(host="127.0.0.1", port=relay.port, tls="none"))
    return Operators(
        clock=scene.clock, console=CONSOLE, email="ops@shop.example", webhook=webhook, sender=SENDER, relay=channel
    )


ALARM = Alarm("queue.messages", 12, timedelta(minutes=45))


async def test_operators_read_what_it_means_and_where_to_look(scene: Scene, relay: SmtpStub):
    await operators(scene, relay).tell([ALARM, Alarm("account.ups default", failures=7)])
    (raw,) = relay.received
    assert b"\n" not in raw.replace(b"\r\n", b"")  # a bare line feed is refused by relays that fear smuggling
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert (mail["To"], mail["Subject"]) == (
        "ops@shop.example",
        "Delivery tracker: queue.messages, account.ups default",
    )
    text = mail.get_content()
    assert "queue.messages: 12 wait, the oldest for 0:45:00 - messages do not go out" in text
    assert "account.ups default: 7 failures in a row" in text
    assert CONSOLE in text


async def test_a_webhook_gets_the_same_as_json(scene: Scene, relay: SmtpStub):
    posted = []

    async def take(request: web.Request) -> web.Response:
        posted.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/alarm", take)
    async with TestServer(app) as server:
        await operators(scene, relay, str(server.make_url("/alarm"))).tell([ALARM])
    (said,) = posted
    assert (said["type"], said["alarms"][0]["name"], said["alarms"][0]["rows"]) == (
        "service.alarm",
        "queue.messages",
        12,
    )


async def test_a_way_that_fails_is_nobody_reached(scene: Scene, relay: SmtpStub):
    relay.will("RCPT", "550 5.1.1 who")
    with pytest.raises(NobodyReached):
        await operators(scene, relay).tell([ALARM])
    with pytest.raises(NobodyReached):
        await operators(scene, relay, "http://127.0.0.1:9/nowhere").tell([ALARM])
