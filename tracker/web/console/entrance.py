"""Coming in and going out: address and password, the second factor, invitations, one-time links."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import wraps
from typing import Any, Final

from aiohttp import hdrs, web

from tracker.actions import people, sign_in
from tracker.actions.sign_in import Halfway, SignInRefused
from tracker.domain.errors import FieldsWrong
from tracker.domain.staff import Person
from tracker.passwords import LONGEST, SHORTEST, Busy
from tracker.web import templating
from tracker.web.console import door, form
from tracker.web.console.door import HOME, PERSON, SIGN_IN, Handler
from tracker.web.errors import Problem
from tracker.web.services import SERVICES

_LONGEST_TOKEN: Final = 200


def add_routes(app: web.Application) -> None:
    """What is open to everybody, since it is the way in."""
    app.router.add_get(SIGN_IN, ask)
    app.router.add_get(f"{SIGN_IN}/code", ask_code)
    for path, handler in ((SIGN_IN, take), (f"{SIGN_IN}/code", take_code), ("/console/join/{token}", join)):
        app.router.add_post(path, _readable(handler))
    app.router.add_get("/console/join/{token}", ask_to_join)
    app.router.add_get("/console/enter/{token}", enter)


def _readable(handler: Handler) -> Handler:
    @wraps(handler)
    async def checked(request: web.Request) -> web.StreamResponse:
        try:
            given = map(str, (await request.post()).values())
        except (UnicodeDecodeError, LookupError, ValueError):
            raise Problem(400, "malformed", "The form is no text.") from None
        if any("\0" in text for text in given):
            raise Problem(400, "malformed", "A field holds a NUL character; take it out.")
        return await handler(request)

    return checked


async def ask(request: web.Request) -> web.Response:
    """Who is there?"""
    if isinstance(await door.who(request), Person):
        raise web.HTTPSeeOther(_next(request))
    return _page(request, "sign_in")


async def take(request: web.Request) -> web.Response:
    """Address and password."""
    door.refuse_from_other_sites(request)
    given = await request.post()
    email, password = str(given.get("email", "")), str(given.get("password", ""))[:LONGEST]
    try:
        entrance = await sign_in.sign_in(request.app[SERVICES].house, email, password, door.visit_of(request))
    except SignInRefused as no:
        return _refused(request, "sign_in", no, {"email": email})
    except Busy:
        raise form.busy() from None
    raise door.let_in(request, entrance, _next(request) if entrance.complete else _with_next(request, "/code"))


async def ask_code(request: web.Request) -> web.Response:
    """And the second factor?"""
    if not isinstance(await door.who(request), Halfway):
        raise web.HTTPSeeOther(_with_next(request))
    return _page(request, "code")


async def take_code(request: web.Request) -> web.Response:
    """A code of the second factor, or a recovery code."""
    door.refuse_from_other_sites(request)
    code = str((await request.post()).get("code", ""))[:40]
    house, visit = request.app[SERVICES].house, door.visit_of(request)
    try:
        entrance = await sign_in.second_step(house, door.session_of(request), code, visit)
    except SignInRefused as no:
        if not isinstance(await door.who(request), Halfway):
            raise web.HTTPSeeOther(_with_next(request)) from None
        return _refused(request, "code", no, {})
    raise door.let_in(request, entrance, _next(request))


async def ask_to_join(request: web.Request) -> web.Response:
    """An invitation: choose a password."""
    async with request.app[SERVICES].house.db.connection() as conn:
        invited = await people.invitation(conn, _token(request))
    if invited is None:
        return door.explain(request, "used", 404)
    return _page(request, "join", {"invited": invited})


async def join(request: web.Request) -> web.Response:
    """The password that was chosen."""
    door.refuse_from_other_sites(request)
    house, given = request.app[SERVICES].house, await request.post()
    async with house.db.connection() as conn:
        invited = await people.invitation(conn, _token(request))
    if invited is None:
        return door.explain(request, "used", 404)
    password = str(given.get("password", ""))[: LONGEST + 1]
    if password != str(given.get("again", ""))[: LONGEST + 1]:
        return _page(request, "join", {"invited": invited, "wrong": "not_the_same"}, status=422)
    try:
        entrance = await people.accept(house, _token(request), password, door.visit_of(request))
    except FieldsWrong as wrong:
        return _page(request, "join", {"invited": invited, "wrong": wrong.fields[0].detail}, status=422)
    except SignInRefused:
        return door.explain(request, "used", 404)
    except Busy:
        raise form.busy() from None
    raise door.let_in(request, entrance, HOME)


async def enter(request: web.Request) -> web.Response:
    """Exchange a one-time link for a session. A prefetch must not use the link up before its owner does."""
    if "prefetch" in request.headers.get("Sec-Purpose", ""):
        raise web.HTTPServiceUnavailable
    try:
        entrance = await sign_in.enter(request.app[SERVICES].house, _token(request), door.visit_of(request))
    except SignInRefused:
        if isinstance(await door.who(request), Person):
            raise web.HTTPSeeOther(HOME) from None
        return door.explain(request, "used", 403)
    raise door.let_in(request, entrance, HOME)


async def leave(request: web.Request) -> web.Response:
    """The session ends."""
    await sign_in.sign_out(request.app[SERVICES].house, request[PERSON])
    raise door.let_out(request)


def _page(request: web.Request, step: str, values: Mapping[str, Any] | None = None, status: int = 200) -> web.Response:
    given = {"step": step, "email": "", "wrong": None, "wait": None, "shortest": SHORTEST, "to": request.query_string}
    spoken = door.spoken_by(request)
    template, csp = "console/entrance.html", templating.CONSOLE_CSP
    return templating.page(spoken, template, given | dict(values or {}), csp=csp, status=status)


def _refused(request: web.Request, step: str, no: SignInRefused, values: Mapping[str, Any]) -> web.Response:
    wait = math.ceil(no.retry_after) if no.retry_after else None
    answer = _page(request, step, {**values, "wrong": "refused", "wait": wait}, status=429 if wait else 403)
    if wait:
        answer.headers[hdrs.RETRY_AFTER] = str(wait)
    return answer


def _next(request: web.Request) -> str:
    """Where somebody wanted to go: within the console, or its first page."""
    wanted = request.query.get("next", "")
    return wanted if wanted.startswith((f"{HOME}/", f"{HOME}?")) and "\\" not in wanted else HOME


def _with_next(request: web.Request, below: str = "") -> str:
    return f"{SIGN_IN}{below}" + (f"?{request.query_string}" if request.query_string else "")


def _token(request: web.Request) -> str:
    return request.match_info["token"][:_LONGEST_TOKEN]
