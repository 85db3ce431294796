"""The shop's own pages: what customers read of it, and its accounts with carriers, relay and gateway, tried out on demand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from aiohttp import web

from tracker.actions import accounts, set_up
from tracker.actions.accounts import MAIL, SMS, Field, Kept, Key, Kind
from tracker.actions.audit import author
from tracker.actions.trial import Trial
from tracker.domain.errors import FieldsWrong, NotFound
from tracker.store import shops
from tracker.web.console import form
from tracker.web.console.door import HOME, PERSON
from tracker.web.console.shell import shell
from tracker.web.errors import REQUEST_ID
from tracker.web.services import SERVICES, Services

HERE: Final = f"{HOME}/shop"
_CHECK_LIST: Final = f"{HOME}/set-up"


async def shop(request: web.Request) -> web.Response:
    """`/console/shop`; with `step=1` as the first step of the set-up."""
    return await _shop(request)


async def tell(request: web.Request) -> web.Response:
    """What customers read of the shop and answer to."""
    person, services = request[PERSON], request.app[SERVICES]
    told = {name: await form.text(request, name) for name in shops.FIELDS if name in await request.post()}
    by = author(person, request.get(REQUEST_ID))
    try:
        await set_up.tell_of_shop(services.house, by, person.shop_id, told, _fixed(request))
    except FieldsWrong as mistake:
        return await _shop(request, typed=told, wrong=form.wrong(mistake))
    raise web.HTTPSeeOther(_following(request, None))


async def account(request: web.Request) -> web.Response:
    """`/console/shop/{kind}/{code}`: one account, without its secrets."""
    return await _account(request, _key(request))


async def change_account(request: web.Request) -> web.Response:
    """Keep an account; where it is to be tried out too, the answer says how that went."""
    key, person, services = _key(request), request[PERSON], request.app[SERVICES]
    given = {
        field.name: await form.untouched(request, field.name) for field in accounts.fields(key, services.house.cards)
    }
    try:
        await accounts.keep(services.house, author(person, request.get(REQUEST_ID)), person.shop_id, key, given)
    except FieldsWrong as mistake:
        return await _account(request, key, typed=given, wrong=form.wrong(mistake))
    if await form.text(request, "then") == "try":
        return await _account(request, key, trial=await _tried(request, key))
    raise web.HTTPSeeOther(_following(request, key))


async def try_account(request: web.Request) -> web.Response:
    """One real call by an account as it stands."""
    key = _key(request)
    return await _account(request, key, trial=await _tried(request, key))


async def remove_account(request: web.Request) -> web.Response:
    """An account of the console is used no more."""
    person, services = request[PERSON], request.app[SERVICES]
    by = author(person, request.get(REQUEST_ID))
    await accounts.remove(services.house, by, person.shop_id, _key(request))
    await _refresh(services)
    raise web.HTTPSeeOther(HERE)


async def _shop(
    request: web.Request, *, typed: Mapping[str, str] | None = None, wrong: Mapping[str, str] | None = None
) -> web.Response:
    person, services = request[PERSON], request.app[SERVICES]
    async with services.house.db.connection() as conn:
        frame = await shell(request, conn)
        told = await shops.details(conn, person.shop_id)
        kept = await accounts.load(conn, services.house.vault, person.shop_id)
    in_use = _standing(services, kept)
    values: dict[str, Any] = {
        "told": {**told, **(typed or {})},
        "fixed": _fixed(request),
        "wrong": wrong or {},
        "accounts": [(key, key in in_use) for key in _every(services)],
        "configured": {key for key, one in in_use.items() if one is None},
        "step": request.query.get("step", ""),
    }
    return frame.page("console/shop.html", values, section="shop", live=False, status=422 if wrong else 200)


async def _account(
    request: web.Request,
    key: Key,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    trial: Trial | None = None,
) -> web.Response:
    person, services = request[PERSON], request.app[SERVICES]
    asked_for = accounts.fields(key, services.house.cards)
    async with services.house.db.connection() as conn:
        frame = await shell(request, conn)
        found = await accounts.load(conn, services.house.vault, person.shop_id)
    kept = next((one for one in found if one.key == key), None)
    in_use = _standing(services, found)
    values: dict[str, Any] = {
        "key": key,
        "fields": asked_for,
        "kept": kept,
        "shown": _shown(asked_for, {**(kept.values if kept else {}), **(typed or {})}),
        "has_secret": {field.name for field in asked_for if field.is_secret and kept and field.name in kept.values},
        "is_configured": key in in_use and in_use[key] is None,
        "stands": key in in_use,
        "wrong": wrong or {},
        "trial": trial,
        "step": request.query.get("step") == "1",
        "following": _following(request, key),
    }
    return frame.page("console/account.html", values, section="shop", live=False, status=422 if wrong else 200)


async def _tried(request: web.Request, key: Key) -> Trial:
    services, person = request.app[SERVICES], request[PERSON]
    if services.trials is None:
        raise NotFound("nothing can be tried out here")
    await _refresh(services)
    by = author(person, request.get(REQUEST_ID))
    return await services.trials.run(services.house, by, person.shop_id, key, person.email)


async def _refresh(services: Services) -> None:
    if services.refresh_accounts is not None:
        await services.refresh_accounts()


def _shown(asked_for: Collection[Field], values: Mapping[str, str]) -> dict[str, str]:
    """What may be shown again: no secret, not even one that was typed just now."""
    return {field.name: "" if field.is_secret else values.get(field.name, "") for field in asked_for}


def _every(services: Services) -> list[Key]:
    carriers = [Key(Kind.CARRIER, code) for code in sorted(services.house.cards)]
    return [*carriers, Key(Kind.MAIL, MAIL), Key(Kind.SMS, SMS)]


def _standing(services: Services, kept: Collection[Kept]) -> dict[Key, Kept | None]:
    """The accounts that are used; None for those of the configuration, which stand above."""
    settings, cards = services.settings, services.house.cards
    standing: dict[Key, Kept | None] = {one.key: one for one in kept}
    for one in settings.carriers:
        if set(cards[one.carrier].settings) <= one.values.keys():
            standing[Key(Kind.CARRIER, one.carrier, one.account)] = None
    if settings.smtp_url is not None:
        standing[Key(Kind.MAIL, MAIL)] = None
    if settings.twilio.account_sid is not None:
        standing[Key(Kind.SMS, SMS)] = None
    return standing


def _fixed(request: web.Request) -> frozenset[str]:
    """What of the shop is said by the configuration."""
    settings = request.app[SERVICES].settings
    return settings.shop_given if settings.shop.code == request[PERSON].shop else frozenset()


def _key(request: web.Request) -> Key:
    kind, code = request.match_info["kind"], request.match_info["code"]
    if kind not in set(Kind):
        raise NotFound("no such account")
    key = Key(Kind(kind), code)
    accounts.fields(key, request.app[SERVICES].house.cards)
    return key


def _following(request: web.Request, key: Key | None) -> str:
    """Where to go on: to the next step of the set-up, or back to the shop."""
    if request.query.get("step") != "1":
        return HERE
    if key is None:
        return f"{HERE}?step=carrier"
    if key.kind is Kind.SMS:
        return _CHECK_LIST
    return f"{HERE}/{Kind.MAIL}/{MAIL}?step=1" if key.kind is Kind.CARRIER else f"{HERE}/{Kind.SMS}/{SMS}?step=1"
