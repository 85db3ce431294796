import asyncio
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from notifications.contract import Accepted, FailureClass, Kind, Outgoing, SendFailed
from notifications.policy import Rules
from tests.notifications.world import MORNING, Held, Told, World


def failed(failure: FailureClass, retry_after: float | None = None) -> SendFailed:
    return SendFailed(failure, "told to", retry_after=retry_after)


async def due_in(world: World) -> list[timedelta]:
    rows = await world.rows("select due_at from message where state = 'queued' order by id")
    return [row["due_at"] - world.clock.now() for row in rows]


async def test_what_is_due_is_sent_and_the_bytes_are_kept(world: World) -> None:
    await world.tell("k")

    delivered = await world.deliver()

    [outgoing] = world.email.handed
    [row] = await world.rows("select body, message_id, language, provider_reference, accepted_at, why from message")
    assert outgoing.body == row["body"]
    assert message_from_bytes(row["body"], policy=default)["Message-ID"] == f"<{row['message_id']}>"
    assert (row["language"], row["provider_reference"], row["accepted_at"]) == ("es", "email-1", MORNING)
    assert delivered.states == {"accepted": 1}
    assert await world.notice_states() == ["sent"]
    assert await world.attempts() == ["accepted"]


async def test_two_senders_share_the_work_and_send_nothing_twice(world: World) -> None:
    parcel = await world.parcel()
    await world.enqueue(*[await world.notice(parcel, f"{n}", subject=f"{n}") for n in range(250)])
    one, two = Told("email"), Told("email")

    await asyncio.gather(world.deliver(one), world.deliver(two))

    references = [outgoing.reference for outgoing in one.handed + two.handed]
    assert len(references) == len(set(references)) == 250
    assert await world.rows("select state, count(*) from message group by state") == [
        {"state": "accepted", "count": 250}
    ]


async def test_an_attempt_is_committed_before_the_message_is_handed_over(world: World) -> None:
    await world.tell("k")
    seen = []

    async def look(outgoing: Outgoing) -> Accepted:
        seen.extend(await world.rows("select number, started_at, finished_at, outcome from attempt"))
        return Accepted(None)

    await world.deliver(Told("email", look))

    assert seen == [{"number": 1, "started_at": MORNING, "finished_at": None, "outcome": None}]


async def test_while_sending_is_stopped_messages_stay_as_they_are(world: World) -> None:
    await world.tell("k")
    before = await world.rows("select * from message")
    await world.engage("stop_sending")

    assert (await world.deliver()).states == {}
    assert await world.rows("select * from message") == before

    await world.engage("stop_sending", engaged=False)
    assert (await world.deliver()).states == {"accepted": 1}


async def test_a_stop_between_claim_and_hand_over_is_heeded(world: World) -> None:
    first, second = await world.tell("first"), await world.tell("second")
    held = Held()
    channel = Told("email", held, repeatable=False, capacity=1)
    delivery = world.delivery(channel)
    sending = asyncio.create_task(delivery.deliver_due())
    await held.reached()

    await world.engage("stop_sending")
    held.let_go.set()
    await sending

    assert len(channel.handed) == 1
    assert await world.rows("select notice_id, state, lease_until from message order by id") == [
        {"notice_id": first, "state": "accepted", "lease_until": None},
        {"notice_id": second, "state": "queued", "lease_until": None},
    ]


async def test_shadow_shows_what_would_be_sent_and_sends_nothing(world: World) -> None:
    await world.engage("shadow")
    await world.tell("k", urgent=True)

    delivered = await world.deliver()

    assert delivered.states == {"shown": 2}
    assert world.email.handed == world.sms.handed == []
    assert await world.states() == [("email", "shown"), ("sms", "shown")]
    assert await world.notice_states() == ["shown"]
    rows = await world.rows("select body, subject, due_at from message order by id")
    assert all(row["body"] and row["due_at"] is None for row in rows)
    assert rows[0]["subject"] == "Pedido PS-1 – incidencia: aduana"
    assert await world.attempts() == []


