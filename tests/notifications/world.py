"""A shop with one parcel, a clock that is set by hand, and channels that answer as they are told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from notifications import outbox
from notifications.contract import Accepted, Channel, Facts, Kind, Notice, Outgoing, SendFailed
from notifications.delivery import Delivered, Delivery
from notifications.policy import Rules
from sql.connection import Connection
from tracker.store.db import Database

MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)  # ten in Madrid

Answer = Accepted | SendFailed | Callable[[Outgoing], Awaitable[Accepted]]


class HandClock:
    def __init__(self, moment: datetime = MORNING) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def advance(self, **by: float) -> None:
        self.moment += timedelta(**by)


class Evenly:
    """Chance that spreads nothing."""

    def random(self) -> float:
        return 0.5


class Links:
    def tracking(self, shipment_id: int, link_version: int) -> str:
        return f"https://shop.test/t/{shipment_id}.{link_version}"


class Told:
    """A channel that gives the answers it was told, then accepts; remembers what it was handed."""

    def __init__(self, name: str, *answers: Answer, repeatable: bool = True, capacity: int = 4) -> None:
        self.name = name
        self.repeatable = repeatable
        self.capacity = capacity
        self.answers = list(answers)
        self.handed: list[Outgoing] = []
        self.found: Accepted | None = None
        self.questions = 0

    async def send(self, outgoing: Outgoing) -> Accepted:
        self.handed.append(outgoing)
        answer = self.answers.pop(0) if self.answers else Accepted(f"{self.name}-{len(self.handed)}")
        if isinstance(answer, SendFailed):
            raise answer
        return answer if isinstance(answer, Accepted) else await answer(outgoing)

    async def find(self, outgoing: Outgoing, since: datetime) -> Accepted | None:
        self.questions += 1
        return self.found

    async def close(self) -> None: ...


class Held:
    """An answer that waits until it is let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self._reached = asyncio.Event()

    async def __call__(self, outgoing: Outgoing) -> Accepted:
        self._reached.set()
        await self.let_go.wait()
        return Accepted("late")

    async def reached(self) -> None:
        async with asyncio.timeout(20):
            await self._reached.wait()


