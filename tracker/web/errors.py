"""The one map from what went wrong to what the caller hears: problem details (RFC 9457), without our insides."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from tracker.actions.group_commit import Overloaded
from tracker.domain.errors import FieldsWrong, NotAllowed, NotFound, Outdated, RuleRefused, Wrong
from tracker.store.db import AWAY

_log = logging.getLogger(__name__)

REQUEST_ID: Final = web.RequestKey("request_id", str)
CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER: Final = "5"  # seconds; senders that do not read it come back on their own schedule

_AWAY: Final = (*AWAY, Overloaded)
_PATH: Final = re.compile(r" - at `(?P<path>\$.*)`$")
_ANY: Final = "[...]"  # how msgspec writes a member whose name is free
_MEMBER: Final = re.compile(r"(?:missing required|contains unknown) field `(?P<name>[^`]*)`")
_STEP: Final = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")
_REFUSALS: Final[Mapping[type[Exception], tuple[int, str]]] = {
    NotAllowed: (403, "forbidden"),
    NotFound: (404, "not_found"),
    RuleRefused: (409, "refused"),
    Outdated: (412, "outdated"),
}
_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large", 415: "wrong_content_type"}
_DETAILS: Final = {
    404: "There is nothing at this address.",
    413: "The body is larger than what is taken here.",
}


class WrongField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong: where in the body (JSON Pointer) or which parameter of the query, and what."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details as they are written out (RFC 9457). `code` is for programs, `detail` for people.

    `note` gives back words that could not be kept, so that they are not lost.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[WrongField] = []
    note: str | msgspec.UnsetType = msgspec.UNSET


class Problem(Exception):
    """What a caller is told: `code` is for programs, `detail` for people, `errors` name each wrong field.

    An entry of `errors` holds `detail` and either `pointer` (JSON Pointer into the body) or `parameter` (of the query).
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        note: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.note = note


Page = Callable[[web.Request, Problem], web.Response]
PAGE: Final = web.AppKey[Page]("error_page")  # how people see a problem, where the application has pages


def problem_of(error: Exception) -> Problem:
    """The one map. What it does not know is our own mistake: 500, and not a word about it."""
    match error:
        case Problem():
            return error
        case FieldsWrong(fields=fields):
            wrong = [{"pointer": field.pointer, "detail": field.detail} for field in fields]
            return Problem(422, "fields_wrong", "Some fields are wrong; nothing was done.", errors=wrong)
        case RuleRefused() | Outdated() | NotAllowed() | NotFound():
            return Problem(*_REFUSALS[type(error)], str(error))
        case web.HTTPException() | web.RequestPayloadError():
            return _of_aiohttp(error)
    if isinstance(error, _AWAY):
        detail = "This cannot be done at the moment; try again soon."
        return Problem(503, "unavailable", detail, headers={hdrs.RETRY_AFTER: RETRY_AFTER})
    return Problem(500, "internal", "Something went wrong on our side; the request id leads us to it.")


def wrong_form(error: msgspec.ValidationError, found: Sequence[Wrong]) -> Problem:
    """The problem of a body that does not have the form that was asked for: `found`, and what msgspec stopped at."""
    pointer, detail = _located(str(error))
    is_named = any(one.pointer == pointer for one in found)
    return problem_of(FieldsWrong(found if is_named else [Wrong(pointer, detail), *found]))


def unreadable(error: msgspec.MsgspecError | UnicodeDecodeError | RecursionError) -> Problem:
    """The problem of a JSON body that could not be read."""
    reason = {UnicodeDecodeError: "it is not UTF-8", RecursionError: "it is nested too deeply"}.get(type(error))
    return Problem(400, "malformed", f"The body is no JSON: {reason or error}")


def wrong_parameters(wrong: Mapping[str, str]) -> Problem:
    """The problem of parameters of the query that are wrong: what about each."""
    errors = [{"parameter": name, "detail": detail} for name, detail in wrong.items()]
    return Problem(422, "fields_wrong", "Some parameters are wrong.", errors=errors)


def wrong_parameter(name: str, detail: str) -> Problem:
    """The problem of one wrong parameter of the query."""
    return wrong_parameters({name: detail})


def response(request: web.Request, problem: Problem) -> web.Response:
    """The problem as problem+json."""
    details = ProblemDetails(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        request_id=request.get(REQUEST_ID),
        errors=[WrongField(**wrong) for wrong in problem.errors],
        note=problem.note or msgspec.UNSET,
    )
    headers = problem.headers | {hdrs.CONTENT_TYPE: CONTENT_TYPE}
    return web.Response(status=problem.status, body=msgspec.json.encode(details), headers=headers)


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever a handler raises becomes an answer; redirects and the like pass."""
    try:
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        return _answer(request, problem_of(answer))
    except Exception as error:  # noqa: BLE001 - the caller gets an answer, and the log the whole truth
        problem = problem_of(error)
        if problem.status >= 500:
            _log_failure(request, error, ours=problem.status == 500)
        return _answer(request, problem)


def pointer_to(steps: Sequence[str | int]) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _log_failure(request: web.Request, error: Exception, *, ours: bool) -> None:
    about = {"request_id": request.get(REQUEST_ID), "error": type(error).__name__}
    if ours:
        _log.error("request failed", extra=about, exc_info=error)
    else:
        _log.warning("request could not be served", extra=about)


def _answer(request: web.Request, problem: Problem) -> web.Response:
    page = request.app.get(PAGE)
    wants_page = "text/html" in request.headers.get(hdrs.ACCEPT, "") and not request.path.startswith("/api/")
    return page(request, problem) if page is not None and wants_page else response(request, problem)


def _of_aiohttp(error: web.HTTPException | web.RequestPayloadError) -> Problem:
    """aiohttp's own refusals: no such address, wrong method (with what is allowed), too large, wrongly packed."""
    if isinstance(error, web.RequestPayloadError):
        return Problem(400, "malformed", "The body is not what its headers say of it.")
    allowed = error.headers.get(hdrs.ALLOW)
    detail = f"Allowed here: {allowed}." if allowed else _DETAILS.get(error.status, f"{error.reason}.")
    code = _CODES.get(error.status, "internal" if error.status >= 500 else "refused")
    return Problem(error.status, code, detail, headers={hdrs.ALLOW: allowed} if allowed else None)


def _located(message: str) -> tuple[str, str]:
    """msgspec's message as (JSON Pointer, what is wrong); a missing or unknown member is pointed at itself."""
    found, member = _PATH.search(message), _MEMBER.search(message)
    steps = [step["name"] or step["index"] for step in _STEP.finditer(found["path"].replace(_ANY, ""))] if found else []
    if member:
        steps.append(member["name"])
    return pointer_to(steps), message[: found.start()] if found else message
