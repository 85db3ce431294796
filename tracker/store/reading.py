"""The API's reads: lists of ids by filter, and views by id, all of one shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from carriers.contract import Precision, TrackingEvent
from carriers.vocabulary import Milestone, TzCertainty
from sql import queries
from sql.connection import Connection
from tracker.domain.shipment import Belief, Expectation, Stated, position
from tracker.store import views

_SQL = queries.topic("reading")
_ORDERS = queries.topic("orders")
_belief = msgspec.json.Decoder(Belief).decode
_expectation = msgspec.json.Decoder(Expectation).decode
_incidents = msgspec.json.Decoder(list[views.IncidentBrief]).decode
_attempts = msgspec.json.Decoder(list[views.AttemptView]).decode
_json = msgspec.json.Decoder().decode

Link = Callable[[int, int], str]


class ShipmentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which shipments; None filters nothing. `tracking_number` is written as registration keeps it."""

    carrier: str | None = None
    tracking_number: str | None = None
    order: str | None = None
    milestone: str | None = None
    health: str | None = None


class IncidentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents; None filters nothing. `closed` speaks of closed and merged ones."""

    shipment_id: int | None = None
    state: str | None = None
    category: str | None = None
    closed: bool | None = None


async def machine_time(conn: Connection) -> datetime:
    """The database's clock."""
    moment: datetime = await conn.fetchval(_SQL.machine_time)
    return moment


async def owns_shipment(conn: Connection, shop_id: int, shipment_id: int) -> bool:
    """Whether a shipment is this shop's."""
    return bool(await conn.fetchval(_SQL.owns_shipment, shop_id, shipment_id))


async def shipment_ids(conn: Connection, shop_id: int, wanted: ShipmentFilter, *, before: int, most: int) -> list[int]:
    """Up to `most` shipments with a smaller id than `before`, newest first."""
    number, rest = wanted.tracking_number, (wanted.carrier, wanted.milestone, wanted.health, before, most)
    if wanted.order is not None:
        rows = await conn.fetch(_SQL.shipment_ids_of_order, shop_id, wanted.order, number, *rest)
    elif number is not None:
        rows = await conn.fetch(_SQL.shipment_ids_of_number, shop_id, number, *rest)
    else:
        rows = await conn.fetch(_SQL.shipment_ids, shop_id, *rest)
    return [row["id"] for row in rows]


async def shipments(conn: Connection, shop_id: int, ids: Sequence[int], link: Link) -> list[views.ShipmentView]:
    """These shipments of this shop, newest first; `link` makes the customer's address from id and link version."""
    return [_shipment(row, link) for row in await conn.fetch(_SQL.shipments, shop_id, ids)]


async def events(conn: Connection, shipment_id: int, *, after: int = 0, most: int) -> list[views.EventView]:
    """Up to `most` events of a shipment that came in after the event `after`, in the order in which they came in."""
    rows = await conn.fetch(_SQL.events, shipment_id, after, most)
    counting = _counting(await conn.fetch(_SQL.variants, shipment_id, list({row["key"] for row in rows})))
    return [_event(row, counts=row["id"] in counting) for row in rows]


async def incident_ids(conn: Connection, shop_id: int, wanted: IncidentFilter, *, before: int, most: int) -> list[int]:
    """Up to `most` incidents with a smaller id than `before`, newest first; a shipment must be known as the shop's."""
    state, category, closed = wanted.state, wanted.category, wanted.closed
    if wanted.shipment_id is not None:
        of_shipment = _SQL.incident_ids_of_shipment
        rows = await conn.fetch(of_shipment, wanted.shipment_id, state, category, closed, before, most)
    elif closed is False:
        rows = await conn.fetch(_SQL.open_incident_ids, shop_id, state, category, before, most)
    else:
        rows = await conn.fetch(_SQL.incident_ids, shop_id, state, category, closed, before, most)
    return [row["id"] for row in rows]


async def incidents(conn: Connection, shop_id: int, ids: Sequence[int]) -> list[views.IncidentView]:
    """These incidents of this shop, newest first."""
    rows = await conn.fetch(_SQL.incidents, shop_id, ids)
    return [views.IncidentView(**_incident(row)) for row in rows]


