"""The carriers that are here: found by walking adapters/, loaded when first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from carriers.card import load_card
from carriers.codes import Codes
from carriers.contract import Adapter, Card

_FOLDER: Final = Path(__file__).parent / "adapters"
_PARTS: Final = ("card.toml", "codes.toml", "parse.py", "client.py", "README.md")


class AdapterIncomplete(Exception):
    """A carrier's folder lacks a part, or a part cannot be loaded; the text says which."""


@cache
def codes() -> tuple[str, ...]:
    """The codes of all carriers, in alphabetical order: the names of their folders."""
    folders = (entry for entry in _FOLDER.iterdir() if entry.is_dir() and not entry.name.startswith(("_", ".")))
    return tuple(sorted(folder.name for folder in folders))


@cache
def card(code: str) -> Card:
    """A carrier's card. Raises KeyError for an unknown code, AdapterIncomplete."""
    folder = _folder(code)
    try:
        return load_card(folder)
    except ValueError as error:
        raise AdapterIncomplete(str(error)) from error


@cache
def adapter(code: str) -> Adapter:
    """All that a carrier's folder provides. Raises KeyError for an unknown code, AdapterIncomplete."""
    folder = _folder(code)
    missing = [part for part in _PARTS if not (folder / part).is_file()]
    if missing:
        raise AdapterIncomplete(f"carriers/adapters/{code} lacks {', '.join(missing)}")
    return Adapter(card(code), _member(code, "parse", "parse"), _member(code, "client", "connect"))


def adapters() -> dict[str, Adapter]:
    """Every carrier by its code. Raises AdapterIncomplete, naming all folders that lack something."""
    complete: dict[str, Adapter] = {}
    incomplete: list[str] = []
    for code in codes():
        try:
            complete[code] = adapter(code)
        except AdapterIncomplete as error:
            incomplete.append(str(error))
    if incomplete:
        raise AdapterIncomplete("; ".join(incomplete))
    return complete


@cache
def code_table(code: str) -> Codes:
    """A carrier's code table, for pushes that name its codes. Raises KeyError for an unknown code, AdapterIncomplete."""
    _folder(code)
    table: Codes = _member(code, "parse", "CODES")
    return table


def matrix() -> str:
    """All carriers as a Markdown table, from their cards."""
    rows = [_row(card(code)) for code in codes()]
    head = ("carrier", "name", "home", "access", "numbers per call", "limit", "history", "codes", "push")
    return "\n".join([_line(head), _line(tuple("---" for _ in head)), *(_line(row) for row in rows)])


def _row(one: Card) -> tuple[str, ...]:
    limits = [
        f"{one.calls_per_day} a day" if one.calls_per_day else "",
        f"1 in {one.spacing:g} s" if one.spacing else "",
    ]
    needs = ", ".join(one.settings) or "nothing"
    opens = f"; or {', '.join(one.optional)}" if one.optional else ""
    return (
        f"`{one.code}`",
        one.name,
        one.home_country,
        f"{one.auth}: {needs}{opens}",
        str(one.batch_size),
        ", ".join(limit for limit in limits if limit) or "none known",
        "full" if one.full_history else "partial",
        "yes" if one.has_codes else "texts",
        one.push or "no",
    )


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _folder(code: str) -> Path:
    if code not in codes():
        raise KeyError(code)
    return _FOLDER / code


def _member(code: str, part: str, name: str) -> Any:
    module = _module(code, part)
    try:
        return getattr(module, name)
    except AttributeError:
        raise AdapterIncomplete(f"carriers/adapters/{code}/{part}.py has no {name}") from None


def _module(code: str, part: str) -> ModuleType:
    try:
        return import_module(f"carriers.adapters.{code}.{part}")
    except (ImportError, ValueError) as error:
        raise AdapterIncomplete(f"carriers/adapters/{code}/{part}.py cannot be loaded: {error}") from error
