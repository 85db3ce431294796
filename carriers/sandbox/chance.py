"""Chance that can be repeated: every draw is a function of a seed and of the names of what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

import msgspec

Option = TypeVar("Option")
Draw = str | int


class Chance(msgspec.Struct, frozen=True):
    """Draws keyed by name, so that adding one draw moves no other."""

    seed: str

    def number(self, low: int, high: int, *what: Draw) -> int:
        """A whole number from low to high, both possible."""
        digest = blake2b("|".join((self.seed, *map(str, what))).encode(), digest_size=8).digest()
        return low + int.from_bytes(digest) % (high - low + 1)

    def pick(self, options: Sequence[Option], *what: Draw) -> Option:
        return options[self.number(0, len(options) - 1, *what)]

    def happens(self, share: float, *what: Draw) -> bool:
        """True in `share` (0 to 1) of all draws."""
        return self.number(0, 999_999, *what) < share * 1_000_000

    def shuffled(self, items: Sequence[Option], *what: Draw) -> list[Option]:
        keyed = sorted((self.number(0, 2**63, *what, index), index) for index in range(len(items)))
        return [items[index] for _, index in keyed]

    def of(self, *what: Draw) -> Chance:
        """The chance of one part of the world."""
        return Chance("|".join((self.seed, *map(str, what))))
