"""The REST API of the shop: its table of endpoints, and what describes it."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import hdrs, web

from tracker.web import assets
from tracker.web.api import changes, docs, incidents, keys, notices, openapi, orders, reports, returns, shipments, shops
from tracker.web.api.endpoint import Endpoint, handler_of
from tracker.web.api.quota import QUOTAS, Quotas, add_headers
from tracker.web.services import SERVICES

ENDPOINTS: Final[list[Endpoint]] = [
    *shops.ENDPOINTS,
    *orders.ENDPOINTS,
    *shipments.ENDPOINTS,
    *incidents.ENDPOINTS,
    *reports.ENDPOINTS,
    *notices.ENDPOINTS,
    *returns.ENDPOINTS,
    *changes.ENDPOINTS,
    *keys.ENDPOINTS,
]


def add_routes(app: web.Application) -> None:
    """Every endpoint, and their description for programs and for people."""
    services = app[SERVICES]
    app[QUOTAS] = Quotas(services.api_calls_per_minute)
    app.on_response_prepare.append(add_headers)
    for one in ENDPOINTS:
        handler = handler_of(one)
        app.router.add_get(one.path, handler) if one.method == "GET" else app.router.add_route(
            one.method, one.path, handler
        )
    described = openapi.document(ENDPOINTS, services.public_url)
    encoded = msgspec.json.encode(described)

    async def describe(_: web.Request) -> web.Response:
        return web.Response(body=encoded, headers={hdrs.CONTENT_TYPE: "application/json"})

    async def show(_: web.Request) -> web.Response:
        return docs.page(described)

    app.router.add_get("/api/openapi.json", describe)
    app.router.add_get("/api/docs", show)
    assets.add_routes(app)
