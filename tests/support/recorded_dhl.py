"""DHL's far end with bodies written by hand: a test says what is in a parcel's history, or what comes instead of it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from aiohttp import web

API_KEY = "recorded-key"
Instead = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PLACES = {
    "Madrid": {"countryCode": "ES", "addressLocality": "MADRID - SPAIN"},
    "Sevilla": {"countryCode": "ES", "addressLocality": "SEVILLA - SPAIN"},
}


class RecordedDhl:
    """Answers `GET /track/shipments`; `asked` counts the questions about each number, `refused` wrong keys."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.refused = 0
        self.api_key = API_KEY
        self.instead: Instead | None = None
        self._events: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._estimates: dict[str, str] = {}
        self._raw: dict[str, bytes] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        recorded = cls()
        app = web.Application()
        app.router.add_get("/track/shipments", recorded._track)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        recorded.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield recorded
        finally:
            await runner.cleanup()

    def says(
        self,
        number: str,
        local_time: str,
        description: str,
        *,
        code: str = "transit",
        city: str = "Madrid",
        remark: str | None = None,
    ) -> None:
        """Adds an event, newest first as DHL has them; `local_time` as in 2026-03-04T10:00:00, at the place."""
        event = {"timestamp": local_time, "location": {"address": _PLACES[city]}, "statusCode": code}
        event |= {"description": description} | ({"remark": remark} if remark else {})
        self._events[number].insert(0, event)

    def takes_back(self, number: str) -> None:
        """The newest event is in the history no longer."""
        del self._events[number][0]

    def expects(self, number: str, day: str) -> None:
        """Names a delivery date (2026-03-06)."""
        self._estimates[number] = day

    def gives(self, number: str, body: bytes) -> None:
        """These bytes are the whole answer about a number."""
        self._raw[number] = body

    async def _track(self, request: web.Request) -> web.StreamResponse:
        number = request.query.get("trackingNumber", "")
        self.asked[number] += 1
        if request.headers.get("DHL-API-Key") != self.api_key:
            self.refused += 1
            return _problem(401, "Unauthorized", "Invalid API key.")
        if self.instead is not None:
            return await self.instead(request)
        if number in self._raw:
            return web.Response(body=self._raw[number], content_type="application/json")
        events = self._events[number]
        if not events:
            return _problem(404, "No result found", "No shipment with given tracking number found.")
        shipment = {
            "id": number,
            "service": "express",
            "origin": {"address": _PLACES["Madrid"]},
            "destination": {"address": _PLACES["Sevilla"]},
            "status": events[0],
            "events": events,
        }
        if number in self._estimates:
            shipment["estimatedTimeOfDelivery"] = self._estimates[number]
        return web.json_response({"shipments": [shipment]})


async def never(_: web.Request) -> web.StreamResponse:
    """An answer that does not come."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def always(status: int, body: bytes, content_type: str, **headers: str) -> Instead:
    """The same answer to every question."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type=content_type, headers=headers)

    return answer


def _problem(status: int, title: str, detail: str) -> web.Response:
    return web.json_response({"title": title, "detail": detail, "status": status}, status=status)
