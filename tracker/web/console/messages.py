"""The inbox: every message, and one message as its customer sees it."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any, Final

import msgspec
from aiohttp import web

from notifications import sms_text
from tracker.domain.errors import NotFound
from tracker.store import board, way
from tracker.store.way import Message
from tracker.web.console import asked
from tracker.web.console.door import PERSON
from tracker.web.console.shell import shell
from tracker.web.services import SERVICES
from tracker.web.templating import EVERY_PAGE

CHANNELS: Final = ("email", "sms")
STATES: Final = (
    "queued", "sending", "accepted", "failed", "superseded", "cancelled", "expired", "shown", "unknown",
)  # fmt: skip
_MOST: Final = 100
# The letter is shown in a frame that can do nothing but open its links beside the board.
_LETTER_CSP: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


class Letter(msgspec.Struct, frozen=True):
    """An email taken apart: its headers in order, its two bodies, its size in bytes."""

    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    size: int


class Text(msgspec.Struct, frozen=True):
    """An SMS as it travels: its parts, its encoding, how many characters of that encoding it takes."""

    parts: tuple[str, ...]
    encoding: str
    length: int


async def messages(request: web.Request) -> web.Response:
    """`/console/messages`, with `channel`, `state` and `before`."""
    channel = asked.one_of(request, "channel", CHANNELS)
    state = asked.one_of(request, "state", STATES)
    before = asked.before(request)
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        lines = await board.messages(conn, frame.shop_id, before, channel, state, _MOST)
    values = {
        "messages": lines,
        "channel": channel,
        "state": state,
        "before": before,
        "channels": CHANNELS,
        "states": STATES,
    }
    return frame.page("console/messages.html", values, section="messages")


async def message(request: web.Request) -> web.Response:
    """`/console/messages/{id}`."""
    async with request.app[SERVICES].house.db.connection() as conn:
        frame = await shell(request, conn)
        found = _found(await way.message(conn, frame.shop_id, asked.number(request)))
        attempts = await way.attempts(conn, [found.id])
    values: dict[str, Any] = {
        "message": found,
        "attempts": attempts,
        "letter": _letter(found),
        "text": _text(found),
    }
    return frame.page("console/message.html", values, section="messages", live=False)


async def letter(request: web.Request) -> web.Response:
    """`/console/messages/{id}/letter`: the HTML of an email alone, for the frame that shows it."""
    async with request.app[SERVICES].house.db.connection() as conn:
        found = _letter(_found(await way.message(conn, request[PERSON].shop_id, asked.number(request))))
    if found is None or found.html is None:
        raise NotFound("this message has no HTML")
    # A link in the letter opens beside the board, which would not let itself be framed.
    html = found.html.replace("<head>", '<head><base target="_blank">', 1)
    headers = EVERY_PAGE | {"Content-Security-Policy": _LETTER_CSP}
    return web.Response(text=html, content_type="text/html", headers=headers)


def _found(message: Message | None) -> Message:
    if message is None:
        raise NotFound("no such message")
    return message


def _letter(message: Message) -> Letter | None:
    if message.channel != "email" or message.body is None:
        return None
    parsed = BytesParser(EmailMessage, policy=policy.default).parsebytes(message.body)
    return Letter(
        headers=tuple((name, str(value)) for name, value in parsed.items()),
        text=_part(parsed, "plain"),
        html=_part(parsed, "html"),
        size=len(message.body),
    )


def _part(parsed: EmailMessage, kind: str) -> str | None:
    part = parsed.get_body((kind,))
    return str(part.get_content()) if part is not None else None


def _text(message: Message) -> Text | None:
    if message.channel != "sms" or message.body is None:
        return None
    text = message.body.decode("utf-8", errors="replace")
    encoding = "GSM-7" if sms_text.is_gsm7(text) else "UCS-2"
    return Text(tuple(sms_text.parts(text)), encoding, sms_text.length(text))
