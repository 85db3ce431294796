"""What every request passes through on its way: an id, headers that keep browsers safe, one line in the log."""

from __future__ import annotations

import logging
import time
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from tracker.clock import token_bytes
from tracker.web.errors import REQUEST_ID

_log = logging.getLogger(__name__)
_X_REQUEST_ID: Final = "X-Request-Id"
_NOTHING_ELSE: Final = "default-src 'none'; frame-ancestors 'none'"  # for data; a page states what it needs
# Asked every few seconds, or a thousand times in one: their good answers are counted (metrics), not written down.
_MANY: Final = frozenset({"/push/{partner}", "/livez", "/readyz", "/metrics"})


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its id, and writes down how it went: the route's template, never the address itself."""
    request[REQUEST_ID] = token_bytes(8).hex()
    began = time.monotonic()
    status = 499  # the caller went away, unless an answer says otherwise
    try:
        answer = await handler(request)
        status = answer.status
        return answer
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        route = route_of(request)
        level = logging.DEBUG if route in _MANY and status < 400 else logging.INFO
        if _log.isEnabledFor(level):
            about = {"route": route, "method": request.method, "status": status, "request_id": request[REQUEST_ID]}
            _log.log(level, "request", extra=about | {"duration": round(time.monotonic() - began, 4)})


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer carries, unless its handler knew better."""
    headers = response.headers
    headers[_X_REQUEST_ID] = request.get(REQUEST_ID, "")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    headers.setdefault("Content-Security-Policy", _NOTHING_ELSE)


def route_of(request: web.Request) -> str:
    """The template of the route that was met, which holds nothing of the caller's."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
