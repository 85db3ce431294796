"""A house on a real database: one shop, business time that stands still, cards of three kinds of carriers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from carriers.contract import Card, Estimate, Report, TrackingEvent
from sql import queries
from sql.connection import Connection
from tracker.actions import examine, intake
from tracker.actions.deciding import House
from tracker.actions.intake import Observation, Said, Taken
from tracker.actions.register import CustomerInput, DestinationInput, Money, OrderInput, Registration, Shop, register
from tracker.clock import Chance, SteppedClock
from tracker.store.calendars import Calendars
from tracker.store.db import Database
from tracker.vault import Vault

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
_SHOP = queries.topic("access").ensure_shop
_CLAIM = queries.topic("polling").claim


def card(code: str, *, full_history: bool = True) -> Card:
    return Card(
        code=code,
        name=code.title(),
        home_country="ES",
        home_zone="Europe/Madrid",
        languages=("es",),
        auth="none",
        base_url="https://carrier.invalid",
        full_history=full_history,
        has_codes=True,
        tracking_url="https://carrier.invalid/{number}",
        documentation="https://carrier.invalid",
    )


class Scene:
    """One shop in its house, and short words for what happens to it."""

    def __init__(self, house: House, clock: SteppedClock, shop: Shop) -> None:
        self.house, self.clock, self.shop = house, clock, shop
        self.pushes = 0

    async def registers(self, number: str = "NUMBER1", **changes: Any) -> int:
        """The id of a parcel that the shop registers."""
        return (await register(self.house, self.shop, registration(number, **changes))).shipment_id

    def pushed(self, *reports: Report, carrier: str = "full", **changes: Any) -> Observation:
        self.pushes += 1
        values: dict[str, Any] = {
            "shop_id": self.shop.id,
            "source": "push",
            "received_at": self.clock.now(),
            "raw": b'{"pushed": true}',
            "content_type": "application/json",
            "push_id": f"msg_{self.pushes}",
            "said": tuple(Said(carrier, report) for report in reports),
        }
        return Observation(**values | changes)

    async def polled(
        self, shipment_id: int, *events: TrackingEvent, carrier: str = "full", **changes: Any
    ) -> Observation:
        """An answer to a poll that was claimed just now."""
        async with self.house.db.connection() as conn:
            await conn.execute("update schedule set poll_lease_until = null, next_poll_at = $1", START)
            rows = await conn.fetch(_CLAIM, self.shop.id, carrier, "default", START, HOUR, 100)
        (token,) = [row["poll_token"] for row in rows if row["shipment_id"] == shipment_id]
        failed = changes.get("failure") is not None or changes.get("problem") is not None
        report = Report(tracking_number="ignored", events=events, estimate=changes.pop("estimate", None))
        values: dict[str, Any] = {
            "shop_id": self.shop.id,
            "source": "poll",
            "received_at": self.clock.now(),
            "raw": b'{"polled": true}',
            "content_type": "application/json",
            "said": () if failed else (Said(carrier, report),),
            "carrier": carrier,
            "account": "default",
            "shipment_id": shipment_id,
            "token": token,
            "http_status": 200,
        }
        return Observation(**values | changes)

    async def takes_in(self, *batch: Observation) -> list[Taken]:
        async def work(conn: Connection) -> list[Taken]:
            return await intake.take_in(self.house, conn, batch)

        return await self.house.db.retrying(work, idempotent=True)

    async def hears(self, number: str, *events: TrackingEvent, **changes: Any) -> Taken:
        """A push with these events."""
        (taken,) = await self.takes_in(self.pushed(Report(tracking_number=number, events=events), **changes))
        return taken

    async def asks(self, shipment_id: int, *events: TrackingEvent, **changes: Any) -> Taken:
        """A poll that answers with these events."""
        (taken,) = await self.takes_in(await self.polled(shipment_id, *events, **changes))
        return taken

    async def passes(self, **time: float) -> None:
        """Time goes by, and the clock looks at whatever comes due, at its moment."""
        until = self.clock.now() + timedelta(**time)
        for _ in range(500):
            async with self.house.db.connection() as conn:
                due = await conn.fetchval("select min(next_moment_at) from schedule")
            if due is None or due > until:
                self.clock.move_to(until)
                return
            self.clock.move_to(max(due, self.clock.now()))
            await examine.examine(self.house)
        raise AssertionError("the clock spins")

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.house.db.connection() as conn:
            return list(await conn.fetch(sql, *arguments))

    async def row(self, sql: str, *arguments: Any) -> asyncpg.Record:
        (found,) = await self.rows(sql, *arguments)
        return found

    async def value(self, sql: str, *arguments: Any) -> Any:
        async with self.house.db.connection() as conn:
            return await conn.fetchval(sql, *arguments)

    async def shipment(self, shipment_id: int) -> asyncpg.Record:
        return await self.row("select * from shipment join schedule on shipment_id = id where id = $1", shipment_id)

    async def incidents(self, shipment_id: int) -> list[str]:
        """ "category.cause state" of each, in the order in which they were opened."""
        rows = await self.rows(
            "select category || '.' || cause || ' ' || state as said from incident where shipment_id = $1 order by id",
            shipment_id,
        )
        return [row["said"] for row in rows]

    async def merged(self) -> tuple[Any, Any]:
        """What the timeline and the feed of changes say of the one merge that there was."""
        entry = await self.value("select detail from incident_entry where kind = 'merged'")
        change = await self.value("select detail from change where kind = 'incident.merged'")
        return msgspec.json.decode(entry), msgspec.json.decode(change)

    async def notices(self, shipment_id: int) -> list[str]:
        """The kinds of what the customer is to be told, but for what was taken back unsent."""
        rows = await self.rows(
            "select kind from notice where shipment_id = $1 and state <> 'superseded' order by id", shipment_id
        )
        return [row["kind"] for row in rows]

    async def counts(self) -> Mapping[str, int]:
        """Rows in the tables that news is written to."""
        tables = ("observation", "event", "unclaimed", "incident", "notice", "shipment", "contact")
        return {table: await self.value(f"select count(*) from {table}") for table in tables}


def registration(number: str = "NUMBER1", **changes: Any) -> Registration:
    values: dict[str, Any] = {
        "tracking_number": number,
        "carrier": "full",
        "order": OrderInput(reference=f"order of {number}", value=Money("80.00", "EUR")),
        "customer": CustomerInput(name="Ana", email="ana@example.com", phone="+34600000000"),
        "destination": DestinationInput(country="ES", city="Madrid", postcode="28001"),
    }
    return Registration(**values | changes)


def report(number: str, *events: TrackingEvent, estimate: Estimate | None = None) -> Report:
    return Report(tracking_number=number, events=events, estimate=estimate)


@pytest.fixture
async def scene(database: Database) -> Scene:
    clock = SteppedClock(START)
    cards: Sequence[Card] = (card("full"), card("partial", full_history=False))
    house = House(
        db=database,
        clock=clock,
        chance=Chance(7),
        cards={one.code: one for one in cards},
        calendars=Calendars(),
        vault=Vault(b"k" * 32),
    )
    async with database.connection() as conn:
        mail = "shop@example.com"
        shop_id = await conn.fetchval(
            _SHOP, "north", "North", "ES", "es", "Europe/Madrid", mail, mail, None, None, START
        )
        # Working days as everybody's; loading real ones would take most of the time of each test.
        years = [(country, year) for country in ("ES", "FR", "GB") for year in (2026, 2027)]
        await conn.executemany("insert into calendar_year (country, year) values ($1, $2)", years)
    return Scene(house, clock, Shop(shop_id, "ES", "es", "Europe/Madrid"))