async def test_one_channel_after_the_other_shows_the_same_notice(world: World) -> None:
    await world.engage("shadow")
    await world.tell("k", urgent=True)

    for channel in (world.email, world.sms):
        assert (await world.deliver(channel)).states == {"shown": 1}
    assert await world.states() == [("email", "shown"), ("sms", "shown")]


async def test_what_was_only_shown_is_not_sent_when_the_shadow_ends(world: World) -> None:
    await world.engage("shadow")
    await world.tell("k", urgent=True)
    await world.deliver(world.email)

    await world.engage("shadow", engaged=False)

    assert (await world.deliver()).states == {"cancelled": 1}
    assert world.sms.handed == []
    assert await world.notice_states() == ["shown"]


async def test_what_was_superseded_after_the_claim_is_not_sent(world: World) -> None:
    await world.tell("first")
    second = await world.tell("second")
    held = Held()
    channel = Told("email", held, repeatable=False, capacity=1)
    sending = asyncio.create_task(world.deliver(channel))
    await held.reached()

    stopped = await world.take_back(second)
    held.let_go.set()
    await sending

    assert stopped == [second]
    assert len(channel.handed) == 1
    assert await world.notice_states() == ["sent", "superseded"]


async def test_stale_news_expires_unsent(world: World) -> None:
    await world.tell("k", valid_until=MORNING + timedelta(hours=2))
    world.clock.advance(hours=2)

    await world.deliver()

    assert world.email.handed == []
    assert await world.states() == [("email", "expired")]
    assert await world.notice_states() == ["expired"]


async def test_nothing_is_sent_to_somebody_whose_data_was_erased(world: World) -> None:
    await world.tell("k", urgent=True)
    await world.rows("update contact set email = null, phone = null, name = null, erased_at = $1", MORNING)

    await world.deliver()

    assert world.email.handed == world.sms.handed == []
    assert await world.states() == [("email", "cancelled"), ("sms", "cancelled")]


@pytest.mark.parametrize("failure", [FailureClass.ADDRESS, FailureClass.CONTENT])
async def test_what_email_cannot_deliver_goes_by_sms(world: World, failure: FailureClass) -> None:
    await world.tell("k")
    world.email.answers.append(failed(failure))

    await world.deliver(world.email)
    await world.deliver(world.sms)

    assert await world.states() == [("email", "failed"), ("sms", "accepted")]
    assert await world.notice_states() == ["sent"]
    assert await world.attempts() == [failure, "accepted"]


async def test_a_notice_fails_when_no_way_is_left(world: World) -> None:
    [_] = await world.enqueue(await world.notice(await world.parcel(phone=None), "k"))
    world.email.answers.append(failed(FailureClass.ADDRESS))

    await world.deliver()

    assert await world.states() == [("email", "failed")]
    assert await world.rows("select state, state_because from notice") == [
        {"state": "failed", "state_because": "told to"}
    ]


async def test_an_address_that_is_gone_sends_the_message_another_way(world: World) -> None:
    await world.tell("k")
    await world.rows("update contact set email = null")

    await world.deliver(world.email)

    assert await world.states() == [("email", "failed"), ("sms", "queued")]


async def test_retries_keep_their_distance_and_send_the_same_bytes(world: World) -> None:
    await world.tell("k")
    world.email.answers = [failed(FailureClass.TRANSPORT)] * 8
    waits = []

    for _ in range(8):
        assert (await world.deliver()).states == {"queued": 1}
        [wait] = await due_in(world)
        waits.append(wait)
        world.clock.moment += wait - timedelta(seconds=1)
        assert (await world.deliver()).states == {}
        world.clock.advance(seconds=1)
        await world.rows("update channel_state set paused_until = null")
    await world.deliver()

    assert [wait.total_seconds() for wait in waits] == [10, 30, 120, 300, 900, 1800, 3600, 3600]
    assert len(world.email.handed) == 9
    assert len({(outgoing.body, outgoing.message_id, outgoing.reference) for outgoing in world.email.handed}) == 1
    assert await world.attempts() == ["transport"] * 8 + ["accepted"]


