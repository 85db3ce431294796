"""The parcels of a shop as a list with filters, the search over them, and one customer with theirs."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from carriers.vocabulary import Milestone
from tracker.domain.errors import NotFound
from tracker.domain.staff import May
from tracker.store import board, customer, search
from tracker.web.console import asked, filters
from tracker.web.console.shell import shell
from tracker.web.console.today import HEALTHS
from tracker.web.services import SERVICES

PATH: Final = "/console/shipments"
_MOST: Final = 100


async def shipments(request: web.Request) -> web.Response:
    """`/console/shipments`, with `health`, `milestone`, `carrier` and `before`."""
    house = request.app[SERVICES].house
    known: dict[str, Any] = {
        "health": HEALTHS,
        "milestone": [one.value for one in Milestone if one is not Milestone.UNKNOWN],
        "carrier": sorted(house.cards),
    }
    chosen = {name: asked.one_of(request, name, values) for name, values in known.items()}
    before = asked.before(request)
    async with house.db.connection() as conn:
        frame = await shell(request, conn)
        lines = await board.parcels(conn, frame.shop_id, before, **chosen, most=_MOST)
        counts = await board.parcel_counts(conn, frame.shop_id)
    counted: dict[str, list[tuple[str, int | None]]] = {
        "health": [(one, counts.health[one]) for one in known["health"]],
        "milestone": [(one, counts.milestone[one]) for one in known["milestone"]],
        "carrier": [(one, None) for one in known["carrier"]],
    }
    values = {
        "parcels": lines,
        "counts": counts,
        "filters": filters.offered(PATH, chosen, counted),
        "whole": PATH,
        "next_page": filters.address(PATH, {**chosen, "before": str(lines.before)}) if lines.before else None,
        "most_counted": board.LOOK_AT,
    }
    return frame.page("console/shipments.html", values, section="shipments")


async def find(request: web.Request) -> web.StreamResponse:
    """`/console/search?q=`: the one parcel that is meant, or the list of those that may be."""
    text = " ".join(request.query.get("q", "").replace("\0", "").split())[:100]
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        sees_names = frame.person.may(May.SEE_PERSONAL)
        found = await search.find(conn, frame.shop_id, text, _MOST, by_name=sees_names) if text else []
    if len(found) == 1:
        raise web.HTTPSeeOther(f"{PATH}/{found[0].id}")
    values = {"found": found, "sees_names": sees_names}
    return frame.page("console/search.html", values, section="shipments", live=False)


async def one_customer(request: web.Request) -> web.Response:
    """`/console/customers/{id}`: who they are, their parcels by order, what they were told."""
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        who = await customer.contact(conn, frame.shop_id, asked.number(request))
        if who is None:
            raise NotFound("no such customer")
        parcels = await customer.parcels(conn, frame.shop_id, who)
        messages = await customer.messages(conn, frame.shop_id, [one.id for one in parcels])
    values = {
        "customer": who,
        "parcels": parcels,
        "orders": len({one.order_reference for one in parcels}),
        "troubled": [one for one in parcels if one.open_incidents],
        "messages": messages,
        "most": customer.MOST,
    }
    return frame.page("console/customer.html", values, section="shipments")
