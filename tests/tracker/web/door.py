"""A caller of the service: with a key of a shop at the API, with a partner's secret at the push door."""

import asyncio
import base64
import hashlib
import hmac
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from tracker.actions import access
from tracker.actions.access import Scope
from tracker.web.services import Services

Client = TestClient[web.Request, web.Application]
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
EVERYTHING = list(Scope)
PARCEL: dict[str, Any] = {
    "carrier": "correos",
    "tracking_number": "PQ4F6C0712345610128010A",
    "order": {"reference": "A-1001", "value": {"amount": "59.90", "currency": "EUR"}},
    "customer": {"name": "Ana Ruiz", "email": "ana@example.com", "phone": "+34612345678", "language": "es"},
    "destination": {"country": "ES", "postcode": "08001", "city": "Barcelona", "street": "Carrer Nou 1"},
    "promised_at": "2026-03-06",
    "items": [{"name": "Kettle", "quantity": 1}],
}


class Answer:
    """An answer with its body read."""

    def __init__(self, response: ClientResponse, raw: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.raw = raw

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def __repr__(self) -> str:
        return f"<{self.status} {self.raw[:300]!r}>"


class Caller:
    """Somebody with an API key."""

    def __init__(self, client: Client, key: str | None) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def get(self, path: str, **query: str) -> Answer:
        return await self._call("GET", path, params=query)

    async def get_unless(self, path: str, known: str) -> Answer:
        """Read it, unless it is as the ETag says."""
        return await self._call("GET", path, headers={"If-None-Match": known})

    async def post(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None, raw: bytes | None = None
    ) -> Answer:
        data = raw if raw is not None else json.dumps(body or {}).encode()
        given = {"Content-Type": "application/json"} | dict(headers or {})
        return await self._call("POST", path, data=data, headers=given)

    async def patch(self, path: str, body: object, version: str | None = "*", raw: bytes | None = None) -> Answer:
        data = raw if raw is not None else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} | ({"If-Match": version} if version else {})
        return await self._call("PATCH", path, data=data, headers=given)

    async def delete(self, path: str) -> Answer:
        return await self._call("DELETE", path)

    async def register(self, **changed: object) -> Any:
        """A parcel like PARCEL but for what is changed, registered."""
        answer = await self.post("/api/v1/shipments", PARCEL | changed)
        assert answer.status == 201, answer
        return answer.body

    async def _call(self, method: str, path: str, **given: Any) -> Answer:
        given["headers"] = self._headers | given.get("headers", {})
        if "data" in given:
            given["data"] = io.BytesIO(given["data"])
        async with self._client.request(method, path, **given) as response:
            return Answer(response, await response.read())


class Pusher:
    """A partner, who signs what it sends."""

    def __init__(self, client: Client, code: str, secret: str) -> None:
        self._client, self.code, self.secret = client, code, secret

    async def events(self, *events: Mapping[str, object]) -> Answer:
        return await self.push(msgspec.json.encode({"events": events}))

    async def push(
        self,
        raw: bytes,
        *,
        push_id: str = "msg_1",
        at: datetime | None = None,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send bytes, signed as they are at the wall clock's time."""
        signed_at = at or datetime.now(UTC)
        signature = sign(secret or self.secret, push_id.encode(), signed_at, raw)
        given = {
            "Content-Type": "application/json",
            "webhook-id": push_id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": signature,
        }
        return await self.send(raw, given | dict(headers or {}))

    async def send(self, raw: bytes, headers: Mapping[str, str]) -> Answer:
        async with self._client.post(f"/push/{self.code}", data=io.BytesIO(raw), headers=headers) as response:
            return Answer(response, await response.read())

    async def send_raw(self, raw: bytes, *lines: bytes) -> int:
        """Send header lines as they are, which no client library would; returns the status."""
        assert self._client.port is not None
        reader, writer = await asyncio.open_connection(self._client.host, self._client.port)
        head = [f"POST /push/{self.code} HTTP/1.1".encode(), b"Host: x", b"Content-Length: %d" % len(raw), *lines]
        writer.write(b"\r\n".join([*head, b"Connection: close", b"", raw]))
        status = int((await reader.readline()).split()[1])
        writer.close()
        await writer.wait_closed()
        return status


def sign(secret: str, push_id: bytes, at: datetime, raw: bytes) -> str:
    """A Standard Webhooks signature over any bytes; the library takes text only."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b"%s.%d.%s" % (push_id, int(at.timestamp()), raw)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def event(at: str = "2026-03-03T10:00:00+01:00", **changed: object) -> dict[str, object]:
    """One entry of a push about PARCEL."""
    said: dict[str, object] = {
        "carrier": "correos",
        "tracking_number": PARCEL["tracking_number"],
        "occurred_at": at,
        "milestone": "in_transit",
        "text": "On its way",
    }
    return said | changed


async def key_of(services: Services, shop: str = "north", scopes: Sequence[str] = EVERYTHING) -> str:
    async with services.house.db.connection() as conn:
        return await access.create_key(conn, shop, "tests", list(scopes))


async def partner_of(services: Services, client: Client) -> Pusher:
    async with services.house.db.connection() as conn:
        code, secret = await access.add_partner(conn, services.house.vault, "north", "a carrier")
    return Pusher(client, code, secret)