async def test_the_other_sides_own_time_is_respected(world: World) -> None:
    await world.tell("k")
    world.email.answers.append(failed(FailureClass.TRANSPORT, retry_after=95))

    await world.deliver()

    assert await due_in(world) == [timedelta(seconds=95)]


async def test_no_attempt_is_planned_for_when_the_news_is_stale(world: World) -> None:
    await world.tell("k", valid_until=MORNING + timedelta(seconds=9))
    world.email.answers.append(failed(FailureClass.TRANSPORT))

    await world.deliver()

    assert await world.states() == [("email", "expired")]


async def test_a_failing_account_pauses_its_channel_and_fails_no_message(world: World) -> None:
    for n in range(30):
        await world.tell(f"{n}")
    refusing = Told("email", *[failed(FailureClass.ACCOUNT)] * 100, capacity=1, repeatable=False)

    delivered = await world.deliver(refusing)

    assert len(refusing.handed) == 1
    assert [(pause.channel, pause.failures, pause.until, pause.because) for pause in delivered.pauses] == [
        ("email", 1, MORNING + timedelta(minutes=1), "told to")
    ]
    assert await world.rows("select state, count(*), max(attempts) as most from message group by state") == [
        {"state": "queued", "count": 30, "most": 1}
    ]
    assert await world.rows("select channel, failures, paused_until, because from channel_state") == [
        {"channel": "email", "failures": 1, "paused_until": MORNING + timedelta(minutes=1), "because": "told to"}
    ]


async def test_after_a_pause_one_message_goes_ahead_and_success_lets_the_others_follow(world: World) -> None:
    for n in range(10):
        await world.tell(f"{n}")
    channel = Told("email", *[failed(FailureClass.ACCOUNT)] * 2, capacity=1, repeatable=False)
    await world.deliver(channel)

    world.clock.advance(minutes=1)
    assert len((await world.deliver(channel)).pauses) == 1
    assert len(channel.handed) == 2
    assert (await world.rows("select failures, paused_until from channel_state")) == [
        {"failures": 2, "paused_until": world.clock.now() + timedelta(minutes=2)}
    ]

    world.clock.advance(minutes=2)
    await world.deliver(channel)
    assert len(channel.handed) == 3
    world.clock.advance(seconds=30)
    assert (await world.deliver(channel)).states == {"accepted": 9}
    assert await world.rows("select failures, paused_until from channel_state") == [
        {"failures": 0, "paused_until": None}
    ]


async def test_an_email_in_doubt_is_sent_once_more_with_the_same_bytes(world: World) -> None:
    await world.tell("k")
    world.email.answers = [failed(FailureClass.AMBIGUOUS)] * 2

    await world.deliver()
    assert await due_in(world) == [timedelta(minutes=15)]
    world.clock.advance(minutes=15)
    await world.deliver()

    first, second = world.email.handed
    assert (first.body, first.message_id) == (second.body, second.message_id)
    assert await world.states() == [("email", "unknown"), ("sms", "queued")]
    await world.deliver(world.sms)
    assert await world.notice_states() == ["sent"]


async def test_an_sms_in_doubt_is_looked_for_and_never_sent_again(world: World) -> None:
    [_] = await world.enqueue(await world.notice(await world.parcel(email=None), "k"))
    world.sms.answers = [failed(FailureClass.AMBIGUOUS)]
    await world.deliver()

    world.clock.advance(minutes=2)
    assert (await world.deliver()).states == {"queued": 1}
    world.sms.found = Accepted("SM1")
    world.clock.advance(minutes=2)
    assert (await world.deliver()).states == {"accepted": 1}

    assert (len(world.sms.handed), world.sms.questions) == (1, 2)
    assert await world.rows("select provider_reference from message") == [{"provider_reference": "SM1"}]
    assert await world.rows("select number, outcome, detail from attempt") == [
        {"number": 1, "outcome": "accepted", "detail": "found at the provider"}
    ]


