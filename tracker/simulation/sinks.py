"""Where the demo's messages end up: a real SMTP server and a gateway that speaks Twilio's wire format, both kept in memory."""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime
from email import message_from_bytes, policy
from typing import Final

import msgspec
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from tracker.clock import Clock, token_bytes

ACCOUNT_SID: Final = "ACsandbox00000000000000000000000000"
AUTH_TOKEN: Final = "sandbox-token"  # noqa: S105 - opens nothing but this sink


class Mail(msgspec.Struct, frozen=True):
    """One message as the relay accepted it."""

    at: datetime
    message_id: str
    recipient: str
    raw: bytes


class Text(msgspec.Struct, frozen=True):
    """One SMS as the gateway accepted it."""

    at: datetime
    sid: str
    recipient: str
    body: str


class Sinks:
    """Both sinks of one run; `mails` and `texts` are the ground truth of what left the tracker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.mails: list[Mail] = []
        self.texts: list[Text] = []
        self._smtp: asyncio.Server | None = None
        self._gateway: web.AppRunner | None = None

    async def start(self) -> tuple[str, str]:
        """Listen on loopback; returns the SMTP URL and the gateway's base URL."""
        loop = asyncio.get_running_loop()
        self._smtp = await loop.create_server(lambda: SMTP(self, enable_SMTPUTF8=True, hostname="sink"), "127.0.0.1", 0)
        app = web.Application()
        messages = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
        app.router.add_post(messages, self._take_text)
        app.router.add_get(messages, self._list_texts)
        self._gateway = web.AppRunner(app, access_log=None)
        await self._gateway.setup()
        await web.TCPSite(self._gateway, "127.0.0.1", 0).start()
        smtp_port = self._smtp.sockets[0].getsockname()[1]
        gateway_port = self._gateway.addresses[0][1]
        return f"smtp://127.0.0.1:{smtp_port}", f"http://127.0.0.1:{gateway_port}"

    async def stop(self) -> None:
        """Stop listening; what was taken stays."""
        if self._smtp is not None:
            self._smtp.close()
        if self._gateway is not None:
            await self._gateway.cleanup()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(raw, policy=policy.default)
        self.mails.append(Mail(self._clock.now(), str(message["Message-ID"]), envelope.rcpt_tos[0], raw))
        return "250 2.0.0 Ok: queued"

    async def _take_text(self, request: web.Request) -> web.Response:
        if not _is_authorised(request):
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        form = await request.post()
        to, body = str(form.get("To", "")), str(form.get("Body", ""))
        if not to.startswith("+"):
            return web.json_response({"code": 21211, "message": "Invalid 'To' number", "status": 400}, status=400)
        text = Text(self._clock.now(), f"SM{token_bytes(16).hex()}", to, body)
        self.texts.append(text)
        return web.json_response(_shown(text), status=201)

    async def _list_texts(self, request: web.Request) -> web.Response:
        if not _is_authorised(request):
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        to = request.query.get("To")
        found = [_shown(text) for text in reversed(self.texts) if to in (None, text.recipient)]
        return web.json_response({"messages": found[:50]})


def _shown(text: Text) -> dict[str, object]:
    return {
        "sid": text.sid,
        "to": text.recipient,
        "body": text.body,
        "status": "queued",
        "num_segments": "1",
        "error_code": None,
        "date_sent": text.at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        "date_created": text.at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
    }


def _is_authorised(request: web.Request) -> bool:
    expected = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {expected}"
