"""The shop of the key over REST: how it is called, where it is, and what its customers answer to."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, convert

from tracker.domain.errors import NotFound
from tracker.store import shops
from tracker.web.api.endpoint import Call, Endpoint, Scope, endpoint


class ShopView(Struct, frozen=True, kw_only=True):
    """A shop; `id` is its code."""

    id: str
    name: str
    country: str
    language: str
    time_zone: str
    sender_email: str
    reply_email: str
    phone: str | None
    website: str | None


class ShopList(Struct, frozen=True):
    """The shops of a key: one."""

    data: list[ShopView]


async def get_shops(call: Call) -> ShopList:
    """The shop of the key."""
    return ShopList([await _own(call)])


async def get_shop(call: Call) -> ShopView:
    """One shop, by its code."""
    if call.request.match_info["id"] != call.caller.shop:
        raise NotFound("no such shop, or not that of this key")
    return await _own(call)


async def _own(call: Call) -> ShopView:
    async with call.services.house.db.connection() as conn:
        details: dict[str, object] = dict(await shops.details(conn, call.shop_id))
    shown: ShopView = convert(details | {"id": call.caller.shop}, ShopView)
    return shown


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("GET", "/shops", Scope.READ, get_shops),
    endpoint("GET", "/shops/{id}", Scope.READ, get_shop),
]
