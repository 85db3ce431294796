import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.tracker.web.door import PARCEL, Caller, Client, Pusher, event
from tracker.actions.register import Registration
from tracker.web import assets
from tracker.web.api import ENDPOINTS, examples, openapi

DESCRIBED = msgspec.json.decode(msgspec.json.encode(openapi.document(ENDPOINTS, "https://shop.example")))


def schema_of(path: str, method: str, status: str) -> dict[str, Any]:
    """The schema of an answer, beside the components that it refers to."""
    (content,) = DESCRIBED["paths"][path][method]["responses"][status]["content"].values()
    schema: dict[str, Any] = content["schema"]
    return schema | {"components": DESCRIBED["components"]}


def check(path: str, method: str, status: str, body: object) -> None:
    OAS31Validator(schema_of(path, method, status)).validate(body)


def test_the_description_is_valid_openapi():
    OpenAPIV31SpecValidator(DESCRIBED).validate()


def test_every_endpoint_is_described_with_what_it_needs():
    described = {
        (method.upper(), path)
        for path, methods in DESCRIBED["paths"].items()
        for method in methods
        if path.startswith("/api/")
    }
    assert described == {(one.method, one.path) for one in ENDPOINTS}
    for one in ENDPOINTS:
        operation = DESCRIBED["paths"][one.path][one.method.lower()]
        assert operation["security"] == [{"key": [one.scope]}]
        assert operation["summary"].endswith(".")
        assert ("requestBody" in operation) == (one.method in ("POST", "PATCH"))
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert ("Idempotency-Key" in names) == (one.method in ("POST", "PATCH"))
        assert ("If-Match" in names) >= (one.method == "PATCH")


def test_every_body_that_must_say_something_is_shown_by_an_example_that_can_be_read():
    shown = {one.body for one in ENDPOINTS if one.body and any(field.required for field in fields(one.body))}

    assert shown - set(examples.BODIES) == set()
    for kind, body in examples.BODIES.items():
        msgspec.convert(body, kind)
    described = DESCRIBED["paths"]["/api/v1/shipments"]["post"]["requestBody"]["content"]["application/json"]
    assert described["examples"]["typical"]["value"] == examples.BODIES[Registration]


def test_every_reference_leads_to_a_schema_and_every_schema_is_referred_to():
    text = msgspec.json.encode(DESCRIBED).decode()
    for name in DESCRIBED["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


async def test_it_is_served_without_a_key(shop: Caller):
    answer = await shop.get("/api/openapi.json")

    assert (answer.status, answer.body) == (200, DESCRIBED)


async def test_what_is_answered_is_as_described(shop: Caller, partner: Pusher):
    """One round through every list and thing, and each way of saying no."""
    made = await shop.post("/api/v1/shipments", PARCEL)
    check("/api/v1/shipments", "post", "201", made.body)
    push = await partner.events(event(milestone="returning", status_detail="refused", code="R"), {})
    check("/push/{partner}", "post", "202", push.body)
    check("/push/{partner}", "post", "401", (await partner.push(b"{}", secret="whsec_AAAA")).body)
    found = {}
    for kind in ("shipments", "incidents", "returns", "notices"):
        query = {"shipment": made.body["id"]} if kind != "shipments" else {}
        page = (await shop.get(f"/api/v1/{kind}", **query)).body
        check(f"/api/v1/{kind}", "get", "200", page)
        found[kind] = page["data"][0]["id"]
        check(f"/api/v1/{kind}/{{id}}", "get", "200", (await shop.get(f"/api/v1/{kind}/{found[kind]}")).body)
    events = await shop.get(f"/api/v1/shipments/{found['shipments']}/events")
    check("/api/v1/shipments/{id}/events", "get", "200", events.body)
    check("/api/v1/changes", "get", "200", (await shop.get("/api/v1/changes")).body)
    step = await shop.post(f"/api/v1/incidents/{found['incidents']}/acknowledge")
    check("/api/v1/incidents/{id}/acknowledge", "post", "200", step.body)
    again = await shop.post(f"/api/v1/incidents/{found['incidents']}/acknowledge")
    check("/api/v1/incidents/{id}/acknowledge", "post", "409", again.body)
    settled = await shop.post(f"/api/v1/returns/{found['returns']}/settle", {"settled_as": "refunded"})
    check("/api/v1/returns/{id}/settle", "post", "200", settled.body)
    check("/api/v1/shipments", "post", "422", (await shop.post("/api/v1/shipments", {})).body)
    check("/api/v1/shipments", "post", "400", (await shop.post("/api/v1/shipments", raw=b"{")).body)


async def test_people_read_every_call_on_one_page_that_asks_for_nothing_from_elsewhere(client: Client):
    async with client.get("/api/docs") as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]

    assert (answer.status, answer.content_type) == (200, "text/html")
    assert [one.path for one in ENDPOINTS if f"{one.method} {one.path}</code>" not in page] == []
    assert [name for name in DESCRIBED["components"]["schemas"] if f'<h3 id="{name}">' not in page] == []
    assert set(re.findall(r'(?:src|href)="([^#"][^"]*)"', page)) <= {
        "/api/openapi.json",
        *(assets.address(name) for name in ("tokens.css", "pieces.css", "api.css", "mark.svg")),
    }
    assert "<script" not in page
    assert "default-src 'none'" in policy


def test_an_answer_that_is_not_as_described_is_found():
    with pytest.raises(Exception, match="is a required property"):
        check("/api/v1/changes", "get", "200", {"data": []})
