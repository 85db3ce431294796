"""How often somebody may open links that lead nowhere, before they are asked to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

Now = Callable[[], float]
_WITHIN: Final = timedelta(minutes=10)
_EACH: Final = 20
_ALL_TOGETHER: Final = 2_000
_MOST_ADDRESSES: Final = 10_000  # remembered at once; the one that has been quiet for longest is forgotten first


class Misses:
    """The budgets of one process: of each address and of all together. Time is the machine's, in seconds."""

    def __init__(self, now: Now = time.monotonic) -> None:
        self._each = Budget(_EACH, _WITHIN, now)
        self._all = Budget(_ALL_TOGETHER, _WITHIN, now)

    def count(self, address: str) -> float:
        """Counts one; returns the seconds for which this address should wait, 0 while it need not."""
        return self._each.spend(address) or self._all.spend("")


class Budget:
    """For each key `amount` at once, which come back evenly over `within`.

    Of each key only the moment is kept at which its budget will be whole again.
    """

    def __init__(self, amount: int, within: timedelta, now: Now, *, most_keys: int = _MOST_ADDRESSES) -> None:
        self._pace = within.total_seconds() / amount
        self._depth = self._pace * (amount - 1)
        self._now, self._most_keys = now, most_keys
        self._whole_at: dict[str, float] = {}  # the one spent on last stands last

    def __len__(self) -> int:
        return len(self._whole_at)

    def spend(self, key: str) -> float:
        """Takes one; 0, or the seconds until there is one again, and then nothing is taken."""
        now = self._now()
        whole_at = max(self._whole_at.pop(key, now), now)
        wait = max(0.0, whole_at - self._depth - now)
        self._whole_at[key] = whole_at if wait else whole_at + self._pace
        if len(self._whole_at) > self._most_keys:
            del self._whole_at[next(iter(self._whole_at))]
        return wait
