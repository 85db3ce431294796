"""What those who run the service ask it: is it alive, is it ready, and its numbers."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import asyncpg
from aiohttp import hdrs, web

from sql import migrate
from sql.migrate import MigrationError
from tracker import metrics
from tracker.store import backlog
from tracker.web.services import SERVICES, Services

_log = logging.getLogger(__name__)
_PATIENCE: Final = 3.0  # seconds, after which a database that does not answer counts as away


def add_routes(app: web.Application) -> None:
    """The three addresses, at the root."""
    app.router.add_get("/livez", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", show_metrics)


async def alive(_: web.Request) -> web.Response:
    """200 for as long as the process answers at all."""
    return web.json_response({"status": "alive"})


async def ready(request: web.Request) -> web.Response:
    """200 when requests may be sent here, 503 with the reason when not."""
    reason = await _why_not(request.app[SERVICES])
    if reason is None:
        return web.json_response({"status": "ready"})
    return web.json_response({"status": "not ready", "reason": reason}, status=503)


async def show_metrics(request: web.Request) -> web.Response:
    """The numbers in Prometheus' text format; without a database those that the process itself knows."""
    services = request.app[SERVICES]
    try:
        async with asyncio.timeout(_PATIENCE), services.house.db.connection() as conn:
            found = await backlog.read(conn, services.house.clock.now())
            metrics.show_backlog(found.queues, found.open_incidents)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _log.warning("metrics without a database", extra={"error": type(error).__name__})
        metrics.show_no_database()
    return web.Response(body=metrics.render(), headers={hdrs.CONTENT_TYPE: metrics.CONTENT_TYPE})


async def _why_not(services: Services) -> str | None:
    if services.is_stopping():
        return "this process is stopping"
    db = services.house.db
    try:
        async with asyncio.timeout(_PATIENCE), db.connection() as conn:
            missing = await migrate.pending(conn, db.schema)
    except MigrationError:
        return "the database was migrated by another release"
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return "the database does not answer"
    return f"{len(missing)} migrations are missing" if missing else None
