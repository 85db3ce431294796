"""SIGTERM: the doors say so, nothing new is begun, what was begun is finished, and the end comes soon."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.faults.outside import Outside, nobody_home, numbers, sending_to
from tests.support.eventually import eventually
from tests.support.tracker_process import TrackerProcess
from tracker.clock import RealClock
from tracker.simulation.sinks import Sinks

pytestmark = pytest.mark.database

(NUMBER, OTHER) = numbers(2)
ANSWERED_WITHIN = 40  # seconds in which a service that was asked to stop must be gone, whatever it was doing


class HeldSinks(Sinks):
    """Does not answer for a mail before it is let go."""

    def __init__(self) -> None:
        super().__init__(RealClock())
        self.let_go = asyncio.Event()

    async def handle_DATA(self, *given: object) -> str:  # noqa: N802 (aiosmtpd's name)
        answer = await super().handle_DATA(*given)  # type: ignore[arg-type]
        await self.let_go.wait()
        return answer


async def test_what_is_under_way_is_finished_and_nothing_new_is_begun(folder: Path) -> None:
    sinks = HeldSinks()
    service = TrackerProcess(folder, sending_to(*await sinks.start()) | {"drain_seconds": 3})
    try:
        await service.start()
        async with Outside.of(service) as outside, service.database() as conn:
            for number in (NUMBER, OTHER):
                await outside.register(number)
            await outside.push("told", nobody_home(NUMBER))
            await eventually(lambda: _is_taken(sinks))
            held = conn.transaction()
            await held.start()
            await conn.execute("select from shipment where tracking_number = $1 for update", OTHER)
            late = asyncio.create_task(outside.push("late", nobody_home(OTHER)))
            await eventually(lambda: _is_waiting_for_a_lock(service))

            service.tell(signal.SIGTERM)
            await eventually(lambda: _is_not_ready(service))
            assert await outside.push("new", nobody_home(OTHER)) == 503
            await held.rollback()
            sinks.let_go.set()

            assert await late == 202
        assert await asyncio.wait_for(service.ended(), ANSWERED_WITHIN) == 0
        assert service.postgres_processes() == []

        await service.start()
        async with service.database() as conn:
            sent = await conn.fetch("select attempts from message where channel = 'email' and state = 'accepted'")
            texts = {row["text"] for row in await conn.fetch("select text from event")}
        assert [row["attempts"] for row in sent][:1] == [1]
        assert texts == {"told", "late"}
    finally:
        sinks.let_go.set()
        await service.clean_up()
        await sinks.stop()


async def test_a_relay_that_never_answers_does_not_keep_the_service_alive(folder: Path) -> None:
    sinks = HeldSinks()
    service = TrackerProcess(folder, sending_to(*await sinks.start()))
    try:
        await service.start()
        async with Outside.of(service) as outside:
            await outside.register(NUMBER)
            await outside.push("told", nobody_home(NUMBER))
            await eventually(lambda: _is_taken(sinks))

        assert await asyncio.wait_for(service.stop(), ANSWERED_WITHIN) == 0
    finally:
        sinks.let_go.set()
        await service.clean_up()
        await sinks.stop()


async def _is_taken(sinks: Sinks) -> bool:
    return bool(sinks.mails)


async def _is_waiting_for_a_lock(service: TrackerProcess) -> bool:
    async with service.database() as conn:
        return bool(await conn.fetchval("select true from pg_stat_activity where wait_event_type = 'Lock' limit 1"))


async def _is_not_ready(service: TrackerProcess) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/readyz") as answer:
        return answer.status == 503 and "stopping" in await answer.text()
