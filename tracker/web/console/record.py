"""The record of what people did: newest first, by whom, about what; and whether it is whole, for whoever asks."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from tracker.actions import audit
from tracker.actions.audit import Verdict
from tracker.store import people as kept
from tracker.store.people import NEWEST, AuditFilter
from tracker.web.console import asked
from tracker.web.console.door import HOME, PERSON
from tracker.web.console.shell import shell
from tracker.web.services import SERVICES

HERE: Final = f"{HOME}/audit"
_MOST: Final = 50
_FILTERS: Final = ("actor", "object", "action")
_LONGEST: Final = 60
_OBJECT: Final = re.compile(r"([a-z]+)_(\d+)")
# Where an object of a row is shown; %s is its number.
_PAGES: Final = {
    "stf": f"{HOME}/people/%s",
    "shp": f"{HOME}/shipments/%s",
    "inc": f"{HOME}/incidents/%s",
    "msg": f"{HOME}/messages/%s",
}


async def record(request: web.Request) -> web.Response:
    """`/console/audit`, with `actor`, `object`, `action` and `before`."""
    return await _record(request)


async def check(request: web.Request) -> web.Response:
    """Look at every row, of every shop: is each sealed to the one before?"""
    async with request.app[SERVICES].house.db.connection() as conn:
        verdict = await audit.verify(conn)
    return await _record(request, verdict)


async def _record(request: web.Request, verdict: Verdict | None = None) -> web.Response:
    person = request[PERSON]
    given = {name: request.query.get(name, "")[:_LONGEST] for name in _FILTERS if request.query.get(name)}
    before = asked.before(request)
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        rows = await kept.audit(conn, person.shop_id, AuditFilter(**given), before=before or NEWEST, most=_MOST + 1)
        people = await kept.people(conn, person.shop_id)
    lines = rows[:_MOST]
    values = {
        "lines": lines,
        "names": {one.id: one.name for one in people},
        "given": given,
        "older": _address(given | {"before": str(lines[-1].id)}) if len(rows) > _MOST else None,
        "verdict": verdict,
        "before": before,
        "address": lambda **changed: _address(given | changed),
        "without": lambda name: _address({key: value for key, value in given.items() if key != name}),
        "page_of": page_of,
    }
    return frame.page("console/audit.html", values, section="audit", live=False)


def page_of(about: str | None) -> str | None:
    """The page that shows the object of a row, such as `inc_12`; None where there is none."""
    found = _OBJECT.fullmatch(about or "")
    page = _PAGES.get(found[1]) if found else None
    return page.replace("%s", found[2]) if found and page else None


def _address(query: dict[str, str]) -> str:
    return f"{HERE}?{urlencode(query)}" if query else HERE
