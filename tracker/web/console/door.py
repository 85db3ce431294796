"""The board's door: on this machine only, and with a one-time link that becomes a session.

Anything that might come from elsewhere finds nothing here: another peer, another name in Host (a rebound DNS name), or
any trace of a proxy, behind which every peer looks like loopback.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

from aiohttp import hdrs, web

from tracker.actions import access
from tracker.domain.errors import NotFound
from tracker.web import templating, words
from tracker.web.services import SERVICES
from tracker.web.words import Language

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_COOKIE: Final = "board"
_PATH: Final = "/console"
_TRACES: Final = ("forwarded", "via", "x-real-ip")
_TRACES_BEGIN: Final = "x-forwarded-"
_LONGEST_TOKEN: Final = 200


def behind(handler: Handler) -> Handler:
    """A page of the board for whoever holds a session; how to get in for others on this machine."""

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        _refuse_from_elsewhere(request)
        session = request.cookies.get(_COOKIE, "")[:_LONGEST_TOKEN]
        if not await _is_open_to(request, session):
            return _explain(request, "closed", 403)
        try:
            return await handler(request)
        except NotFound:
            return _explain(request, "missing", 404)

    return guarded


async def enter(request: web.Request) -> web.StreamResponse:
    """Exchange a one-time link for a session. A prefetch must not use the link up before its owner does."""
    _refuse_from_elsewhere(request)
    if "prefetch" in request.headers.get("Sec-Purpose", ""):
        raise web.HTTPServiceUnavailable
    async with request.app[SERVICES].house.db.connection() as conn:
        session = await access.enter_board(conn, request.match_info["token"][:_LONGEST_TOKEN])
    if session is None:
        if await _is_open_to(request, request.cookies.get(_COOKIE, "")[:_LONGEST_TOKEN]):
            raise web.HTTPSeeOther(_PATH)
        return _explain(request, "used", 403)
    answer = web.HTTPSeeOther(_PATH, headers={hdrs.CACHE_CONTROL: "no-store"})
    # Not Secure: browsers differ on whether plain loopback may keep such a cookie.
    answer.set_cookie(_COOKIE, session, path=_PATH, httponly=True, samesite="Strict")
    raise answer


def spoken_by(request: web.Request) -> Language:
    """The language of whoever looks at the board, by what their browser asks for."""
    return words.choose(words.accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")))


async def _is_open_to(request: web.Request, session: str) -> bool:
    if not session:
        return False
    async with request.app[SERVICES].house.db.connection() as conn:
        return await access.may_see_board(conn, session)


def _explain(request: web.Request, why: str, status: int) -> web.Response:
    spoken = spoken_by(request)
    return templating.page(spoken, "console/door.html", {"why": why}, csp=templating.CONSOLE_CSP, status=status)


def _refuse_from_elsewhere(request: web.Request) -> None:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    from_here = isinstance(peer, tuple) and is_loopback(str(peer[0]))
    if not from_here or not is_loopback(_host_name(request)) or _came_through_a_proxy(request):
        raise web.HTTPNotFound


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _host_name(request: web.Request) -> str:
    host = request.headers.get(hdrs.HOST, "")
    return host.partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _came_through_a_proxy(request: web.Request) -> bool:
    names = (name.lower() for name in request.headers)
    return any(name in _TRACES or name.startswith(_TRACES_BEGIN) for name in names)
