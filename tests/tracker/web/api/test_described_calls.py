"""Every call that the description allows, and those that it does not, are answered as it says."""

import asyncio
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.tracker.web.door import Caller, Client, Pusher, event, key_of
from tracker.web.api import ENDPOINTS, openapi
from tracker.web.services import Services

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def described() -> dict[str, Any]:
    """The description of what a key may call; that a key is needed is tested elsewhere."""
    document: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(openapi.document(ENDPOINTS, "https://shop.example"))
    )
    document["paths"] = {path: calls for path, calls in document["paths"].items() if path.startswith("/api/")}
    del document["components"]["securitySchemes"]
    for calls in document["paths"].values():
        for call in calls.values():
            del call["security"]
    return document


def operations() -> dict[str, Any]:
    found = [
        one.ok() for one in schemathesis.openapi.from_dict(described()).get_all_operations() if isinstance(one, Ok)
    ]
    return {f"{one.method.upper()} {one.path}": one for one in found}


OPERATIONS = operations()
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
THERE = {
    "shipments": "shp_1",
    "incidents": "inc_1",
    "notices": "ntc_1",
    "returns": "ret_1",
    "orders": "ord_1",
    "keys": "key_2",
    "shops": "north",
}
EXAMPLES = settings().max_examples // 12  # a call over HTTP takes longer than an example elsewhere


@pytest.fixture
async def key(services: Services, shop: Caller, partner: Pusher) -> str:
    """A key with every scope, of a shop with one of each thing."""
    await shop.register()
    await partner.events(event("2026-03-02T08:00:00+01:00", milestone="returning", status_detail="refused", code="R"))
    return await key_of(services)


@pytest.mark.parametrize("called", OPERATIONS)
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(data=st.data())
async def test_a_call_is_answered_as_described(called: str, data: st.DataObject, client: Client, key: str):
    operation = OPERATIONS[called]
    case = data.draw(st.sampled_from(MODES).flatmap(lambda mode: operation.as_strategy(generation_mode=mode)))
    path = case.meta.components.get(ParameterLocation.PATH)
    if path is not None and path.mode is schemathesis.GenerationMode.POSITIVE and data.draw(st.booleans()):
        case.path_parameters["id"] = THERE[operation.path.split("/")[3]]
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"  # what anything matches, so that more is tried than the refusal
    await asyncio.to_thread(
        case.call_and_validate,
        base_url=str(client.make_url("/")).rstrip("/"),
        headers={"Authorization": f"Bearer {key}"},
        checks=CHECKS,
    )


def test_no_call_is_left_out():
    assert set(OPERATIONS) == {f"{one.method} {one.path}" for one in ENDPOINTS}
