"""Returns over REST: find them, and confirm how one ended."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from sql.connection import Connection
from tracker.actions.deciding import House
from tracker.actions.settle_return import settle
from tracker.domain.errors import FieldsWrong, NotFound, Wrong
from tracker.domain.returns import ReturnState
from tracker.store import reading
from tracker.store.views import ReturnView
from tracker.web.api.acting import act
from tracker.web.api.endpoint import Answer, Call, Endpoint, Scope, endpoint
from tracker.web.api.given import number_of
from tracker.web.api.paging import Cursor, Limit, Page, ShipmentId
from tracker.web.api.shipments import own_shipment


class ReturnQuery(Struct, frozen=True):
    """Filters; one that is not given filters nothing."""

    shipment: ShipmentId | None = None
    state: ReturnState | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


class Settlement(Struct, frozen=True, forbid_unknown_fields=True):
    """How it ended; `replacement` is the shipment that replaces what came back."""

    settled_as: Literal["refunded", "replaced", "rejected"]
    replacement: ShipmentId | None = None


async def get_returns(call: Call, query: ReturnQuery) -> Page[ReturnView]:
    """Returns, newest first."""
    cursors = call.cursors("returns")
    before, limit = cursors.before(query.cursor), query.limit
    async with call.services.house.db.connection() as conn:
        shipment_id = await own_shipment(conn, call, query.shipment) if query.shipment else None
        ids = await reading.return_ids(
            conn, call.shop_id, shipment_id=shipment_id, state=query.state, before=before, most=limit + 1
        )
        found = await reading.returns(conn, call.shop_id, ids[:limit])
    return cursors.page(found, ids, limit)


async def get_return(call: Call) -> ReturnView:
    """One return."""
    async with call.services.house.db.connection() as conn:
        return await _return(conn, call)


async def settle_return(call: Call, body: Settlement) -> Answer:
    """Confirm how a return ended; that is the end of the parcel's story."""
    return_id = call.number("ret")
    replacement_id = number_of("shp", body.replacement) if body.replacement else None
    if replacement_id is not None and body.settled_as != "replaced":
        raise FieldsWrong([Wrong("/replacement", "only what is settled as replaced has a replacement")])

    async def do(house: House) -> None:
        await settle(house, call.shop_id, return_id, body.settled_as, replacement_id)

    async def describe(conn: Connection, _: None) -> Answer:
        return Answer(await _return(conn, call))

    return await act(call, body, do, describe)


async def _return(conn: Connection, call: Call) -> ReturnView:
    return_id = call.number("ret")
    found = await reading.returns(conn, call.shop_id, [return_id])
    if not found:
        raise NotFound(f"no return ret_{return_id}")
    return found[0]


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("GET", "/returns", Scope.READ, get_returns),
    endpoint("GET", "/returns/{id}", Scope.READ, get_return),
    endpoint("POST", "/returns/{id}/settle", Scope.RETURNS_WRITE, settle_return, gives=ReturnView),
]
