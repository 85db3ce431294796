"""One call of the API: who may make it, what it takes and what it gives; read from the handler's own signature."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, get_type_hints

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from tracker.actions import access
from tracker.actions.access import Caller, Scope
from tracker.actions.audit import Author
from tracker.web.api.given import MOST_DIGITS, number_of, read_body, read_query
from tracker.web.api.paging import Cursors, Page
from tracker.web.api.quota import QUOTAS
from tracker.web.errors import REQUEST_ID, Problem
from tracker.web.services import SERVICES, Services

__all__ = ["PREFIX", "Answer", "Call", "Endpoint", "Scope", "endpoint", "handler_of"]

PREFIX: Final = "/api/v1"
_PATIENCE: Final = 25.0  # seconds, after which a caller is better off with a 503 than with more waiting


class Call(msgspec.Struct, frozen=True):
    """One authenticated call."""

    request: web.Request
    services: Services
    caller: Caller

    @property
    def shop_id(self) -> int:
        return self.caller.shop_id

    @property
    def actor(self) -> str:
        """Who did it, as it stands on timelines."""
        return f"api_key:{self.caller.key_id}"

    @property
    def author(self) -> Author:
        """Who did it, as it stands in the audit."""
        return Author(actor=self.actor, shop_id=self.shop_id, request_id=self.request[REQUEST_ID])

    def cursors(self, name: str) -> Cursors:
        """The cursors of one of the caller's lists."""
        return Cursors(self.services.house.vault, name, self.shop_id)

    def number(self, prefix: str) -> int:
        """The number in the id of the path. Raises Problem(404) for what is no id of this kind."""
        number = number_of(prefix, self.request.match_info["id"])
        if number is None:
            raise Problem(404, "not_found", f"An id looks like {prefix}_123 here.")
        return number

    @property
    def expected(self) -> int | None:
        """The version on which the caller decided, by `If-Match`; None where they did not say, or any will do (`*`).

        Raises Problem(412) for a tag that none of our answers has carried.
        """
        tags = self.request.if_match
        if tags is None or [tag.value for tag in tags] == ["*"]:
            return None
        version = tags[0].value.partition("-")[0] if len(tags) == 1 and not tags[0].is_weak else ""
        if not (version.isascii() and version.isdecimal()) or len(version) > MOST_DIGITS:
            raise Problem(412, "outdated", "If-Match: give the ETag of the answer on which you decided.")
        return int(version)

    def must_expect(self) -> int | None:
        """As `expected`, where the caller has to say. Raises Problem(428) where they did not."""
        if self.request.if_match is None:
            raise Problem(428, "if_match_missing", "If-Match: give the ETag of what you decided on, or * for any.")
        return self.expected


class Answer(msgspec.Struct, frozen=True):
    """A body with a status of its own; `body` is a struct, or the bytes of one."""

    body: Any
    status: int = 200
    replayed: bool = False

    def etag(self, written: bytes) -> str:
        """The entity tag of this body as it is written out: its version, where it has one, and a digest."""
        version = getattr(self.body, "version", 0)
        return f"{version}-{hashlib.sha256(written).hexdigest()[:16]}"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`query`, `body` and `gives` are the structs that the handler names, None where it takes none.

    `conditional` is set where the call may name the version that it was decided on.
    """

    method: str
    path: str
    scope: Scope
    handle: Callable[..., Awaitable[Any]]
    query: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None
    gives: Any
    statuses: tuple[int, ...]
    conditional: bool

    @property
    def is_tagged(self) -> bool:
        """Whether its answers carry an ETag: what shows one thing, or is about the version of one."""
        is_versioned = "version" in getattr(self.gives, "__struct_fields__", ())
        return is_versioned or (self.method == "GET" and self.path.endswith("{id}"))

    @property
    def summary(self) -> str:
        """What it does: the first line of the handler's docstring."""
        return inspect.getdoc(self.handle) or ""


def endpoint(
    method: str,
    path: str,
    scope: Scope,
    handle: Callable[..., Awaitable[Any]],
    *,
    gives: Any = None,
    statuses: tuple[int, ...] = (200,),
    conditional: bool = False,
) -> Endpoint:
    """An endpoint as its handler's signature describes it; `gives` where the handler returns an Answer."""
    named = get_type_hints(handle)
    return Endpoint(
        method=method,
        path=f"{PREFIX}{path}",
        scope=scope,
        handle=handle,
        query=named.get("query"),
        body=named.get("body"),
        gives=gives or named["return"],
        statuses=statuses,
        conditional=conditional,
    )


def handler_of(one: Endpoint) -> Handler:
    """The endpoint as aiohttp calls it: authenticate, read, handle, write."""

    async def handle(request: web.Request) -> web.Response:
        async with asyncio.timeout(_PATIENCE):
            call = await _authenticated(request, one.scope)
            request.app[QUOTAS].take(request, call.caller.key_id)
            given: dict[str, Any] = {}
            if one.query is not None:
                given["query"] = read_query(request, one.query)
            if one.body is not None:
                given["body"] = await read_body(request, one.body)
            return _response(request, one, await one.handle(call, **given))

    return handle


async def _authenticated(request: web.Request, scope: Scope) -> Call:
    services = request.app[SERVICES]
    kind, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    caller = None
    if kind.lower() == "bearer":
        async with services.house.db.connection() as conn:
            caller = await access.find_caller(conn, key.strip())
    if caller is None:
        challenge: dict[str, str] = {hdrs.WWW_AUTHENTICATE: "Bearer"}
        raise Problem(401, "unauthorized", "Send Authorization: Bearer with a valid API key.", headers=challenge)
    if scope not in caller.scopes:
        raise Problem(403, "forbidden", f"This key lacks the scope {scope}.")
    return Call(request, services, caller)


def _response(request: web.Request, one: Endpoint, given: Any) -> web.Response:
    answer = given if isinstance(given, Answer) else Answer(given)
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: "application/json"}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    if isinstance(answer.body, Page) and answer.body.next_cursor is not None:
        following = request.rel_url.update_query(cursor=answer.body.next_cursor)
        headers[hdrs.LINK] = f'<{following}>; rel="next"'
    body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
    if not one.is_tagged or answer.replayed:
        return web.Response(status=answer.status, body=body, headers=headers)
    etag = answer.etag(body)
    headers[hdrs.ETAG] = f'"{etag}"'
    if request.method in ("GET", "HEAD") and _is_known(request, etag):
        del headers[hdrs.CONTENT_TYPE]
        return web.Response(status=304, headers=headers)
    return web.Response(status=answer.status, body=body, headers=headers)


def _is_known(request: web.Request, etag: str) -> bool:
    """Whether the caller has it already, by If-None-Match."""
    return any(tag.value in (etag, "*") for tag in request.if_none_match or ())