class World:
    def __init__(self, database: Database, shop_id: int) -> None:
        self.database = database
        self.shop_id = shop_id
        self.clock = HandClock()
        self.email = Told("email")
        self.sms = Told("sms", repeatable=False)
        self.rules = Rules()
        self._count = 0

    @classmethod
    async def open(cls, database: Database) -> "World":
        async with database.connection() as conn:
            return cls(database, await _insert(
                conn, "shop", code="sol", name="Papelería Sol", country="ES", language="es", time_zone="Europe/Madrid",
                sender_email="envios@sol.test", reply_email="ayuda@sol.test", created_at=MORNING,
            ))  # fmt: skip

    async def parcel(
        self, *, email: str | None = "maria@home.test", phone: str | None = "+34612345678", **more: Any
    ) -> int:
        """A shipment and its customer; `more` are columns of the contact."""
        self._count += 1
        async with self.database.transaction() as conn:
            order = await _insert(conn, "customer_order", shop_id=self.shop_id, reference=f"PS-{self._count}")
            contact = await _insert(
                conn, "contact", shop_id=self.shop_id, name="María", email=email, phone=phone,
                **{"language": "es", "time_zone": "Europe/Madrid"} | more,
            )  # fmt: skip
            return await _insert(
                conn, "shipment", shop_id=self.shop_id, order_id=order, contact_id=contact, carrier="correos",
                account="main", tracking_number=f"PX{self._count}", direction="outbound", origin_country="ES",
                destination_country="ES", destination_zone="Europe/Madrid", registered_at=MORNING,
            )  # fmt: skip

    async def incident(self, shipment_id: int) -> int:
        async with self.database.connection() as conn:
            return await _insert(
                conn, "incident", shop_id=self.shop_id, shipment_id=shipment_id, category="customs",
                cause="documents_missing", signal="carrier_stated", provenance="carrier_stated", rule="r", rule_version=1,
                explanation="-", state="open", severity="high", responsible="recipient", reach="customer",
                action_owner="recipient", action="-", action_otherwise="-", opened_at=MORNING, changed_at=MORNING,
                next_moment_at=MORNING,
            )  # fmt: skip

    async def notice(self, shipment_id: int, key: str, **more: Any) -> Notice:
        async with self.database.connection() as conn:
            row = await conn.fetchrow(
                "select contact_id, tracking_number, reference from shipment join customer_order o on o.id = order_id"
                " where shipment.id = $1",
                shipment_id,
            )
        assert row is not None
        facts = Facts(
            order_reference=row["reference"], carrier="correos", carrier_name="Correos",
            tracking_number=row["tracking_number"], cause="customs.documents_missing",
            next_update_at=self.clock.now() + timedelta(days=2),
        )  # fmt: skip
        return Notice(
            **{
                "shop_id": self.shop_id, "shipment_id": shipment_id, "incident_id": None, "contact_id": row["contact_id"],
                "kind": Kind.INCIDENT_OPENED, "subject": "incident", "key": key, "facts": facts,
                "because": {"rule": "test"}, "planned_at": self.clock.now(),
            } | more
        )  # fmt: skip

    async def enqueue(self, *notices: Notice) -> list[int]:
        async with self.database.transaction() as conn:
            return await outbox.enqueue(conn, notices, self.clock.now(), self.rules)

    async def tell(self, key: str, **more: Any) -> int:
        """One notice about a new parcel, planned; its id."""
        [notice_id] = await self.enqueue(await self.notice(await self.parcel(), key, **more))
        return notice_id

    async def take_back(self, notice_id: int) -> list[int]:
        """The ids of the notices of which nobody was told."""
        [about] = await self.rows("select shipment_id, subject from notice where id = $1", notice_id)
        async with self.database.transaction() as conn:
            stopped = await outbox.supersede(
                conn, [about["shipment_id"]], "it was cured", self.clock.now(), subjects=[about["subject"]]
            )
        return [notice.notice_id for notice in stopped]

    def delivery(self, *channels: Channel, lease: timedelta = timedelta(seconds=60)) -> Delivery:
        return Delivery(
            self.database,
            channels or (self.email, self.sms),
            links=Links(),
            clock=self.clock,
            chance=Evenly(),
            rules=self.rules,
            lease=lease,
        )

    async def deliver(self, *channels: Channel) -> Delivered:
        return await self.delivery(*channels).deliver_due()

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as conn:
            return [dict(row) for row in await conn.fetch(sql, *arguments)]

    async def states(self) -> list[tuple[str, str]]:
        """Channel and state of every message, in the order in which they were planned."""
        rows = await self.rows("select channel, state from message order by id")
        return [(row["channel"], row["state"]) for row in rows]

    async def notice_states(self) -> list[str]:
        return [row["state"] for row in await self.rows("select state from notice order by id")]

    async def attempts(self) -> Sequence[str | None]:
        return [row["outcome"] for row in await self.rows("select outcome from attempt order by message_id, number")]

    async def engage(self, switch: str, *, engaged: bool = True) -> None:
        await self.rows(
            "insert into switch values ($1, $2, $3, 'test') on conflict (name) do update set engaged = $2",
            switch, engaged, MORNING,
        )  # fmt: skip

    async def let_leases_lapse(self) -> None:
        await self.rows("update message set lease_until = clock_timestamp() - interval '1 second'")


async def _insert(conn: Connection, table: str, **columns: Any) -> int:
    names, places = ", ".join(columns), ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    identity: int = await conn.fetchval(
        f"insert into {table} ({names}) values ({places}) returning id", *columns.values()
    )
    return identity
