"""Email over SMTP submission: a few kept connections, and for every way of failing a word on who is at fault."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

import aiosmtplib
import msgspec

from notifications.addresses import ascii_address
from notifications.contract import Accepted, FailureClass, Outgoing, SendFailed

_STATUS = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})(?!\d)")
_PERSONAL = re.compile(r"\S+@\S+")
_DETAIL_CAP = 200


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail is handed over, and how. Plain text is for loopback; elsewhere it must be allowed expressly."""

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    allow_plaintext: bool = False
    hello_name: str = "localhost.localdomain"
    connections: int = 4
    messages_per_connection: int = 100
    idle_seconds: float = 60.0
    connect_seconds: float = 10.0
    command_seconds: float = 30.0
    dial: Callable[[str, int], Awaitable[socket.socket]] | None = (
        None  # who connects, where not every host may be reached
    )
    body_seconds: float = 120.0  # giving up on the last answer too early makes duplicates

    def __repr__(self) -> str:
        return f"Relay({self.host}:{self.port}, {self.tls})"


class Stage(StrEnum):
    """How far a hand-over has come."""

    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "end of message"


class _Letter(msgspec.Struct, frozen=True):
    """One message as it travels: the envelope, and the body with its dots doubled."""

    sender: str
    recipient: str
    body: bytes


@dataclass
class _Line:
    """One connection, owned by one send at a time, and how far that send has come."""

    smtp: aiosmtplib.SMTP
    stage: Stage = Stage.MAIL
    messages: int = 0
    idle_since: float = 0.0

    @property
    def may_be_stale(self) -> bool:
        """A kept connection may have been closed meanwhile; then nothing of the message was handed over."""
        return self.messages > 1 and self.stage is Stage.MAIL


class _Stale(Exception):
    """A kept connection turned out to be closed: a new one may try the same message."""


class Email:
    """Hands messages to one relay over at most `relay.connections` connections, each owned by one send at a time."""

    name = "email"
    repeatable = True

    def __init__(self, relay: Relay) -> None:
        """Raises ValueError where mail would cross a network in the clear."""
        if relay.tls == "none" and not (_is_loopback(relay.host) or relay.allow_plaintext):
            raise ValueError(
                f"mail to {relay.host} must not travel in the clear: use TLS, or allow plain text expressly"
            )
        self.capacity = relay.connections
        self._relay = relay
        self._slots = asyncio.Semaphore(relay.connections)
        self._kept: list[_Line] = []

    async def send(self, outgoing: Outgoing) -> Accepted:
        letter = _Letter(
            sender=_ascii(outgoing.sender.email, FailureClass.ACCOUNT),
            recipient=_ascii(outgoing.recipient.email or "", FailureClass.ADDRESS),
            body=_stuffed(outgoing.body),
        )
        async with self._slots:
            kept = self._kept_line()
            if kept is not None:
                with suppress(_Stale):
                    return await self._send_over(kept, letter)
            return await self._send_over(await self._connect(), letter)

    async def find(self, outgoing: Outgoing, since: datetime) -> Accepted | None:  # noqa: ARG002
        """Nothing: SMTP cannot be asked. A message in doubt is sent again, with the same bytes and Message-ID."""
        return None

    async def close(self) -> None:
        """Takes leave on the connections that are idle; a send that is under way keeps its own."""
        while self._kept:
            await self._hang_up(self._kept.pop())

    async def _send_over(self, line: _Line, letter: _Letter) -> Accepted:
        """One message over one connection, which is kept only where its state is certain."""
        line.messages += 1
        try:
            accepted = await self._hand_over(line, letter)
        except aiosmtplib.SMTPResponseException as reply:
            await self._after_refusal(line, reply.code)
            raise _refusal(line.stage, reply.code, reply.message) from None
        except OSError as error:
            line.smtp.close()
            if line.may_be_stale:
                raise _Stale from error
            raise _interruption(line.stage, error) from None
        except BaseException:  # cancelled, too: what the server makes of the rest is unknown
            line.smtp.close()
            raise
        self._keep(line)
        return accepted

    async def _hand_over(self, line: _Line, letter: _Letter) -> Accepted:
        smtp = line.smtp
        line.stage = Stage.MAIL
        await smtp.mail(letter.sender)
        line.stage = Stage.RCPT
        await smtp.rcpt(letter.recipient)
        line.stage = Stage.DATA
        opened = await smtp.execute_command(b"DATA")
        if opened.code != aiosmtplib.SMTPStatus.start_input:
            raise aiosmtplib.SMTPDataError(opened.code, opened.message)
        line.stage = Stage.BODY
        answer = await self._body(smtp, letter.body)
        if answer.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        return Accepted(_without_addresses(answer.message))

    async def _body(self, smtp: aiosmtplib.SMTP, body: bytes) -> aiosmtplib.SMTPResponse:
        """Apart from DATA, so that a failure before the message began is not taken for one after its end."""
        if smtp.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("the connection was closed")
        smtp.protocol.write(body)
        return await smtp.protocol.read_response(timeout=self._relay.body_seconds)

    async def _after_refusal(self, line: _Line, code: int) -> None:
        """A clear no leaves a clean connection; after 421, or what is no reply at all, there is none."""
        if code == aiosmtplib.SMTPStatus.domain_unavailable and line.may_be_stale:
            line.smtp.close()
            raise _Stale
        if not 400 <= code < 600 or code == aiosmtplib.SMTPStatus.domain_unavailable:
            line.smtp.close()
            return
        try:
            await line.smtp.rset()
        except (aiosmtplib.SMTPException, OSError):
            line.smtp.close()
        except BaseException:
            line.smtp.close()
            raise
        else:
            self._keep(line)

    async def _connect(self) -> _Line:
        relay = self._relay
        line = await self._dialled() if relay.dial else None
        smtp = aiosmtplib.SMTP(
            hostname=relay.host,
            port=None if line else relay.port,
            sock=line,
            username=relay.username,
            password=relay.password,
            local_hostname=relay.hello_name,
            timeout=relay.command_seconds,
            use_tls=relay.tls == "implicit",
            start_tls=relay.tls == "starttls",
            cert_bundle=relay.ca_file,
        )
        try:
            await smtp.connect(timeout=relay.connect_seconds)
        except aiosmtplib.SMTPAuthenticationError as reply:
            raise _refusal(Stage.AUTH, reply.code, reply.message) from None
        except (OSError, aiosmtplib.SMTPResponseException) as error:
            raise SendFailed(FailureClass.TRANSPORT, f"no connection: {_without_addresses(str(error))}") from None
        except aiosmtplib.SMTPException as error:  # no STARTTLS, no way to log in: somebody has to mend the settings
            raise SendFailed(FailureClass.ACCOUNT, error.message) from None
        return _Line(smtp)

    async def _dialled(self) -> socket.socket:
        assert self._relay.dial is not None
        try:
            async with asyncio.timeout(self._relay.connect_seconds):
                return await self._relay.dial(self._relay.host, self._relay.port)
        except OSError as error:
            raise SendFailed(FailureClass.TRANSPORT, f"no connection: {_without_addresses(str(error))}") from None

    def _kept_line(self) -> _Line | None:
        now = asyncio.get_running_loop().time()
        while self._kept:
            line = self._kept.pop()
            if line.smtp.is_connected and now - line.idle_since < self._relay.idle_seconds:
                return line
            line.smtp.close()
        return None

    def _keep(self, line: _Line) -> None:
        if line.messages >= self._relay.messages_per_connection or not line.smtp.is_connected:
            line.smtp.close()
            return
        line.idle_since = asyncio.get_running_loop().time()
        self._kept.append(line)

    async def _hang_up(self, line: _Line) -> None:
        try:
            with suppress(aiosmtplib.SMTPException, OSError):
                await line.smtp.quit(timeout=self._relay.connect_seconds)
        finally:
            line.smtp.close()


