"""kill -9 in the middle of pushes and of sends: what was answered is kept, what was sent is not sent again."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.outside import Outside, let_time_pass, minutes_ago, nobody_home, numbers, sending_to
from tests.support.eventually import eventually
from tests.support.tracker_process import TrackerProcess
from tracker.clock import RealClock
from tracker.simulation.sinks import Sinks

pytestmark = pytest.mark.database

IS_CAMPAIGN = os.environ.get("TEST_EFFORT") == "campaign"
ROUNDS = 30 if IS_CAMPAIGN else 3


async def test_pushes_that_were_answered_survive_and_repeats_change_nothing(folder: Path) -> None:
    service, chance = TrackerProcess(folder, {}), random.Random(7)
    try:
        await service.start()
        async with Outside.of(service) as outside:
            parcels = numbers(20)
            for number in parcels:
                await outside.register(number)
            pushed: dict[str, dict[str, Any]] = {}
            for round_ in range(ROUNDS):
                await _push_until_killed(service, outside, pushed, parcels, chance.randrange(1, 300), f"r{round_}")
                await _no_process_left(service)
                await service.start()

            async with service.database() as conn:
                kept = {row["text"] for row in await conn.fetch("select text from event")}
            assert outside.acknowledged <= kept
            assert len(outside.acknowledged) >= ROUNDS

            for name in sorted(outside.unanswered):  # as a partner does who got no answer
                assert await outside.push(name, pushed[name]) == 202
            async with service.database() as conn:
                texts = Counter(row["text"] for row in await conn.fetch("select text from event"))
            assert texts == Counter(pushed.keys())
    finally:
        await service.clean_up()


async def _push_until_killed(
    service: TrackerProcess,
    outside: Outside,
    pushed: dict[str, dict[str, Any]],
    parcels: list[str],
    after: int,
    prefix: str,
) -> None:
    """Eight partners push as fast as they are answered; the service is killed at the answer with this number."""
    enough, end = asyncio.Event(), len(outside.acknowledged) + after

    async def partner(which: int) -> None:
        count = 0
        while service.is_running:
            name, parcel = f"{prefix}-{which}-{count}", parcels[(which * 7 + count) % len(parcels)]
            event: dict[str, Any] = {
                "carrier": "correos",
                "tracking_number": parcel,
                "milestone": "in_transit",
                "code": name,
            }
            pushed[name] = event | {"occurred_at": minutes_ago(count % 600)}
            await outside.push(name, pushed[name])
            count += 1
            if len(outside.acknowledged) >= end:
                enough.set()

    async def killer() -> None:
        await asyncio.wait_for(enough.wait(), 60)
        await service.kill()

    await asyncio.gather(killer(), *(partner(which) for which in range(8)))


async def _no_process_left(service: TrackerProcess) -> None:
    async def is_gone() -> bool:
        return not service.postgres_processes()

    await eventually(is_gone)


class SlowSinks(Sinks):
    """Takes its time, so that the end of a service finds messages at every stage; `taken` counts them all."""

    async def handle_DATA(self, *given: object) -> str:  # noqa: N802 (aiosmtpd's name)
        answer = await super().handle_DATA(*given)  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        return answer

    @property
    def taken(self) -> int:
        return len(self.mails) + len(self.texts)


async def test_messages_are_not_sent_twice_but_for_mails_in_doubt_which_are_the_same(folder: Path) -> None:
    chance, sinks = random.Random(11), SlowSinks(RealClock())
    service = TrackerProcess(folder, sending_to(*await sinks.start()))
    try:
        await service.start()
        async with Outside.of(service) as outside:
            parcels = numbers(60)
            for number in parcels:
                await outside.register(number)
            for number in parcels:
                assert await outside.push(number, nobody_home(number)) == 202

            for _ in range(ROUNDS):
                await _kill_at(service, sinks, sinks.taken + chance.randrange(1, 30))
                await service.start()
                await let_time_pass(service)
            messages = await eventually(lambda: _all_ended(service), within=60)

        _judge(sinks, messages)
        assert len({mail.recipient for mail in sinks.mails}) == len(parcels)
    finally:
        await service.clean_up()
        await sinks.stop()


async def _kill_at(service: TrackerProcess, sinks: SlowSinks, count: int) -> None:
    async def is_reached() -> bool:
        return sinks.taken >= count or not await _unsent(service)

    await eventually(is_reached, within=60)
    await service.kill()


async def _unsent(service: TrackerProcess) -> int:
    async with service.database() as conn:
        count: int = await conn.fetchval("select count(*) from message where state in ('queued', 'sending')")
    return count


async def _all_ended(service: TrackerProcess) -> list[dict[str, Any]]:
    """Every message once none is on its way; what waits for a time is told that it has come."""
    await let_time_pass(service)
    async with service.database() as conn:
        rows = [dict(row) for row in await conn.fetch("select * from message")]
    return [] if any(row["state"] in ("queued", "sending") for row in rows) else rows


def _judge(sinks: Sinks, messages: list[dict[str, Any]]) -> None:
    mails = {str(row["message_id"]): row for row in messages if row["channel"] == "email"}
    by_id: dict[str, list[bytes]] = {}
    for mail in sinks.mails:
        by_id.setdefault(mail.message_id.strip("<>"), []).append(mail.raw)
    for message_id, taken in by_id.items():
        assert len(set(taken)) == 1, "a repeat has other bytes"
        assert len(taken) == 1 or mails[message_id]["in_doubt_since"] is not None, "sent twice without a doubt"
        assert len(taken) <= 2, "a message in doubt is repeated once"
    assert all(mails[message_id]["state"] in ("accepted", "unknown") for message_id in by_id)
    texts = Counter(text.body for text in sinks.texts)
    assert set(texts.values()) <= {1}, "an SMS was sent twice"
    certain = [row for row in messages if row["channel"] == "sms" and row["state"] == "accepted"]
    assert len(certain) <= len(texts)