async def incident_story(conn: Connection, shop_id: int, incident_id: int) -> views.IncidentStory | None:
    """An incident with its timeline and findings; None where the shop has no such incident."""
    rows = await conn.fetch(_SQL.incidents, shop_id, [incident_id])
    if not rows:
        return None
    entries = await conn.fetch(_SQL.timeline, incident_id)
    findings = await conn.fetch(_SQL.findings, incident_id)
    return views.IncidentStory(
        **_incident(rows[0]),
        timeline=[views.EntryView(**_decoded(row, "detail")) for row in entries],
        findings=[views.FindingView(**_decoded(row, "evidence")) for row in findings],
    )


async def notices(
    conn: Connection, shop_id: int, shipment_id: int, *, before: int, most: int
) -> list[views.NoticeView]:
    """Up to `most` notices of a shipment with a smaller id than `before`, newest first."""
    rows = await conn.fetch(_SQL.notices_of_shipment, shop_id, shipment_id, before, most)
    return [views.NoticeView(**_notice(row)) for row in rows]


async def notice_story(conn: Connection, shop_id: int, notice_id: int) -> views.NoticeStory | None:
    """A notice with its messages and attempts; None where the shop has no such notice."""
    row = await conn.fetchrow(_SQL.notice, shop_id, notice_id)
    if row is None:
        return None
    messages = await conn.fetch(_SQL.messages, notice_id)
    return views.NoticeStory(**_notice(row), messages=[_message(message) for message in messages])


async def return_ids(
    conn: Connection,
    shop_id: int,
    *,
    shipment_id: int | None = None,
    state: str | None = None,
    before: int,
    most: int,
) -> list[int]:
    """Up to `most` returns with a smaller id than `before`, newest first; a shipment must be known as the shop's."""
    if shipment_id is not None:
        rows = await conn.fetch(_SQL.return_ids_of_shipment, shipment_id, state, before)
    else:
        rows = await conn.fetch(_SQL.return_ids, shop_id, state, before, most)
    return [row["id"] for row in rows]


async def returns(conn: Connection, shop_id: int, ids: Sequence[int]) -> list[views.ReturnView]:
    """These returns of this shop, newest first."""
    return [_return(row) for row in await conn.fetch(_SQL.returns, shop_id, ids)]


async def order_ids(conn: Connection, shop_id: int, reference: str | None, *, before: int, most: int) -> list[int]:
    """Up to `most` orders with a smaller id than `before`, newest first."""
    return [row["id"] for row in await conn.fetch(_ORDERS.order_ids, shop_id, reference, before, most)]


async def orders(conn: Connection, shop_id: int, ids: Sequence[int]) -> list[views.PlacedOrderView]:
    """These orders of this shop, newest first."""
    return [_order(row) for row in await conn.fetch(_ORDERS.orders, shop_id, ids)]


def _order(row: asyncpg.Record) -> views.PlacedOrderView:
    values = {
        "id": f"ord_{row['id']}",
        "value": _money(row["value_amount"], row["value_currency"]),
        "items": _json(row["items"]),
        "customs": _json(row["customs"]) if row["customs"] is not None else None,
    }
    return views.PlacedOrderView(**_columns(row, views.PlacedOrderView) | values)


def _shipment(row: asyncpg.Record, link: Link) -> views.ShipmentView:
    belief, expected = _belief(row["belief"]), _expectation(row["expectation"])
    window = (expected.earliest, expected.latest, expected.original_latest, expected.revisions)
    values = {
        "id": f"shp_{row['id']}",
        "order": views.OrderView(
            row["reference"], row["placed_at"], _money(row["value_amount"], row["value_currency"])
        ),
        "origin": views.EndView(row["origin_country"]),
        "destination": views.EndView(row["destination_country"], row["destination_postcode"]),
        "items": _json(row["items"]),
        "customs": _json(row["customs"]) if row["customs"] is not None else None,
        "replaces": _named("shp", row["replaces_id"]),
        "tracking_url": link(row["id"], row["link_version"]),
        "since": belief.since,
        "last_event_at": belief.heard_at,
        "delivered_at": belief.delivered_at,
        "place": views.PlaceView(belief.city, belief.country),
        "attempts": belief.attempts,
        "open_problem": _problem(belief.open_problem),
        "estimated_delivery": views.WindowView(*window) if expected.latest or expected.earliest else None,
        "events": belief.events,
        "unmapped_events": belief.unmapped,
        "contradicted": belief.contradicted,
        "incidents": _incidents(row["incidents"]),
        "returned": views.ReturnBrief(f"ret_{row['return_id']}", row["return_state"]) if row["return_id"] else None,
        "asked_at": row["polled_at"],
        "ask_next_at": row["next_poll_at"],
    }
    return views.ShipmentView(**_columns(row, views.ShipmentView) | values)


