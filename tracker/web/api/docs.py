"""The description of the API for people: one page, made from the same document that programs read."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from aiohttp import web

from tracker.web import templating, words


def page(described: dict[str, Any]) -> web.Response:
    """The OpenAPI document as HTML."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(operation | {"method": method.upper(), "path": path})
    values = {
        "info": described["info"],
        "groups": groups,
        "schemas": dict(sorted(described["components"]["schemas"].items())),
    }
    return templating.page(words.language(words.SOURCE), "api/docs.html", values, csp=templating.CUSTOMER_CSP)
