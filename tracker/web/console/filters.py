"""Filters of a list as links: each can be put on and taken off by itself, and the address says all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

import msgspec


class Choice(msgspec.Struct, frozen=True):
    """One value of a filter; `address` puts it on, or takes it off where it is on. `count` None is not counted."""

    value: str
    count: int | None
    address: str
    is_on: bool


class Filter(msgspec.Struct, frozen=True):
    """One filter with its choices; `on` is the one in force."""

    name: str
    choices: list[Choice]
    on: Choice | None


def offered(
    path: str, chosen: Mapping[str, str | None], values: Mapping[str, Iterable[tuple[str, int | None]]]
) -> list[Filter]:
    """The filters of the list at this path: `chosen` is what is on now, `values` what each filter could be."""
    return [_filter(path, chosen, name, given) for name, given in values.items()]


def address(path: str, chosen: Mapping[str, str | None]) -> str:
    """The list with these filters on."""
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"{path}?{query}" if query else path


def _filter(path: str, chosen: Mapping[str, str | None], name: str, values: Iterable[tuple[str, int | None]]) -> Filter:
    on = chosen.get(name)
    choices = [
        Choice(value, count, address(path, {**chosen, name: None if value == on else value}), value == on)
        for value, count in values
        if count != 0 or value == on
    ]
    return Filter(name, choices, next((one for one in choices if one.is_on), None))
