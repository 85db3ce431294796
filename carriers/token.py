"""OAuth2 access tokens: fetched once however many ask, renewed before they expire, replaced once when refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

import msgspec

from carriers import refusal
from carriers.contract import Answer, CarrierFailure, Clock, FailureKind, Http, PayloadRejected
from carriers.payload import read_json

_MARGIN: Final = 60.0  # seconds before its end at which a token is renewed, or a tenth of its life if that is less
_LIFE: Final = 600.0  # seconds assumed where the answer names no life
_REFUSED: Final = 401


class Token(msgspec.Struct, frozen=True):
    """An access token and how long it lives, in seconds."""

    value: str
    life: float

    def __repr__(self) -> str:  # a token must not reach a log through a traceback
        return f"Token(life={self.life:g})"


Grant = Callable[[], Awaitable[Token]]
"""One way to get a token; raises CarrierFailure. Client credentials are here, other grants fit beside them."""


class TokenCache:
    """The token of one account."""

    def __init__(self, grant: Grant, clock: Clock) -> None:
        self._grant = grant
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self._renew_at = 0.0

    async def get(self) -> str:
        """A token that is good for a while. Raises CarrierFailure when none is to be had."""
        if self._is_good():
            return self._value or ""
        async with self._lock:
            if not self._is_good():
                await self._renew()
            return self._value or ""

    async def call(self, send: Callable[[str], Awaitable[Answer]]) -> Answer:
        """Send with a token; when it is refused, get another one and send once more."""
        token = await self.get()
        answer = await send(token)
        if answer.status != _REFUSED:
            return answer
        self._drop(token)
        return await send(await self.get())

    def _drop(self, token: str) -> None:
        """Forget a refused token, unless somebody has replaced it meanwhile."""
        if self._value == token:
            self._value = None

    def _is_good(self) -> bool:
        return self._value is not None and self._clock.monotonic() < self._renew_at

    async def _renew(self) -> None:
        self._value = None
        token = await self._grant()
        self._value = token.value
        self._renew_at = self._clock.monotonic() + token.life - min(_MARGIN, token.life / 10)


class Fields(msgspec.Struct, frozen=True):
    """How a carrier names the members of its token answer, and in what unit it counts a token's life."""

    token: str = "access_token"  # noqa: S105 - the name of a field
    life: str = "expires_in"
    life_of: Callable[[int], float] = float


_USUAL: Final = Fields()


def client_credentials(
    http: Http,
    url: str,
    client: tuple[str, str],
    *,
    scope: str | None = None,
    in_body: bool = False,
    fields: Fields = _USUAL,
) -> Grant:
    """The client credentials grant: (id, secret) in the Authorization header, or in the form where a carrier wants that."""

    async def grant() -> Token:
        form = {"grant_type": "client_credentials"}
        if scope is not None:
            form["scope"] = scope
        if in_body:
            form |= {"client_id": client[0], "client_secret": client[1]}
        answer = await http.request(
            "POST",
            url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            basic=None if in_body else client,
        )
        return _read_token(answer, fields)

    return grant


def _read_token(answer: Answer, fields: Fields) -> Token:
    """The token of the answer. Errors carry the status alone: a body may quote the credentials."""
    if answer.status in (400, 401, 403):
        raise refusal.failure(FailureKind.AUTH, f"no token: HTTP {answer.status}", answer, retryable=False)
    refused = refusal.by_status(answer)
    if refused is not None:
        raise CarrierFailure(refused.kind, f"no token: HTTP {answer.status}", retry_after=answer.retry_after)
    try:
        root = read_json(answer.body, answer.content_type)
        value, life = root.get(fields.token).text(), root.get(fields.life).integer()
    except PayloadRejected as error:
        raise CarrierFailure(FailureKind.MALFORMED, f"no token: {error.path or 'body'} cannot be read") from None
    if not value:
        raise CarrierFailure(FailureKind.MALFORMED, f"no token: {fields.token} is missing")
    return Token(value, fields.life_of(life) if life and life > 0 else _LIFE)