def _event(row: asyncpg.Record, *, counts: bool) -> views.EventView:
    standing = "withdrawn" if row["withdrawn_at"] is not None else "counts" if counts else "corrected"
    values = {
        "id": f"evt_{row['id']}",
        "standing": standing,
        "place": views.PlaceView(row["city"], row["country"], row["postcode"]),
        "observation": f"obs_{row['observation_id']}",
    }
    return views.EventView(**_columns(row, views.EventView) | values)


def _counting(rows: Sequence[asyncpg.Record]) -> set[int]:
    """Of several variants of one event the last in the order of the fold counts, as in tracker/domain/shipment.py."""
    variants: dict[str, list[tuple[Any, str, int]]] = defaultdict(list)
    for row in rows:
        event = TrackingEvent(
            key=row["key"],
            occurred_at=row["occurred_at"],
            occurred_local=None,
            tz_certainty=TzCertainty.ASSUMED,
            precision=Precision(row["precision"]),
            sequence=row["sequence"],
            milestone=Milestone(row["milestone"]),
        )
        variants[row["key"]].append((position(event), row["variant"], row["id"]))
    return {max(found)[2] for found in variants.values()}


def _incident(row: asyncpg.Record) -> dict[str, Any]:
    values = dict(row)
    action = ("action_owner", "action", "action_until", "action_otherwise", "action_by_staff")
    acts = [values.pop(name) for name in action]
    return values | {
        "id": f"inc_{row['id']}",
        "shipment": f"shp_{values.pop('shipment_id')}",
        "merged_into": _named("inc", row["merged_into"]),
        "action": views.ActionView(*acts),
        "owner": _named("stf", values.pop("assignee_id")),
    }


def _notice(row: asyncpg.Record) -> dict[str, Any]:
    values = _decoded(row, "because", "facts")
    return values | {
        "id": f"ntc_{row['id']}",
        "shipment": f"shp_{values.pop('shipment_id')}",
        "incident": _named("inc", values.pop("incident_id")),
    }


def _message(row: asyncpg.Record) -> views.MessageView:
    return views.MessageView(**dict(row) | {"id": f"msg_{row['id']}", "attempts": _attempts(row["attempts"])})


def _return(row: asyncpg.Record) -> views.ReturnView:
    values = {
        "id": f"ret_{row['id']}",
        "shipment": f"shp_{row['shipment_id']}",
        "replacement": _named("shp", row["replacement_id"]),
    }
    return views.ReturnView(**_columns(row, views.ReturnView) | values)


def _problem(stated: Stated | None) -> views.ProblemView | None:
    if stated is None:
        return None
    return views.ProblemView(stated.category, stated.cause, stated.since, stated.code, stated.text, stated.action_owner)


def _money(amount: object, currency: str | None) -> views.Money | None:
    return views.Money(str(amount), currency) if amount is not None and currency is not None else None


def _named(prefix: str, number: int | None) -> str | None:
    return f"{prefix}_{number}" if number is not None else None


def _columns(row: asyncpg.Record, view: type[msgspec.Struct]) -> dict[str, Any]:
    """The columns that a view shows under the same name and as they are."""
    return {name: row[name] for name in view.__struct_fields__ if name in row}


def _decoded(row: asyncpg.Record, *documents: str) -> dict[str, Any]:
    """The row with its JSON columns read."""
    return dict(row) | {name: _json(row[name]) for name in documents}
