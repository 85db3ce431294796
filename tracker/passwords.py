"""Passwords: argon2id beside the event loop, few at a time, so that a storm of log-ins holds up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tracker.clock import token_bytes

Answer = TypeVar("Answer")
SHORTEST, LONGEST = 12, 128
_AT_ONCE: Final = 1  # half of the smallest machine
_WAITING: Final = 30  # about a second of work
_TOO_COMMON: Final = frozenset(
    (
        "123456789012", "1234567890123", "111111111111", "000000000000", "password1234", "passwordpassword",
        "contraseña123", "contrasena123", "qwertyuiop12", "qwertyqwerty", "qwerty123456", "administrator",
        "administrador", "letmeinletmein", "welcome12345", "bienvenido123", "iloveyou1234", "abcdefghijkl",
    )
)  # fmt: skip


class Busy(Exception):
    """More people are signing in at this moment than can be checked soon."""


class Passwords:
    """Hashes and checks. The parameters are OWASP's minimum for argon2id (19 MiB, two passes)."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises Busy."""
        return await self._run(self._hasher.hash, password)

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether this is the password; where there is none the same work is done, so that time tells nothing.

        Raises Busy.
        """
        if hashed is None:
            if self._nobodys is None:
                self._nobodys = await self.hash(token_bytes(16).hex())
            await self._run(self._verify, password, self._nobodys)
            return False
        return await self._run(self._verify, password, hashed)

    def is_outdated(self, hashed: str) -> bool:
        """Whether a hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        """Take nothing new up."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., Answer], *given: str) -> Answer:
        if self._waiting >= _WAITING:
            raise Busy("too many sign-ins at this moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)
        finally:
            self._waiting -= 1


def weakness(password: str, *personal: str) -> str | None:
    """What is wrong with a password that somebody chooses, None where nothing is: length counts, not its mixture."""
    if len(password) < SHORTEST:
        return f"at least {SHORTEST} characters; a few words that you can remember are best"
    if len(password) > LONGEST:
        return f"at most {LONGEST} characters"
    plain = password.casefold()
    if plain in _TOO_COMMON or len(set(plain)) < 5:
        return "this one is among the first that are tried; choose another"
    if any(len(word) >= 4 and word.casefold() in plain and len(plain) - len(word) < 6 for word in personal):
        return "this is little more than your name or address; choose another"
    return None
