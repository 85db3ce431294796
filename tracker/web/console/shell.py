"""What every page of the board is framed by: where we are, the time, the switches, what waits; whole or as a fragment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from sql.connection import Connection
from tracker.actions import access
from tracker.clock import RealClock
from tracker.domain.staff import May
from tracker.store import board
from tracker.store.board import Frame
from tracker.web import templating
from tracker.web.console import masking, toast
from tracker.web.console.door import PERSON, csrf_token, spoken_by
from tracker.web.services import SERVICES

_WHOLE: Final = "console/frame.html"
_FRAGMENT: Final = (
    "console/fragment.html"  # what changes: for the request that a page on screen makes every two seconds
)


class Shell:
    """One request's frame, read with two statements; `now` is business time, the same for the whole page."""

    def __init__(self, request: web.Request, frame: Frame, switches: dict[str, bool], now: datetime) -> None:
        self.request = request
        self.now = now
        self.person = request[PERSON]
        self.shop_id = self.person.shop_id
        self.zone = self.person.time_zone or frame.zone
        self._frame = frame
        self._switches = switches

    @property
    def is_sending_stopped(self) -> bool:
        """Whether every message is kept in."""
        return self._switches["stop_sending"]

    def page(
        self, content: str, values: Mapping[str, Any], *, section: str, live: bool = True, status: int = 200
    ) -> web.Response:
        """The page with this content; only what changes, where the page on screen asks for news."""
        services = self.request.app[SERVICES]
        asks_for_news = self.request.headers.get("HX-Request") == "true"
        frame = {
            "content": content,
            "section": section,
            "live": live,
            "here": self.request.path_qs,
            "person": self.person,
            "csrf": csrf_token(self.request),
            "sought": self.request.query.get("q", "")[:100],
            "now": self.now,
            "zone": self.zone,
            "shop": self._frame.shop,
            "waiting": self._frame.quarantined,
            "is_sending_stopped": self.is_sending_stopped,
            "is_shadow": self._switches["shadow"],
            "is_simulated": not isinstance(services.house.clock, RealClock),
            "toast": None if asks_for_news else toast.said(self.request),
            "carriers": {code: card.name for code, card in services.house.cards.items()},
        }
        template = _FRAGMENT if asks_for_news and live else _WHOLE
        shown = values if self.person.may(May.SEE_PERSONAL) else masking.masked(dict(values))
        given, csp = {**frame, **shown}, templating.CONSOLE_CSP
        answer = templating.page(spoken_by(self.request), template, given, csp=csp, status=status)
        if not asks_for_news:
            toast.forget(self.request, answer)
        answer.headers["Vary"] = "HX-Request, Accept-Language, Cookie"
        return answer


async def shell(request: web.Request, conn: Connection) -> Shell:
    """The frame of this request."""
    now = request.app[SERVICES].house.clock.now()
    return Shell(request, await board.frame(conn, request[PERSON].shop_id), await access.switches(conn), now)
