"""The shop says something else of a parcel than when it was registered, or stops having it watched."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import asyncpg
import msgspec
from msgspec import UNSET, Meta, UnsetType

from notifications import outbox
from sql import queries
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.actions.deciding import Heard, House, decide_and_save
from tracker.actions.register import (
    Checked,
    CustomerInput,
    DestinationInput,
    OrderInput,
    OriginInput,
    Registration,
    Shop,
    check,
    ensure_calendars,
)
from tracker.domain import incident as incidents
from tracker.domain.decision import Case
from tracker.domain.errors import NotFound, Outdated, RuleRefused
from tracker.domain.incident import Step
from tracker.store.storable import storable

_SQL = queries.topic("change_shipment")
_ENDED_BY_SHOP = "cured_by_shop"
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", description="a country's two letters, such as ES (ISO 3166-1)")]
_Email = Annotated[str, Meta(max_length=320, extra_json_schema={"format": "email"})]
_Language = Annotated[
    str, Meta(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="a language such as es or pt-BR (BCP 47)")
]


class CustomerChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed of the recipient; null takes it away."""

    name: _Text | UnsetType = UNSET
    email: _Email | UnsetType | None = UNSET
    phone: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET
    language: _Language | UnsetType = UNSET
    time_zone: Annotated[str, Meta(max_length=60)] | UnsetType = UNSET
    company: _Text | UnsetType | None = UNSET


class DestinationChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed of where the parcel goes; null takes it away."""

    country: _Country | UnsetType = UNSET
    postcode: Annotated[str, Meta(max_length=16)] | UnsetType | None = UNSET
    city: Annotated[str, Meta(max_length=120)] | UnsetType | None = UNSET
    street: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET


class ShipmentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed of a shipment; what is not named stays, null takes it away."""

    promised_at: Annotated[str, Meta(max_length=40, examples=["2026-11-27"])] | UnsetType | None = UNSET
    essential_date: bool | UnsetType = UNSET
    service: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    carrier_reference: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    destination: DestinationChange | UnsetType = UNSET
    customer: CustomerChange | UnsetType = UNSET


async def change(
    house: House, shop: Shop, by: Author, shipment_id: int, given: ShipmentChange, expected: int | None
) -> None:
    """Change what the shop says of a parcel; what is believed follows. `expected` is the version it was decided on.

    Raises NotFound, Outdated, RuleRefused, FieldsWrong naming every wrong field.
    """
    given = storable(given)
    if given.destination is not UNSET and given.destination.country is not UNSET:
        await ensure_calendars(house, [given.destination.country])

    async def attempt(conn: Connection) -> None:
        now = house.clock.now()
        row = await _stored(conn, shop.id, shipment_id, expected)
        if row["unwatched_at"] is not None or row["erased_at"] is not None:
            raise RuleRefused("this shipment is no longer watched: nothing of it changes any more")
        said = _changed(row, given)
        checked = check(house, shop, said)
        await _write(conn, row["contact_id"], shipment_id, said, checked)
        case = (await house.load(conn, [shipment_id]))[shipment_id]
        await decide_and_save(house, conn, [case], {}, now)
        fields = sorted(_names(given))
        detail = msgspec.json.encode({"fields": fields})
        await conn.execute(_SQL.tell, shop.id, shipment_id, "shipment.changed", now, detail)
        await audit.record(house.db, conn, by, "shipment.changed", f"shp_{shipment_id}", fields=" ".join(fields))

    await house.db.retrying(attempt)


async def stop_watching(house: House, shop_id: int, by: Author, shipment_id: int, expected: int | None) -> None:
    """No carrier is asked any more, open incidents are the shop's own, and what was to be said is not; twice is once.

    Raises NotFound, Outdated.
    """

    async def attempt(conn: Connection) -> None:
        now = house.clock.now()
        row = await _stored(conn, shop_id, shipment_id, expected)
        if row["unwatched_at"] is not None:
            return
        await conn.execute(_SQL.unwatch, shipment_id, now)
        case = (await house.load(conn, [shipment_id]))[shipment_id]
        steps = tuple(_handed_over(case, by, now))
        await decide_and_save(house, conn, [case], {shipment_id: Heard(commanded=steps)}, now)
        await outbox.supersede(conn, [shipment_id], "the shop stopped having it watched", now)
        await conn.execute(_SQL.tell, shop_id, shipment_id, "shipment.unwatched", now, b"{}")
        await audit.record(house.db, conn, by, "shipment.unwatched", f"shp_{shipment_id}")

    await house.db.retrying(attempt)


async def _stored(conn: Connection, shop_id: int, shipment_id: int, expected: int | None) -> asyncpg.Record:
    row = await conn.fetchrow(_SQL.stored, shipment_id, shop_id)
    if row is None:
        raise NotFound(f"no shipment shp_{shipment_id}")
    if expected is not None and row["version"] != expected:
        raise Outdated("The shipment has changed meanwhile; nothing was done. Look at it again, then decide.")
    return row


def _handed_over(case: Case, by: Author, now: datetime) -> list[Step]:
    after = timedelta(hours=case.thresholds.close_after_hours)
    return [
        Step(
            incident=incidents.resolve(incident, _ENDED_BY_SHOP, now, close_after=after),
            kind="resolved",
            actor=by.actor,
            detail={"reason": _ENDED_BY_SHOP},
        )
        for incident in case.incidents
        if incident.state.is_open
    ]


def _changed(row: asyncpg.Record, given: ShipmentChange) -> Registration:
    """What the shop now says of the shipment, as if it were registered now: the same checks hold for both."""
    destination, customer = ({} if part is UNSET else _given(part) for part in (given.destination, given.customer))
    own_zone = None if row["time_zone"] == row["destination_zone"] else row["time_zone"]
    person = {name: row[name] for name in ("name", "email", "phone", "language", "company")}
    address = {name: row[name] for name in ("street", "city")}
    address |= {"country": row["destination_country"], "postcode": row["destination_postcode"]}
    parcel = {name: row[name] for name in ("service", "carrier_reference", "essential_date")}
    parcel |= {"promised_at": row["promised_at"].isoformat() if row["promised_at"] else None}
    own = {name: value for name, value in _given(given).items() if name not in ("destination", "customer")}
    return Registration(
        carrier=row["carrier"],
        account=None,
        tracking_number=row["tracking_number"],
        direction=row["direction"],
        order=OrderInput(row["reference"]),
        origin=OriginInput(row["origin_country"]),
        customer=CustomerInput(**person | {"time_zone": own_zone} | customer),
        destination=DestinationInput(**address | destination),
        **parcel | own,
    )


def _given(part: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(part).items() if value is not UNSET}


def _names(given: ShipmentChange) -> list[str]:
    """The names of what is changed, such as customer.email."""
    names = []
    for name, value in _given(given).items():
        names += [f"{name}.{inner}" for inner in _given(value)] if isinstance(value, msgspec.Struct) else [name]
    return names


async def _write(conn: Connection, contact_id: int, shipment_id: int, said: Registration, checked: Checked) -> None:
    goes_to, person = said.destination, said.customer
    await conn.execute(
        _SQL.write,
        shipment_id,
        goes_to.postcode,
        goes_to.country,
        checked.zone,
        checked.promised_at,
        said.essential_date,
        said.service,
        said.carrier_reference,
    )
    await conn.execute(
        _SQL.write_contact,
        contact_id,
        person.name,
        checked.email,
        checked.phone,
        checked.language,
        checked.customer_zone,
        person.company,
        goes_to.street,
        goes_to.city,
    )
