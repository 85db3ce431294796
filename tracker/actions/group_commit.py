"""Pushes and polls share a commit: what arrives while one is under way goes with the next, and is answered after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(Exception):
    """More is waiting than can be taken in soon: the sender should come back."""


class GroupCommit(Generic[Item, Result]):
    """Collects items while batches are being committed; flushes as soon as fewer than `lanes` are in flight.

    With two lanes one batch is worked on here while another waits for the database.
    A batch weighs at most `most`, by `weigh`, unless a single item does: a transaction must not grow with what waits.
    `commit` makes a batch durable and gives one result per item. A batch that fails is halved until the item at fault
    stands alone: then `instead` may name what to commit in its place, else only its sender sees the failure. Failures of
    a kind in `away` say nothing of any item (the database is gone): every sender of the batch sees them at once.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        instead: Callable[[Item, Exception], Item | None] = lambda _item, _failure: None,
        away: tuple[type[Exception], ...] = (),
        weigh: Callable[[Item], int] = lambda _item: 1,
        most: int = 200,
        lanes: int = 1,
        waiting: int = 5000,
    ) -> None:
        self._commit, self._instead, self._away = commit, instead, away
        self._weigh, self._most, self._limit, self._lanes = weigh, most, waiting, lanes
        self._queue: list[tuple[Item, asyncio.Future[Result]]] = []
        self._flushing: list[asyncio.Task[None]] = []

    async def submit(self, item: Item) -> Result:
        """The item's result, once it is durable. Raises Overloaded, or what its own commit raised."""
        if len(self._queue) >= self._limit:
            raise Overloaded(f"{len(self._queue)} are waiting")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, done))
        self._flushing = [flush for flush in self._flushing if not flush.done()]
        if len(self._flushing) < self._lanes:
            self._flushing.append(asyncio.create_task(self._flush()))
        return await asyncio.shield(done)

    async def close(self) -> None:
        """Waits for what was submitted."""
        await asyncio.gather(*self._flushing)

    async def _flush(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        try:
            while self._queue:
                size = self._size_of_next()
                batch, self._queue = self._queue[:size], self._queue[size:]
                await self._settle(batch)
        finally:  # cancelled, since the process is going down: nobody else will answer these
            for _, done in (*batch, *self._queue):
                if not done.done():
                    done.set_exception(Overloaded("the service is stopping"))
            self._queue.clear()

    def _size_of_next(self) -> int:
        """How many of those that wait, oldest first, go together."""
        weight = 0
        for size, (item, _) in enumerate(self._queue):
            weight += self._weigh(item)
            if size > 0 and weight > self._most:
                return size
        return len(self._queue)

    async def _settle(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
            settled = list(zip(batch, results, strict=True))
        except self._away as failure:
            for _, done in batch:
                if not done.done():
                    done.set_exception(failure)
            return
        except Exception as failure:  # noqa: BLE001 - the rest of the batch is innocent
            if len(batch) == 1:
                await self._settle_alone(*batch[0], failure)
                return
            _log.warning("batch failed and is halved", extra={"size": len(batch), "error": type(failure).__name__})
            middle = len(batch) // 2
            await self._settle(batch[:middle])
            await self._settle(batch[middle:])
            return
        for (_, done), result in settled:
            if not done.done():
                done.set_result(result)

    async def _settle_alone(self, item: Item, done: asyncio.Future[Result], failure: Exception) -> None:
        other = self._instead(item, failure)
        try:
            if other is None:
                raise failure
            (result,) = await self._commit([other])
        except Exception as final:  # noqa: BLE001 - it is handed to whoever waits for it
            if not done.done():
                done.set_exception(final)
            return
        if not done.done():
            done.set_result(result)
