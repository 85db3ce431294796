"""The REST API of the shop: its table of endpoints, and what describes it."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import hdrs, web

from tracker.web.api import changes, incidents, notices, openapi, returns, shipments
from tracker.web.api.endpoint import Endpoint, handler_of
from tracker.web.services import SERVICES

ENDPOINTS: Final[list[Endpoint]] = [
    *shipments.ENDPOINTS,
    *incidents.ENDPOINTS,
    *notices.ENDPOINTS,
    *returns.ENDPOINTS,
    *changes.ENDPOINTS,
]


def add_routes(app: web.Application) -> None:
    """Every endpoint, and their description for programs."""
    for one in ENDPOINTS:
        add = app.router.add_get if one.method == "GET" else app.router.add_post
        add(one.path, handler_of(one))
    described = msgspec.json.encode(openapi.document(ENDPOINTS, app[SERVICES].public_url))

    async def describe(_: web.Request) -> web.Response:
        return web.Response(body=described, headers={hdrs.CONTENT_TYPE: "application/json"})

    app.router.add_get("/api/openapi.json", describe)
