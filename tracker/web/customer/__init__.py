"""The customer's face: one page per parcel, opened by a link that only its customer was given."""

from __future__ import annotations

from aiohttp import web

from tracker.web import assets, problem_page
from tracker.web.customer import page
from tracker.web.customer.misses import Misses


def add_routes(app: web.Application) -> None:
    """Adds `/t/{token}`. The application holds SERVICES by the time a request comes."""
    assets.add_routes(app)
    problem_page.show_to_people(app)
    app[page.MISSES] = Misses()
    app.router.add_get("/t/{token}", page.parcel)
