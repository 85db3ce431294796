"""A fortnight of a Spanish shop, lived through the real actions: what the board and the customers' pages have to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from carriers.contract import (
    Card,
    Estimate,
    FailureKind,
    Place,
    Precision,
    Problem,
    Report,
    TrackingEvent,
)
from carriers.vocabulary import Category, Milestone, TzCertainty
from notifications.contract import Accepted, FailureClass, Outgoing, SendFailed
from notifications.delivery import Delivery
from sql import queries
from sql.connection import Connection
from tracker.actions import access, intake
from tracker.actions.deciding import House
from tracker.actions.examine import examine
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Said, Taken
from tracker.actions.register import (
    CustomerInput,
    DestinationInput,
    Money,
    OrderInput,
    Registration,
    Shop,
    register,
)
from tracker.clock import Chance, SteppedClock
from tracker.store import calendars
from tracker.store.calendars import Calendars
from tracker.store.db import Database
from tracker.vault import Vault
from tracker.web.services import Services

BEGINNING = datetime(2026, 11, 9, 8, tzinfo=UTC)  # a Monday
NOW = datetime(2026, 11, 23, 9, 20, tzinfo=UTC)
PUBLIC_URL = "http://localhost:8080"
SLICE = timedelta(hours=4)

_M = Milestone
_ACCESS, _POLLING = queries.topic("access"), queries.topic("polling")


def _card(code: str, name: str, country: str, zone: str, url: str) -> Card:
    return Card(
        code=code,
        name=name,
        home_country=country,
        home_zone=zone,
        languages=("en",),
        auth="none",
        base_url="https://carrier.example",
        full_history=True,
        has_codes=True,
        tracking_url=url,
        documentation="https://carrier.example/docs",
        calls_per_day=250 if code == "dhl_unified" else None,
    )


CARDS = {
    card.code: card
    for card in (
        _card("correos", "Correos", "ES", "Europe/Madrid", "https://carrier.example/correos?n={number}"),
        _card("dhl_unified", "DHL", "DE", "Europe/Berlin", "https://carrier.example/dhl/{number}"),
        _card("ups", "UPS", "US", "America/New_York", "https://carrier.example/ups?tracknum={number}"),
    )
}


class Customer(msgspec.Struct, frozen=True):
    """Somebody who ordered, and where to."""

    name: str
    country: str
    postcode: str
    city: str
    language: str
    phone: str | None = None


CUSTOMERS = (
    Customer("Marta Iglesias Pardo", "ES", "28013", "Madrid", "es", "+34612345678"),
    Customer("Jordi Puig", "ES", "08001", "Barcelona", "es"),
    Customer("Anne Hoffmann", "DE", "10115", "Berlin", "en", "+4915123456789"),
    Customer("Emily Carter", "GB", "SW1A 1AA", "London", "en", "+447911123456"),
    Customer("Lucas Ferreira", "BR", "01310-100", "São Paulo", "es"),
    Customer("Noah Williams", "US", "10001", "New York", "en", "+12025550143"),
    Customer("Claire Dubois", "FR", "75001", "Paris", "en"),
    Customer("Begoña Núñez", "ES", "48001", "Bilbao", "es", "+34655123456"),
    Customer("Reto Keller", "CH", "8001", "Zürich", "en"),
)

# hours after registration, milestone, detail, city, country, code, text, problem
Scan = tuple[float, Milestone, str | None, str | None, str | None, str, str, tuple[Category, str] | None]

_START: list[Scan] = [
    (3, _M.ANNOUNCED, "label_created", "Madrid", "ES", "PRE", "Prerregistrado", None),
    (22, _M.ACCEPTED, "picked_up", "Madrid", "ES", "ADM", "Admitido", None),
    (30, _M.IN_TRANSIT, "departed_origin", "MADRID CAM", "ES", "SAL", "Salida de centro logístico", None),
]
_ABROAD: list[Scan] = [
    *_START,
    (52, _M.IN_TRANSIT, "left_origin_country", "Barajas", "ES", "EXP", "Departed from country of origin", None),
    (74, _M.IN_TRANSIT, "arrived_destination_country", None, None, "ARR", "Arrived in destination country", None),
]
_DELIVERED: list[Scan] = [
    (100, _M.OUT_FOR_DELIVERY, "on_vehicle", None, None, "REP", "En reparto", None),
    (104, _M.DELIVERED, "to_recipient", None, None, "ENT", "Entregado", None),
]
STORIES: dict[str, list[Scan]] = {
    "delivered": [*_START, *_DELIVERED],
    "delivered_abroad": [*_ABROAD, (130, _M.OUT_FOR_DELIVERY, "on_vehicle", None, None, "OD", "With delivery courier", None), (134, _M.DELIVERED, "signed", None, None, "OK", "Delivered, signed", None)],
    "customs_documents": [*_ABROAD, (80, _M.IN_CUSTOMS, "documents_required", None, None, "CD42", "Clearance delay: commercial invoice missing", (Category.CUSTOMS, "documents_missing"))],
    "customs_duties": [*_ABROAD, (82, _M.IN_CUSTOMS, "duties_due", None, None, "CD17", "Import duties to be paid by consignee", (Category.CUSTOMS, "duties_unpaid"))],
    "customs_released": [*_ABROAD, (80, _M.IN_CUSTOMS, "inspection", None, None, "CI", "Held for customs inspection", (Category.CUSTOMS, "inspection")), (108, _M.IN_CUSTOMS, "import_released", None, None, "CR", "Released by customs", None), (118, _M.IN_TRANSIT, "at_delivery_depot", None, None, "AD", "Arrived at delivery facility", None)],
    "weather": [*_START, (46, _M.IN_TRANSIT, "delayed_by_carrier", "Zaragoza", "ES", "WX", "Retraso por nieve en la red de carreteras", (Category.WEATHER, "snow_ice"))],
    "strike": [*_START, (50, _M.IN_TRANSIT, "delayed_by_carrier", "Irún", "ES", "ST", "Demora por huelga", (Category.DELAY, "strike"))],
    "attempt": [*_START, (98, _M.OUT_FOR_DELIVERY, "on_vehicle", None, None, "REP", "En reparto", None), (102, _M.OUT_FOR_DELIVERY, "attempt_failed", None, None, "AUS", "Destinatario ausente", (Category.DELIVERY_ATTEMPT, "nobody_home"))],
    "collection": [*_START, (90, _M.READY_FOR_COLLECTION, "at_post_office", None, None, "OFI", "Disponible en oficina", None)],
    "stalled": _START,
    "unmapped": [*_START, (44, _M.UNKNOWN, None, "Zaragoza", "ES", "Q7X", "Evento <b>interno</b> Q7X", None), (60, _M.IN_TRANSIT, "arrived_hub", "Zaragoza", "ES", "LLE", "Llegada a centro", None)],
    "returning": [*_START, (98, _M.OUT_FOR_DELIVERY, "on_vehicle", None, None, "REP", "En reparto", None), (103, _M.RETURNING, "refused", None, None, "REH", "Rehusado por el destinatario", (Category.RETURN, "refused"))],
    "lost": [*_ABROAD, (190, _M.ENDED, "lost_declared", None, None, "LST", "Shipment declared lost", (Category.LOSS, "declared_lost"))],
    "silent": [],
    "announced": [(3, _M.ANNOUNCED, "label_created", "Madrid", "ES", "PRE", "Prerregistrado", None)],
}  # fmt: skip

# story, customer, hours after the beginning, days until the promised date (None: no promise)
_PLAN: list[tuple[str, int, float, int | None]] = [
    ("customs_documents", 3, 200, 8),
    ("customs_duties", 5, 214, 9),
    ("customs_released", 8, 190, 9),
    ("weather", 7, 268, 4),
    ("weather", 1, 270, 5),
    ("strike", 6, 262, 6),
    ("attempt", 0, 216, 6),
    ("collection", 1, 170, 7),
    ("stalled", 0, 96, 6),
    ("unmapped", 7, 240, 7),
    ("returning", 1, 120, 6),
    ("lost", 5, 40, 8),
    ("customs_documents", 4, 236, 12),
    ("silent", 2, 216, 7),
    ("announced", 6, 310, 6),
]
_ORDINARY = ("delivered", "delivered_abroad", "delivered", "delivered", "delivered_abroad")
PLAN = [
    *_PLAN,
    *((_ORDINARY[n % len(_ORDINARY)], (n * 4 + 1) % len(CUSTOMERS), 4.0 + n * 7, 6 + n % 3) for n in range(46)),
]


class Sink:
    """A provider that takes everything but what is meant for a number that does not exist."""

    capacity = 4
    repeatable = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken = 0

    async def send(self, outgoing: Outgoing) -> Accepted:
        self.taken += 1
        if self.name == "sms" and outgoing.recipient.phone == "+34655123456":
            raise SendFailed(FailureClass.ADDRESS, "30003 Unreachable destination handset")
        return Accepted(f"{self.name}-{self.taken:04d}")

    async def find(self, outgoing: Outgoing, since: datetime) -> Accepted | None:
        return None

    async def close(self) -> None:
        return None


class Links:
    """The addresses of customers' pages."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def tracking(self, shipment_id: int, link_version: int) -> str:
        return f"{PUBLIC_URL}/t/{self._vault.link_token(shipment_id, link_version)}"


