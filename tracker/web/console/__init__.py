"""The live board for staff: it reads and never writes; on this machine only, behind a one-time link."""

from __future__ import annotations

from aiohttp import web

from tracker.web import assets, problem_page
from tracker.web.console import door, doubts, messages, shipment, today


def add_routes(app: web.Application) -> None:
    """Adds `/console` and everything below it. The application holds SERVICES by the time a request comes."""
    assets.add_routes(app)
    problem_page.show_to_people(app)
    app.router.add_get("/console/enter/{token}", door.enter)
    pages = {
        "": today.today,
        "/search": today.search,
        "/shipments/{id}": shipment.shipment,
        "/incidents/{id}": shipment.incident,
        "/observations/{id}": shipment.observation,
        "/messages": messages.messages,
        "/messages/{id}": messages.message,
        "/messages/{id}/letter": messages.letter,
        "/quarantine": doubts.in_quarantine,
        "/carriers": doubts.carriers,
    }
    for path, handler in pages.items():
        app.router.add_get(f"/console{path}", door.behind(handler))
