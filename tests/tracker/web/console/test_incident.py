"""Incidents worked in the console, by forms alone: no script runs here."""

import html
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.seeded import Site
from tests.tracker.web.door import Caller, Pusher, event
from tracker.actions import people
from tracker.actions.audit import AT_THE_MACHINE
from tracker.domain.incident import CLOSING_REASONS
from tracker.domain.staff import Role
from tracker.web.app import make_app
from tracker.web.services import Services

HERE = {"Sec-Fetch-Site": "same-origin"}
PATH = "/console/incidents/1"
HELD = event(milestone="in_customs", status_detail="documents_required", code="H1", text="Documents required")
Enter = Callable[..., Awaitable["Desk"]]


class Desk:
    """Somebody at the console, with the incident's page as they saw it last."""

    def __init__(self, site: Site) -> None:
        self.site, self.page = site, ""

    async def look(self, path: str = PATH) -> str:
        self.page = await (await self.site.get(path)).text()
        return self.page

    @property
    def text(self) -> str:
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.page)).split())

    @property
    def commands(self) -> set[str]:
        """What can be done by a form of the page; an undo stands beside what was just done."""
        return set(re.findall(rf'action="{PATH}/(\w+)"', self.page)) - {"undo"}

    async def sends(self, command: str, **fields: str) -> int:
        """Send the form of the page that was seen last; the page that follows is looked at."""
        hidden = dict(re.findall(r'type="hidden" name="(csrf|version|seen)" value="(\w*)"', self.page))
        answer = await self.site.post(f"{PATH}/{command}", data=hidden | fields, headers=HERE, allow_redirects=False)
        self.page = await answer.text()
        if answer.status == 303:
            await self.look(answer.headers["Location"])
        return answer.status


@pytest.fixture
async def enter(services: Services, aiohttp_client: Callable[..., Any], shop: Caller, partner: Pusher) -> Enter:
    """Lets somebody in; inc_1 is open."""
    await shop.register(destination={"country": "CH", "postcode": "8001", "city": "Zürich"})
    await partner.events(HELD)

    async def enter(name: str, role: Role = Role.AGENT, shop: str = "north") -> Desk:
        email = f"{name.lower()}@north.example"
        await people.invite(services.house, shop, email, name, role, AT_THE_MACHINE)
        site = await aiohttp_client(make_app(services))
        link = await people.entry_link(services.house, email, AT_THE_MACHINE)
        await site.get(f"/console/enter/{link}")
        desk = Desk(site)
        await desk.look()
        return desk

    return enter


async def test_an_incident_is_worked_from_open_to_closed_by_its_buttons(enter: Enter):
    ana = await enter("Ana")
    for command, fields, said in (
        ("acknowledge", {}, "Acknowledged."),
        ("start", {}, "Work has begun."),
        ("wait", {"on": "authority", "until": "2026-03-09T12:00", "note": "Form 3 is sent"}, "Authority: "),
        ("stabilise", {}, "It is stable."),
        ("resolve", {"reason": "cured_by_shop", "note": "Found."}, "Cured by the shop"),
        ("close", {}, "Closed."),
    ):
        assert command in ana.commands, ana.commands
        assert await ana.sends(command, **fields) == 303
        assert said in ana.text
    assert ana.commands == {"note"}  # to reopen what is closed is for those who lead
    assert "by Ana" in ana.text
    assert "staff:" not in ana.text


async def test_the_buttons_are_those_that_state_and_role_allow(enter: Enter):
    viewer, agent, lead = await enter("Vic", Role.VIEWER), await enter("Ana"), await enter("Lea", Role.SUPERVISOR)
    assert viewer.commands == set()
    within = {"assign", "rate", "plan", "note"}
    assert (
        agent.commands == lead.commands == {"acknowledge", "start", "resolve"} | within
    )  # there is none to merge with
    assert await viewer.sends("start") == 403
    await agent.sends("resolve", reason="refunded")
    assert agent.commands == {"close", "reopen", "note"}
    await agent.sends("close")
    assert agent.commands == {"note"}
    assert await agent.sends("reopen") == 403
    await lead.look()
    assert lead.commands == {"reopen", "note"}
    assert await lead.sends("reopen", note="The customer rang.") == 303
    assert "The customer rang." in lead.text


async def test_two_at_the_same_incident_learn_of_each_other_and_no_words_are_lost(enter: Enter):
    ana, ben = await enter("Ana"), await enter("Ben")
    await ana.sends("start")
    words = "I rang the broker.\nThey need <form> 3 & a stamp"

    assert await ben.sends("resolve", reason="cured_by_shop", note=words) == 412

    assert "changed while you were at it" in ben.text
    assert "Work begun" in ben.text
    assert "by Ana" in ben.text
    assert html.escape(words) in ben.page.replace("&#34;", "&quot;")
    assert '<details id="move_resolve" data-form open>' in ben.page
    assert '<option value="cured_by_shop" selected>' in ben.page
    assert await ben.sends("resolve", reason="cured_by_shop", note=words) == 303
    assert "Resolved." in ben.text


