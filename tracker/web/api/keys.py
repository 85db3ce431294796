"""API keys over REST: which there are, new ones, others in their place, and their end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from sql.connection import Connection
from tracker.actions import access
from tracker.actions.access import Key
from tracker.actions.deciding import House
from tracker.web.api.acting import act
from tracker.web.api.endpoint import Answer, Call, Endpoint, Scope, endpoint
from tracker.web.api.paging import NothingMore


class KeyView(Struct, frozen=True, kw_only=True):
    """An API key. `name` is the part of it that is no secret; `last_used_at` is right to the minute."""

    id: str
    name: str
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKey(KeyView, frozen=True, kw_only=True):
    """A key that was just made, with the key itself, which is shown this once."""

    key: str


class KeyList(Struct, frozen=True):
    """All keys of the shop, the newest first."""

    data: list[KeyView]


class KeyInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new key is for, what it may do (no more than the key that makes it), and until when."""

    label: Annotated[str, Meta(min_length=1, max_length=100, examples=["checkout"])]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


async def get_keys(call: Call) -> KeyList:
    """The shop's keys, with those that are revoked or over."""
    async with call.services.house.db.connection() as conn:
        return KeyList([KeyView(**_shown(key)) for key in await access.list_keys(conn, call.shop_id)])


async def post_key(call: Call, body: KeyInput) -> Answer:
    """Make a key."""

    async def make(house: House) -> tuple[int, str]:
        given = (body.label, frozenset(body.scopes), body.expires_at)
        return await access.make_key(house, call.shop_id, call.author, *given, within=call.caller.scopes)

    async def describe(conn: Connection, made: tuple[int, str]) -> Answer:
        return await _made(conn, call, made)

    return await act(call, body, make, describe)


async def rotate_key(call: Call, body: NothingMore) -> Answer:
    """Make a key in the place of this one, which is accepted for one more day."""
    number = call.number("key")

    async def rotate(house: House) -> tuple[int, str]:
        return await access.rotate_key(house, call.shop_id, call.author, number, within=call.caller.scopes)

    async def describe(conn: Connection, made: tuple[int, str]) -> Answer:
        return await _made(conn, call, made)

    return await act(call, body, rotate, describe)


async def revoke_key(call: Call, body: NothingMore) -> Answer:
    """End a key at once."""
    number = call.number("key")

    async def revoke(house: House) -> None:
        await access.revoke_key(house, call.shop_id, call.author, number)

    async def describe(conn: Connection, _: None) -> Answer:
        return Answer(KeyView(**_shown(await _key(conn, call, number))))

    return await act(call, body, revoke, describe)


async def _made(conn: Connection, call: Call, made: tuple[int, str]) -> Answer:
    return Answer(NewKey(**_shown(await _key(conn, call, made[0])), key=made[1]), 201)


async def _key(conn: Connection, call: Call, number: int) -> Key:
    return next(key for key in await access.list_keys(conn, call.shop_id) if key.id == number)


def _shown(key: Key) -> dict[str, Any]:
    return {name: getattr(key, name) for name in KeyView.__struct_fields__} | {
        "id": f"key_{key.id}",
        "scopes": list(key.scopes),
    }


ENDPOINTS: Final[list[Endpoint]] = [
    endpoint("GET", "/keys", Scope.KEYS_WRITE, get_keys),
    endpoint("POST", "/keys", Scope.KEYS_WRITE, post_key, gives=NewKey, statuses=(201,)),
    endpoint("POST", "/keys/{id}/rotate", Scope.KEYS_WRITE, rotate_key, gives=NewKey, statuses=(201,)),
    endpoint("POST", "/keys/{id}/revoke", Scope.KEYS_WRITE, revoke_key, gives=KeyView),
]
