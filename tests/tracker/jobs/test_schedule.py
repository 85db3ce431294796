import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta

import pytest

from tracker.jobs.schedule import Repeated, Ticker

OFTEN = timedelta(milliseconds=5)
PATIENCE = 20.0
Start = Callable[..., Ticker]


@pytest.fixture
async def start() -> AsyncGenerator[Start]:
    """Starts a ticker over these jobs, each ticking often; it is stopped at the end."""
    tickers: list[Ticker] = []

    def started(*jobs: Callable[[], Awaitable[int]], at_once: int = 1) -> Ticker:
        ticker = Ticker({f"job {n}": Repeated(job, OFTEN, at_once) for n, job in enumerate(jobs)})
        ticker.start()
        tickers.append(ticker)
        return ticker

    yield started
    for ticker in tickers:
        if not ticker._stopping:
            await ticker.stop(PATIENCE)


class Counted:
    """A job that counts its runs; `after(n)` waits until it ran so often."""

    def __init__(self, work: Callable[[int], Awaitable[int]] | None = None) -> None:
        self.runs = 0
        self._work = work
        self._ran = asyncio.Condition()

    async def __call__(self) -> int:
        async with self._ran:
            self.runs += 1
            self._ran.notify_all()
        return await self._work(self.runs) if self._work else 0

    async def after(self, runs: int) -> None:
        async with asyncio.timeout(PATIENCE), self._ran:
            await self._ran.wait_for(lambda: self.runs >= runs)


async def test_a_job_that_fails_is_logged_and_tried_again_at_the_next_tick(
    start: Start, caplog: pytest.LogCaptureFixture
):
    async def fail(run: int) -> int:
        raise OSError("no database")

    failing, well = Counted(fail), Counted()
    with caplog.at_level(logging.ERROR):
        start(failing, well)
        await failing.after(3)
        await well.after(3)
    said = [record for record in caplog.records if record.message == "job failed"]
    assert len(said) >= 2
    assert {record.job for record in said} == {"job 0"}  # type: ignore[attr-defined]
    assert said[0].exc_info is not None


async def test_a_job_goes_on_at_once_until_it_finds_no_more_to_do(start: Start):
    tasks = []

    async def work(run: int) -> int:
        tasks.append(asyncio.current_task())
        return 4 - min(run, 4)

    busy = Counted(work)
    start(busy)
    await busy.after(5)
    assert tasks[0] is tasks[1] is tasks[2] is tasks[3]
    assert tasks[4] is not tasks[3]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_job_under_way_is_not_started_more_often_than_it_may(start: Start, at_once: int):
    let_go = asyncio.Event()

    async def wait(run: int) -> int:
        await let_go.wait()
        return 0

    slow, beat = Counted(wait), Counted()
    ticker = Ticker({"slow": Repeated(slow, OFTEN, at_once), "beat": Repeated(beat, OFTEN)})
    ticker.start()
    await slow.after(at_once)
    await beat.after(beat.runs + 10)
    assert slow.runs == at_once
    let_go.set()
    await slow.after(at_once + 1)
    await ticker.stop(PATIENCE)


async def test_stopping_waits_for_what_is_under_way_and_begins_nothing_more(start: Start):
    let_go, ended = asyncio.Event(), []

    async def work(run: int) -> int:
        await let_go.wait()
        ended.append(run)
        return 1  # there is always more to do

    job = Counted(work)
    ticker = start(job)
    await job.after(1)
    stopping = asyncio.create_task(ticker.stop(PATIENCE))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not stopping.done()
    let_go.set()
    async with asyncio.timeout(PATIENCE / 2):
        await stopping
    assert (job.runs, ended) == (1, [1])


async def test_what_does_not_end_in_time_is_cancelled_without_a_word(start: Start, caplog: pytest.LogCaptureFixture):
    ended = []

    async def work(run: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(run)
        return 0

    job = Counted(work)
    ticker = start(job)
    await job.after(1)
    await ticker.stop(0.01)
    for _ in range(10):
        await asyncio.sleep(0)
    assert ended == [1]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []  # a skipped tick is no news


async def test_what_never_started_stops_at_once(start: Start):
    ticker = Ticker({"job": Repeated(Counted(), timedelta(hours=1))})
    ticker.start()
    async with asyncio.timeout(PATIENCE):
        await ticker.stop(PATIENCE)
