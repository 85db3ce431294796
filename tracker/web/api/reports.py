"""Incidents that people report over REST; working on them is incidents.py."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from carriers.vocabulary import Category
from sql.connection import Connection
from tracker.actions.deciding import House
from tracker.actions.report_incident import Report, report
from tracker.store import reading
from tracker.store.views import IncidentStory
from tracker.web.api.acting import act
from tracker.web.api.endpoint import Answer, Call, Endpoint, Scope, endpoint
from tracker.web.api.paging import ShipmentId, Word


class ReportInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with a shipment, who says so, and their words for the timeline. Causes: vocabulary of incidents."""

    shipment: ShipmentId
    category: Category
    cause: Annotated[Word, Meta(examples=["damaged_in_transit"])]
    reported_by: Literal["staff", "shop", "customer"] = "shop"
    note: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None


async def post_incident(call: Call, body: ReportInput) -> Answer:
    """Report a trouble: 201 for a new incident, 200 where it changed or brought back one that was there."""
    given = Report(
        shipment_id=int(body.shipment.removeprefix("shp_")),
        category=body.category,
        cause=body.cause,
        whose=body.reported_by,
        note=body.note,
    )

    async def do(house: House) -> tuple[int, bool]:
        return await report(house, call.shop_id, call.author, given)

    async def describe(conn: Connection, made: tuple[int, bool]) -> Answer:
        incident_id, is_new = made
        return Answer(await reading.incident_story(conn, call.shop_id, incident_id), 201 if is_new else 200)

    return await act(call, body, do, describe)


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("POST", "/incidents", Scope.INCIDENTS_WRITE, post_incident, gives=IncidentStory, statuses=(201, 200)),
]
