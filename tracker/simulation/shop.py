"""Plays the shop and the partners through the tracker's own doors: REST with a key, pushes with a signature."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import msgspec
from standardwebhooks.webhooks import Webhook

from carriers.sandbox.registration import Registration
from carriers.sandbox.world import World
from tracker.clock import RealClock, token_bytes

_OUTCOMES: Final = {
    "refund": ("refunded", "refunded"),
    "replace": ("replaced", "reshipped"),
}  # settlement → how a return is settled, why an incident is resolved
_ASK_AGAIN: Final = timedelta(hours=6)


class Refused(Exception):
    """The tracker refused what the shop may do: the story cannot go on."""


class Access(msgspec.Struct, frozen=True):
    """How the shop and each partner get in. `partners` maps the world's name to (id in the push URL, secret)."""

    url: str
    key: str
    partners: Mapping[str, tuple[str, str]]

    def __repr__(self) -> str:
        return f"Access({self.url})"


class Shop:
    """One shop that registers its parcels, hears pushes arrive and puts right what went wrong."""

    def __init__(self, world: World, access: Access, session: aiohttp.ClientSession, start: datetime) -> None:
        self._world, self._access, self._session = world, access, session
        self._to_register = world.registrations()
        self._to_settle = sorted(
            (one for one in self._to_register if one.settlement is not None),
            key=lambda one: one.settlement.at if one.settlement else start,
        )
        self._pushed_until = start
        self._retry_at: dict[str, datetime] = {}
        self.ids: dict[str, str] = {}

    @property
    def is_done(self) -> bool:
        """Nothing left to register or to put right."""
        return not self._to_register and not self._to_settle

    def next_at(self, now: datetime) -> datetime | None:
        """When the shop or a partner does something next."""
        moments = [one.registered_at for one in self._to_register[:1]]
        moments += [self._due_at(one) for one in self._to_settle]
        moments += [push.at for push in self._world.pushes(self._pushed_until, now + timedelta(days=1))[:1]]
        return min(moments, default=None)

    async def act(self, now: datetime) -> int:
        """Do all that is due; returns how much that was."""
        done = 0
        while self._to_register and self._to_register[0].registered_at <= now:
            await self._register(self._to_register.pop(0))
            done += 1
        pushes = self._world.pushes(self._pushed_until, now)
        self._pushed_until = now
        await asyncio.gather(*(self._push(push.partner, push.body) for push in pushes))
        for one in [one for one in self._to_settle if self._due_at(one) <= now]:
            if await self._put_right(one):
                self._to_settle.remove(one)
            else:
                self._retry_at[one.tracking_number] = now + _ASK_AGAIN
            done += 1
        return done + len(pushes)

    def _due_at(self, one: Registration) -> datetime:
        assert one.settlement is not None  # only those are kept to be settled
        return max(one.settlement.at, self._retry_at.get(one.tracking_number, one.settlement.at))

    async def _register(self, one: Registration) -> None:
        answer = await self._post("/api/v1/shipments", _registration(one, self.ids))
        self.ids[one.tracking_number] = answer["id"]

    async def _put_right(self, one: Registration) -> bool:
        """Settle the return, or resolve the incidents that stayed; False when there is nothing to put right yet."""
        assert one.settlement is not None  # as above
        shipment = self.ids.get(one.tracking_number)
        if shipment is None:
            return False
        settled_as, reason = _OUTCOMES[one.settlement.resolution]
        replacement = self.ids.get(one.settlement.replacement or "")
        for found in await self._get(f"/api/v1/returns?shipment={shipment}"):
            if found["state"] in ("in_transit", "received", "inspected"):
                given = {"settled_as": settled_as} | ({"replacement": replacement} if replacement else {})
                await self._post(f"/api/v1/returns/{found['id']}/settle", given)
                return True
        ours = [
            found
            for found in await self._get(f"/api/v1/incidents?shipment={shipment}")
            if found["category"] in ("loss", "damage") and found["state"] not in ("resolved", "closed", "merged")
        ]
        for found in ours:
            await self._post(f"/api/v1/incidents/{found['id']}/resolve", {"reason": reason})
        return bool(ours)

    async def _push(self, partner: str, body: bytes) -> None:
        code, secret = self._access.partners[partner]
        push_id, sent_at = f"msg_{token_bytes(9).hex()}", RealClock().now().astimezone(UTC)
        signature = Webhook(secret).sign(push_id, sent_at, body.decode())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": push_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": signature,
        }
        async with self._session.post(f"{self._access.url}/push/{code}", data=body, headers=headers) as answer:
            if answer.status >= 300:
                raise Refused(f"a push was answered {answer.status}: {await answer.text()}")

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._call("POST", path, msgspec.json.encode(body))

    async def _get(self, path: str) -> list[dict[str, Any]]:
        answer: dict[str, Any] = await self._call("GET", path, None)
        return list(answer["data"])

    async def _call(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self._access.key}", "Content-Type": "application/json"}
        async with self._session.request(method, self._access.url + path, data=body, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 300:
                raise Refused(f"{method} {path} was answered {answer.status}: {text.decode(errors='replace')[:500]}")
            return msgspec.json.decode(text)


def partners_of(world: World) -> list[str]:
    """The partners that push in this world."""
    return sorted({parcel.partner for parcel in world.parcels() if parcel.partner is not None})


def _registration(one: Registration, ids: Mapping[str, str]) -> dict[str, Any]:
    body = {
        "carrier": one.carrier,
        "tracking_number": one.tracking_number,
        "service": one.service,
        "shipped_at": one.shipped_at,
        "order": {
            "reference": one.order_reference,
            "placed_at": one.order_placed_at,
            "value": {"amount": one.value, "currency": "EUR"},
        },
        "customer": msgspec.structs.asdict(one.customer),
        "origin": {"country": one.origin.country, "postcode": one.origin.postcode},
        "destination": _without_nothing(msgspec.structs.asdict(one.destination).items()),
        "promised_at": one.promised_at,
        "items": [
            {
                "sku": item.sku,
                "name": item.name,
                "quantity": item.quantity,
                "value": {"amount": item.value, "currency": "EUR"},
                "hs_code": item.hs_code,
            }
            for item in one.items
        ],
        "customs": {"incoterm": one.incoterm} if one.incoterm else None,
        "replaces": ids.get(one.replaces) if one.replaces else None,
    }
    return _without_nothing(body.items())


def _without_nothing(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}
