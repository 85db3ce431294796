"""Several workers on one database: nothing is sent twice, and one that froze and comes back changes nothing."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.faults.outside import Outside, let_time_pass, nobody_home, numbers, sending_to
from tests.support.eventually import eventually
from tests.support.postgres import SCHEMA, Server
from tests.support.tracker_process import TrackerProcess
from tracker.actions import access
from tracker.clock import RealClock
from tracker.simulation.sinks import Sinks

KEY = "the same for every process of this service"


class HoldingSinks(Sinks):
    """Holds back the answer to a mail to `held`, if there is one, until it is let go."""

    def __init__(self) -> None:
        super().__init__(RealClock())
        self.held: str | None = None
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        answer = await super().handle_DATA(server, session, envelope)
        if envelope.rcpt_tos[0] == self.held:
            self.held = None
            self.reached.set()
            await self.let_go.wait()
        return answer


class Cell:
    """The processes of one service."""

    def __init__(self, folder: Path, dsn: str, sinks: HoldingSinks, urls: tuple[str, str]) -> None:
        settings = {"database_url": dsn, "database_schema": SCHEMA, "secret_key": KEY} | sending_to(*urls)
        self.sinks = sinks
        self.web = TrackerProcess(folder, settings, role="web")
        self.workers = [TrackerProcess(folder, settings, role="work") for _ in range(2)]

    async def turn_sending(self, *, stopped: bool) -> None:
        async with self.web.database() as conn:
            await access.turn_switch(conn, "stop_sending", engaged=stopped, by="test")

    async def states(self) -> Counter[str]:
        async with self.web.database() as conn:
            return Counter(row["state"] for row in await conn.fetch("select state from message"))

    async def is_all_ended(self) -> bool:
        states = await self.states()
        return not states["queued"] and not states["sending"]


@pytest.fixture
async def cell(postgres: Server, folder: Path) -> AsyncGenerator[Cell]:
    sinks = HoldingSinks()
    async with AsyncExitStack() as stack:
        name = await postgres.clone()
        stack.push_async_callback(postgres.drop, name)
        urls = await sinks.start()
        stack.push_async_callback(sinks.stop)
        cell = Cell(folder, postgres.dsn_of(name), sinks, urls)
        for process in (cell.web, *cell.workers):
            stack.push_async_callback(process.clean_up)
        stack.callback(sinks.let_go.set)
        await cell.web.start()
        yield cell


async def test_two_workers_share_what_is_due_and_send_nothing_twice(cell: Cell) -> None:
    parcels = numbers(150)
    await cell.turn_sending(stopped=True)
    async with Outside.of(cell.web) as outside:
        await asyncio.gather(*(outside.register(number) for number in parcels))
        await asyncio.gather(*(outside.push(number, nobody_home(number)) for number in parcels))
    for worker in cell.workers:
        worker.launch()
    await eventually(lambda: _are_at_work(cell))
    assert cell.sinks.mails == []

    await cell.turn_sending(stopped=False)
    await eventually(cell.is_all_ended)

    assert await cell.states() == {"accepted": 2 * len(parcels)}
    assert Counter(mail.recipient for mail in cell.sinks.mails) == {f"{one}@home.example": 1 for one in parcels}
    assert len({text.body for text in cell.sinks.texts}) == len(cell.sinks.texts) == len(parcels)
    async with cell.web.database() as conn:
        assert await conn.fetchval("select max(attempts) from message") == 1


async def test_a_worker_that_froze_in_the_middle_of_a_send_changes_nothing_when_it_comes_back(cell: Cell) -> None:
    (number,) = numbers(1)
    frozen, other = cell.workers
    cell.sinks.held = f"{number}@home.example"
    frozen.launch()
    async with Outside.of(cell.web) as outside:
        await outside.register(number)
        await outside.push("missed", nobody_home(number))
    await asyncio.wait_for(cell.sinks.reached.wait(), 60)
    frozen.tell(signal.SIGSTOP)

    other.launch()
    await eventually(lambda: _all_ended_after_a_while(cell))
    before = await _mail_row(cell)
    frozen.tell(signal.SIGCONT)
    cell.sinks.let_go.set()
    assert (
        await frozen.stop() == 0
    )  # it finishes what it was doing, and writes down nothing that is not its own any more

    assert await _mail_row(cell) == before
    assert (before["state"], before["attempts"]) == ("accepted", 2)
    first, second = cell.sinks.mails
    assert first.raw == second.raw
    assert len(cell.sinks.texts) == 1


async def _are_at_work(cell: Cell) -> bool:
    return all("at work" in worker.said() for worker in cell.workers)


async def _all_ended_after_a_while(cell: Cell) -> bool:
    await let_time_pass(cell.web)
    return await cell.is_all_ended()


async def _mail_row(cell: Cell) -> dict[str, object]:
    async with cell.web.database() as conn:
        row = await conn.fetchrow("select * from message where channel = 'email'")
    assert row is not None
    return dict(row)
