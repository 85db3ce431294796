"""The console's door: who is let in to which page. A page without a rule does not exist: each names what must be allowed."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec
from aiohttp import hdrs, web

from tracker.actions import sign_in
from tracker.actions.sign_in import Entrance, Halfway, Visit
from tracker.domain.errors import NotFound
from tracker.domain.staff import May, Person
from tracker.vault import same
from tracker.web import templating, words
from tracker.web.errors import REQUEST_ID, Problem
from tracker.web.peer import address_of
from tracker.web.services import SERVICES
from tracker.web.words import Language

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PERSON: Final = web.RequestKey("person", Person)
HOME: Final = "/console"
SIGN_IN: Final = "/console/sign-in"
_SAFE: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_LONGEST_TOKEN: Final = 200
_DEVICE_LIFE: Final = 365 * 24 * 3600  # seconds


class Page(msgspec.Struct, frozen=True):
    """One address of the console, and what whoever opens it must be allowed to do."""

    method: str
    path: str
    may: May
    handle: Handler


def behind(page: Page) -> Handler:
    """The page for people who may open it; others learn how to come in, or that this is not for them."""

    @wraps(page.handle)
    async def guarded(request: web.Request) -> web.StreamResponse:
        person = await who(request)
        if not isinstance(person, Person):
            raise _to_the_door(request, halfway=person is not None)
        request[PERSON] = person
        make_sure_it_can_be_sought(request)
        if request.method not in _SAFE:
            await make_sure_it_is_meant(request)
        if not person.may(page.may):
            return explain(request, "forbidden", 403)
        try:
            return await page.handle(request)
        except NotFound:
            return explain(request, "missing", 404)

    return guarded


async def who(request: web.Request) -> Person | Halfway | None:
    """Who holds the session of this request."""
    session = session_of(request)
    if not session:
        return None
    async with request.app[SERVICES].house.db.connection() as conn:
        return await sign_in.find(conn, session)


def session_of(request: web.Request) -> str:
    """The token of this request's session, empty where there is none."""
    return request.cookies.get(cookie_name(request, "sid"), "")[:_LONGEST_TOKEN]


def visit_of(request: web.Request) -> Visit:
    """Where this request comes from."""
    return Visit(
        address=address_of(request, request.app[SERVICES].trusted_proxies),
        browser=request.headers.get(hdrs.USER_AGENT, "")[:200],
        device=request.cookies.get(cookie_name(request, "device"), "")[:_LONGEST_TOKEN],
        request_id=request.get(REQUEST_ID),
    )


def let_in(request: web.Request, entrance: Entrance, to: str) -> web.HTTPSeeOther:
    """The way on, with the session's new token."""
    answer = web.HTTPSeeOther(to, headers={hdrs.CACHE_CONTROL: "no-store"})
    secure = is_secure(request)
    answer.set_cookie(cookie_name(request, "sid"), entrance.token, secure=secure, httponly=True, samesite="Lax")
    if entrance.device:
        answer.set_cookie(
            cookie_name(request, "device"), entrance.device, secure=secure, httponly=True, samesite="Strict",
            max_age=_DEVICE_LIFE,
        )  # fmt: skip
    return answer


def let_out(request: web.Request) -> web.HTTPSeeOther:
    """The way out; the browser stays known as one that has been in."""
    answer = web.HTTPSeeOther(SIGN_IN, headers={hdrs.CACHE_CONTROL: "no-store"})
    answer.del_cookie(cookie_name(request, "sid"), secure=is_secure(request), httponly=True, samesite="Lax")
    return answer


async def make_sure_it_is_meant(request: web.Request) -> None:
    """An act comes from a page of ours that was made for this session. Raises Problem(403)."""
    refuse_from_other_sites(request)
    given = request.headers.get("X-CSRF-Token") or str((await request.post()).get("csrf", ""))
    if not same(given.encode(errors="replace"), csrf_token(request).encode()):
        raise Problem(403, "not_meant", "This form is from another session; open the page again and repeat.")


def make_sure_it_can_be_sought(request: web.Request) -> None:
    """Nothing is looked for that no text of the database can hold. Raises Problem(400)."""
    if any("\0" in text for text in request.query.values()):
        raise Problem(400, "malformed", "What is looked for holds a NUL character; take it out.")


def refuse_from_other_sites(request: web.Request) -> None:
    """Browsers say from where a form is sent. Raises Problem(403)."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
    is_ours = site == "same-origin" if site else origin is not None and urlsplit(origin).netloc in _hosts(request)
    if not is_ours:
        raise Problem(403, "not_meant", "This was sent from another site; open the console and do it there.")


def csrf_token(request: web.Request) -> str:
    """What the forms of this session carry."""
    return request.app[SERVICES].house.vault.mac("csrf", session_of(request))


def spoken_by(request: web.Request) -> Language:
    """The language that somebody has chosen, else what their browser asks for."""
    person = request.get(PERSON)
    chosen = person.language if person else None
    return words.choose([chosen, *words.accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))])


def explain(request: web.Request, why: str, status: int) -> web.Response:
    """A page that says why there is nothing to see, and the way on."""
    values = {"why": why, "person": request.get(PERSON), "csrf": csrf_token(request)}
    return templating.page(spoken_by(request), "console/door.html", values, csp=templating.CONSOLE_CSP, status=status)


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


def _to_the_door(request: web.Request, *, halfway: bool) -> web.HTTPException:
    if request.method not in _SAFE:
        return web.HTTPSeeOther(SIGN_IN)
    to = f"{SIGN_IN}/code" if halfway else SIGN_IN
    address = f"{to}?{urlencode({'next': request.path_qs})}" if request.path_qs != HOME else to
    if request.headers.get("HX-Request") == "true":
        return web.HTTPNoContent(headers={"HX-Redirect": to})
    return web.HTTPSeeOther(address, headers={hdrs.CACHE_CONTROL: "no-store"})


def cookie_name(request: web.Request, name: str) -> str:
    """A cookie's name: with TLS a name that browsers guard; on plain loopback such a cookie would not be kept."""
    return f"__Host-{name}" if is_secure(request) else name


def is_secure(request: web.Request) -> bool:
    """Whether cookies go over TLS alone."""
    return request.app[SERVICES].public_url.startswith("https:") and not is_loopback(_host_name(request))


def _hosts(request: web.Request) -> set[str]:
    return {urlsplit(request.app[SERVICES].public_url).netloc, request.headers.get(hdrs.HOST, "")}


def _host_name(request: web.Request) -> str:
    host = request.headers.get(hdrs.HOST, "")
    return host.partition("]")[0] if host.startswith("[") else host.partition(":")[0]
