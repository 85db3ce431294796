"""The first run: the link that was printed makes the first admin; then a list of what is left, up to going live."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from tracker.actions import accounts, set_up
from tracker.actions.audit import author
from tracker.actions.set_up import Switch
from tracker.actions.sign_in import SignInRefused
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused
from tracker.passwords import LONGEST, SHORTEST, Busy
from tracker.store import board, shops
from tracker.vault import same
from tracker.web import templating
from tracker.web.console import door, form
from tracker.web.console.door import HOME, PERSON
from tracker.web.console.shell import shell
from tracker.web.errors import REQUEST_ID
from tracker.web.services import SERVICES

HERE: Final = f"{HOME}/set-up"
_BEGIN: Final = f"{HOME}/begin/{{token}}"
_SWITCHES: Final[dict[str, Switch]] = {"shadow": "shadow", "stop-sending": "stop_sending"}
_LONGEST_TOKEN: Final = 200


class Progress(msgspec.Struct, frozen=True):
    """What stands already; each is one line of the list."""

    shop: bool
    carriers: tuple[str, ...]
    mail: bool
    sms: bool
    address: bool
    second_factor: bool
    parcels: bool


def add_routes(app: web.Application) -> None:
    """What is open to whoever holds the printed link, until there is an admin."""
    app.router.add_get(_BEGIN, ask)
    app.router.add_post(_BEGIN, begin)


async def ask(request: web.Request) -> web.Response:
    """`/console/begin/{token}`: who is the first admin?"""
    house = request.app[SERVICES].house
    async with house.db.connection() as conn:
        is_open = await set_up.is_open(conn)
    if not is_open or not same(_token(request).encode(), set_up.token(house).encode()):
        return door.explain(request, "used", 404)
    return _begin_page(request, {}, {})


async def begin(request: web.Request) -> web.Response:
    """The first admin, who is in with this."""
    door.refuse_from_other_sites(request)
    services = request.app[SERVICES]
    name, email = await form.text(request, "name"), await form.text(request, "email")
    password, again = await form.untouched(request, "password"), await form.untouched(request, "again")
    typed = {"name": name, "email": email}
    if password != again:
        return _begin_page(request, typed, {"again": "the two are not the same"})
    shop, visit = services.settings.shop.code, door.visit_of(request)
    try:
        entrance = await set_up.begin(
            services.house, shop, _token(request), email, name, password[: LONGEST + 1], visit
        )
    except FieldsWrong as mistake:
        return _begin_page(request, typed, form.wrong(mistake))
    except SignInRefused:
        return door.explain(request, "used", 404)
    except Busy:
        raise form.busy() from None
    raise door.let_in(request, entrance, f"{HOME}/shop?step=1")


async def check_list(request: web.Request) -> web.Response:
    """`/console/set-up`: what stands, what is left, and the switches with what they bring about."""
    person, services = request[PERSON], request.app[SERVICES]
    async with services.house.db.connection() as conn:
        frame = await shell(request, conn)
        kept = await accounts.load(conn, services.house.vault, person.shop_id)
        settings = accounts.merged(services.settings, kept)
        told = await shops.details(conn, person.shop_id)
        counts = await board.parcel_counts(conn, person.shop_id)
    public = urlsplit(services.public_url)
    progress = Progress(
        shop=not (told["sender_email"] or "").endswith(".example"),
        carriers=tuple(sorted({one.carrier for one in settings.carriers})),
        mail=settings.smtp_url is not None,
        sms=settings.twilio.account_sid is not None,
        address=public.scheme == "https" and not door.is_loopback(public.hostname or ""),
        second_factor=person.has_second_factor,
        parcels=counts.total > 0,
    )
    values: dict[str, Any] = {"progress": progress, "public_url": services.public_url}
    return frame.page("console/set_up.html", values, section="set_up", live=False)


async def turn(request: web.Request) -> web.Response:
    """`/console/set-up/{switch}/{state}`: shadow or stop-sending, on or off."""
    name, state = _SWITCHES.get(request.match_info["switch"]), request.match_info["state"]
    if name is None or state not in ("on", "off"):
        raise NotFound("no such switch")
    by = author(request[PERSON], request.get(REQUEST_ID))
    with suppress(RuleRefused):  # somebody was quicker: it is as was wished
        await set_up.turn(request.app[SERVICES].house, by, name, engaged=state == "on")
    raise web.HTTPSeeOther(HERE)


def _token(request: web.Request) -> str:
    return request.match_info["token"][:_LONGEST_TOKEN]


def _begin_page(request: web.Request, typed: dict[str, str], wrong: dict[str, str]) -> web.Response:
    values = {"wrong": wrong, "name": typed.get("name", ""), "email": typed.get("email", ""), "shortest": SHORTEST}
    status = 422 if wrong else 200
    csp = templating.CONSOLE_CSP
    return templating.page(door.spoken_by(request), "console/begin.html", values, csp=csp, status=status)
