"""What a form of the console brings, and what is wrong with it, field by field."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from tracker.domain.errors import FieldsWrong
from tracker.web.errors import Problem

_LONGEST: Final = 400


async def text(request: web.Request, name: str) -> str:
    """One field as it was typed, without the space around it."""
    return (await untouched(request, name)).strip()


async def untouched(request: web.Request, name: str) -> str:
    """One field to its last space, as a password has to be."""
    return str((await request.post()).get(name, ""))[:_LONGEST]


async def chosen(request: web.Request, name: str) -> list[str]:
    """Every value of a field that takes several."""
    return [str(value)[:_LONGEST] for value in (await request.post()).getall(name, [])]


def wrong(mistake: FieldsWrong) -> dict[str, str]:
    """What is wrong, by field."""
    return {field.pointer.removeprefix("/"): field.detail for field in mistake.fields}


def busy() -> Problem:
    """More people than can be served at once have typed a password."""
    return Problem(429, "busy", "Many people are signing in; try again in a moment.", headers={hdrs.RETRY_AFTER: "2"})
