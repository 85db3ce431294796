"""A shop registers a parcel: the watch begins, and never depends on whether the carrier answers."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import phonenumbers
from email_validator import EmailNotValidError, validate_email
from msgspec import Meta

from carriers import place
from sql import queries
from sql.connection import Connection
from tracker import plausible
from tracker.actions import intake
from tracker.actions.deciding import House, decide_and_save
from tracker.domain.calendar import end_of_day
from tracker.domain.errors import FieldsWrong, Wrong
from tracker.feeds import calendars as holidays
from tracker.store import calendars, reading
from tracker.store.storable import storable
from tracker.vault import hash_token

_SQL = queries.topic("register")
_DEFAULT_ACCOUNT = "default"
YEARS = range(1990, 2101)  # beyond them neither zones nor working days can be reckoned with
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", description="a country's two letters, such as ES (ISO 3166-1)")]
_Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="a currency's three letters, such as EUR (ISO 4217)")]
_Number = Annotated[
    str,
    Meta(
        min_length=4,
        max_length=60,
        pattern=r"^[A-Za-z0-9 ._/\-]+$",
        description="letters, digits, blanks and . _ / -",
        examples=["PQ4F6C0712345610128010A"],
    ),
]
_Amount = Annotated[
    str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,2})?$", description='an amount as text, such as "12.34"')
]
_Language = Annotated[
    str, Meta(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="a language such as es or pt-BR (BCP 47)")
]
_Moment = Annotated[datetime, Meta(tz=True)]


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount as text ("12.34") and its ISO 4217 currency."""

    amount: _Amount
    currency: _Currency


class OrderInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the customer bought."""

    reference: _Text
    placed_at: _Moment | None = None
    value: Money | None = None


class CustomerInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to tell. Without email and phone the parcel is watched for staff alone."""

    name: _Text
    email: Annotated[str, Meta(max_length=320, extra_json_schema={"format": "email"})] | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    language: _Language | None = None
    time_zone: Annotated[str, Meta(max_length=60)] | None = None
    company: _Text | None = None


class OriginInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the parcel leaves from; the shop's country when it is not given."""

    country: Country
    postcode: Annotated[str, Meta(max_length=16)] | None = None


class DestinationInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the parcel goes."""

    country: Country
    postcode: Annotated[str, Meta(max_length=16)] | None = None
    city: Annotated[str, Meta(max_length=120)] | None = None
    street: Annotated[str, Meta(max_length=200)] | None = None


class ItemInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of what the parcel holds."""

    name: _Text
    quantity: Annotated[int, Meta(ge=1, le=100_000)]
    sku: Annotated[str, Meta(max_length=100)] | None = None
    value: Money | None = None
    hs_code: Annotated[str, Meta(pattern=r"^[0-9.]{4,14}$", description="a tariff code, such as 8516.79")] | None = None
    origin_country: Country | None = None


class CustomsInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What customs will ask."""

    incoterm: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="three letters, such as DAP")] | None = None
    ioss: Annotated[str, Meta(max_length=20)] | None = None
    eori: Annotated[str, Meta(max_length=20)] | None = None
    description: Annotated[str, Meta(max_length=500)] | None = None


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /shipments`. A promised day without a time ends with that day at the destination."""

    tracking_number: _Number
    order: OrderInput
    customer: CustomerInput
    destination: DestinationInput
    shop: str | None = None
    carrier: str | None = None
    account: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    service: Annotated[str, Meta(max_length=100)] | None = None
    carrier_reference: Annotated[str, Meta(max_length=100)] | None = None
    shipped_at: _Moment | None = None
    origin: OriginInput | None = None
    promised_at: Annotated[str, Meta(max_length=40)] | None = None  # an instant with offset, or a day alone
    essential_date: bool = False
    items: Annotated[tuple[ItemInput, ...], Meta(max_length=500)] = ()
    customs: CustomsInput | None = None
    direction: Annotated[str, Meta(extra_json_schema={"enum": ["outbound", "return"]})] = "outbound"
    replaces: Annotated[str, Meta(pattern="^shp_[0-9]{1,18}$", description="a shipment's id")] | None = None


class Shop(msgspec.Struct, frozen=True):
    """What registration needs of a shop."""

    id: int
    country: str
    language: str
    time_zone: str


class Registered(msgspec.Struct, frozen=True):
    """The shipment, and whether this call made it."""

    shipment_id: int
    link_version: int
    created: bool


