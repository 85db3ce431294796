import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from notifications import outbox
from notifications.contract import Kind
from notifications.policy import Rules
from tests.notifications.world import Held, Told, World


async def test_a_notice_travels_by_email_and_an_urgent_one_also_by_sms(world: World) -> None:
    parcel = await world.parcel()
    await world.enqueue(await world.notice(parcel, "calm", subject="a"))
    await world.enqueue(await world.notice(parcel, "urgent", subject="b", urgent=True))

    rows = await world.rows("select channel, state, why from message order by id")

    assert [(row["channel"], row["why"]) for row in rows] == [
        ("email", "there is an email address"),
        ("email", "there is an email address"),
        ("sms", "it is urgent"),
    ]
    assert {row["state"] for row in rows} == {"queued"}


async def test_a_notice_that_reaches_nobody_is_kept_as_failed(world: World) -> None:
    parcel = await world.parcel(email=None, phone="+34912345678")  # a landline

    await world.enqueue(await world.notice(parcel, "k"))

    assert await world.rows("select state, state_because from notice") == [
        {"state": "failed", "state_because": "there is no address to write to"}
    ]
    assert await world.states() == []


async def test_a_key_is_said_once_also_by_two_transactions_at_the_same_time(world: World) -> None:
    notice = await world.notice(await world.parcel(), "k")

    told = await asyncio.gather(*(world.enqueue(notice, notice) for _ in range(4)))

    assert sorted(len(ids) for ids in told) == [0, 0, 0, 1]
    assert await world.states() == [("email", "queued")]


async def test_a_notice_exists_only_with_what_caused_it(world: World) -> None:
    notice = await world.notice(await world.parcel(), "k")

    async def cause_that_fails() -> None:
        async with world.database.transaction() as conn:
            await outbox.enqueue(conn, [notice], world.clock.now())
            raise RuntimeError("the cause was not committed")

    with pytest.raises(RuntimeError):
        await cause_that_fails()

    assert await world.notice_states() == []


async def test_the_number_of_statements_does_not_grow_with_the_number_of_notices(world: World) -> None:
    batches = [
        [await world.notice(await world.parcel(), f"{size}-{n}", urgent=True) for n in range(size)]
        for size in (2, 1, 30)
    ]
    counts = []
    async with world.database.transaction() as conn:
        for batch in batches:
            seen: list[str] = []
            with conn.query_logger(lambda record, seen=seen: seen.append(record.query)):
                await outbox.enqueue(conn, batch, world.clock.now())
            counts.append(len(seen))

    assert counts[1] == counts[2] <= 6  # the first also looks up types


async def test_a_newer_notice_on_the_same_subject_supersedes_unsent_older_ones(world: World) -> None:
    parcel, other = await world.parcel(), await world.parcel()
    await world.enqueue(
        await world.notice(parcel, "old", subject="incident:1"),
        await world.notice(parcel, "aside", subject="incident:2"),
        await world.notice(other, "elsewhere", subject="incident:1"),
    )

    await world.enqueue(
        await world.notice(parcel, "newer", subject="incident:1"),
        await world.notice(parcel, "newest", subject="incident:1"),
    )

    rows = await world.rows(
        "select key, notice.state, m.state as message from notice join message m on notice_id = notice.id"
    )
    assert {row["key"]: (row["state"], row["message"]) for row in rows} == {
        "old": ("superseded", "superseded"),
        "aside": ("planned", "queued"),
        "elsewhere": ("planned", "queued"),
        "newer": ("superseded", "superseded"),
        "newest": ("planned", "queued"),
    }


async def test_what_is_taken_back_unsent_is_named_and_what_was_sent_is_not(world: World) -> None:
    parcel = await world.parcel()
    await world.enqueue(await world.notice(parcel, "sent", subject="a"))
    await world.deliver()
    [unsent] = await world.enqueue(await world.notice(parcel, "unsent", subject="b", kind=Kind.INCIDENT_UPDATE))

    async with world.database.transaction() as conn:
        stopped = await outbox.supersede(conn, [parcel], "it was delivered", world.clock.now())

    assert [(notice.notice_id, notice.kind, notice.subject) for notice in stopped] == [(unsent, "incident_update", "b")]
    assert await world.notice_states() == ["sent", "superseded"]
    assert (await world.deliver()).states == {}


async def test_only_the_named_subject_is_taken_back(world: World) -> None:
    parcel = await world.parcel()
    await world.enqueue(await world.notice(parcel, "a", subject="a"), await world.notice(parcel, "b", subject="b"))

    async with world.database.transaction() as conn:
        await outbox.supersede(conn, [parcel], "cured", world.clock.now(), subjects=["b"])

    assert await world.notice_states() == ["planned", "superseded"]


async def test_a_message_that_is_being_sent_cannot_be_taken_back(world: World) -> None:
    notice_id = await world.tell("k")
    held = Held()
    sending = asyncio.create_task(world.deliver(Told("email", held)))
    await held.reached()

    stopped = await world.take_back(notice_id)
    held.let_go.set()
    await sending

    assert stopped == []
    assert await world.notice_states() == ["sent"]


async def test_an_sms_that_waits_is_taken_back_though_the_email_of_its_notice_was_sent(world: World) -> None:
    world.clock.moment = datetime(2026, 11, 24, 23, tzinfo=UTC)
    parcel = await world.parcel()
    [notice_id] = await world.enqueue(await world.notice(parcel, "k", urgent=True))
    await world.rows("update message set due_at = due_at + interval '10 hours' where channel = 'sms'")
    await world.deliver()

    assert await world.take_back(notice_id) == []
    assert await world.states() == [("email", "accepted"), ("sms", "superseded")]
    assert await world.notice_states() == ["sent"]


async def test_a_channel_that_is_not_set_up_is_not_planned(world: World) -> None:
    world.rules = Rules(channels=frozenset({"email"}))

    await world.tell("k", urgent=True)

    assert await world.states() == [("email", "queued")]


async def test_a_held_notice_is_due_when_its_hold_is_over(world: World) -> None:
    await world.tell("k", hold=timedelta(minutes=2))

    assert (await world.deliver()).states == {}
    world.clock.advance(minutes=2)
    assert (await world.deliver()).states == {"accepted": 1}
