"""One parcel from its raw payloads to its messages, and one payload as it was received."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import web

from tracker.actions import reveal as acts
from tracker.actions.audit import author
from tracker.domain.errors import NotFound
from tracker.domain.staff import May, masked_phone
from tracker.store import way
from tracker.store.way import ParcelFacts, Received
from tracker.web.console import asked, chain
from tracker.web.console.door import PERSON
from tracker.web.console.shell import shell
from tracker.web.errors import REQUEST_ID
from tracker.web.services import SERVICES, Services


async def shipment(request: web.Request) -> web.Response:
    """`/console/shipments/{id}`; the telephone number is masked until somebody asks for it."""
    return await _shipment(request, revealed=False)


async def reveal(request: web.Request) -> web.Response:
    """The same with the telephone number, for this view alone; that it was asked for is written down."""
    by = author(request[PERSON], request.get(REQUEST_ID))
    await acts.reveal(request.app[SERVICES].house, request[PERSON].shop_id, asked.number(request), by)
    return await _shipment(request, revealed=True)


async def _shipment(request: web.Request, *, revealed: bool) -> web.Response:
    services = request.app[SERVICES]
    async with services.house.db.connection() as conn:
        frame = await shell(request, conn)
        parcel = _found(await way.parcel(conn, frame.shop_id, asked.number(request)))
        whole = await way.way(conn, parcel.id)
    is_masked = bool(parcel.phone) and not revealed
    if is_masked and parcel.phone:
        parcel = msgspec.structs.replace(parcel, phone=masked_phone(parcel.phone))
    values = _about(services, parcel) | {
        "can_be_shown": is_masked and request[PERSON].may(May.SEE_PERSONAL),
        "turns": chain.build(parcel.registered_at, whole),
        "incidents": whole.incidents,
        "counts": chain.counts(whole),
    }
    return frame.page("console/shipment.html", values, section="today", live=not revealed)


async def observation(request: web.Request) -> web.Response:
    """`/console/observations/{id}`: the bytes as text, laid out where they are JSON and `?as=received` is not asked."""
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        received = await way.observation(conn, frame.shop_id, asked.number(request))
    if received is None:
        raise NotFound("no such observation")
    as_received = request.query.get("as") == "received"
    values = {
        "received": received,
        "as_received": as_received,
        "laid_out": None if as_received else _laid_out(received),
        "text": (received.raw or b"").decode("utf-8", errors="replace"),
        "is_cut": received.size is not None and received.size > way.MOST_BYTES,
    }
    return frame.page("console/observation.html", values, section="today", live=False)


def _found(parcel: ParcelFacts | None) -> ParcelFacts:
    if parcel is None:
        raise NotFound("no such parcel")
    return parcel


def _about(services: Services, parcel: ParcelFacts) -> dict[str, Any]:
    card = services.house.cards.get(parcel.carrier)
    return {
        "parcel": parcel,
        "customer_page": services.tracking_url(parcel.id, parcel.link_version),
        "carrier_page": card.tracking_url.format(number=quote(parcel.tracking_number, safe="")) if card else None,
    }


def _laid_out(received: Received) -> str | None:
    """JSON with a line per value, None for anything else."""
    try:
        document = json.loads(received.raw or b"")
    except (ValueError, RecursionError):
        return None
    return json.dumps(document, indent=2, ensure_ascii=False)
