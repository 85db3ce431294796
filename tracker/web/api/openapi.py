"""The API described as OpenAPI 3.1, made from the table of endpoints and the structs that they name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from carriers.push import PushedEvent
from tracker.web.api import examples
from tracker.web.api.acting import HEADER
from tracker.web.api.endpoint import Endpoint, Scope
from tracker.web.errors import CONTENT_TYPE, ProblemDetails
from tracker.web.hooks import push

VERSION: Final = "1.0.0"
_REFERENCE: Final = "#/components/schemas/{name}"
_MEANINGS: Final = {
    200: "Done, or found.",
    201: "Made.",
    202: "Taken in, durably.",
    304: "It is as the ETag in `If-None-Match` says.",
    400: "The body is no JSON.",
    401: "No valid key, or a signature that does not fit.",
    403: "The key lacks the scope.",
    404: "There is no such thing, or not in this shop.",
    409: "A rule says no; `detail` says which.",
    412: "It was changed meanwhile: read it again, and decide on that.",
    413: "The body is too large.",
    415: "The body is of another content type.",
    422: "Fields are wrong; `errors` names them.",
    428: "`If-Match` is missing.",
    429: "The key calls too often; come back after `Retry-After` seconds.",
    503: "Not at the moment; come back after `Retry-After` seconds.",
}
_PREFIXES: Final = {
    "shipments": "shp",
    "orders": "ord",
    "incidents": "inc",
    "notices": "ntc",
    "returns": "ret",
    "keys": "key",
}
_IDS: Final[dict[str, dict[str, Any]]] = {
    things: {"pattern": f"^{prefix}_[0-9]{{1,18}}$", "examples": [f"{prefix}_1"]}
    for things, prefix in _PREFIXES.items()
} | {"shops": {"pattern": "^[a-z0-9_-]{1,40}$", "examples": ["default"]}}
_KEY: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Makes a call safe to repeat for three days: the first answer is given again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 257},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what is known already: it is not sent again.",
    "schema": {"type": "string"},
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the answer on which the change was decided; `*` for whatever it is now.",
    "schema": {"type": "string"},
}
_TEXT: Final = {"schema": {"type": "string"}}
_LEFT: Final = {
    "RateLimit-Policy": _TEXT | {"description": 'How often a key may call, such as `"default";q=600;w=60`.'},
    "RateLimit": _TEXT | {"description": "What is left of it (`r`), and the seconds until all is back (`t`)."},
}
_ETAG: Final = {"ETag": _TEXT | {"description": "The version of this, for `If-Match` and `If-None-Match`."}}
_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def document(endpoints: Sequence[Endpoint], public_url: str) -> dict[str, Any]:
    """The whole description as an OpenAPI document."""
    types = [kind for one in endpoints for kind in (one.query, one.body, one.gives) if kind is not None]
    _, schemas = msgspec.json.schema_components(
        [*types, ProblemDetails, PushedEvent, push.Receipt], ref_template=_REFERENCE
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    paths[push.PATH] = {"post": _push()}
    queries = {one.query.__name__ for one in endpoints if one.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Delivery incident tracker",
            "version": VERSION,
            "summary": "Register parcels, follow them, work their incidents, read everything that happened.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"An API key with the scope that the call needs: {', '.join(Scope)}.",
                }
            },
        },
    }


def _operation(one: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [*_path_parameters(one), *(_query_parameters(one, schemas) if one.query else ())]
    refusals = [401, 403, 422, 429, 503]
    if "{id}" in one.path or one.query is not None:
        refusals.append(404)
    described: dict[str, Any] = {
        "summary": one.summary,
        "operationId": one.handle.__name__,
        "tags": [one.path.split("/")[3]],
        "security": [{"key": [one.scope]}],
    }
    if one.method == "GET" and one.is_tagged:
        parameters.append(_IF_NONE_MATCH)
    if one.conditional:
        parameters.append(_IF_MATCH | {"required": one.method == "PATCH"})
        refusals += [412, 428] if one.method == "PATCH" else [412]
    if one.body is not None:
        parameters.append(_KEY)
        refusals += [400, 409, 413, 415]
        described["requestBody"] = _json(_reference(one.body), examples.BODIES.get(one.body)) | {"required": True}
    if parameters:
        described["parameters"] = parameters
    shown = _json(_reference_of(one.gives)) | {"headers": _LEFT | (_ETAG if one.is_tagged else {})}
    answers = {str(status): _answer(status, shown) for status in one.statuses}
    if one.method == "GET" and one.is_tagged:
        answers["304"] = {"description": _MEANINGS[304], "headers": _LEFT | _ETAG}
    return described | {"responses": answers | _refusals(refusals)}


def _path_parameters(one: Endpoint) -> list[dict[str, Any]]:
    if "{id}" not in one.path:
        return []
    shape = {"type": "string", **_IDS[one.path.split("/")[3]]}
    return [{"name": "id", "in": "path", "required": True, "schema": shape}]


def _query_parameters(one: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    schema = schemas[one.query.__name__] if one.query else {}
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": shape}
        for name, shape in schema["properties"].items()
    ]


def _push() -> dict[str, Any]:
    signed = [
        {"name": f"webhook-{name}", "in": "header", "required": True, "schema": {"type": "string"}}
        for name in ("id", "timestamp", "signature")
    ]
    partner = {"name": "partner", "in": "path", "required": True, "schema": {"type": "string"}}
    events = {"type": "array", "items": {"$ref": _REFERENCE.format(name=PushedEvent.__name__)}}
    body = {"type": "object", "required": ["events"], "properties": {"events": events}}
    receipt = _json(_reference(push.Receipt))
    return {
        "summary": inspect.getdoc(push.take_push),
        "description": "Signed by Standard Webhooks with the secret of the partner, over the bytes as they are sent.",
        "operationId": "push",
        "tags": ["push"],
        "security": [],
        "parameters": [partner, *signed],
        "requestBody": _json(body) | {"required": True},
        "responses": {"200": _answer(200, receipt), "202": _answer(202, receipt)}
        | _refusals([401, 404, 413, 415, 503]),
    }


def _reference(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _reference_of(gives: Any) -> dict[str, Any]:
    """The schema of what an endpoint gives, which may be a generic such as Page[ShipmentView]."""
    (schema,), _ = msgspec.json.schema_components([gives], ref_template=_REFERENCE)
    return schema


def _answer(status: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": _MEANINGS[status]} | content


def _refusals(statuses: Sequence[int]) -> dict[str, Any]:
    problem = {"content": {CONTENT_TYPE: {"schema": _reference(ProblemDetails)}}}
    later = problem | {"headers": _RETRY_AFTER}
    return {str(status): _answer(status, later if status in (429, 503) else problem) for status in sorted(statuses)}


def _json(schema: dict[str, Any], example: dict[str, Any] | None = None) -> dict[str, Any]:
    given = {"examples": {"typical": {"value": example}}} if example is not None else {}
    return {"content": {"application/json": {"schema": schema, **given}}}
