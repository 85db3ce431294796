"""The console for staff: its pages, each with what must be allowed to open it."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tracker.domain.incident import Command
from tracker.domain.staff import May
from tracker.web import assets, problem_page
from tracker.web.console import (
    door,
    doubts,
    entrance,
    incident,
    incidents,
    me,
    messages,
    people,
    record,
    set_up,
    shipment,
    shipments,
    shop,
    today,
)
from tracker.web.console.door import Page

PAGES: Final = (
    Page("GET", "", May.SEE, today.today),
    Page("GET", "/search", May.SEE, shipments.find),
    Page("GET", "/incidents", May.SEE, incidents.incidents),
    Page("POST", "/views", May.SEE, incidents.save_view),
    Page("POST", "/views/{id}/remove", May.SEE, incidents.remove_view),
    Page("GET", "/shipments", May.SEE, shipments.shipments),
    Page("GET", "/customers/{id}", May.SEE_PERSONAL, shipments.one_customer),
    Page("GET", "/shipments/{id}", May.SEE, shipment.shipment),
    Page("POST", "/shipments/{id}/personal-data", May.SEE_PERSONAL, shipment.reveal),
    Page("GET", "/incidents/{id}", May.SEE, incident.incident),
    *(Page("POST", f"/incidents/{{id}}/{one}", May.WORK, incident.doing(one)) for one in Command),
    Page("GET", "/observations/{id}", May.SEE_PERSONAL, shipment.observation),
    Page("GET", "/messages", May.SEE_PERSONAL, messages.messages),
    Page("GET", "/messages/{id}", May.SEE_PERSONAL, messages.message),
    Page("GET", "/messages/{id}/letter", May.SEE_PERSONAL, messages.letter),
    Page("GET", "/quarantine", May.SEE, doubts.in_quarantine),
    Page("GET", "/carriers", May.SEE, doubts.carriers),
    Page("GET", "/health", May.CONFIGURE, doubts.health),
    Page("GET", "/me", May.ENTER, me.account),
    Page("POST", "/me", May.ENTER, me.change_profile),
    Page("POST", "/me/password", May.ENTER, me.change_password),
    Page("GET", "/me/second-factor", May.ENTER, me.set_up_second_factor),
    Page("POST", "/me/second-factor", May.ENTER, me.begin_second_factor),
    Page("POST", "/me/second-factor/confirm", May.ENTER, me.confirm_second_factor),
    Page("POST", "/me/second-factor/remove", May.ENTER, me.remove_second_factor),
    Page("POST", "/me/sessions/{id}/end", May.ENTER, me.end_session),
    Page("POST", "/me/shop", May.ENTER, me.change_shop),
    Page("GET", "/people", May.MANAGE_PEOPLE, people.everybody),
    Page("POST", "/people", May.MANAGE_PEOPLE, people.invite),
    Page("GET", "/people/{id}", May.MANAGE_PEOPLE, people.person),
    Page("POST", "/people/{id}/role", May.MANAGE_PEOPLE, people.change_role),
    Page("POST", "/people/{id}/invitation", May.MANAGE_PEOPLE, people.invite_again),
    Page("POST", "/people/{id}/disable", May.MANAGE_PEOPLE, people.disable),
    Page("POST", "/people/{id}/enable", May.MANAGE_PEOPLE, people.enable),
    Page("POST", "/people/{id}/second-factor/remove", May.MANAGE_PEOPLE, people.remove_second_factor),
    Page("GET", "/audit", May.AUDIT, record.record),
    Page("POST", "/audit/check", May.AUDIT, record.check),
    Page("GET", "/set-up", May.CONFIGURE, set_up.check_list),
    Page("POST", "/set-up/{switch}/{state}", May.CONFIGURE, set_up.turn),
    Page("GET", "/shop", May.CONFIGURE, shop.shop),
    Page("POST", "/shop", May.CONFIGURE, shop.tell),
    Page("GET", "/shop/{kind}/{code}", May.CONFIGURE, shop.account),
    Page("POST", "/shop/{kind}/{code}", May.CONFIGURE, shop.change_account),
    Page("POST", "/shop/{kind}/{code}/try", May.CONFIGURE, shop.try_account),
    Page("POST", "/shop/{kind}/{code}/remove", May.CONFIGURE, shop.remove_account),
    Page("POST", "/sign-out", May.ENTER, entrance.leave),
)


def add_routes(app: web.Application) -> None:
    """Adds `/console` and everything below it. The application holds SERVICES by the time a request comes."""
    assets.add_routes(app)
    problem_page.show_to_people(app)
    entrance.add_routes(app)
    set_up.add_routes(app)
    for page in PAGES:
        add = app.router.add_get if page.method == "GET" else app.router.add_post
        add(f"{door.HOME}{page.path}", door.behind(page))
