"""Notices over REST: what a shipment's customer is told, and how far each message got."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tracker.domain.errors import NotFound
from tracker.store import reading
from tracker.store.views import NoticeStory, NoticeView
from tracker.web.api.endpoint import Call, Endpoint, Scope, endpoint
from tracker.web.api.paging import Cursor, Limit, Page, ShipmentId
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
    notice_id = call.number("ntc")
    async with call.services.house.db.connection() as conn:
        found = await reading.notice_story(conn, call.shop_id, notice_id)
    if found is None:
        raise NotFound(f"no notice ntc_{notice_id}")
    return found


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("GET", "/notices", Scope.READ, get_notices),
    endpoint("GET", "/notices/{id}", Scope.READ, get_notice),
]
