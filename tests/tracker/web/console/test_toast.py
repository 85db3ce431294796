"""What was just done is said once, to whoever did it."""

import re

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tracker.web.console import toast
from tracker.web.console.toast import Undo

TEXT = "<b>Resolved.</b>"


def written_for(site, session):
    """The cookie that a handler of this session leaves behind."""
    request = make_mocked_request("POST", "/console", headers={"Cookie": f"sid={session}"}, app=site.app)
    answer = web.HTTPSeeOther("/console")
    toast.flash(request, answer, TEXT, Undo("/console/incidents/7/reopen", {"version": "3"}))
    return answer.cookies["said"].value


@pytest.fixture
def session(board):
    return next(one.value for one in board.session.cookie_jar if one.key == "sid")


async def test_the_next_page_says_it_with_the_way_back_and_the_one_after_does_not(board, session):
    board.session.cookie_jar.update_cookies({"said": written_for(board, session)}, board.make_url("/"))
    assert "Resolved" not in await (await board.get("/console", headers={"HX-Request": "true"})).text()
    body = await (await board.get("/console")).text()
    assert "&lt;b&gt;Resolved." in body
    form = re.search(r'<form method="post" action="/console/incidents/7/reopen">(.*?)</form>', body, re.DOTALL)
    assert form is not None
    assert 'name="version" value="3"' in form[1]
    assert 'name="csrf"' in form[1]
    assert "Resolved" not in await (await board.get("/console")).text()


@pytest.mark.parametrize(
    "spoil", [lambda one: one[:-1] + "_", lambda one: "", lambda one: "e30=.x", lambda one: f"x{one}"]
)
async def test_what_we_did_not_write_is_not_said(board, session, spoil):
    board.session.cookie_jar.update_cookies({"said": spoil(written_for(board, session))}, board.make_url("/"))
    assert 'class="toast"' not in await (await board.get("/console")).text()


async def test_what_was_written_for_another_session_is_not_said(board):
    board.session.cookie_jar.update_cookies({"said": written_for(board, "somebody else")}, board.make_url("/"))
    assert 'class="toast"' not in await (await board.get("/console")).text()
