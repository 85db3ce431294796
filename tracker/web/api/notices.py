"""Notices over REST: what a shipment's customer is told, and how far each message got."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from sql.connection import Connection
from tracker.actions.cancel_notice import cancel
from tracker.actions.deciding import House
from tracker.domain.errors import NotFound
from tracker.store import reading
from tracker.store.views import NoticeStory, NoticeView
from tracker.web.api.acting import act
from tracker.web.api.endpoint import Answer, Call, Endpoint, Scope, endpoint
from tracker.web.api.paging import Cursor, Limit, NothingMore, Page, ShipmentId
from tracker.web.api.shipments import own_shipment


class NoticeQuery(Struct, frozen=True):
    """Whose notices."""

    shipment: ShipmentId
    cursor: Cursor | None = None
    limit: Limit = 50


async def get_notices(call: Call, query: NoticeQuery) -> Page[NoticeView]:
    """A shipment's notices, newest first."""
    cursors = call.cursors(f"notices of {query.shipment}")
    before, limit = cursors.before(query.cursor), query.limit
    async with call.services.house.db.connection() as conn:
        shipment_id = await own_shipment(conn, call, query.shipment)
        found = await reading.notices(conn, call.shop_id, shipment_id, before=before, most=limit + 1)
    return cursors.page(found[:limit], [int(notice.id.removeprefix("ntc_")) for notice in found], limit)


async def get_notice(call: Call) -> NoticeStory:
    """One notice with its messages and every attempt to send them; texts and recipients are left out."""
    async with call.services.house.db.connection() as conn:
        return await _story(conn, call)


async def cancel_notice(call: Call, body: NothingMore) -> Answer:
    """Hold back what is still queued of a notice; what a sender has begun goes out."""
    notice_id = call.number("ntc")

    async def do(house: House) -> None:
        await cancel(house, call.shop_id, call.author, notice_id)

    async def describe(conn: Connection, _: None) -> Answer:
        return Answer(await _story(conn, call))

    return await act(call, body, do, describe)


async def _story(conn: Connection, call: Call) -> NoticeStory:
    notice_id = call.number("ntc")
    found = await reading.notice_story(conn, call.shop_id, notice_id)
    if found is None:
        raise NotFound(f"no notice ntc_{notice_id}")
    return found


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("GET", "/notices", Scope.READ, get_notices),
    endpoint("GET", "/notices/{id}", Scope.READ, get_notice),
    endpoint("POST", "/notices/{id}/cancel", Scope.INCIDENTS_WRITE, cancel_notice, gives=NoticeStory),
]