async def test_an_sms_that_nobody_can_find_is_followed_by_an_email(world: World) -> None:
    await world.tell("k", urgent=True)
    await world.rows("delete from message where channel = 'email'")
    world.sms.answers = [failed(FailureClass.AMBIGUOUS)]

    await world.deliver(world.sms)
    for _ in range(6):
        world.clock.advance(minutes=2)
        await world.deliver(world.sms)
    assert await world.states() == [("sms", "unknown"), ("email", "queued")]
    await world.deliver()

    assert len(world.sms.handed) == 1
    assert await world.states() == [("sms", "unknown"), ("email", "accepted")]


async def test_a_message_in_doubt_is_not_taken_back_as_if_nobody_had_seen_it(world: World) -> None:
    notice_id = await world.tell("k")
    world.email.answers = [failed(FailureClass.AMBIGUOUS)]
    await world.deliver()

    assert await world.take_back(notice_id) == []
    assert await world.states() == [("email", "unknown")]


async def test_a_message_whose_sender_died_during_the_attempt_is_in_doubt(world: World) -> None:
    await world.tell("k")
    held = Held()
    dying = asyncio.create_task(world.deliver(Told("email", held)))
    await held.reached()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    assert (await world.deliver()).states == {}  # the lease may still be somebody's

    await world.let_leases_lapse()
    world.clock.advance(minutes=1)
    assert (await world.deliver()).states == {"queued": 1}
    assert await due_in(world) == [timedelta(minutes=14)]  # a quarter of an hour after the attempt began
    world.clock.advance(minutes=14)
    assert (await world.deliver()).states == {"accepted": 1}

    assert await world.attempts() == ["ambiguous", "accepted"]


async def test_a_message_whose_sender_died_before_the_attempt_is_simply_sent(world: World) -> None:
    await world.tell("first")
    await world.tell("second")
    held = Held()
    dying = asyncio.create_task(world.deliver(Told("email", held, repeatable=False, capacity=1)))
    await held.reached()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    await world.let_leases_lapse()
    await world.deliver()

    assert len(world.email.handed) == 1
    assert await world.states() == [("email", "queued"), ("email", "accepted")]


async def test_a_sender_that_was_overtaken_writes_nothing(world: World) -> None:
    await world.tell("k")
    held = Held()
    frozen = asyncio.create_task(world.deliver(Told("email", held)))
    await held.reached()
    await world.let_leases_lapse()
    await world.deliver()
    overtaken = await world.rows("select * from message")

    held.let_go.set()
    await frozen

    assert await world.rows("select * from message") == overtaken
    assert await world.attempts() == ["ambiguous"]


async def test_a_living_sender_keeps_its_lease(world: World) -> None:
    await world.tell("k")
    held = Held()
    sending = asyncio.create_task(world.delivery(Told("email", held), lease=timedelta(seconds=0.3)).deliver_due())
    await held.reached()
    [taken] = await world.rows("select lease_until from message")

    while True:
        [row] = await world.rows("select lease_until from message")
        if row["lease_until"] > taken["lease_until"]:
            break
    held.let_go.set()

    assert (await sending).states == {"accepted": 1}


async def test_when_stopped_the_claimed_are_given_back_and_the_begun_are_finished(world: World) -> None:
    for n in range(3):
        await world.tell(f"{n}")
    held = Held()
    channel = Told("email", held, repeatable=False, capacity=1)
    delivery = world.delivery(channel)
    sending = asyncio.create_task(delivery.deliver_due())
    await held.reached()

    delivery.stop()
    held.let_go.set()
    await sending

    assert await world.rows("select state, lease_until from message order by id") == [
        {"state": "accepted", "lease_until": None},
        {"state": "queued", "lease_until": None},
        {"state": "queued", "lease_until": None},
    ]