def open_house(database: Database, now: datetime) -> House:
    return House(
        db=database,
        clock=SteppedClock(now),
        chance=Chance(7),
        cards=CARDS,
        calendars=Calendars(),
        vault=Vault(b"k" * 32),
        accounts={"correos": ["default"], "dhl_unified": ["default"]},
    )


def services_of(house: House) -> Services:
    async def commit(batch: Sequence[Observation]) -> Sequence[Taken]:
        async with house.db.transaction() as conn:
            return await intake.take_in(house, conn, batch)

    return Services(house=house, pushes=GroupCommit(commit), public_url=PUBLIC_URL, is_stopping=lambda: False)


async def add_shop(conn: Connection) -> Shop:
    shop_id = await conn.fetchval(
        _ACCESS.ensure_shop, "alameda", "Casa Alameda", "ES", "es", "Europe/Madrid", "pedidos@alameda.example",
        "atencion@alameda.example", "+34 910 000 000", "https://alameda.example", BEGINNING,
    )  # fmt: skip
    return Shop(shop_id, "ES", "es", "Europe/Madrid")


def number(index: int) -> str:
    return f"PK{index:04d}ES{(index * 7919) % 100000:05d}"


def carrier_of(story: str, index: int) -> str:
    return (
        ("dhl_unified", "ups")[index % 2]
        if (STORIES[story][3:4] and "abroad" in story) or "customs" in story
        else "correos"
    )


