"""The shop confirms how a return ended: refunded, replaced or rejected; that is the end of the parcel's story."""

from __future__ import annotations

from sql import queries
from sql.connection import Connection
from tracker.actions.deciding import Heard, House, decide_and_save
from tracker.domain import returns
from tracker.domain.errors import NotFound, RuleRefused
from tracker.store import reading

_SQL = queries.topic("work")


async def settle(house: House, shop_id: int, return_id: int, settled_as: str, replacement_id: int | None) -> None:
    """Settle a return. Raises NotFound for an unknown return or replacement, RuleRefused when its state forbids it."""

    async def attempt(conn: Connection) -> None:
        now = house.clock.now()
        shipment_id = await conn.fetchval(_SQL.shipment_of_return, return_id, shop_id)
        if shipment_id is None:
            raise NotFound(f"no return ret_{return_id}")
        if replacement_id == shipment_id:
            raise RuleRefused("a parcel does not replace itself")
        if replacement_id is not None and not await reading.owns_shipment(conn, shop_id, replacement_id):
            raise NotFound(f"no shipment shp_{replacement_id} to replace it")
        case = (await house.load(conn, [shipment_id]))[shipment_id]
        assert case.returned is not None  # found by it
        settled = returns.settle(case.returned, settled_as, replacement_id, now)
        await decide_and_save(house, conn, [case], {shipment_id: Heard(settled=settled)}, now)

    await house.db.retrying(attempt)
