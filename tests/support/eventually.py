"""Waits for what other processes do: asks again and again, and gives up after a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import asyncpg

Answer = TypeVar("Answer")
AWAY = (OSError, aiohttp.ClientError, asyncpg.PostgresError, asyncpg.InterfaceError)
_EVERY = 0.05  # seconds between two questions; nobody tells us when another process is done


async def eventually(question: Callable[[], Awaitable[Answer]], *, within: float = 30.0) -> Answer:
    """The first answer that is true; an AssertionError with the last one after `within` seconds.

    While the other side cannot be reached there is no answer yet.
    """
    loop = asyncio.get_running_loop()
    give_up_at, last = loop.time() + within, "nothing was answered"
    while loop.time() < give_up_at:
        try:
            answer = await question()
        except AWAY as away:
            last = repr(away)
        else:
            if answer:
                return answer
            last = repr(answer)
        await asyncio.sleep(_EVERY)
    raise AssertionError(f"waited {within:g} seconds for {getattr(question, '__name__', question)}; at last: {last}")