async def place_order(
    house: House, shop: Shop, index: int, story: str, customer: Customer, promised: int | None, order: str | None = None
) -> int:
    now = house.clock.now()
    given = Registration(
        tracking_number=number(index),
        carrier=carrier_of(story, index),
        order=OrderInput(reference=order or f"{1001 + index}", value=Money(f"{29 + index * 7 % 400}.90", "EUR")),
        customer=CustomerInput(
            name=customer.name,
            email=f"{customer.name.split()[0].lower().replace('ñ', 'n')}@mail.example",
            phone=customer.phone,
            language=customer.language,
        ),
        destination=DestinationInput(
            country=customer.country, postcode=customer.postcode, city=customer.city, street="Calle Mayor 1"
        ),
        promised_at=(now + timedelta(days=promised)).date().isoformat() if promised else None,
        essential_date=story == "customs_documents",
    )
    return (await register(house, shop, given)).shipment_id


def event(scan: Scan, at: datetime, customer: Customer, sequence: int) -> TrackingEvent:
    _, milestone, detail, city, country, code, text, problem = scan
    return TrackingEvent(
        key=f"{code}:{at.isoformat()}",
        occurred_at=at,
        occurred_local=(at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
        tz_certainty=TzCertainty.ASSUMED,
        precision=Precision.SECOND,
        sequence=sequence,
        milestone=milestone,
        status_detail=detail,
        problem=Problem(*problem) if problem else None,
        code=code,
        text=text,
        place=Place(city or customer.city.upper(), country or customer.country),
    )


def answer(
    shop: Shop, shipment_id: int, carrier: str, tracking: str, events: Sequence[TrackingEvent], at: datetime,
    estimate: Estimate | None = None,
) -> Observation:  # fmt: skip
    """What the carrier says when it is asked: its whole history so far."""
    raw = {
        "shipment": tracking,
        "events": [
            {"code": one.code, "text": one.text, "local": one.occurred_local, "city": one.place.city} for one in events
        ],
    }
    return Observation(
        shop_id=shop.id,
        source="poll",
        received_at=at,
        raw=msgspec.json.encode(raw),
        content_type="application/json",
        said=(Said(carrier, Report(tracking_number=tracking, events=tuple(events), estimate=estimate)),),
        carrier=carrier,
        account="default",
        shipment_id=shipment_id,
        http_status=200,
    )


class Life:
    """Lives the plan through, four hours at a time."""

    def __init__(self, house: House, shop: Shop) -> None:
        assert isinstance(house.clock, SteppedClock)
        self.house, self.shop, self.clock = house, shop, house.clock
        self.shipments: dict[int, int] = {}
        self.registered: dict[int, datetime] = {}
        self.delivery = Delivery(
            house.db, [Sink("email"), Sink("sms")], links=Links(house.vault), clock=house.clock, chance=house.chance
        )

    async def go_on_until(self, end: datetime) -> None:
        while self.clock.now() < end:
            before = self.clock.now()
            self.clock.move_to(min(before + SLICE, end))
            await self._live(before, self.clock.now())

    async def _live(self, before: datetime, now: datetime) -> None:
        for index, (story, customer, hours, promised) in enumerate(PLAN):
            if before < BEGINNING + timedelta(hours=hours) <= now:
                order = "1001" if index == 15 else None  # a second parcel of the first order
                self.shipments[index] = await place_order(
                    self.house, self.shop, index, story, CUSTOMERS[customer], promised, order
                )
                self.registered[index] = now
        batch = [answer for index in self.shipments if (answer := self._answer(index, before, now))]
        if batch:
            async with self.house.db.transaction() as conn:
                await intake.take_in(self.house, conn, batch)
        while await examine(self.house):
            pass
        await self.delivery.deliver_due()

    def _answer(self, index: int, before: datetime, now: datetime) -> Observation | None:
        story, customer, _, _ = PLAN[index]
        began = self.registered[index]
        scans = [scan for scan in STORIES[story] if began + timedelta(hours=scan[0]) <= now]
        is_new = any(began + timedelta(hours=scan[0]) > before for scan in scans)
        asks_anyway = story in ("stalled", "customs_documents") and now.hour == 12
        if not scans or not (is_new or asks_anyway):
            return None
        who = CUSTOMERS[customer]
        events = [event(scan, began + timedelta(hours=scan[0]), who, at) for at, scan in enumerate(scans)]
        day = (began + timedelta(days=5)).date()
        return answer(
            self.shop, self.shipments[index], carrier_of(story, index), number(index), events,
            now - timedelta(minutes=3), Estimate(day, day + timedelta(days=1)),
        )  # fmt: skip


async def add_doubts(life: Life) -> None:
    """What nobody plans: an unreadable push, a push for an unknown number, a refused key, our own mistake."""
    house, shop, now = life.house, life.shop, life.clock.now()
    async with house.db.transaction() as conn:
        code, _ = await access.add_partner(conn, house.vault, "alameda", "Almacén Norte")
        partner_id = await conn.fetchval("select id from partner where code = $1", code)
        pushed = Observation(
            shop_id=shop.id, source="push", received_at=now - timedelta(minutes=40), raw=b'{"events": [{"carrier": "correos", <b>"oops"}]}',
            content_type="application/json", partner_id=partner_id, push_id="msg_2b", problem="the body is no JSON",
            problem_path="events[0]",
        )  # fmt: skip
        stray = event(_START[1], now - timedelta(hours=2), CUSTOMERS[0], 0)
        unclaimed = Observation(
            shop_id=shop.id, source="push", received_at=now - timedelta(hours=1), raw=b'{"events": []}',
            content_type="application/json", partner_id=partner_id, push_id="msg_2c",
            said=(Said("correos", Report(tracking_number="PK9999ES00000", events=(stray,))),),
        )  # fmt: skip
        refused = Observation(
            shop_id=shop.id, source="poll", received_at=now - timedelta(minutes=20), raw=b"<html>busy</html>", content_type="text/html",
            carrier="correos", account="default", shipment_id=life.shipments[8], http_status=503, failure=FailureKind.CARRIER_DOWN,
        )  # fmt: skip
        await intake.take_in(house, conn, [pushed, unclaimed, refused])
        mistake = "update shipment set undecided = 'ValueError: more than 500 events' where id = $1"
        await conn.execute(mistake, life.shipments[14])
        await conn.execute(_POLLING.answered, shop.id, "correos", "default", now - timedelta(minutes=3))
        account = (shop.id, "dhl_unified", "default")
        for _ in range(118):
            await conn.execute(_POLLING.take_call, *account, now.date(), 250, timedelta(0))
        until, pauses = now + timedelta(minutes=14), (5, timedelta(seconds=30), timedelta(minutes=15))
        await conn.execute(_POLLING.pause, *account, now, until, "429 Too Many Requests", *pauses)


async def live_a_fortnight(database: Database) -> None:
    house = open_house(database, BEGINNING)
    async with database.transaction() as conn:
        shop = await add_shop(conn)
        countries = {"ES", *(customer.country for customer in CUSTOMERS)}
        years = [(country, year) for country in countries for year in (2026, 2027)]
        await calendars.write_years(conn, years, [])  # no holidays: computing them takes longer than all the rest
    life = Life(house, shop)
    await life.go_on_until(NOW)
    async with database.connection() as conn:
        assert await conn.fetch("select undecided from shipment where undecided is not null") == []
    await add_doubts(life)
