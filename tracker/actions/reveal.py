"""Somebody looks at personal data that is masked until it is asked for: written down, so that it can be answered for."""

from __future__ import annotations

from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.actions.deciding import House
from tracker.domain.errors import NotFound
from tracker.store import reading


async def reveal(house: House, shop_id: int, shipment_id: int, by: Author) -> None:
    """The telephone number of a parcel's customer is about to be shown. Raises NotFound."""
    async with house.db.transaction() as conn:
        if not await reading.owns_shipment(conn, shop_id, shipment_id):
            raise NotFound(f"no parcel {shipment_id}")
        await audit.record(house.db, conn, by, "personal_data.revealed", f"shp_{shipment_id}")
