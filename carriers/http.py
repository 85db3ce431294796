"""The one HTTP seam to carriers: bounded in time and size, retried where asking twice does no harm, logged without secrets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from carriers.contract import Answer, CarrierFailure, Clock, FailureKind, Permit
from carriers.payload import MAX_BODY

logger: Final = logging.getLogger(__name__)

_ASK_AGAIN: Final = frozenset({500, 502, 503, 504})
_SAFE: Final = frozenset({"GET", "HEAD"})
_MAX_RETRY_AFTER: Final = 24 * 3600.0  # seconds; no carrier is believed for longer
_CHUNK: Final = 64 * 1024


class Random(Protocol):
    """Chance, handed in so that a run can be repeated."""

    def uniform(self, a: float, b: float) -> float: ...


async def unlimited() -> None:
    """The permit of an account that may call as often as it likes."""


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what, in seconds; `tries` counts the first one."""

    connect: float = 5.0
    total: float = 20.0
    tries: int = 3
    base: float = 0.5
    cap: float = 5.0


_DEFAULT: Final = Waits()


def open_session(connections: int = 20) -> aiohttp.ClientSession:
    """The session of all carriers: no cookies, no proxy from the environment. To be closed by whoever opened it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, limit_per_host=max(1, connections // 2)),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        headers={"User-Agent": "delivery-incident-tracker", "Accept": "application/json"},
    )


class CarrierHttp:
    """Implements contract.Http for one carrier."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        carrier: str,
        clock: Clock,
        chance: Random,
        *,
        permit: Permit = unlimited,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        waits: Waits = _DEFAULT,
    ) -> None:
        self._session = session
        self._carrier = carrier
        self._clock = clock
        self._chance = chance
        self._permit = permit
        self._now = now
        self._sleep = sleep
        self._waits = waits

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """Send and read. GET and HEAD are tried again after transport errors and 5xx, with full jitter; each try is a call.

        Raises CarrierFailure(CARRIER_DOWN) when nothing came back, (MALFORMED) when too much did, (BAD_REQUEST) when the
        request cannot be sent as it is, and CallsSpent. A 5xx that stays is returned, since carriers hide other things behind it.
        """
        target = URL(f"{url}?{urlencode(params)}" if params else url, encoded=True)
        sent = _headers(headers, basic)
        tries = self._waits.tries if method in _SAFE else 1
        attempt = 1
        while True:
            await self._permit()
            answer, reason = await self._try(method, target, sent, body, attempt)
            if attempt >= tries or not self._worth_another(answer):
                break
            await self._sleep(self._chance.uniform(0.0, min(self._waits.cap, self._waits.base * 2.0 ** (attempt - 1))))
            attempt += 1
        if answer is None:
            raise CarrierFailure(FailureKind.CARRIER_DOWN, f"{self._carrier}: {reason}")
        return answer

    def _worth_another(self, answer: Answer | None) -> bool:
        """Nothing came back, or a fault that names no time longer than we would wait here."""
        if answer is None:
            return True
        return answer.status in _ASK_AGAIN and (answer.retry_after or 0.0) <= self._waits.cap

    async def _try(
        self, method: str, target: URL, headers: Mapping[str, str], body: bytes | None, attempt: int
    ) -> tuple[Answer | None, str]:
        began = self._clock.monotonic()
        answer, reason = None, ""
        try:
            answer = await self._exchange(method, target, headers, body)
        except TimeoutError:
            reason = f"no answer within {self._waits.total:g} s"
        except aiohttp.ClientError as error:
            reason = type(error).__name__  # its text may quote headers
        except ValueError:
            raise CarrierFailure(
                FailureKind.BAD_REQUEST,
                "a credential or parameter holds characters that HTTP cannot carry",
                retryable=False,
            ) from None
        self._log(method, target, attempt, answer.status if answer else reason, self._clock.monotonic() - began)
        return answer, reason

    async def _exchange(self, method: str, target: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        timeout = aiohttp.ClientTimeout(total=self._waits.total, sock_connect=self._waits.connect)
        async with self._session.request(
            method, target, headers=headers, data=body, timeout=timeout, allow_redirects=False
        ) as response:
            received = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                received += chunk
                if len(received) > MAX_BODY:
                    raise CarrierFailure(FailureKind.MALFORMED, f"an answer of more than {MAX_BODY} bytes")
            return Answer(
                status=response.status,
                content_type=response.headers.get("Content-Type", ""),
                body=bytes(received),
                retry_after=retry_after(response.headers.get("Retry-After"), self._now()),
            )

    def _log(self, method: str, target: URL, attempt: int, outcome: int | str, seconds: float) -> None:
        """One line per exchange: never the query, headers or body, which hold credentials and personal data."""
        parts = urlsplit(str(target))
        logger.info(
            "carrier call",
            extra={
                "carrier": self._carrier,
                "route": f"{method} {parts.hostname}{parts.path}",
                "outcome": outcome,
                "attempt": attempt,
                "duration": round(seconds, 4),
            },
        )


def retry_after(header: str | None, now: datetime) -> float | None:
    """The Retry-After header in seconds from `now` (aware), whether given as seconds or as a date; None when unreadable."""
    if header is None:
        return None
    try:
        seconds = float(int(header.strip()))
    except ValueError:
        try:
            at = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)


def _headers(headers: Mapping[str, str] | None, basic: tuple[str, str] | None) -> dict[str, str]:
    sent = dict(headers or {})
    if basic is not None:
        sent["Authorization"] = aiohttp.encode_basic_auth(*basic)
    return sent
