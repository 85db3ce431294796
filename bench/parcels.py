"""Parcels in any number: one is registered and pushed about through the real doors, the others are copies of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from bench import database
from carriers.push import parse_push
from sql.connection import Connection
from tracker.actions import intake, register
from tracker.actions.intake import Observation, Said
from tracker.actions.register import Registration, Shop
from tracker.clock import SteppedClock
from tracker.settings import ShopSettings
from tracker.store import shops

SAMPLE = 1_000_001  # every id has seven digits, so that rows are equally long and an id is found in any text
CARRIER = "ups"
ZONE = "Europe/Madrid"

# What a push says: UPS's code and words, the place, and hours since it happened. The parcels themselves were picked up
# 20 hours ago and left their last hub 9 hours ago.
HISTORY = {
    "picked_up": ("038", "Picked up", "Madrid", 20.0),
    "departed": ("005", "Departed from Facility", "Madrid", 9.0),
}
NEWS = {
    "scan": ("005", "Arrived at Facility", "Zaragoza", 0.5),
    "out": ("021", "Out for delivery", "Barcelona", 0.5),
    "delivered": ("011", "Delivered", "Barcelona", 0.5),
    "attempt": ("022", "Delivery attempted", "Barcelona", 0.5),
    "customs": ("058", "Clearance information required", "Barcelona", 0.5),
    "weather": ("051", "Severe weather", "Zaragoza", 0.5),
    "late": ("005", "Arrived at Facility", "Guadalajara", 15.0),  # older than what we know: the history is folded anew
}
# How often each is said, in 100: about what a parcel hears in its life, with a few troubles too many.
MIX = {"scan": 68, "out": 12, "delivered": 12, "attempt": 3, "customs": 2, "weather": 1, "late": 2}

_TABLES = ("customer_order", "contact", "shipment", "schedule", "event")
_COLUMNS = """
select attname as name, format_type(atttypid, null) as type
from pg_attribute
where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
  and not ($1 = 'event' and attname = 'id') -- nothing refers to it
order by attnum
"""


def tracking_number(parcel: int) -> str:
    return f"1Z999AA1{parcel:010}"


def body(news: Iterable[tuple[int, tuple[str, str, str, float]]], now: datetime) -> bytes:
    """A push about (parcel, what is said)."""
    events = [
        {
            "carrier": CARRIER,
            "tracking_number": tracking_number(parcel),
            "occurred_at": (now - timedelta(hours=hours)).replace(microsecond=0).isoformat(),
            "code": code,
            "text": text,
            "place": {"city": city, "country": "ES"},
        }
        for parcel, (code, text, city, hours) in news
    ]
    return json.dumps({"events": events}).encode()


def observation(raw: bytes, shop_id: int, now: datetime) -> Observation:
    """The push as room 3 takes it in."""
    said = tuple(Said(one.carrier, one.report) for one in parse_push(raw).reports)
    return Observation(
        shop_id=shop_id,
        source="push",
        push_id="msg_of_the_bench",
        received_at=now,
        raw=raw,
        content_type="application/json",
        said=said,
    )


async def add(dsn: str, count: int, now: datetime) -> int:
    """So many parcels in transit, of which nothing is due; returns the shop's id."""
    async with database.connected(dsn) as conn:
        shop_id = await shops.ensure(conn, ShopSettings(), (), now)
        for table in ("customer_order", "contact", "shipment"):
            await _number_from(conn, table, SAMPLE)
        await _register_sample(dsn, shop_id, now)
        await conn.execute("set session_replication_role = replica")  # foreign keys hold by construction
        for table in _TABLES:
            await _multiply(conn, table, count)
        await conn.execute("set session_replication_role = origin")
        for number, table in enumerate(("observation", "incident", "notice"), start=2):
            await _number_from(conn, table, number * 1_000_000 + 1)  # ids of which none is part of another
        await database.settle(conn)
    return shop_id


async def _register_sample(dsn: str, shop_id: int, now: datetime) -> None:
    """Registered a day ago, and heard of twice since."""
    clock = SteppedClock(now - timedelta(days=1))
    async with database.house(dsn, clock) as house:
        shop = Shop(shop_id, "ES", "es", ZONE)
        await register.register(house, shop, _registration(now))
        clock.move_to(now)
        for news in HISTORY.values():
            pushed = observation(body([(SAMPLE, news)], now), shop_id, now)
            async with house.db.transaction() as conn:
                await intake.take_in(house, conn, [pushed])


def _registration(now: datetime) -> Registration:
    return Registration(
        tracking_number=tracking_number(SAMPLE),
        order=register.OrderInput(reference=f"B-{SAMPLE}"),
        customer=register.CustomerInput(
            name="María Pérez Núñez",
            email=f"maria.{SAMPLE}@customer.example",
            phone=f"+3461{SAMPLE}",
            language="es",
            time_zone=_noon_zone(now),
        ),
        destination=register.DestinationInput(country="ES", postcode="08001", city="Barcelona", street="Carrer Nou 1"),
        carrier=CARRIER,
        promised_at=(now + timedelta(days=3)).isoformat(),
    )


def _noon_zone(now: datetime) -> str:
    """Where it is about noon: what is said must not hang on the hour at which somebody measures."""
    ahead = 12 - now.hour
    return "Etc/GMT" if ahead == 0 else f"Etc/GMT{-ahead:+d}"  # POSIX signs: east is minus


async def _multiply(conn: Connection, table: str, count: int) -> None:
    """Copies of the sample's rows: its id is replaced wherever it stands, and due times are spread over two days."""
    row = await conn.fetchrow(f"select * from {table} order by 1 desc limit 1")  # noqa: S608 - our own names
    assert row is not None  # the sample has a row in each of these tables
    columns = await conn.fetch(_COLUMNS, table)
    names = ", ".join(column["name"] for column in columns)
    values = ", ".join(_copied(column["name"], column["type"], row[column["name"]]) for column in columns)
    await conn.execute(
        f"insert into {table} ({names}) overriding system value "  # noqa: S608 - our own names
        f"select {values} from {table} o cross join generate_series({SAMPLE + 1}, {SAMPLE + count - 1}) n"
    )


def _copied(name: str, kind: str, value: object) -> str:
    if name.startswith("next_") and value is not None:
        return f"o.{name} + random() * interval '2 days'"
    if value == SAMPLE:
        return "n"
    if isinstance(value, (str, bytes)) and kind in ("text", "jsonb") and str(SAMPLE) in str(value):
        return f"replace(o.{name}::text, '{SAMPLE}', n::text)::{kind}"
    return f"o.{name}"


async def _number_from(conn: Connection, table: str, first: int) -> None:
    await conn.execute(f"alter table {table} alter column id restart with {first}")
