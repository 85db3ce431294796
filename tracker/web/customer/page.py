"""The customer's page: what a link opens. It reads, never acts, needs no script and says nothing of who the customer is."""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web

from tracker.store import customer_page
from tracker.store.customer_page import Linked, Sibling
from tracker.vault import hash_token
from tracker.web import templating, words
from tracker.web.customer import story
from tracker.web.customer.misses import Misses
from tracker.web.errors import Problem
from tracker.web.peer import address_of
from tracker.web.services import SERVICES, Services
from tracker.web.templating import CUSTOMER_CSP
from tracker.web.words import Language

MISSES: Final = web.AppKey("misses", Misses)
_LONGEST_TOKEN: Final = 200


async def parcel(request: web.Request) -> web.Response:
    """`/t/{token}`. Whatever opens nothing gets one and the same answer, after the same look into the database.

    Whoever tries many of those is asked to wait. A link that opens is opened even then: a stranger who guesses must not
    lock out the customers who share an address with them.
    """
    services = request.app[SERVICES]
    now = services.house.clock.now()
    token = hash_token(request.match_info["token"][:_LONGEST_TOKEN])
    async with services.house.db.connection() as conn:
        linked = await customer_page.parcel(conn, token, now)
        if linked is None:
            return _missed(request)
        steps = await customer_page.steps(conn, linked.id)
        troubles = await customer_page.troubles(conn, linked.id)
        siblings = await customer_page.siblings(conn, linked)
    spoken = _spoken(request, linked)
    carrier, carrier_page = _carrier(services, linked.carrier, linked.tracking_number)
    values = {
        "parcel": linked,
        "story": story.tell(linked, carrier, steps, troubles, spoken, now, is_alone=not siblings),
        "carrier": carrier,
        "carrier_page": carrier_page,
        "siblings": [_sibling(services, one, spoken) for one in siblings],
        "languages": [words.language(code) for code in sorted(words.available())],
        "now": now,
    }
    return templating.page(spoken, "customer/parcel.html", values, csp=CUSTOMER_CSP)


def _missed(request: web.Request) -> web.Response:
    """The one answer for links that are unknown, mistyped, revoked or over. Raises Problem(429) for too many of them."""
    wait = request.app[MISSES].count(address_of(request, request.app[SERVICES].trusted_proxies))
    if wait:
        detail = "Too many links that open nothing came from this address; a link from our messages still opens."
        raise Problem(429, "too_many_misses", detail, headers={hdrs.RETRY_AFTER: str(math.ceil(wait))})
    asked = words.accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    spoken = words.choose([request.query.get("lang"), *asked])
    return templating.page(spoken, "customer/gone.html", {}, csp=CUSTOMER_CSP, status=404)


def _spoken(request: web.Request, linked: Linked) -> Language:
    """The language asked for on the page, else the customer's, else the browser's, else the shop's."""
    asked = words.accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    return words.choose([request.query.get("lang"), linked.language, *asked, linked.shop_language])


def _carrier(services: Services, code: str, number: str) -> tuple[str, str | None]:
    """A carrier's name, and its own page about a number."""
    card = services.house.cards.get(code)
    return (card.name, card.tracking_url.format(number=quote(number, safe=""))) if card else (code, None)


def _sibling(services: Services, sibling: Sibling, spoken: Language) -> dict[str, str]:
    """Another parcel of the order: its own state, but not its link, which opens one parcel alone."""
    return {
        "carrier": _carrier(services, sibling.carrier, sibling.tracking_number)[0],
        "number": sibling.tracking_number,
        "words": story.words_for(sibling.milestone, sibling.status_detail, spoken),
    }
