"""PostgreSQL dies or freezes under load: answers come, and they are 503; it recovers unaided; nothing acknowledged is lost."""

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from tests.faults.outside import PATIENCE, Outside, minutes_ago, numbers
from tests.support.eventually import eventually
from tests.support.tracker_process import TrackerProcess
from tracker.store import embedded_files

pytestmark = pytest.mark.database


class Load:
    """Partners who push without a pause until they are told to stop; `statuses` in the order of the answers."""

    def __init__(self, outside: Outside, parcels: list[str]) -> None:
        self._outside, self._parcels = outside, parcels
        self.statuses: list[int] = []
        self.slowest = 0.0
        self._stop = False

    async def partner(self, which: int) -> None:
        count = 0
        while not self._stop:
            number = self._parcels[(which + count) % len(self._parcels)]
            event = {"carrier": "correos", "tracking_number": number, "milestone": "in_transit"}
            began = time.monotonic()
            status = await self._outside.push(
                f"{which}-{count}", event | {"code": f"{which}-{count}", "occurred_at": minutes_ago(count % 600)}
            )
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.statuses.append(status)
            count += 1
            await asyncio.sleep(0)

    def stop(self) -> None:
        self._stop = True

    async def answers(self, status: int, count: int = 1) -> None:
        """Until so many more answers of this status have come."""
        end = self.statuses.count(status) + count

        async def have_come() -> bool:
            return self.statuses.count(status) >= end

        await eventually(have_come, within=60)


async def test_killed_under_load_it_comes_back_by_itself_with_all_that_was_acknowledged(folder: Path) -> None:
    service = TrackerProcess(folder, {})
    try:
        await service.start()
        async with Outside.of(service) as outside:
            load = await _loaded(outside)
            pushing = asyncio.gather(*(load.partner(which) for which in range(6)))
            for _ in range(2):
                await load.answers(202, 30)
                (postmaster,) = service.postgres_processes()
                os.kill(postmaster, signal.SIGKILL)
                await load.answers(503)
            await load.answers(202, 30)
            load.stop()
            await pushing

            async with service.database() as conn:
                kept = {row["text"] for row in await conn.fetch("select text from event")}
        assert outside.acknowledged <= kept
        assert set(load.statuses) == {202, 503}, service.said()
        assert load.slowest < PATIENCE
        assert service.is_running
    finally:
        await service.clean_up()


async def test_frozen_it_is_not_waited_for_without_end(folder: Path) -> None:
    service = TrackerProcess(folder, {})
    frozen: list[int] = []
    try:
        await service.start()
        async with Outside.of(service) as outside:
            load = await _loaded(outside)
            pushing = asyncio.gather(*(load.partner(which) for which in range(3)))
            await load.answers(202, 10)

            frozen = [
                pid for pid, _ in embedded_files._processes_in(embedded_files.cluster_of(service.data / "postgres"))
            ]
            _tell_all(frozen, signal.SIGSTOP)
            await asyncio.gather(load.answers(503, 3), eventually(lambda: _says_not_ready(service)))
            _tell_all(frozen, signal.SIGCONT)

            await load.answers(202, 10)
            load.stop()
            await pushing
            async with service.database() as conn:
                kept = {row["text"] for row in await conn.fetch("select text from event")}
        assert outside.acknowledged <= kept
        assert set(load.statuses) == {202, 503}, service.said()
        assert load.slowest < PATIENCE
    finally:
        _tell_all(frozen, signal.SIGCONT)
        await service.clean_up()


async def _loaded(outside: Outside) -> Load:
    parcels = numbers(12)
    for number in parcels:
        await outside.register(number)
    return Load(outside, parcels)


async def _says_not_ready(service: TrackerProcess) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/readyz") as answer:
        return answer.status == 503


def _tell_all(processes: list[int], wish: signal.Signals) -> None:
    for pid in processes:
        try:
            os.kill(pid, wish)
        except ProcessLookupError:
            continue
