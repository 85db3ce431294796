"""Renders claimed messages, each once; runs in a thread, since building an email takes a millisecond or two."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from notifications.addresses import ascii_address
from notifications.claims import Conversation, Work
from notifications.contract import Facts, Links
from notifications.languages import Unsayable
from notifications.render import RENDERERS, Thread
from notifications.wording import Occasion


def write_all(
    works: Sequence[Work], conversations: Mapping[int, Conversation], links: Links, now: datetime
) -> dict[int, str]:
    """Renders each work in place; gives, by message id, why one cannot be said."""
    problems: dict[int, str] = {}
    for work in works:
        try:
            _write(work, conversations.get(work.claim.notice_id), links, now)
        except Unsayable as problem:
            problems[work.claim.id] = str(problem)
    return problems


def _write(work: Work, conversation: Conversation | None, links: Links, now: datetime) -> None:
    if work.facts is None:
        raise Unsayable("it has neither facts nor a text")
    occasion = Occasion(
        kind=work.kind,
        facts=work.facts,
        sender=work.sender,
        recipient=work.claim.recipient,
        shop_language=work.shop_language,
        link=links.tracking(work.shipment_id, work.link_version),
        now=now,
    )
    thread = _thread(work, work.facts, conversation)
    work.rendered = RENDERERS[work.claim.channel](occasion, thread)
    work.message_id = thread.message_id


def _thread(work: Work, facts: Facts, conversation: Conversation | None) -> Thread:
    """Ids that are the same at every attempt and never given again, also not by a database made anew."""
    domain = _domain(work.sender.email)
    parcel = (work.shop_code, facts.order_reference, facts.tracking_number)
    about = f"incident-{work.incident_id}" if work.incident_id is not None else "shipment"
    message_id = _digest(work.shop_code, work.claim.channel, work.key, work.planned_at.isoformat())
    return Thread(
        message_id=f"n.{message_id}@{domain}",
        root=f"t.{_digest(*parcel, about)}@{domain}",
        earlier=conversation.message_ids if conversation else (),
        subject=conversation.subject if conversation else None,
        language=conversation.language if conversation else None,
    )


def _domain(address: str) -> str:
    try:
        return ascii_address(address).rpartition("@")[2]
    except ValueError:
        raise Unsayable("the shop's sender address is not one that mail can come from") from None


def _digest(*parts: str) -> str:
    """32 lower-case letters and digits."""
    return b32encode(sha256("\n".join(parts).encode()).digest()[:20]).decode().lower()
