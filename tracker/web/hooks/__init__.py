"""What others call at our door: the pushes of partners."""

from __future__ import annotations

from aiohttp import web

from tracker.web.hooks import push
from tracker.web.hooks.partners import DIRECTORY, Directory
from tracker.web.services import SERVICES


def add_routes(app: web.Application) -> None:
    """The doors for machines of other houses."""
    house = app[SERVICES].house
    app[DIRECTORY] = Directory(house.db, house.vault, house.clock.monotonic)
    app.router.add_post(push.PATH, push.take_push)