async def test_an_sms_that_is_not_urgent_waits_for_the_morning_when_it_is_retried_at_night(world: World) -> None:
    world.clock.moment = datetime(2026, 11, 24, 19, 59, 55, tzinfo=UTC)  # five seconds to nine in Madrid
    [_] = await world.enqueue(await world.notice(await world.parcel(email=None), "k"))
    world.sms.answers = [failed(FailureClass.TRANSPORT)]
    await world.deliver()

    world.clock.advance(seconds=10)
    await world.deliver()

    assert len(world.sms.handed) == 1
    assert await world.rows("select due_at, state_because from message") == [
        {"due_at": datetime(2026, 11, 25, 8, tzinfo=UTC), "state_because": "quiet hours"}
    ]


async def test_messages_about_one_incident_form_one_conversation(world: World) -> None:
    parcel = await world.parcel()
    incident = await world.incident(parcel)
    facts = (await world.notice(parcel, "facts")).facts
    await world.enqueue(await world.notice(parcel, "1", incident_id=incident))
    await world.deliver()
    await world.enqueue(
        await world.notice(
            parcel, "2", incident_id=incident, kind=Kind.INCIDENT_CHANGED,
            facts=type(facts)(**{name: getattr(facts, name) for name in facts.__struct_fields__} | {"cause": "delay.strike"}),
        )
    )  # fmt: skip
    await world.deliver()

    first, second = (message_from_bytes(outgoing.body, policy=default) for outgoing in world.email.handed)
    assert second["Subject"] == first["Subject"] == "Pedido PS-1 – incidencia: aduana"
    assert second["In-Reply-To"] == first["Message-ID"]
    assert second["References"].split() == [first["References"], first["Message-ID"]]


async def test_one_message_that_cannot_be_said_does_not_hold_up_the_others(world: World) -> None:
    parcel = await world.parcel(phone=None)
    facts = (await world.notice(parcel, "-")).facts
    unsayable = type(facts)(order_reference="1", carrier="c", carrier_name="C", tracking_number="T")
    await world.enqueue(await world.notice(parcel, "bad", subject="a", facts=unsayable))
    await world.enqueue(await world.notice(parcel, "good", subject="b"))

    await world.deliver()

    assert await world.rows("select state, state_because from message order by id") == [
        {"state": "failed", "state_because": "incident_opened cannot be said without cause, next_update_at"},
        {"state": "accepted", "state_because": None},
    ]
    assert await world.notice_states() == ["failed", "sent"]


async def test_a_mistake_of_our_own_is_told_and_holds_up_nobody(world: World) -> None:
    await world.tell("first")
    await world.tell("second")

    async def slip(outgoing: Outgoing) -> Accepted:
        raise KeyError("slip")

    delivered = await world.deliver(Told("email", slip))

    assert delivered.states == {"queued": 1, "accepted": 1}
    assert [type(surprise) for surprise in delivered.surprises] == [KeyError]
    assert delivered.failures == {"ambiguous": 1}


async def test_a_channel_in_trouble_does_not_hold_up_the_other(world: World) -> None:
    await world.tell("k", urgent=True)
    held = Held()
    sms = Told("sms", repeatable=False)
    sending = asyncio.create_task(world.deliver(Told("email", held), sms))
    await held.reached()

    while ("sms", "accepted") not in await world.states():
        pass
    assert len(sms.handed) == 1
    held.let_go.set()
    await sending


async def test_rules_decide_how_long_a_message_is_tried(world: World) -> None:
    world.rules = Rules(give_up_after=timedelta(seconds=5))
    await world.tell("k")
    world.email.answers = [failed(FailureClass.TRANSPORT)]

    await world.deliver()

    assert await world.states() == [("email", "expired")]
