"""A shop with the whole service around it, on business time that moves when a story says so; only the far ends are played."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook

from carriers.sandbox import server as sandbox
from carriers.sandbox.control import NewParcel, made
from carriers.sandbox.faults import FaultRule
from carriers.sandbox.parcel import Parcel
from carriers.sandbox.world import World
from sql import queries
from tests.support.postgres import SCHEMA, Server
from tests.support.recorded_dhl import API_KEY, RecordedDhl
from tracker.actions import access
from tracker.bootstrap import Runtime, open_runtime
from tracker.clock import Chance, SteppedClock
from tracker.settings import CarrierSettings, Settings, ShopSettings, TwilioSettings
from tracker.simulation import sinks as sinking
from tracker.simulation.sinks import Sinks

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)  # nine in Madrid
EVERYTHING = ["read", "shipments:write", "incidents:write", "returns:write"]
_SQL = queries.topic("simulation")


class Letter:
    """One email as its recipient reads it."""

    def __init__(self, at: datetime, message: EmailMessage) -> None:
        self.at = at
        self.message = message
        self.subject = str(message["Subject"])
        plain = message.get_body(("plain",))
        assert plain is not None
        self.text: str = plain.get_content()

    def __repr__(self) -> str:
        return f"<{self.at:%a %d %H:%M} {self.subject}>"


class Hurried(Chance):
    """Chance that waits as little as it may before it asks a carrier again."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


