"""The queue of incidents: the most urgent first, filtered by links, and the views that somebody has saved."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from carriers.vocabulary import Category
from tracker.actions import saved_views as saving
from tracker.domain.cause import TABLE
from tracker.domain.errors import RuleRefused
from tracker.domain.incident import State
from tracker.domain.severity import Severity
from tracker.store import queue, saved_views
from tracker.store.queue import Asked, Counts, Spot
from tracker.web.console import asked, filters, form
from tracker.web.console.door import PERSON, spoken_by
from tracker.web.console.shell import shell
from tracker.web.console.toast import flash
from tracker.web.services import SERVICES

PATH: Final = "/console/incidents"
_MOST: Final = 100
_OWNERS: Final = tuple(dict.fromkeys(one.owner for one in TABLE.values()))
_OPEN: Final = tuple(one.value for one in State if one.is_open)


async def incidents(request: web.Request) -> web.Response:
    """`/console/incidents`, with `state`, `severity`, `category`, `waiting_on`, `carrier`, `due` and `after`."""
    house = request.app[SERVICES].house
    known = {
        "state": _OPEN,
        "severity": [one.value for one in reversed(Severity)],
        "category": [one.value for one in Category],
        "waiting_on": _OWNERS,
        "carrier": sorted(house.cards),
        "due": queue.DUE,
    }
    chosen = {name: asked.one_of(request, name, values) for name, values in known.items()}
    after = queue.spot(request.query.get("after", "")) or Spot()
    async with house.db.connection() as conn:
        frame = await shell(request, conn)
        lines = await queue.urgent(conn, frame.shop_id, after, Asked(**chosen), frame.now, _MOST)
        counts = await queue.counts(conn, frame.shop_id, frame.now)
        views = await saved_views.of(conn, frame.person)
    values: dict[str, Any] = {
        "incidents": lines.rows,
        "counts": counts,
        "filters": filters.offered(PATH, chosen, _counted(known, counts)),
        "views": views,
        "query": filters.address("", chosen).removeprefix("?"),
        "is_first": after == Spot(),
        "whole": PATH,
        "next_page": filters.address(PATH, {**chosen, "after": str(lines.after)}) if lines.after else None,
        "most_counted": queue.LOOK_AT,
    }
    return frame.page("console/incidents.html", values, section="incidents")


async def save_view(request: web.Request) -> web.Response:
    """The filters that are on now, under a name."""
    given = dict(parse_qsl(await form.untouched(request, "query")))
    query = filters.address("", {name: given.get(name) for name in queue.NAMES}).removeprefix("?")
    try:
        await saving.save(request.app[SERVICES].house, request[PERSON], await form.text(request, "name"), query)
    except RuleRefused:
        return _back(request, query, "view_refused")
    return _back(request, query, "view_saved")


async def remove_view(request: web.Request) -> web.Response:
    """A view of one's own goes."""
    await saving.remove(request.app[SERVICES].house, request[PERSON], asked.number(request))
    return _back(request, "", "view_removed")


def _back(request: web.Request, query: str, said: str) -> web.Response:
    answer = web.Response(status=303, headers={"Location": f"{PATH}?{query}" if query else PATH})
    flash(request, answer, spoken_by(request).phrase("said", said, {"most": str(saved_views.MOST)}))
    return answer


def _counted(known: dict[str, Any], counts: Counts) -> dict[str, list[tuple[str, int | None]]]:
    return {name: [(value, counts.by[name][value]) for value in values] for name, values in known.items()}