def classify(stage: Stage, code: int, text: str) -> FailureClass:
    """Who is at fault for a refusal. The enhanced code (RFC 3463) counts only where it agrees with the basic one."""
    if not 400 <= code < 600:
        return FailureClass.AMBIGUOUS if stage is Stage.BODY else FailureClass.TRANSPORT
    if stage is Stage.AUTH or code in {530, 534, 535, 538}:
        return FailureClass.ACCOUNT
    if code < 500:
        return FailureClass.TRANSPORT
    status = _STATUS.match(text)
    detail = status[2] if status and status[1] == str(code)[0] else None
    return _permanent(stage, code, detail, text)


def _permanent(stage: Stage, code: int, detail: str | None, text: str) -> FailureClass:
    if detail == "2.2" or (detail is None and stage is Stage.RCPT and code == 552):
        return FailureClass.TRANSPORT  # the mailbox is full: it may be emptied
    if detail == "3.4" or (detail or "").startswith("6.") or 500 <= code <= 504:
        return FailureClass.CONTENT
    if stage is Stage.MAIL or detail in {"1.7", "1.8"}:
        return FailureClass.ACCOUNT  # it is the sender that is refused
    if detail in {"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"} or code == 556:
        return FailureClass.ADDRESS
    if "relay" in text.lower():
        return FailureClass.ACCOUNT  # "relay access denied": we may not send here at all
    if detail is None and stage is Stage.RCPT and code in {550, 551, 553}:
        return FailureClass.ADDRESS
    return FailureClass.CONTENT


def _refusal(stage: Stage, code: int, text: str) -> SendFailed:
    of_the_relay = stage in {Stage.AUTH, Stage.MAIL} or code == aiosmtplib.SMTPStatus.domain_unavailable
    detail = f"{stage}: {code} {_without_addresses(text)}"
    return SendFailed(classify(stage, code, text), detail, alone=not of_the_relay)


def _interruption(stage: Stage, error: OSError) -> SendFailed:
    failure = FailureClass.AMBIGUOUS if stage is Stage.BODY else FailureClass.TRANSPORT
    return SendFailed(failure, f"{stage}: {_without_addresses(str(error)) or type(error).__name__}")


def _without_addresses(text: str) -> str:
    return _PERSONAL.sub("<address>", " ".join(text.split()))[:_DETAIL_CAP]


def _ascii(address: str, failure: FailureClass) -> str:
    try:
        return ascii_address(address)
    except ValueError as error:
        raise SendFailed(failure, str(error)) from None


def _stuffed(body: bytes) -> bytes:
    """The message as it travels: a dot at the start of a line is doubled, and a lone one ends it (RFC 5321 4.5.2)."""
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    ended = stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"
    return (b"." if ended.startswith(b".") else b"") + ended + b".\r\n"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
