"""What the feed of changes tells of notices and their messages: each thing that became of them, once."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from notifications.contract import FailureClass, SendFailed
from notifications.lane import Lane
from tests.notifications.world import MORNING, Told, World


async def told(world: World) -> list[str]:
    """Kinds, in order; of messages with their channel."""
    rows = await world.rows("select kind, detail ->> 'channel' as channel from change order by id")
    return [" ".join(filter(None, row.values())) for row in rows]


async def last(world: World, kind: str) -> dict[str, Any]:
    row = (await world.rows("select * from change where kind = $1 order by id desc limit 1", kind))[0]
    return row | {"detail": msgspec.json.decode(row["detail"])}


async def test_a_notice_is_planned_and_its_message_taken_by_the_relay(world: World) -> None:
    parcel = await world.parcel()
    incident_id = await world.incident(parcel)
    [notice_id] = await world.enqueue(await world.notice(parcel, "k", incident_id=incident_id))
    world.clock.advance(minutes=2)
    await world.deliver()

    assert await told(world) == ["notice.planned", "message.accepted email"]
    change = await last(world, "message.accepted")
    assert (change["shipment_id"], change["incident_id"], change["notice_id"]) == (parcel, incident_id, notice_id)
    assert change["at"] == MORNING + timedelta(minutes=2)
    assert change["detail"] == {"message": "msg_1", "channel": "email", "attempt": 1, "outcome": "accepted"}


async def test_a_failed_attempt_is_told_and_the_wait_for_the_next_one_is_not(world: World) -> None:
    await world.tell("k")
    world.email.answers = [SendFailed(FailureClass.TRANSPORT, "451 later")]
    await world.deliver()
    await world.deliver()
    world.clock.advance(hours=1)
    await world.deliver()

    assert await told(world) == ["notice.planned", "message.delayed email", "message.accepted email"]
    assert (await last(world, "message.delayed"))["detail"] == {
        "message": "msg_1", "channel": "email", "because": "451 later", "attempt": 1, "outcome": "transport",
    }  # fmt: skip


async def test_a_message_that_never_arrives_ends_its_notice(world: World) -> None:
    await world.tell("k")
    world.email.answers = [SendFailed(FailureClass.ADDRESS, "550 unknown user")]
    world.sms.answers = [SendFailed(FailureClass.ADDRESS, "no such number")]
    await world.deliver(world.email)
    assert await told(world) == ["notice.planned", "message.failed email"]
    world.clock.advance(hours=1)
    await world.deliver()
    assert (await told(world))[2:] == ["message.failed sms", "notice.failed"]


async def test_a_notice_that_reaches_nobody_has_failed_at_once(world: World) -> None:
    await world.enqueue(await world.notice(await world.parcel(email=None, phone=None), "k"))
    assert await told(world) == ["notice.failed"]


async def test_what_is_overtaken_is_told_with_its_messages(world: World) -> None:
    parcel = await world.parcel()
    await world.enqueue(await world.notice(parcel, "old", urgent=True))
    await world.enqueue(await world.notice(parcel, "new"))
    assert (await told(world))[:2] == ["notice.planned"] * 2
    assert sorted((await told(world))[2:]) == [
        "message.superseded email",
        "message.superseded sms",
        "notice.superseded",
    ]
    assert (await last(world, "notice.superseded"))["detail"] == {
        "kind": "incident_opened", "because": "something newer is said instead",
    }  # fmt: skip


async def test_what_shadow_mode_shows_is_told(world: World) -> None:
    await world.engage("shadow")
    await world.tell("k")
    await world.deliver()
    assert await told(world) == ["notice.planned", "message.shown email"]


async def test_an_outcome_that_is_written_twice_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the connection was lost while the first was being committed."""
    await world.tell("refused")
    await world.tell("taken")
    write = Lane._write_once

    async def write_twice(lane: Lane, *arguments: Any) -> None:
        await write(lane, *arguments)
        await write(lane, *arguments)

    monkeypatch.setattr(Lane, "_write_once", write_twice)
    await world.deliver(Told("email", SendFailed(FailureClass.TRANSPORT, "451 later"), capacity=1))
    ends = [kind for kind in await told(world) if kind != "notice.planned"]
    assert sorted(ends) == ["message.accepted email", "message.delayed email"]


async def test_senders_side_by_side_tell_each_acceptance_once(world: World) -> None:
    parcel = await world.parcel()
    await world.enqueue(*[await world.notice(parcel, f"{n}", subject=f"{n}") for n in range(40)])
    await asyncio.gather(world.deliver(Told("email")), world.deliver(Told("email")))
    assert (await told(world)).count("message.accepted email") == 40
