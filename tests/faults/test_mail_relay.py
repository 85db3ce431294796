"""The relay misbehaves: mails wait or are repeated as they are, none is lost, and the other channel goes on."""

import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest

from tests.notifications.channels.smtp_stub import DISCONNECT, SmtpStub
from tests.stories.scene import Scene
from tests.support.postgres import Server


@pytest.fixture
async def relay() -> AsyncGenerator[SmtpStub]:
    async with SmtpStub.running() as relay:
        yield relay


@pytest.fixture
async def scene(postgres: Server, relay: SmtpStub) -> AsyncGenerator[Scene]:
    async with AsyncExitStack() as stack:
        url = f"smtp://shop:secret@127.0.0.1:{relay.port}"
        yield await stack.enter_async_context(Scene.set(postgres, smtp_url=url))


async def told(scene: Scene, parcels: int) -> None:
    """So many customers have urgent news: an email and an SMS each."""
    numbers = [f"PQ4K7R02310213{index:05}001A" for index in range(parcels)]
    for number in numbers:
        await scene.register("correos", number)
    missed = {"milestone": "out_for_delivery", "status_detail": "attempt_failed"}
    said = {"carrier": "correos", "occurred_at": scene.clock.now().isoformat()} | missed
    await scene.push(*(said | {"tracking_number": number} for number in numbers))


async def states(scene: Scene, channel: str) -> list[str]:
    async with scene.runtime.house.db.connection() as conn:
        rows = await conn.fetch("select state from message where channel = $1 order by id", channel)
    return [row["state"] for row in rows]


async def test_a_relay_that_hangs_up_after_the_last_dot_gets_the_same_bytes_once_more_and_not_at_once(
    scene: Scene, relay: SmtpStub
) -> None:
    relay.will("BODY", DISCONNECT)
    await told(scene, 1)

    await scene.go_on(minutes=14)
    assert (len(relay.received), await states(scene, "email")) == (1, ["queued"])
    await scene.go_on(minutes=3)

    assert (len(relay.received), len(set(relay.received)), await states(scene, "email")) == (2, 1, ["accepted"])
    assert len(scene.texts) == 1
    await scene.go_on(hours=2)
    assert len(relay.received) == 2


async def test_revoked_credentials_pause_the_channel_and_cost_no_message(
    scene: Scene, relay: SmtpStub, caplog: pytest.LogCaptureFixture
) -> None:
    relay.will("AUTH", *["535 5.7.8 authentication failed"] * 1000)
    await told(scene, 20)

    await scene.go_on(hours=2)
    at_once, pauses = 16, 16  # sends that were under way when it began; then one probe after each pause
    assert relay.received == []
    assert await states(scene, "email") == ["queued"] * 20
    assert relay.connections <= at_once + pauses
    assert len(scene.texts) == 20
    said = [record for record in caplog.records if "is paused" in record.message]
    assert 0 < len(said) <= pauses
    assert {record.levelname for record in said} == {"WARNING"}

    relay.well_again("AUTH")
    await scene.go_on(minutes=20)
    assert await states(scene, "email") == ["accepted"] * 20
    assert len(relay.received) == len(set(relay.received)) == 20


async def test_a_storm_of_temporary_refusals_is_weathered(scene: Scene, relay: SmtpStub) -> None:
    relay.will("RCPT", *["451 4.7.1 greylisted, come back"] * 10_000)
    await told(scene, 20)
    await scene.go_on(minutes=10)
    stormed = sum(command.startswith("RCPT") for command in relay.commands)
    assert stormed <= 20 * 5
    relay.well_again("RCPT")

    await scene.go_on(hours=1)

    assert await states(scene, "email") == ["accepted"] * 20
    assert len(relay.received) == len(set(relay.received)) == 20


async def test_whatever_goes_wrong_at_whatever_stage_every_mail_arrives_once_or_as_the_same_twice(
    scene: Scene, relay: SmtpStub
) -> None:
    chance = random.Random(5)
    wrongs = {
        "CONNECT": [DISCONNECT, "421 4.3.2 too busy"],
        "MAIL": [DISCONNECT, "451 4.3.0 not now", "421 4.3.2 shutting down"],
        "RCPT": [DISCONNECT, "450 4.2.1 mailbox busy"],
        "DATA": [DISCONNECT, "451 4.3.0 not now"],
        "BODY": [DISCONNECT, "451 4.3.0 not now", "452 4.3.1 no space"],
    }
    for stage, answers in wrongs.items():
        relay.sometimes(stage, answers, chance, share=0.15)
    await told(scene, 40)
    await scene.go_on(hours=2)

    assert set(await states(scene, "email")) <= {"accepted", "unknown"}
    by_id: dict[bytes, set[bytes]] = {}
    for body in relay.received:
        message_id = next(line for line in body.split(b"\r\n") if line.startswith(b"Message-ID"))
        by_id.setdefault(message_id, set()).add(body)
    assert len(by_id) == 40
    assert {len(bodies) for bodies in by_id.values()} == {1}