class Checked(msgspec.Struct, frozen=True):
    """A registration whose every field has been read: numbers and addresses in their normal form, zones by place."""

    carrier: str
    account: str
    number: str
    phone: str | None
    email: str | None
    language: str
    zone: str
    customer_zone: str
    origin: str
    promised_at: datetime | None


async def register(house: House, shop: Shop, given: Registration) -> Registered:
    """Register a parcel; a repeat gives the same shipment. Raises FieldsWrong naming every wrong field."""
    given = storable(given)
    checked = check(house, shop, given)
    await ensure_calendars(house, sorted({checked.origin, given.destination.country}))

    async def work(conn: Connection) -> Registered:
        await intake.lock_numbers(house, conn, [(shop.id, checked.carrier, checked.number)])
        found = await _find(conn, shop, checked, given)
        return found or await _insert(house, conn, shop, checked, given)

    return await house.db.retrying(work, idempotent=True)


async def _find(conn: Connection, shop: Shop, checked: Checked, given: Registration) -> Registered | None:
    row = await conn.fetchrow(_SQL.find, shop.id, checked.carrier, checked.number, given.order.reference)
    return Registered(row["id"], row["link_version"], created=False) if row else None


async def _insert(house: House, conn: Connection, shop: Shop, checked: Checked, given: Registration) -> Registered:
    now = house.clock.now()
    value = given.order.value
    replaces = int(given.replaces.removeprefix("shp_")) if given.replaces else None
    if replaces is not None and not await reading.owns_shipment(conn, shop.id, replaces):
        raise FieldsWrong([Wrong("/replaces", f"no shipment {given.replaces}")])
    order_id = await conn.fetchval(
        _SQL.upsert_order,
        shop.id,
        given.order.reference,
        given.order.placed_at,
        Decimal(value.amount) if value else None,
        value.currency if value else None,
    )
    row = await conn.fetchrow(
        _SQL.insert_shipment,
        msgspec.json.encode(_row(shop, checked, given) | {"order_id": order_id, "registered_at": now}),
        now,
    )
    assert row is not None  # simultaneous calls about one number take turns
    shipment_id = row["id"]
    await conn.execute(_SQL.ensure_account, shop.id, checked.carrier, checked.account)
    token = house.vault.link_token(shipment_id, row["link_version"])
    await conn.execute(_SQL.insert_capability, hash_token(token), shipment_id, now)
    await conn.execute(_SQL.insert_schedule, shipment_id, shop.id, checked.carrier, checked.account, now)
    if given.direction == "return":
        await conn.execute(_SQL.insert_return, shop.id, shipment_id, now)
    detail = {"carrier": checked.carrier, "order": given.order.reference}
    await conn.execute(_SQL.insert_change, shop.id, shipment_id, now, msgspec.json.encode(detail))
    case = (await house.load(conn, [shipment_id]))[shipment_id]
    waiting = await intake.take_up(conn, case)
    await decide_and_save(house, conn, [case], {shipment_id: waiting}, now)
    return Registered(shipment_id, row["link_version"], created=True)


def _row(shop: Shop, checked: Checked, given: Registration) -> dict[str, Any]:
    customer, value = given.customer, given.order.value
    return {
        "shop_id": shop.id,
        "name": customer.name,
        "email": checked.email,
        "phone": checked.phone,
        "language": checked.language,
        "customer_zone": checked.customer_zone,
        "company": customer.company,
        "street": given.destination.street,
        "city": given.destination.city,
        "carrier": checked.carrier,
        "account": checked.account,
        "service": given.service,
        "tracking_number": checked.number,
        "carrier_reference": given.carrier_reference,
        "direction": given.direction,
        "origin_country": checked.origin,
        "destination_country": given.destination.country,
        "destination_postcode": given.destination.postcode,
        "destination_zone": checked.zone,
        "shipped_at": given.shipped_at,
        "promised_at": checked.promised_at,
        "essential_date": given.essential_date,
        "value_amount": value.amount if value else None,
        "value_currency": value.currency if value else None,
        "items": given.items,
        "customs": given.customs,
        "replaces_id": int(given.replaces.removeprefix("shp_")) if given.replaces else None,
    }


