"""Orders over REST: told of before they have a parcel, found, and read with their shipments."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from sql.connection import Connection
from tracker.actions.deciding import House
from tracker.actions.place_order import OrderPlaced, place
from tracker.domain.errors import NotFound
from tracker.store import reading
from tracker.store.views import PlacedOrderView
from tracker.web.api.acting import act
from tracker.web.api.endpoint import Answer, Call, Endpoint, Scope, endpoint
from tracker.web.api.paging import Cursor, Limit, Page, Word


class OrderQuery(Struct, frozen=True):
    """Filters; one that is not given filters nothing."""

    reference: Word | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


async def post_order(call: Call, body: OrderPlaced) -> Answer:
    """Tell of an order: 201 for a new one, 200 for one that is known by its reference, which is completed."""

    async def do(house: House) -> tuple[int, bool]:
        return await place(house, call.shop_id, body)

    async def describe(conn: Connection, made: tuple[int, bool]) -> Answer:
        order_id, is_new = made
        return Answer(await _order(conn, call, order_id), 201 if is_new else 200)

    return await act(call, body, do, describe)


async def get_orders(call: Call, query: OrderQuery) -> Page[PlacedOrderView]:
    """Orders, newest first."""
    cursors = call.cursors("orders")
    before, limit = cursors.before(query.cursor), query.limit
    async with call.services.house.db.connection() as conn:
        ids = await reading.order_ids(conn, call.shop_id, query.reference, before=before, most=limit + 1)
        found = await reading.orders(conn, call.shop_id, ids[:limit])
    return cursors.page(found, ids, limit)


async def get_order(call: Call) -> PlacedOrderView:
    """One order, with its shipments."""
    async with call.services.house.db.connection() as conn:
        return await _order(conn, call, call.number("ord"))


async def _order(conn: Connection, call: Call, order_id: int) -> PlacedOrderView:
    found = await reading.orders(conn, call.shop_id, [order_id])
    if not found:
        raise NotFound(f"no order ord_{order_id}")
    return found[0]


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("POST", "/orders", Scope.SHIPMENTS_WRITE, post_order, gives=PlacedOrderView, statuses=(201, 200)),
    endpoint("GET", "/orders", Scope.READ, get_orders),
    endpoint("GET", "/orders/{id}", Scope.READ, get_order),
]
