"""Shipments over REST: register one, find them, read one's history, change what is said of it, stop watching it."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from msgspec import Struct

from carriers.vocabulary import Milestone
from sql import queries
from sql.connection import Connection
from tracker.actions.change_shipment import ShipmentChange, change, stop_watching
from tracker.actions.deciding import House
from tracker.actions.register import Registered, Registration, Shop, register
from tracker.domain.errors import FieldsWrong, NotFound, Wrong
from tracker.store import reading
from tracker.store.views import EventView, ShipmentView
from tracker.web.api.acting import act
from tracker.web.api.endpoint import Answer, Call, Endpoint, Scope, endpoint
from tracker.web.api.paging import Cursor, Limit, Page, Word

_SQL = queries.topic("access")
Health = Literal["on_track", "at_risk", "late", "held", "stalled", "failed", "data_stale", "unknown"]


class ShipmentQuery(Struct, frozen=True):
    """Filters; one that is not given filters nothing. `order` is the order's reference."""

    carrier: Word | None = None
    tracking_number: Word | None = None
    order: Word | None = None
    milestone: Milestone | None = None
    health: Health | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


class PageQuery(Struct, frozen=True):
    """Which page of a list."""

    cursor: Cursor | None = None
    limit: Limit = 50


async def post_shipment(call: Call, body: Registration) -> Answer:
    """Register a shipment: 201 for a new one, 200 for one that is known by carrier, number and order."""
    if body.shop not in (None, call.caller.shop):
        raise FieldsWrong([Wrong("/shop", f"this key belongs to the shop {call.caller.shop!r}; leave it out")])
    shop = await _shop(call)

    async def describe(conn: Connection, made: Registered) -> Answer:
        return Answer(await _shipment(conn, call, made.shipment_id), 201 if made.created else 200)

    return await act(call, body, partial(register, shop=shop, given=body), describe)


async def get_shipments(call: Call, query: ShipmentQuery) -> Page[ShipmentView]:
    """Shipments, newest first."""
    wanted = reading.ShipmentFilter(
        carrier=query.carrier,
        tracking_number=query.tracking_number and query.tracking_number.replace(" ", "").upper(),
        order=query.order,
        milestone=query.milestone,
        health=query.health,
    )
    cursors = call.cursors("shipments")
    before, limit = cursors.before(query.cursor), query.limit
    async with call.services.house.db.connection() as conn:
        ids = await reading.shipment_ids(conn, call.shop_id, wanted, before=before, most=limit + 1)
        found = await reading.shipments(conn, call.shop_id, ids[:limit], call.services.tracking_url)
    return cursors.page(found, ids, limit)


async def get_shipment(call: Call) -> ShipmentView:
    """One shipment, with all that is believed of it."""
    async with call.services.house.db.connection() as conn:
        return await _shipment(conn, call, call.number("shp"))


async def patch_shipment(call: Call, body: ShipmentChange) -> Answer:
    """Change what the shop says of a shipment: promised date, destination, recipient; what is believed follows."""
    shipment_id, expected, shop = call.number("shp"), call.must_expect(), await _shop(call)

    async def do(house: House) -> None:
        await change(house, shop, call.author, shipment_id, body, expected)

    async def describe(conn: Connection, _: None) -> Answer:
        return Answer(await _shipment(conn, call, shipment_id))

    return await act(call, body, do, describe)


async def delete_shipment(call: Call) -> ShipmentView:
    """Stop watching: no carrier is asked, nothing more is said; what is known of it stays."""
    shipment_id = call.number("shp")
    await stop_watching(call.services.house, call.shop_id, call.author, shipment_id, call.expected)
    async with call.services.house.db.connection() as conn:
        return await _shipment(conn, call, shipment_id)


async def get_events(call: Call, query: PageQuery) -> Page[EventView]:
    """A shipment's events in the order in which they came in, with those that were corrected or withdrawn."""
    shipment_id = call.number("shp")
    cursors = call.cursors(f"events of {shipment_id}")
    after, limit = cursors.read(query.cursor) if query.cursor else 0, query.limit
    async with call.services.house.db.connection() as conn:
        await own_shipment(conn, call, f"shp_{shipment_id}")
        found = await reading.events(conn, shipment_id, after=after, most=limit + 1)
    return cursors.page(found[:limit], [int(event.id.removeprefix("evt_")) for event in found], limit)


async def _shop(call: Call) -> Shop:
    async with call.services.house.db.connection() as conn:
        (row,) = await conn.fetch(_SQL.shop, call.shop_id)
    return Shop(**dict(row))


async def own_shipment(conn: Connection, call: Call, named: str) -> int:
    """The number of the shipment `shp_N`. Raises NotFound for what is no shipment of the caller's shop."""
    shipment_id = int(named.removeprefix("shp_"))
    if not await reading.owns_shipment(conn, call.shop_id, shipment_id):
        raise NotFound(f"no shipment {named}")
    return shipment_id


async def _shipment(conn: Connection, call: Call, shipment_id: int) -> ShipmentView:
    found = await reading.shipments(conn, call.shop_id, [shipment_id], call.services.tracking_url)
    if not found:
        raise NotFound(f"no shipment shp_{shipment_id}")
    return found[0]


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("POST", "/shipments", Scope.SHIPMENTS_WRITE, post_shipment, gives=ShipmentView, statuses=(201, 200)),
    endpoint("GET", "/shipments", Scope.READ, get_shipments),
    endpoint("GET", "/shipments/{id}", Scope.READ, get_shipment),
    endpoint("PATCH", "/shipments/{id}", Scope.SHIPMENTS_WRITE, patch_shipment, gives=ShipmentView, conditional=True),
    endpoint("DELETE", "/shipments/{id}", Scope.SHIPMENTS_WRITE, delete_shipment, conditional=True),
    endpoint("GET", "/shipments/{id}/events", Scope.READ, get_events),
]
