"""Whoever stands before a service's doors: a shop with its key, a partner with its secret, and the world that takes messages."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp
from standardwebhooks.webhooks import Webhook

from tests.support.tracker_process import TrackerProcess
from tracker.actions import access
from tracker.simulation import sinks as sinking

EVERYTHING = ["read", "shipments:write", "incidents:write", "returns:write"]
PATIENCE = 20.0  # seconds after which a partner hangs up; a service that hangs is found by it


class Outside:
    """A shop and a partner of one service, whether it lives or not."""

    def __init__(
        self, service: TrackerProcess, session: aiohttp.ClientSession, key: str, partner: tuple[str, str]
    ) -> None:
        self._service, self._session = service, session
        self._key, self._partner = key, partner
        self.acknowledged: set[str] = set()
        self.unanswered: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def of(cls, service: TrackerProcess) -> AsyncIterator[Self]:
        async with service.database() as conn:
            key = await access.create_key(conn, "default", "faults", EVERYTHING)
            partner = await access.add_partner(conn, await service.vault(conn), "default", "a carrier")
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=64)) as session:
            yield cls(service, session, key, partner)

    async def register(self, number: str, **changed: Any) -> str:
        body = {
            "carrier": "correos",
            "tracking_number": number,
            "order": {"reference": f"O-{number}"},
            "customer": {"name": "Ana", "email": f"{number}@home.example", "phone": "+34612345678", "language": "es"},
            "destination": {"country": "ES", "postcode": "41001"},
        }
        headers = {"Authorization": f"Bearer {self._key}"}
        async with self._session.post(
            f"{self._service.url}/api/v1/shipments", json=body | changed, headers=headers
        ) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["id"])

    async def push(self, name: str, event: Mapping[str, object]) -> int:
        """One event that can be found again by its `name`; the status, or 0 where no answer came."""
        raw, at = json.dumps({"events": [{**event, "text": name}]}), datetime.now(UTC)
        code, secret = self._partner
        headers = {
            "Content-Type": "application/json",
            "webhook-id": f"msg_{name}",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(f"msg_{name}", at, raw),
        }
        self.unanswered.add(name)
        try:
            async with self._session.post(f"{self._service.url}/push/{code}", data=raw, headers=headers) as answer:
                await answer.read()
        except aiohttp.ClientConnectionError:
            return 0
        if answer.status == 202:
            self.acknowledged.add(name)
            self.unanswered.discard(name)
        return answer.status


def minutes_ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def numbers(count: int) -> list[str]:
    return [f"PQ4K7R02310213{index:05}001A" for index in range(count)]


def nobody_home(number: str) -> dict[str, Any]:
    """Urgent news: an email and an SMS."""
    said: dict[str, Any] = {"milestone": "out_for_delivery", "status_detail": "attempt_failed"}
    return {"carrier": "correos", "tracking_number": number, "occurred_at": minutes_ago(5)} | said


def sending_to(smtp_url: str, gateway_url: str) -> dict[str, Any]:
    """The settings of a service that sends to these sinks."""
    return {
        "smtp_url": smtp_url,
        "twilio.base_url": gateway_url,
        "twilio.account_sid": sinking.ACCOUNT_SID,
        "twilio.auth_token": sinking.AUTH_TOKEN,
        "twilio.sender": "AURORA",
    }


async def let_time_pass(service: TrackerProcess) -> None:
    """As if hours had gone by: leases have lapsed, waits are over, doubts are old."""
    async with service.database() as conn:
        await conn.execute(
            "update message set lease_until = clock_timestamp() - interval '1 second' where lease_until is not null;"
            " update message set due_at = least(due_at, clock_timestamp() - interval '1 hour'),"
            " in_doubt_since = in_doubt_since - interval '1 hour' where state = 'queued'"
        )