async def test_words_for_what_is_not_possible_any_more_move_into_the_note(enter: Enter):
    ana, ben = await enter("Ana"), await enter("Ben")
    await ana.sends("resolve", reason="refunded")

    assert await ben.sends("wait", on="carrier", note="They look for it.") == 412

    assert re.search(r'<textarea id="note_note"[^>]*>They look for it.</textarea>', ben.page)
    assert await ben.sends("note", note="They look for it.") == 303
    assert "They look for it." in ben.text


async def test_it_is_taken_by_one_and_taken_over_by_who_leads(enter: Enter):
    ana, ben, lead = await enter("Ana"), await enter("Ben"), await enter("Lea", Role.SUPERVISOR)
    mine = re.search(r'name="owner" value="(stf_\d+)"', ana.page)
    assert mine is not None
    assert await ana.sends("assign", owner=mine[1]) == 303
    assert "Whose it is Ana" in ana.text
    await ben.look()
    assert "assign" not in ben.commands
    assert await ben.sends("assign", owner=mine[1]) == 403
    await lead.look()
    assert "Take it" in lead.text
    assert await lead.sends("assign", owner="") == 303
    assert "Whose it is nobody's yet" in lead.text


async def test_people_set_weight_and_action(enter: Enter):
    ana = await enter("Ana")
    await ana.sends("rate", severity="low")
    assert await ana.sends("plan", acts="shop", until="2026-03-09T12:00") == 303
    assert "Severity set by people" in ana.text
    assert "Shop: " in ana.text
    assert await ana.sends("plan", acts="weather") == 409


async def test_a_slip_is_taken_back_from_the_toast(enter: Enter):
    ana = await enter("Ana")
    await ana.sends("start")
    assert "Undo" in ana.text
    undo = re.search(rf'action="{PATH}/undo">.*?name="version" value="(\d+)"', ana.page, re.DOTALL)
    assert undo is not None
    assert await ana.sends("undo", version=undo[1]) == 303
    assert "Taken back" in ana.text
    assert "start" in ana.commands
    assert await ana.sends("undo") == 409
    assert "cannot be undone" in ana.text


@pytest.mark.parametrize(
    ("command", "fields", "status", "said"),
    [
        ("wait", {"on": "carrier", "until": "tomorrow"}, 422, "a day and a time"),
        ("wait", {"on": "carrier", "until": "0001-01-01T00:00"}, 422, "a day and a time"),
        ("wait", {"on": "carrier", "until": "2026-03-01T12:00"}, 409, "still to come"),
        ("wait", {"on": "godot"}, 409, "waits on one of"),
        ("resolve", {"reason": "merged"}, 409, "no closing reason"),
        ("merge", {"into": "inc_1"}, 409, "name it"),
        ("start", {"version": "x"}, 412, "changed while"),
        ("start", {"version": ""}, 412, "changed while"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_is_kept(enter: Enter, command, fields, status, said):
    ana = await enter("Ana")
    await ana.sends("acknowledge")
    assert await ana.sends(command, note="Kept.", **fields) == status
    assert said in ana.text
    assert command in ("start", "merge") or "Kept.</textarea>" in ana.page


async def test_words_that_no_page_can_take_are_made_harmless(enter: Enter):
    ana = await enter("Ana")
    assert await ana.sends("note", note="<script>x</script>\x00\u202e end") == 303
    assert "&lt;script&gt;x&lt;/script&gt; end" in ana.page


async def test_another_shops_incident_is_not_there(enter: Enter):
    eve = await enter("Eve", Role.ADMIN, "south")
    assert "There is nothing at this address" in eve.text
    await eve.look("/console")
    assert await eve.sends("start", version="1") == 404


async def test_its_timeline_tells_what_came_in_what_was_concluded_and_what_was_said_in_one(enter: Enter):
    ana = await enter("Ana")
    await ana.sends("note", note="Asked the broker.")
    story = ana.text.partition("Its timeline")[2]
    told = ("The shop registered the parcel", "Documents required", "Opened", "Asked the broker.", "by Ana")
    order = [story.index(one) for one in told]
    assert order == sorted(order)
    assert "Incident: first word" in ana.text


async def test_every_reason_can_be_chosen(enter: Enter):
    ana = await enter("Ana")
    assert set(re.findall(r'<option value="(\w+)"', ana.page)) >= CLOSING_REASONS - {"merged"}
