"""How people see a problem: a page in their language, with the request's id where the mistake is ours."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from tracker.web import templating, words
from tracker.web.errors import PAGE, REQUEST_ID, Problem

_KINDS: Final = {404: "missing", 405: "missing", 429: "often", 503: "busy"}


def show_to_people(app: web.Application) -> None:
    """Browsers get problems as pages from now on; the faces ask for this each on its own, and once is enough."""
    if PAGE not in app:
        app[PAGE] = problem_page


def problem_page(request: web.Request, problem: Problem) -> web.Response:
    """The problem as a page; it says no more than the problem does."""
    spoken = words.choose(words.accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")))
    ours = "broken" if problem.status >= 500 else "refused"
    values = {"kind": _KINDS.get(problem.status, ours), "request_id": request.get(REQUEST_ID, "")}
    answer = templating.page(spoken, "problem.html", values, csp=templating.CUSTOMER_CSP, status=problem.status)
    answer.headers.update(problem.headers)
    return answer
