"""What is in doubt, and how the ways in and out are doing: quarantine, carriers' accounts, channels."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tracker.domain import starvation
from tracker.store import alarms, board, quarantine
from tracker.web.console.shell import shell
from tracker.web.services import SERVICES

_MOST_ALARMS: Final = 50


async def in_quarantine(request: web.Request) -> web.Response:
    """`/console/quarantine`: unread payloads, unclaimed pushes, unmapped codes, undecided shipments."""
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        values = {
            "quarantined": await quarantine.quarantined(conn, frame.shop_id),
            "unclaimed": await quarantine.unclaimed(conn, frame.shop_id),
            "unmapped": await quarantine.unmapped(conn, frame.shop_id),
            "undecided": await quarantine.undecided(conn, frame.shop_id),
            "most": quarantine.MOST,
            "newest_events": quarantine.NEWEST_EVENTS,
        }
    return frame.page("console/quarantine.html", values, section="quarantine")


async def health(request: web.Request) -> web.Response:
    """`/console/health`: what waits and for how long, what starves, and what did lately; of the whole service."""
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        queues, pauses = await alarms.waiting(conn, frame.now), await alarms.pauses(conn)
        known = await alarms.newest(conn, _MOST_ALARMS)
    starving = starvation.alarms(queues, pauses, frame.now, is_sending_stopped=frame.is_sending_stopped)
    values = {
        "queues": queues,
        "pauses": pauses,
        "alarms": known,
        "starving": {alarm.name for alarm in starving},
        "limits": starvation.LIMITS,
    }
    return frame.page("console/health.html", values, section="health")


async def carriers(request: web.Request) -> web.Response:
    """`/console/carriers`: every account with its budget and breaker, and every channel that met trouble."""
    services = request.app[SERVICES]
    async with services.house.db.connection() as conn:
        frame = await shell(request, conn)
        accounts = await board.accounts(conn, frame.shop_id)
        channels = await board.channels(conn, frame.shop_id)
    values = {
        "accounts": accounts,
        "channels": channels,
        "cards": services.house.cards,
        "asked": services.house.accounts,
    }
    return frame.page("console/carriers.html", values, section="carriers")
