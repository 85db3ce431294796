"""SMS through Twilio's Messages API: nothing is ever sent twice, since the API knows no idempotency key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import aiohttp
import msgspec

from notifications.contract import Accepted, FailureClass, Outgoing, SendFailed

_A, _C, _K, _T = FailureClass.ADDRESS, FailureClass.CONTENT, FailureClass.ACCOUNT, FailureClass.TRANSPORT

# https://www.twilio.com/docs/api/errors; what is said of one recipient never pauses the channel
ERRORS: Final[Mapping[int, FailureClass]] = MappingProxyType(
    {
        20003: _K, 20005: _K, 20404: _K, 21606: _K, 21212: _K, 21603: _K, 21659: _K, 21660: _K, 21701: _K, 30002: _K,
        20429: _T, 30001: _T, 30008: _T, 14107: _T,
        21211: _A, 21214: _A, 21217: _A, 21408: _A, 21604: _A, 21610: _A, 21612: _A, 21614: _A,
        30003: _A, 30004: _A, 30005: _A, 30006: _A, 30032: _A, 30034: _A,
        21602: _C, 21617: _C, 30007: _C,
    }
)  # fmt: skip

_CLOCKS_APART = timedelta(minutes=5)  # between Twilio and us, when we ask what was sent since a moment


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account at Twilio. `sender` is a number, an alphanumeric name, or the id of a messaging service (MG...)."""

    account_sid: str
    auth_token: str
    sender: str
    base_url: str = "https://api.twilio.com"
    api_key: str | None = None  # its id, where `auth_token` is the secret of an API key
    valid_for: timedelta | None = None  # how long Twilio may try
    connections: int = 8
    connect_seconds: float = 10.0
    answer_seconds: float = 20.0

    def __repr__(self) -> str:
        return f"Account({self.account_sid})"


class _Message(msgspec.Struct):
    sid: str
    body: str = ""
    to: str = ""
    status: str = ""
    date_created: str | None = None
    error_code: int | None = None


class _Page(msgspec.Struct):
    messages: list[_Message] = []


class _Problem(msgspec.Struct):
    code: int | None = None


class Sms:
    """Hands text messages to Twilio; asks it for a message whose fate is unknown."""

    name = "sms"
    repeatable = False

    def __init__(self, account: Account) -> None:
        self.capacity = account.connections
        self._account = account
        self._session: aiohttp.ClientSession | None = None

    async def send(self, outgoing: Outgoing) -> Accepted:
        form = {"To": outgoing.recipient.phone or "", "Body": outgoing.body.decode(), **self._sender()}
        try:
            async with self._http().post(self._url(), data=form, allow_redirects=False) as answer:
                return _accepted(answer, await answer.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise SendFailed(FailureClass.TRANSPORT, f"no connection: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SendFailed(FailureClass.AMBIGUOUS, f"no answer: {type(error).__name__}") from None

    async def find(self, outgoing: Outgoing, since: datetime) -> Accepted | None:
        since -= _CLOCKS_APART
        query = {
            "To": outgoing.recipient.phone or "",
            "DateSent>": f"{since.astimezone(UTC):%Y-%m-%d}",
            "PageSize": "100",
        }
        try:
            async with self._http().get(self._url(), params=query, allow_redirects=False) as answer:
                if answer.status != HTTPStatus.OK:
                    return None
                page = msgspec.json.decode(await answer.read(), type=_Page)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):
            return None
        text = outgoing.body.decode()
        return next(
            (Accepted(sent.sid) for sent in page.messages if sent.body == text and _is_since(sent, since)), None
        )

    async def check(self) -> None:
        """Whether the account is known: its messages may be listed. Raises SendFailed."""
        try:
            async with self._http().get(self._url(), params={"PageSize": "1"}, allow_redirects=False) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SendFailed(FailureClass.TRANSPORT, f"no connection: {type(error).__name__}") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _http(self) -> aiohttp.ClientSession:
        account = self._account
        login = account.api_key or account.account_sid
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Authorization": aiohttp.encode_basic_auth(login, account.auth_token)},
                timeout=aiohttp.ClientTimeout(total=account.answer_seconds, connect=account.connect_seconds),
                connector=aiohttp.TCPConnector(limit=account.connections, keepalive_timeout=10.0),
            )
        return self._session

    def _url(self) -> str:
        return f"{self._account.base_url.rstrip('/')}/2010-04-01/Accounts/{self._account.account_sid}/Messages.json"

    def _sender(self) -> dict[str, str]:
        account = self._account
        form = {"MessagingServiceSid" if account.sender.startswith("MG") else "From": account.sender}
        if account.valid_for:
            form["ValidityPeriod"] = str(int(account.valid_for.total_seconds()))
        return form


def _accepted(answer: aiohttp.ClientResponse, body: bytes) -> Accepted:
    """Reads the answer to a send; raises SendFailed for every answer but a message that Twilio has taken."""
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _refusal(answer, body)
    try:
        message = msgspec.json.decode(body, type=_Message)
    except msgspec.MsgspecError:
        raise SendFailed(FailureClass.AMBIGUOUS, f"HTTP {answer.status}, not what Twilio answers") from None
    if message.status in {"failed", "undelivered"}:
        raise SendFailed(_of_code(message.error_code), f"{message.status}, code {message.error_code}")
    return Accepted(message.sid)


def _refusal(answer: aiohttp.ClientResponse, body: bytes) -> SendFailed:
    """What a refusal means; its text is left out, since it names the recipient."""
    try:
        code = msgspec.json.decode(body, type=_Problem).code
    except msgspec.MsgspecError:
        code = None
    detail = f"HTTP {answer.status}, code {code}"
    if answer.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return SendFailed(FailureClass.TRANSPORT, detail, retry_after=_seconds(answer.headers.get("Retry-After")))
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # it may have been taken before it went wrong
        return SendFailed(FailureClass.AMBIGUOUS, detail)
    if code is not None and code in ERRORS:
        return SendFailed(ERRORS[code], detail)
    ours = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    return SendFailed(FailureClass.ACCOUNT if answer.status in ours else FailureClass.CONTENT, detail)


def _of_code(code: int | None) -> FailureClass:
    return ERRORS.get(code or 0, FailureClass.CONTENT)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None


def _is_since(sent: _Message, since: datetime) -> bool:
    try:
        created_at = parsedate_to_datetime(sent.date_created or "")
    except ValueError:
        return False
    return created_at.tzinfo is not None and created_at >= since
