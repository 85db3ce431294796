import pytest
from aiohttp.test_utils import make_mocked_request

from tracker.web.errors import Problem
from tracker.web.problem_page import problem_page

HTML = "text/html,application/xhtml+xml"


async def test_people_see_a_page_and_programs_a_problem(site):
    page = await site.get("/nowhere", headers={"Accept": HTML, "Accept-Language": "es"})
    problem = await site.get("/nowhere", headers={"Accept": "application/json"})

    assert (page.status, problem.status) == (404, 404)
    assert "No hay nada en esta dirección." in await page.text()
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert (await problem.json())["code"] == "not_found"


async def test_what_is_not_allowed_says_what_is(site):
    page = await site.post("/console", headers={"Accept": HTML})

    assert page.status == 405
    assert page.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (500, "Something went wrong on our side."),
        (429, "Please wait some minutes."),
        (503, "We cannot answer at the moment."),
        (409, "This cannot be done."),
    ],
)
def test_every_kind_of_problem_says_what_to_do_and_nothing_of_our_insides(status, says):
    answer = problem_page(
        make_mocked_request("GET", "/console"), Problem(status, "x", "connection to 10.0.0.5 refused")
    )

    assert answer.status == status
    assert says in (answer.text or "")
    assert "10.0.0.5" not in (answer.text or "")
