"""How often a key may call: a bucket of calls for each, which fills up again by itself, and headers that say so."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web

from tracker.web.errors import Problem

_WINDOW: Final = 60.0  # seconds in which an empty bucket is full again
_STANDING: Final = web.RequestKey("quota", dict[str, str])


class Quotas:
    """The buckets of one process; a key that was never heard of has a full one.

    Headers as in draft-ietf-httpapi-ratelimit-headers-10: `r` is what is left, `t` the seconds until all is back.
    """

    def __init__(self, calls_per_minute: int, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._most = calls_per_minute
        self._elapsed = elapsed
        self._left: dict[int, tuple[float, float]] = {}  # key → what was left, and when

    def take(self, request: web.Request, key_id: int) -> None:
        """Count a call. Raises Problem(429) saying when the next one may come."""
        now, per_second = self._elapsed(), self._most / _WINDOW
        left, at = self._left.get(key_id, (float(self._most), now))
        left = min(float(self._most), left + (now - at) * per_second)
        is_allowed = left >= 1
        left -= is_allowed
        self._left[key_id] = (left, now)
        until_full = math.ceil((self._most - left) / per_second)
        request[_STANDING] = {
            "RateLimit-Policy": f'"default";q={self._most};w={_WINDOW:.0f}',
            "RateLimit": f'"default";r={int(left)};t={until_full}',
        }
        if not is_allowed:
            wait: dict[str, str] = {hdrs.RETRY_AFTER: str(math.ceil((1 - left) / per_second))}
            detail = f"This key may call {self._most} times a minute; the next call may come after Retry-After seconds."
            raise Problem(429, "too_many_calls", detail, headers=wait)


QUOTAS: Final = web.AppKey("quotas", Quotas)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What is left of the caller's quota, on every answer to a key."""
    response.headers.update(request.get(_STANDING, {}))
