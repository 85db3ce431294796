"""A carrier's card: what is true of it as a whole, read from card.toml in its folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from carriers.contract import Card


def load_card(folder: Path) -> Card:
    """Read and check `folder/card.toml`. Raises ValueError that names the file and what is wrong in it."""
    path = folder / "card.toml"
    try:
        page = tomllib.loads(path.read_text(encoding="utf-8"))
        unknown = sorted(set(page) - {field.name for field in msgspec.structs.fields(Card)})
        if unknown:
            raise ValueError(f"unknown keys: {', '.join(unknown)}")
        card = msgspec.convert(page, Card)
        _check(card, folder.name)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    return card


def _check(card: Card, folder: str) -> None:
    if card.code != folder:
        raise ValueError(f"the code {card.code!r} is not the folder's name {folder!r}")
    if "{number}" not in card.tracking_url:
        raise ValueError("tracking_url has no place for {number}")
    if card.batch_size < 1:
        raise ValueError("batch_size is at least 1")
    try:
        ZoneInfo(card.home_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{card.home_zone!r} is no IANA time zone") from None
