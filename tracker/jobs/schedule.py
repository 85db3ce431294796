"""The one place that knows apscheduler: it only ticks, and a job that still runs is not started twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import msgspec
from apscheduler.schedulers.asyncio import AsyncIOScheduler

_log = logging.getLogger(__name__)
Job = Callable[[], Awaitable[int]]


class Repeated(msgspec.Struct, frozen=True):
    """A job and how often it ticks; at most `at_once` runs of it are under way at the same time."""

    job: Job
    every: timedelta
    at_once: int = 1


class Ticker:
    """Runs each job again and again: at every tick until it finds nothing more to do."""

    def __init__(self, jobs: Mapping[str, Repeated]) -> None:
        self._jobs = jobs
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._stopping = False
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to tick; every job has its own interval."""
        for name, repeated in self._jobs.items():
            self._scheduler.add_job(
                self._tick,
                "interval",
                seconds=repeated.every.total_seconds(),
                args=[name, repeated.job],
                id=name,
                coalesce=True,
                max_instances=repeated.at_once,
                misfire_grace_time=None,
            )
        self._scheduler.start()

    async def stop(self, patience: float) -> None:
        """Take nothing new up, give what is under way `patience` seconds to finish, and cancel the rest."""
        self._stopping = True
        self._scheduler.shutdown(wait=False)
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _tick(self, name: str, job: Job) -> None:
        task = asyncio.create_task(self._drain(name, job))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:  # the scheduler cancels what it waits for when it shuts down, and `stop` waits
            if not self._stopping:
                raise

    async def _drain(self, name: str, job: Job) -> None:
        try:
            while not self._stopping and await job():
                pass
        except Exception:  # noqa: BLE001 - must not die: the next tick tries again
            _log.exception("job failed", extra={"job": name})
