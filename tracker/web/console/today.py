"""The first page: what is true now and what to do, then the incidents, the parcels and the latest messages."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from carriers.vocabulary import Milestone
from tracker.store import board
from tracker.web.console import asked
from tracker.web.console.shell import shell
from tracker.web.services import SERVICES

HEALTHS: Final = ("failed", "held", "late", "stalled", "at_risk", "data_stale", "unknown", "on_track")  # worst first
_MOST_INCIDENTS: Final = 50
_MOST_PARCELS: Final = 100
_MOST_MESSAGES: Final = 12


async def today(request: web.Request) -> web.Response:
    """`/console`, with `health`, `milestone` and `before` for the table of parcels."""
    milestone = asked.one_of(request, "milestone", set(Milestone))
    health = asked.one_of(request, "health", HEALTHS)
    before = asked.before(request)
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        values = {
            "incidents": await board.open_incidents(conn, frame.shop_id, frame.now, _MOST_INCIDENTS),
            "parcels": await board.parcels(
                conn, frame.shop_id, before, milestone=milestone, health=health, most=_MOST_PARCELS
            ),
            "counts": await board.parcel_counts(conn, frame.shop_id),
            "messages": await board.messages(conn, frame.shop_id, None, None, None, _MOST_MESSAGES),
            "milestone": milestone,
            "health": health,
            "before": before,
            "healths": HEALTHS,
            "milestones": [one.value for one in Milestone if one is not Milestone.UNKNOWN],
            "most_counted": board.LOOK_AT,
            "most_incidents": board.NEWEST_INCIDENTS,
        }
    return frame.page("console/today.html", values, section="today")
