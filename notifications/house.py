"""What the sender is handed by whoever composes the service."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from notifications.contract import Links
from notifications.policy import Rules
from sql.connection import Connection


class Database(Protocol):
    """Where the outbox stands."""

    def connection(self) -> AbstractAsyncContextManager[Connection]: ...

    def transaction(self) -> AbstractAsyncContextManager[Connection]: ...


class Clock(Protocol):
    """Business time."""

    def now(self) -> datetime: ...


class Chance(Protocol):
    """Spreads retries: a number in [0, 1)."""

    def random(self) -> float: ...


class House(msgspec.Struct, frozen=True):
    """What every lane is given."""

    db: Database
    links: Links
    clock: Clock
    chance: Chance
    rules: Rules
    lease: timedelta  # the database's time; a living sender renews it at a third
