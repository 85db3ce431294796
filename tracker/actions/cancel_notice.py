"""People hold back what a customer was to be told: what has not gone out yet does not go out."""

from __future__ import annotations

from notifications import outbox
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.actions.deciding import House
from tracker.domain.errors import NotFound, RuleRefused


async def cancel(house: House, shop_id: int, by: Author, notice_id: int) -> None:
    """Hold back what is queued of a notice. Raises NotFound, RuleRefused where nothing of it is waiting any more."""

    async def attempt(conn: Connection) -> None:
        was_waiting = await outbox.cancel(conn, shop_id, notice_id, f"held back by {by.actor}", house.clock.now())
        if was_waiting is None:
            raise NotFound(f"no notice ntc_{notice_id}")
        if not was_waiting:
            raise RuleRefused("nothing of this notice waits to be sent: it has gone out, or never will")
        await audit.record(house.db, conn, by, "notice.cancelled", f"ntc_{notice_id}")

    await house.db.retrying(attempt)
