"""What a page of the board is asked for in its address; what makes no sense is as if it were not there, or not found."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from aiohttp import web

from tracker.domain.errors import NotFound

_LARGEST: Final = 2**63 - 1


def number(request: web.Request) -> int:
    """The id in the path. Raises NotFound for one that no row can have."""
    text = request.match_info["id"]
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 0 < value <= _LARGEST:
        raise NotFound(f"no number {text[:30]!r}")
    return value


def before(request: web.Request) -> int | None:
    """The id that a page of a list begins below."""
    text = request.query.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def one_of(request: web.Request, name: str, known: Container[str]) -> str | None:
    """The value of a filter, None where it is not among the known ones."""
    value = request.query.get(name, "")
    return value if value in known else None
