"""The live board for staff: it reads and never writes; on this machine only, behind a one-time link."""

from __future__ import annotations

from aiohttp import web

from tracker.web import assets
from tracker.web.console.door import behind, enter
from tracker.web.console.doubts import carriers, in_quarantine
from tracker.web.console.messages import letter, message, messages
from tracker.web.console.shipment import incident, observation, shipment
from tracker.web.console.today import search, today


def add_routes(app: web.Application) -> None:
    """Adds `/console` and everything below it. The application holds SERVICES by the time a request comes."""
    assets.add_routes(app)
    add = app.router.add_get
    add("/console/enter/{token}", enter)
    add("/console", behind(today))
    add("/console/search", behind(search))
    add("/console/shipments/{id}", behind(shipment))
    add("/console/incidents/{id}", behind(incident))
    add("/console/observations/{id}", behind(observation))
    add("/console/messages", behind(messages))
    add("/console/messages/{id}", behind(message))
    add("/console/messages/{id}/letter", behind(letter))
    add("/console/quarantine", behind(in_quarantine))
    add("/console/carriers", behind(carriers))
