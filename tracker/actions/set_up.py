"""The first run: the first admin is made, in shadow mode; then the shop is told of itself, and goes live when it is ready."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal

from sql import queries
from sql.connection import Connection
from tracker.actions import access, audit, people
from tracker.actions.audit import Author
from tracker.actions.deciding import House
from tracker.actions.sign_in import Entrance, SignInRefused, Visit
from tracker.domain.errors import FieldsWrong, RuleRefused, Wrong
from tracker.domain.staff import Role
from tracker.settings import ShopSettings, shop_mistakes
from tracker.store import shops
from tracker.vault import same

_SQL = queries.topic("people")
_AT_SET_UP: Final = Author(actor="set_up")
_OPTIONAL: Final = frozenset({"phone", "website"})
Switch = Literal["shadow", "stop_sending"]


def token(house: House) -> str:
    """What opens the set-up. It is good for as long as there is no admin, and so for one of them."""
    return house.vault.mac("set_up", "the first admin")


async def is_open(conn: Connection) -> bool:
    """Whether nobody has been made admin yet."""
    return not await conn.fetchval(_SQL.has_admin)


async def begin(house: House, shop: str, given: str, email: str, name: str, password: str, visit: Visit) -> Entrance:
    """The first admin of the shop, who comes in with this; nothing is sent until they say so.

    Raises SignInRefused for another token or where there is an admin, FieldsWrong, passwords.Busy.
    """
    if not same(given.encode(), token(house).encode()):
        raise SignInRefused
    hashed = await people.hash_of_new(house, email, name, password)
    async with house.db.transaction() as conn:
        await conn.execute(_SQL.take_turn, house.db.advisory_key("set_up"))
        if not await is_open(conn):
            raise SignInRefused
        invitation = await people.invite_within(house, conn, shop, email, name, Role.ADMIN, _AT_SET_UP)
        await access.turn_switch(conn, "shadow", engaged=True, by=_AT_SET_UP.actor)
        return await people.join_within(house, conn, invitation, hashed, visit)


async def tell_of_shop(
    house: House, by: Author, shop_id: int, told: Mapping[str, str], fixed: Collection[str] = ()
) -> None:
    """What customers read of the shop and answer to; what is `fixed` by the configuration stays. Raises FieldsWrong."""
    async with house.db.transaction() as conn:
        before = await shops.details(conn, shop_id)
        after = before | {
            name: told[name].strip() or None for name in shops.FIELDS if name in told and name not in fixed
        }
        wrong = list(_mistakes(after))
        if wrong:
            raise FieldsWrong(wrong)
        await shops.write(conn, shop_id, after)
        changed = " ".join(name for name in shops.FIELDS if before[name] != after[name])
        await audit.record(house.db, conn, by, "shop.changed", f"shop_{shop_id}", fields=changed)


async def turn(house: House, by: Author, name: Switch, *, engaged: bool) -> None:
    """Engage or release a switch. Raises RuleRefused where it stands like that already."""
    async with house.db.transaction() as conn:
        if (await access.switches(conn))[name] == engaged:
            raise RuleRefused("it stands like that already")
        await access.turn_switch(conn, name, engaged=engaged, by=by.actor)
        await audit.record(house.db, conn, by, "switch.turned", name, engaged=engaged)


def _mistakes(values: Mapping[str, str | None]) -> Iterator[Wrong]:
    empty = [name for name, value in values.items() if value is None and name not in _OPTIONAL]
    yield from (Wrong(f"/{name}", "is needed") for name in empty)
    if empty:
        return
    if len(values["name"] or "") > 60:
        yield Wrong("/name", "at most 60 characters")
    shop = ShopSettings(**{name: value for name, value in values.items() if value is not None})
    for complaint in shop_mistakes(shop):
        name, _, detail = complaint.removeprefix("shop.").partition(": ")
        yield Wrong(f"/{name}", detail)
