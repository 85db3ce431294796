"""The first split of errors: our mistake is any other exception; here stand theirs, and the rules that say no."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class RuleRefused(Exception):
    """A rule says no: the caller asked for something that this state does not allow."""


class Outdated(Exception):
    """It was changed meanwhile: what the caller wants done was decided on an older version of it."""


class NotAllowed(Exception):
    """Somebody else may do it, this caller may not."""


class NotFound(Exception):
    """There is no such thing, or not for this shop."""


class Wrong(msgspec.Struct, frozen=True):
    """One field that is wrong: a JSON Pointer, and what would be right."""

    pointer: str
    detail: str


class FieldsWrong(Exception):
    """What was sent has wrong fields; all of them are named at once."""

    def __init__(self, fields: Sequence[Wrong]) -> None:
        super().__init__("; ".join(f"{field.pointer}: {field.detail}" for field in fields))
        self.fields = tuple(fields)
