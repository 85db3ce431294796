"""A partner pushes: verified over the raw bytes before anything is read, and answered when it is durable."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from carriers import signature
from carriers.contract import PayloadRejected
from carriers.payload import clean
from carriers.push import Push, RefusedEntry, TooManyEntries, parse_push
from tracker import metrics
from tracker.actions.access import Partner
from tracker.actions.intake import Observation, Said, Taken
from tracker.web.errors import RETRY_AFTER, Problem, problem_of
from tracker.web.hooks.partners import DIRECTORY
from tracker.web.services import SERVICES, Services

_log = logging.getLogger(__name__)
PATH: Final = "/push/{partner}"
MOST_BYTES: Final = 1024 * 1024
_PATIENCE: Final = 10.0  # seconds from the first byte; senders give up between five and thirty
_SHOWN_REFUSALS: Final = 100
_AHEAD: Final = timedelta(days=1)  # by which a sender's clock and zone may run before ours
_LONG: Final = 64 * 1024  # bytes that are read in a few milliseconds


class Receipt(msgspec.Struct, frozen=True):
    """What became of a push: events that are new (`accepted`) or known, and numbers that nobody has registered yet.

    `refused` names the first entries that could not be read; `quarantined` says that people will look at the push, and
    `problem` why.
    """

    accepted: int
    known: int
    unclaimed: int
    refused: tuple[RefusedEntry, ...]
    quarantined: bool
    problem: str | None
    problem_path: str | None


async def take_push(request: web.Request) -> web.Response:
    """202 with a receipt; 200 where a signed body cannot be read, since sending it again would change nothing."""
    try:
        receipt = await _receive(request)
    except Exception as error:
        metrics.PUSHES.labels(problem_of(error).code).inc()
        raise
    metrics.PUSHES.labels("quarantined" if receipt.quarantined else "accepted").inc()
    nothing_read = receipt.quarantined and not (receipt.accepted or receipt.known or receipt.unclaimed)
    return web.Response(
        status=200 if nothing_read else 202,
        body=msgspec.json.encode(receipt),
        headers={hdrs.CONTENT_TYPE: "application/json"},
    )


async def _receive(request: web.Request) -> Receipt:
    services, directory = request.app[SERVICES], request.app[DIRECTORY]
    if services.is_stopping():
        raise Problem(503, "stopping", "This process is stopping; try again.", headers={hdrs.RETRY_AFTER: RETRY_AFTER})
    async with asyncio.timeout(_PATIENCE):
        _refuse_huge(request)
        found = await directory.find(request.match_info["partner"])
        if found is None:
            raise Problem(404, "not_found", "There is nothing at this address.")
        partner, machine_time = found
        if not _is_json(request.content_type):
            raise Problem(415, "wrong_content_type", "Send application/json.")
        raw = await request.read()
        verdict = signature.verify(request.headers, raw, partner.secrets, machine_time)
        if not verdict.ok:
            _log.info("push refused", extra={"because": verdict.refusal})
            raise Problem(401, "unauthorized", "The signature does not fit.")
        observation, refused = await _observe(services, partner, request, raw, verdict.message_id)
        taken = await services.pushes.submit(observation)
    return _receipt(taken, observation, refused)


def _refuse_huge(request: web.Request) -> None:
    announced = request.content_length or 0
    if announced > MOST_BYTES:
        raise web.HTTPRequestEntityTooLarge(MOST_BYTES, announced)


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


async def _observe(
    services: Services, partner: Partner, request: web.Request, raw: bytes, push_id: str | None
) -> tuple[Observation, tuple[RefusedEntry, ...]]:
    """The push as an observation, and the entries of it that cannot be taken."""
    received: dict[str, Any] = {
        "shop_id": partner.shop_id,
        "source": "push",
        "partner_id": partner.id,
        "push_id": clean(push_id or "") or None,
        "received_at": services.house.clock.now(),
        "raw": raw,
        "content_type": clean(request.headers.get(hdrs.CONTENT_TYPE, "")),
    }
    try:
        push = await _parse(raw, received["content_type"], received["received_at"] + _AHEAD)
    except TooManyEntries as long:
        raise Problem(413, "payload_too_large", f"{long.reason}; send it in parts.") from None
    except PayloadRejected as rejected:
        return Observation(**received, problem=clean(rejected.reason), problem_path=clean(rejected.path)), ()
    said = tuple(Said(one.carrier, one.report) for one in push.reports)
    if push.refused:  # what can be read is taken, and the whole is shown to staff
        first = push.refused[0]
        problem = f"{len(push.refused)} entries cannot be read; the first: {first.reason}"
        received |= {"problem": clean(problem), "problem_path": clean(first.path)}
    return Observation(**received, said=said), push.refused


async def _parse(raw: bytes, content_type: str, latest: datetime) -> Push:
    """A long body is read beside the event loop, which others need."""
    if len(raw) < _LONG:
        return parse_push(raw, content_type, latest=latest)
    return await asyncio.to_thread(parse_push, raw, content_type, latest=latest)


def _receipt(taken: Taken, observation: Observation, refused: tuple[RefusedEntry, ...]) -> Receipt:
    return Receipt(
        accepted=taken.new_events,
        known=taken.known_events,
        unclaimed=taken.unclaimed,
        refused=refused[:_SHOWN_REFUSALS],
        quarantined=taken.quarantined,
        problem=observation.problem,
        problem_path=observation.problem_path,
    )
