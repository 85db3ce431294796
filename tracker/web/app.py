"""The web application: what every request passes through, and the faces of the house."""

from __future__ import annotations

from aiohttp import web

from tracker.web import api, console, customer, health, hooks
from tracker.web.errors import answer_problems
from tracker.web.hooks.push import MOST_BYTES
from tracker.web.passage import add_headers, note_request
from tracker.web.services import SERVICES, Services


def make_app(services: Services) -> web.Application:
    """The application over these services; whoever runs it turns aiohttp's own access log off."""
    app = web.Application(middlewares=[note_request, answer_problems], client_max_size=MOST_BYTES)
    app[SERVICES] = services
    app.on_response_prepare.append(add_headers)
    for face in (health, hooks, api, console, customer):
        face.add_routes(app)
    return app
