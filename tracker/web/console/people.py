"""The people of the shop: who is there, who is invited, and what may be changed about each, with its consequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from sql.connection import Connection
from tracker.actions import people as acts
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused, Wrong
from tracker.domain.staff import Role
from tracker.store import people as kept
from tracker.store import reading
from tracker.store.people import PersonLine
from tracker.web.console import asked, form
from tracker.web.console.door import HOME, PERSON
from tracker.web.console.shell import shell
from tracker.web.services import SERVICES

HERE: Final = f"{HOME}/people"
_SAID: Final = ("role", "disabled", "enabled", "removed")


async def everybody(request: web.Request) -> web.Response:
    """`/console/people`."""
    return await _everybody(request)


async def invite(request: web.Request) -> web.Response:
    """Somebody new; their link is shown with this answer alone."""
    typed = {name: await form.text(request, name) for name in ("email", "name", "role", "partner")}
    try:
        role, partner_id = _role(typed["role"]), _number(typed["partner"])
        house, by = request.app[SERVICES].house, request[PERSON]
        number, token = await acts.add(house, typed["email"], typed["name"], role, by, partner_id=partner_id)
    except FieldsWrong as mistake:
        return await _everybody(request, wrong=form.wrong(mistake), typed=typed)
    return await _shown_once(request, number, token)


async def person(request: web.Request) -> web.Response:
    """`/console/people/{id}`."""
    return await _person(request)


async def change_role(request: web.Request) -> web.Response:
    """They may do other things from now on."""
    try:
        role = _role(await form.text(request, "role"))
        await acts.change_role(request.app[SERVICES].house, asked.number(request), role, request[PERSON])
    except FieldsWrong as mistake:
        return await _person(request, refusal=form.wrong(mistake)["role"])
    except RuleRefused as no:
        return await _person(request, refusal=str(no))
    raise _back(request, "role")


async def invite_again(request: web.Request) -> web.Response:
    """A new link for somebody who lost theirs, or their password."""
    number = asked.number(request)
    try:
        token = await acts.invite_again(request.app[SERVICES].house, number, request[PERSON])
    except RuleRefused as no:
        return await _person(request, refusal=str(no))
    return await _shown_once(request, number, token)


async def disable(request: web.Request) -> web.Response:
    """They are out at once."""
    return await _turn(request, disabled=True)


async def enable(request: web.Request) -> web.Response:
    """They may come in again."""
    return await _turn(request, disabled=False)


async def remove_second_factor(request: web.Request) -> web.Response:
    """For somebody who lost their phone and their recovery codes."""
    try:
        await acts.remove_second_factor(request.app[SERVICES].house, asked.number(request), request[PERSON])
    except RuleRefused as no:
        return await _person(request, refusal=str(no))
    raise _back(request, "removed")


async def _turn(request: web.Request, *, disabled: bool) -> web.Response:
    number, by = asked.number(request), request[PERSON]
    try:
        await acts.disable(request.app[SERVICES].house, number, by, disabled=disabled)
    except RuleRefused as no:
        return await _person(request, refusal=str(no))
    raise _back(request, "disabled" if disabled else "enabled")


async def _everybody(
    request: web.Request, *, wrong: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None
) -> web.Response:
    shop_id = request[PERSON].shop_id
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        values = {
            "people": await kept.people(conn, shop_id),
            "partners": [
                (str(one.id), one.name) for one in await kept.partners(conn, shop_id) if one.disabled_at is None
            ],
            "machine_now": await reading.machine_time(conn),
            "roles": list(Role),
            "wrong": wrong or {},
            "typed": typed or {"email": "", "name": "", "role": Role.AGENT.value, "partner": ""},
        }
    return frame.page("console/people.html", values, section="people", live=False, status=422 if wrong else 200)


async def _person(request: web.Request, *, refusal: str | None = None) -> web.Response:
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        values = {
            "one": await _found(conn, request[PERSON].shop_id, asked.number(request)),
            "machine_now": await reading.machine_time(conn),
            "roles": [role for role in Role if role is not Role.PARTNER],
            "refusal": refusal,
            "said": asked.one_of(request, "said", _SAID),
        }
    return frame.page("console/person.html", values, section="people", live=False, status=409 if refusal else 200)


async def _shown_once(request: web.Request, number: int, token: str | None) -> web.Response:
    services = request.app[SERVICES]
    async with services.house.db.connection() as conn:
        frame = await shell(request, conn)
        one = await _found(conn, request[PERSON].shop_id, number)
    values = {"one": one, "link": f"{services.public_url}/console/join/{token}" if token else None}
    return frame.page("console/invited.html", values, section="people", live=False)


async def _found(conn: Connection, shop_id: int, number: int) -> PersonLine:
    for one in await kept.people(conn, shop_id):
        if one.id == number:
            return one
    raise NotFound(f"nobody stf_{number}")


def _role(text: str) -> Role:
    if text not in list(Role):
        raise FieldsWrong([Wrong("/role", "one of the roles of this list")])
    return Role(text)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _back(request: web.Request, said: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"{HERE}/{asked.number(request)}?said={said}")
