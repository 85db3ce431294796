"""One's own account: how one reads, the password, the second factor, the sessions, the shop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal
from zoneinfo import available_timezones

import pyotp
import segno
from aiohttp import web
from babel import Locale

from tracker.actions import people, second_factor, sign_in
from tracker.actions.people import Reading
from tracker.domain.errors import FieldsWrong, RuleRefused
from tracker.passwords import SHORTEST, Busy
from tracker.store import people as kept
from tracker.store import reading
from tracker.web import words
from tracker.web.console import asked, door, form
from tracker.web.console.door import HOME, PERSON
from tracker.web.console.shell import shell
from tracker.web.services import SERVICES

HERE: Final = f"{HOME}/me"
_FACTOR: Final = f"{HERE}/second-factor"
_SAID: Final = ("saved", "password", "removed", "ended")
_SCHEMES: Final[Mapping[str, Literal["light", "dark"]]] = {"light": "light", "dark": "dark"}
# What a browser calls itself, the narrower names first: each also names those it descends from.
_BROWSERS: Final = {
    "Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome", "Chrome": "Chrome",
    "Safari": "Safari",
}  # fmt: skip
_SYSTEMS: Final = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS X": "macOS",
    "CrOS": "ChromeOS", "Linux": "Linux",
}  # fmt: skip


async def account(request: web.Request) -> web.Response:
    """`/console/me`."""
    return await _account(request)


async def change_profile(request: web.Request) -> web.Response:
    """Name, language, time zone, light or dark."""
    language, scheme = await form.text(request, "language"), await form.text(request, "scheme")
    read_as = Reading(
        language=language if language in words.available() else None,
        time_zone=await form.text(request, "time_zone") or None,
        scheme=_SCHEMES.get(scheme),
    )
    name = await form.text(request, "name")
    try:
        await people.change_profile(request.app[SERVICES].house, request[PERSON], name, read_as)
    except FieldsWrong as mistake:
        return await _account(request, wrong=form.wrong(mistake), typed={"name": name})
    raise web.HTTPSeeOther(f"{HERE}?said=saved")


async def change_password(request: web.Request) -> web.Response:
    """The old one and the new one twice."""
    old, new = await form.untouched(request, "old"), await form.untouched(request, "password")
    if new != await form.untouched(request, "again"):
        return await _account(request, wrong={"again": "the two are not the same"})
    try:
        await people.change_password(request.app[SERVICES].house, request[PERSON], old, new)
    except FieldsWrong as mistake:
        return await _account(request, wrong=form.wrong(mistake))
    except Busy:
        raise form.busy() from None
    raise web.HTTPSeeOther(f"{HERE}?said=password")


async def begin_second_factor(request: web.Request) -> web.Response:
    """A new secret for the authenticator app."""
    try:
        await second_factor.begin(request.app[SERVICES].house, request[PERSON])
    except RuleRefused:
        raise web.HTTPSeeOther(HERE) from None
    raise web.HTTPSeeOther(_FACTOR)


async def set_up_second_factor(request: web.Request) -> web.Response:
    """`/console/me/second-factor`: the code to scan, and a code of the app to confirm it with."""
    return await _set_up(request)


async def confirm_second_factor(request: web.Request) -> web.Response:
    """A code of the app; the recovery codes are shown with this answer alone."""
    code = await form.text(request, "code")
    try:
        codes = await second_factor.confirm(request.app[SERVICES].house, request[PERSON], code)
    except FieldsWrong as mistake:
        return await _set_up(request, wrong=form.wrong(mistake))
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
    return frame.page("console/recovery_codes.html", {"codes": codes}, section="me", live=False)


async def remove_second_factor(request: web.Request) -> web.Response:
    """Without a second factor from now on; the password makes sure that it is meant."""
    house, person = request.app[SERVICES].house, request[PERSON]
    try:
        await people.make_sure(house, person, await form.untouched(request, "password"))
    except FieldsWrong as mistake:
        return await _account(request, wrong={"factor_password": form.wrong(mistake)["old"]})
    except Busy:
        raise form.busy() from None
    await people.remove_second_factor(house, person.staff_id, person)
    raise web.HTTPSeeOther(f"{HERE}?said=removed")


async def end_session(request: web.Request) -> web.Response:
    """One of one's own sessions ends; this one, and one is out."""
    number = asked.number(request)
    await sign_in.revoke(request.app[SERVICES].house, number, request[PERSON])
    if number == request[PERSON].session_id:
        raise door.let_out(request)
    raise web.HTTPSeeOther(f"{HERE}?said=ended")


async def change_shop(request: web.Request) -> web.Response:
    """Go on in another shop, with a new token."""
    wanted = await form.text(request, "shop_id")
    shop_id = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else 0
    entrance = await sign_in.change_shop(request.app[SERVICES].house, request[PERSON], shop_id)
    raise door.let_in(request, entrance, HOME)


async def _account(
    request: web.Request, *, wrong: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None
) -> web.Response:
    person = request[PERSON]
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        values: dict[str, Any] = {
            "wrong": wrong or {},
            "name": (typed or {}).get("name", person.name),
            "said": asked.one_of(request, "said", _SAID),
            "machine_now": await reading.machine_time(conn),
            "sessions": await kept.sessions(conn, person.staff_id),
            "roles": await kept.roles(conn, person.staff_id),
            "codes_left": await kept.recovery_codes_left(conn, person.staff_id),
        }
    values |= {"languages": _languages(), "zones": _zones(), "browser": browser, "shortest": SHORTEST}
    return frame.page("console/me.html", values, section="me", live=False, status=422 if wrong else 200)


async def _set_up(request: web.Request, *, wrong: Mapping[str, str] | None = None) -> web.Response:
    house, person = request.app[SERVICES].house, request[PERSON]
    address = await second_factor.being_set_up(house, person)
    if address is None:
        raise web.HTTPSeeOther(HERE)
    async with house.db.connection() as conn:
        frame = await shell(request, conn)
    secret = pyotp.parse_uri(address).secret
    values = {
        "drawn": segno.make(address, error="m").svg_data_uri(scale=5, border=3, light="white"),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "wrong": wrong or {},
    }
    return frame.page("console/second_factor.html", values, section="me", live=False, status=422 if wrong else 200)


def browser(called: str | None) -> str:
    """What a browser is called by people: "Firefox, Windows"; empty for one that says nothing of itself."""
    text = called or ""
    names = [
        next((said for sign, said in table.items() if re.search(rf"\b{sign}\b", text)), "")
        for table in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, names)) or text.partition("/")[0][:40]


@cache
def _languages() -> dict[str, str]:
    """The languages of the pages, each by its own name."""
    own = {code: Locale.parse(code, sep="-").get_display_name(code) or code for code in sorted(words.available())}
    return {code: name[:1].upper() + name[1:] for code, name in own.items()}


@cache
def _zones() -> list[tuple[str, str]]:
    """The time zones that people live in; the machine's own aliases are left out."""
    places = (zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
    return [(zone, zone.replace("_", " ")) for zone in sorted(places)]