class Scene:
    """One story's shop, clock, carriers and inboxes."""

    def __init__(self, clock: SteppedClock, sinks: Sinks) -> None:
        self.clock = clock
        self.world = World()
        self.sinks = sinks
        self.dhl: RecordedDhl
        self.runtime: Runtime
        self.dsn = ""
        self._url = ""
        self._session: aiohttp.ClientSession
        self._key = ""
        self._partner = ("", "")
        self._orders = 0

    @classmethod
    @asynccontextmanager
    async def set(
        cls, postgres: Server, *, sinks: Callable[[SteppedClock], Sinks] = Sinks, smtp_url: str | None = None
    ) -> AsyncIterator[Self]:
        """The scene on a database of its own; other sinks, or another relay, where a story needs them."""
        clock = SteppedClock(MONDAY)
        scene = cls(clock, sinks(clock))
        async with AsyncExitStack() as stack:
            name = await postgres.clone()
            stack.push_async_callback(postgres.drop, name)
            scene.dsn = postgres.dsn_of(name)
            settings = await scene._settings(stack, smtp_url)
            scene.runtime = await stack.enter_async_context(
                open_runtime(settings, scene.dsn, scene.clock, Hurried(1), connections=6)
            )
            web = await stack.enter_async_context(TestServer(scene.runtime.app()))
            scene._url = str(web.make_url("")).rstrip("/")
            scene._session = await stack.enter_async_context(aiohttp.ClientSession())
            async with scene.runtime.house.db.transaction() as conn:
                scene._key = await access.create_key(conn, "default", "story", EVERYTHING)
                scene._partner = await access.add_partner(conn, scene.runtime.house.vault, "default", "a carrier")
            yield scene

    async def _settings(self, stack: AsyncExitStack, smtp_url: str | None) -> Settings:
        self.dhl = await stack.enter_async_context(RecordedDhl.running())
        played = await sandbox.start(self.world, self.clock)
        stack.push_async_callback(played.stop)
        sink_url, gateway_url = await self.sinks.start()
        stack.push_async_callback(self.sinks.stop)
        at_once = {"spacing": "0", "calls_per_day": "100000"}
        keys = sandbox.Accounts()
        ups = {"client_id": keys.ups_client_id, "client_secret": keys.ups_client_secret}
        accounts = {
            "dhl_unified": {"base_url": self.dhl.url, "api_key": API_KEY},
            "ups": {"base_url": f"{played.base_url}/ups", "auth_url": f"{played.base_url}/ups"} | ups,
            "correos": {"base_url": f"{played.base_url}/correos"},
        }
        return Settings(
            data_directory=Path("unused"),
            database_schema=SCHEMA,
            secret_key="of the stories, long enough for a key",
            public_url="https://tienda.example",
            tick_seconds=0.05,
            smtp_url=smtp_url or sink_url,
            shop=ShopSettings(name="Tienda Aurora", sender_email="pedidos@aurora.example"),
            twilio=TwilioSettings(
                account_sid=sinking.ACCOUNT_SID, auth_token=sinking.AUTH_TOKEN, sender="AURORA", base_url=gateway_url
            ),
            carriers=tuple(
                CarrierSettings(carrier=code, account="default", values=values | at_once)
                for code, values in accounts.items()
            ),
        )

    def parcel(self, carrier: str, scenario: str, city: str = "Sevilla", **more: Any) -> Parcel:
        """A parcel that the sandbox plays, handed over now."""
        parcel = made(NewParcel(carrier=carrier, scenario=scenario, city=city, **more), self.clock.now())
        self.world.add(parcel)
        return parcel

    def goes_wrong(self, rule: FaultRule) -> None:
        self.world.rules.append(rule)

    async def register(self, carrier: str, number: str, **changed: Any) -> str:
        """The shop registers a parcel; returns its id."""
        self._orders += 1
        body: dict[str, Any] = {
            "carrier": carrier,
            "tracking_number": number,
            "order": {"reference": f"A-{1000 + self._orders}", "value": {"amount": "80.00", "currency": "EUR"}},
            "customer": {"name": "Ana Ruiz", "email": "ana@home.example", "phone": "+34612345678", "language": "es"},
            "destination": {"country": "ES", "postcode": "41001", "city": "Sevilla"},
            "items": [{"name": "Kettle", "quantity": 1}],
        }
        answer = await self.post("/api/v1/shipments", body | changed)
        return str(answer["id"])

    async def register_played(self, parcel: Parcel, **changed: Any) -> str:
        """The shop registers a parcel that the sandbox plays."""
        address = {"country": parcel.destination.country, "postcode": parcel.destination.postcode}
        where = {"destination": address | {"city": parcel.destination.city}}
        return await self.register(parcel.carrier, parcel.number, **where | changed)

    async def post(self, path: str, body: object) -> Any:
        return await self._call("POST", path, json.dumps(body).encode())

    async def get(self, path: str) -> Any:
        return await self._call("GET", path, None)

    async def _call(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        async with self._session.request(method, self._url + path, data=body, headers=headers) as answer:
            assert answer.status < 300, (method, path, answer.status, await answer.text())
            return await answer.json()

    async def push(self, *events: dict[str, Any]) -> Any:
        """A partner pushes, signed as its library does; returns the receipt."""
        code, secret = self._partner
        raw, at = json.dumps({"events": events}), datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": f"msg_{at.timestamp()}",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(f"msg_{at.timestamp()}", at, raw),
        }
        async with self._session.post(f"{self._url}/push/{code}", data=raw, headers=headers) as answer:
            assert answer.status < 300, (answer.status, await answer.text())
            return await answer.json()

    async def settle_down(self) -> None:
        """Does all that is due now, as the ticking service would; what is never done would keep it busy for ever."""
        runtime = self.runtime
        await runtime.keep_house()
        for _ in range(20):
            if not any([await runtime.poll(), await runtime.examine(), await runtime.deliver()]):
                return
        raise AssertionError(f"at {self.clock.now()} there is no end to what is due")

    async def go_on(self, until: datetime | None = None, **by: float) -> None:
        """Lives through the time until a moment, or for a while: every due moment, in order."""
        end = until or self.clock.now() + timedelta(**by)
        await self.settle_down()
        while (due := await self._next_due()) <= end:
            self.clock.move_to(due)
            await self.settle_down()
        self.clock.move_to(end)
        await self.settle_down()

    async def go_on_until_mail(self, containing: str, within: timedelta = timedelta(days=30)) -> Letter:
        """Lives on until a mail whose subject or text says this has come; returns it."""
        end, seen = self.clock.now() + within, len(self.letters)
        await self.settle_down()
        while True:
            for letter in self.letters[seen:]:
                if containing in f"{letter.subject}\n{letter.text}":
                    return letter
            due = await self._next_due()
            assert due <= end, f"no mail says {containing!r}; there are {self.letters}"
            self.clock.move_to(due)
            await self.settle_down()

    async def _next_due(self) -> datetime:
        """The next moment at which something is due; half an hour on where what is kept in stays due."""
        async with self.runtime.house.db.connection() as conn:
            due: datetime | None = await conn.fetchval(_SQL.next_due)
        now = self.clock.now()
        if due is None:
            return now + timedelta(days=1)
        return due if due > now else now + timedelta(minutes=30)

    @property
    def letters(self) -> list[Letter]:
        """Every mail that the relay took, oldest first."""
        return [
            Letter(mail.at, message_from_bytes(mail.raw, _class=EmailMessage, policy=policy.default))
            for mail in self.sinks.mails
        ]

    @property
    def texts(self) -> list[str]:
        """Every SMS that the gateway took, oldest first."""
        return [text.body for text in self.sinks.texts]

    async def kinds(self, shipment: str, state: str | None = None) -> list[str]:
        """What was planned to be said of a shipment, oldest first; only what came to this state."""
        page = await self.get(f"/api/v1/notices?shipment={shipment}&limit=200")
        return [one["kind"] for one in reversed(page["data"]) if state in (None, one["state"])]

    async def incidents(self, shipment: str) -> Sequence[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(f"/api/v1/incidents?shipment={shipment}"))["data"]
        return found[::-1]

    async def believed(self, shipment: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/api/v1/shipments/{shipment}")
        return found
