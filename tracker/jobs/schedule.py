"""The one place that knows apscheduler: it only ticks, and a job that still runs is not started twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

_log = logging.getLogger(__name__)
Job = Callable[[], Awaitable[int]]


class Ticker:
    """Runs each job again and again: at every tick until it finds nothing more to do."""

    def __init__(self, jobs: Mapping[str, tuple[Job, timedelta]]) -> None:
        self._jobs = jobs
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._stopping = False
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to tick; every job has its own interval."""
        for name, (job, every) in self._jobs.items():
            self._scheduler.add_job(
                self._tick,
                "interval",
                seconds=every.total_seconds(),
                args=[name, job],
                id=name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
        self._scheduler.start()

    async def stop(self) -> None:
        """Take nothing new up, and wait for what is under way."""
        self._stopping = True
        self._scheduler.shutdown(wait=False)
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _tick(self, name: str, job: Job) -> None:
        task = asyncio.create_task(self._drain(name, job))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await task

    async def _drain(self, name: str, job: Job) -> None:
        try:
            while not self._stopping and await job():
                pass
        except Exception:  # must not die: the next tick tries again
            _log.exception("job failed", extra={"job": name})
