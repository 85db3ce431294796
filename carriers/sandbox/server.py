"""The carriers' doors over HTTP: their real paths under one prefix each, their credentials, their ways to say no."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from hashlib import blake2b
from typing import Final

import msgspec
from aiohttp import encode_basic_auth, web

from carriers.contract import Answer
from carriers.sandbox.control import ControlDoor
from carriers.sandbox.faults import Fault, FaultRule, strikes
from carriers.sandbox.tracking_numbers import is_ups_number
from carriers.sandbox.wire import correos, correos_trackpub, dhl_unified, ups
from carriers.sandbox.wire.form import Form
from carriers.sandbox.world import Clock, World

_FINISH: Final = 2.0  # seconds that requests under way have to finish in; what is slow here is slow on purpose
_TOKENS_ALIVE: Final = 100
_HTML: Final = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"


class Accounts(msgspec.Struct, frozen=True):
    """The credentials that the sandbox accepts, one account per carrier."""

    dhl_api_key: str = "sandbox-dhl-key"
    ups_client_id: str = "sandbox-ups-client"
    ups_client_secret: str = "sandbox-ups-secret"  # noqa: S105 - opens nothing but this sandbox
    correos_client_id: str = "sandbox-correos-client"
    correos_client_secret: str = "sandbox-correos-secret"  # noqa: S105
    correos_gateway_client_id: str = "sandbox-correos-gateway"
    correos_gateway_client_secret: str = "sandbox-correos-gateway-secret"  # noqa: S105
    correos_user: str = "sandbox-correos-user"
    correos_password: str = "sandbox-correos-password"  # noqa: S105


class Exchange:
    """Answers all calls of one world; counts them, and what was done to them on purpose."""

    def __init__(self, world: World, clock: Clock, accounts: Accounts) -> None:
        self.world = world
        self.clock = clock
        self.calls: Counter[tuple[str, str]] = Counter()  # carrier and kind of call: track, token, refused
        self.faults: Counter[FaultRule] = Counter()
        self._accounts = accounts
        self._calls_about: Counter[tuple[str, str]] = Counter()
        self._tokens: dict[str, deque[str]] = {
            "ups": deque(maxlen=_TOKENS_ALIVE),
            "correos": deque(maxlen=_TOKENS_ALIVE),
        }

    async def dhl_unified(self, request: web.Request) -> web.Response:
        if request.headers.get("DHL-API-Key") != self._accounts.dhl_api_key:
            return self._refuse("dhl_unified", dhl_unified.unauthorised())
        number = request.query.get("trackingNumber", "")
        if not number:
            return self._refuse("dhl_unified", dhl_unified.number_missing())
        return await self._track("dhl_unified", dhl_unified, number)

    async def ups_token(self, request: web.Request) -> web.Response:
        self.calls["ups", "token"] += 1
        client_id, secret = self._accounts.ups_client_id, self._accounts.ups_client_secret
        form = await request.post()
        if not _is_client(request, client_id, secret) or form.get("grant_type") != "client_credentials":
            return self._refuse("ups", ups.token_refused())
        issued_at_ms = int(self.clock.now().timestamp() * 1000)
        return _response(ups.token(client_id, self._new_token("ups"), issued_at_ms))

    async def ups(self, request: web.Request) -> web.Response:
        if not self._has_token(request, "ups"):
            return self._refuse("ups", ups.unauthorised())
        number = request.match_info["number"]
        if not is_ups_number(number):
            return self._refuse("ups", ups.invalid_number())
        return await self._track("ups", ups, number)

    async def correos_localizador(self, request: web.Request) -> web.Response:
        return await self._track("correos", correos, request.match_info["number"])

    async def correos_localizador_auth(self, request: web.Request) -> web.Response:
        if not _is_client(request, self._accounts.correos_user, self._accounts.correos_password):
            return self._refuse("correos", correos.unauthorised())
        return await self._track("correos", correos, request.match_info["number"])

    async def correos_token(self, request: web.Request) -> web.Response:
        self.calls["correos", "token"] += 1
        form, accounts = await request.post(), self._accounts
        given = form.get("client_id"), form.get("client_secret"), form.get("grant_type")
        if given != (accounts.correos_client_id, accounts.correos_client_secret, "client_credentials"):
            return self._refuse("correos", correos_trackpub.token_refused())
        return _response(correos_trackpub.token(self._new_token("correos")))

    async def correos_trackpub(self, request: web.Request) -> web.Response:
        gateway = self._accounts.correos_gateway_client_id, self._accounts.correos_gateway_client_secret
        given = request.headers.get("client_id"), request.headers.get("client_secret")
        if given != gateway or not self._has_token(request, "correos"):
            return self._refuse("correos", correos_trackpub.unauthorised())
        return await self._track("correos", correos_trackpub, request.match_info["number"])

    async def _track(self, carrier: str, form: Form, number: str) -> web.Response:
        self.calls[carrier, "track"] += 1
        now = self.clock.now()
        rule = self._striking(carrier, number)
        view = self.world.view(carrier, number, now)
        answer = form.not_found(number) if view is None else form.found(view)
        if rule is None:
            return _response(answer)
        if rule.fault is Fault.WRONG_CREDENTIALS and carrier in self._tokens:
            self._tokens[carrier].clear()
        return _response(await _spoilt(rule, form, number, answer))

    def _striking(self, carrier: str, number: str) -> FaultRule | None:
        self._calls_about[carrier, number] += 1
        call, now = self._calls_about[carrier, number], self.clock.now()
        for rule in self.world.rules:
            spent = rule.times is not None and self.faults[rule] >= rule.times
            if not spent and strikes(rule, carrier, number, call, now):
                self.faults[rule] += 1
                return rule
        return None

    def _refuse(self, carrier: str, answer: Answer) -> web.Response:
        self.calls[carrier, "refused"] += 1
        return _response(answer)

    def _new_token(self, carrier: str) -> str:
        token = blake2b(f"{carrier} {self.calls[carrier, 'token']}".encode(), digest_size=24).hexdigest()
        self._tokens[carrier].append(token)
        return token

    def _has_token(self, request: web.Request, carrier: str) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and token in self._tokens[carrier]


def make_app(world: World, clock: Clock, accounts: Accounts | None = None) -> web.Application:
    """All three carriers under /dhl_unified, /ups and /correos, and the control door under /_sandbox."""
    exchange = Exchange(world, clock, accounts or Accounts())
    app = web.Application()
    app.add_routes(
        [
            web.get("/dhl_unified/track/shipments", exchange.dhl_unified),
            web.post("/ups/security/v1/oauth/token", exchange.ups_token),
            web.get("/ups/api/track/v1/details/{number}", exchange.ups),
            web.get("/correos/canonico/eventos_envio_servicio/{number}", exchange.correos_localizador),
            web.get("/correos/canonico/eventos_envio_servicio_auth/{number}", exchange.correos_localizador_auth),
            web.post("/correos/Api/Authorize/Token", exchange.correos_token),
            web.get("/correos/support/trackpub/api/v2/search/{number}", exchange.correos_trackpub),
            *ControlDoor(world, clock, exchange.calls, exchange.faults).routes(),
        ]
    )
    return app


class Running(msgspec.Struct, frozen=True):
    """A sandbox that listens; `base_url` is http://host:port, and each carrier's prefix follows it."""

    base_url: str
    runner: web.AppRunner

    async def stop(self) -> None:
        await self.runner.cleanup()


