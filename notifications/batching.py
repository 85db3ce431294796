"""Lets many tasks share one statement: what comes in while one is under way goes together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batched(Generic[Item, Result]):
    """Calls `work` with what has gathered, one call at a time, and gives each caller its own result.

    Waits up to `linger` seconds where fewer than `enough` have gathered. An exception of `work` reaches every caller of
    that batch.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, enough: int = 1, linger: float = 0.0
    ) -> None:
        self._work = work
        self._enough = enough
        self._linger = linger
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await future

    async def finish(self) -> None:
        """Waits for the call that is under way, also where nobody waits for its result any more."""
        while self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def _flush(self) -> None:
        try:
            while self._waiting:
                if len(self._waiting) < self._enough:
                    await asyncio.sleep(self._linger)
                batch, self._waiting = self._waiting, []
                await self._settle(batch)
        finally:
            self._flushing = None

    async def _settle(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is raised where it belongs: at each caller
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