def check(house: House, shop: Shop, given: Registration) -> Checked:
    """Everything that a shop says of a parcel, read. Raises FieldsWrong naming every wrong field."""
    wrong: list[Wrong] = []
    zone = _zone(given.destination, shop)
    checked = Checked(
        carrier=_carrier(house, given, wrong),
        account=_account(house, given, wrong),
        number=given.tracking_number.replace(" ", "").upper(),
        phone=_phone(given, wrong),
        email=_email(given, wrong),
        language=given.customer.language or shop.language,
        zone=zone,
        customer_zone=_customer_zone(given, zone, wrong),
        origin=given.origin.country if given.origin else shop.country,
        promised_at=_promise(given.promised_at, zone, wrong),
    )
    for pointer, code, complaint in (
        ("/destination/country", given.destination.country, plausible.country),
        ("/origin/country", given.origin.country if given.origin else None, plausible.country),
        ("/customer/language", (given.customer.language or "")[:2] or None, plausible.language),
    ):
        if code is not None and (mistake := complaint(code)) is not None:
            wrong.append(Wrong(pointer, mistake))
    if given.direction not in ("outbound", "return"):
        wrong.append(Wrong("/direction", "outbound or return"))
    for pointer, moment in (
        ("/shipped_at", given.shipped_at),
        ("/order/placed_at", given.order.placed_at),
        ("/promised_at", checked.promised_at),
    ):
        if moment is not None and moment.tzinfo is None:
            wrong.append(Wrong(pointer, "a time needs an offset, such as 2026-11-22T09:00:00Z"))
        elif moment is not None and moment.year not in YEARS:
            wrong.append(Wrong(pointer, f"a year from {YEARS.start} to {YEARS.stop - 1}"))
    if wrong:
        raise FieldsWrong(wrong)
    return checked


def _carrier(house: House, given: Registration, wrong: list[Wrong]) -> str:
    known = ", ".join(sorted(house.cards))
    if given.carrier is None:
        wrong.append(Wrong("/carrier", f"name the carrier; known: {known}"))
    elif given.carrier not in house.cards:
        wrong.append(Wrong("/carrier", f"no carrier {given.carrier[:40]!r}; known: {known}"))
    return given.carrier or ""


def _account(house: House, given: Registration, wrong: list[Wrong]) -> str:
    """The account to ask through; where none is configured a nominal one, and the carrier is heard by pushes alone."""
    known = house.accounts.get(given.carrier or "") or (_DEFAULT_ACCOUNT,)
    if given.account is not None and given.account not in known:
        wrong.append(Wrong("/account", f"no account {given.account!r} at this carrier; known: {', '.join(known)}"))
    return given.account or (_DEFAULT_ACCOUNT if _DEFAULT_ACCOUNT in known else known[0])


def _phone(given: Registration, wrong: list[Wrong]) -> str | None:
    if given.customer.phone is None:
        return None
    try:
        number = phonenumbers.parse(given.customer.phone, given.destination.country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        wrong.append(
            Wrong(
                "/customer/phone",
                f"no possible phone number in {given.destination.country}; or give it with its +prefix",
            )
        )
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(given: Registration, wrong: list[Wrong]) -> str | None:
    if given.customer.email is None:
        return None
    try:
        return validate_email(given.customer.email, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as mistake:
        wrong.append(Wrong("/customer/email", str(mistake)))
        return None


def _zone(destination: DestinationInput, shop: Shop) -> str:
    located = place.locate(destination.country, destination.city, None, destination.postcode)
    return located.zone if located else shop.time_zone


def _customer_zone(given: Registration, zone: str, wrong: list[Wrong]) -> str:
    named = given.customer.time_zone
    if named is None:
        return zone
    if plausible.time_zone(named) is not None:
        wrong.append(Wrong("/customer/time_zone", "an IANA name such as Europe/Madrid"))
    return named


def _promise(promised: str | None, zone: str, wrong: list[Wrong]) -> datetime | None:
    if promised is None:
        return None
    try:
        if len(promised) == len("2026-11-27"):
            return end_of_day(date.fromisoformat(promised), zone)
        moment = datetime.fromisoformat(promised)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        wrong.append(Wrong("/promised_at", "a day (2026-11-27), or a time with its offset (2026-11-27T18:00:00+01:00)"))
        return None
    return moment


async def ensure_calendars(house: House, countries: list[str]) -> None:
    """The working days of these countries, this year and next; computed the first time a country is shipped to."""
    year = house.clock.now().year
    async with house.db.connection() as conn:
        missing = await calendars.missing_years(conn, countries, [year, year + 1])
    if not missing:
        return
    found = await holidays.compute(missing)
    async with house.db.transaction() as conn:
        await calendars.write_years(conn, missing, found)