async def start(
    world: World, clock: Clock, *, host: str = "127.0.0.1", port: int = 0, accounts: Accounts | None = None
) -> Running:
    """Listens on the port, or on a free one. Raises OSError when the port is taken."""
    runner = web.AppRunner(make_app(world, clock, accounts), access_log=None, shutdown_timeout=_FINISH)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    bound_host, bound_port = runner.addresses[0][:2]
    return Running(f"http://{bound_host}:{bound_port}", runner)


async def _spoilt(rule: FaultRule, form: Form, number: str, answer: Answer) -> Answer:
    match rule.fault:
        case Fault.TOO_MANY_REQUESTS:
            return form.too_many_requests(rule.retry_after)
        case Fault.SERVER_ERROR:
            return form.server_error()
        case Fault.HTML_PAGE:
            return Answer(200, "text/html", _HTML)
        case Fault.TRUNCATED_BODY:
            return msgspec.structs.replace(answer, body=answer.body[: len(answer.body) // 2])
        case Fault.WRONG_CREDENTIALS:
            return form.unauthorised()
        case Fault.NOT_FOUND_YET:
            return form.not_found(number)
        case Fault.SLOW_ANSWER:
            await asyncio.sleep(rule.seconds)
    return answer


def _is_client(request: web.Request, login: str, password: str) -> bool:
    return request.headers.get("Authorization") == encode_basic_auth(login, password)


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type}
    if answer.retry_after is not None:
        headers["Retry-After"] = f"{answer.retry_after:.0f}"
    return web.Response(status=answer.status, body=answer.body, headers=headers)
