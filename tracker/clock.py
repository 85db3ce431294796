"""The one place "now" and chance come from: real, accelerated for the demo, stepped for simulation."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Business time. Machine time (leases, sessions, signatures) is the database's clock or monotonic."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class RealClock:
    """Business time is the time on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class AcceleratedClock:
    """Business time that starts at a given moment and runs `speed` times as fast as the wall."""

    def __init__(self, start: datetime, speed: float) -> None:
        self._start, self._speed, self._began = start, speed, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def monotonic(self) -> float:
        return time.monotonic()


class SteppedClock:
    """Business time that stands still until it is moved: for simulation and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return time.monotonic()

    def move_to(self, moment: datetime) -> None:
        """Raises ValueError when asked to go back."""
        if moment < self._now:
            raise ValueError("time does not go back")
        self._now = moment


class Chance:
    """Random numbers that may be seeded for a simulation; never for secrets."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def random(self) -> float:
        """In [0, 1)."""
        return self._random.random()

    def uniform(self, a: float, b: float) -> float:
        """Between `a` and `b`."""
        return self._random.uniform(a, b)


def token_bytes(count: int) -> bytes:
    """Unguessable bytes."""
    return secrets.token_bytes(count)
