"""Each carrier's client against a far end on loopback: what it sends, how it renews its token, how it fails."""

import logging
from collections.abc import Callable

import pytest
from aiohttp import encode_basic_auth, web

from carriers import registry
from carriers.contract import Account, Answer, CarrierFailure, FailureKind, Lookup
from tests.carriers.seam import FarEnd, everything_logged, far_end

SECRETS = {
    "dhl_unified": {"api_key": "s3cret-key"},
    "ups": {"client_id": "s3cret-id", "client_secret": "s3cret-secret"},
    "correos": {"client_id": "s3cret-id", "client_secret": "s3cret-secret"},
}
TRACKED = {
    "dhl_unified": "/track/shipments",
    "ups": "/api/track/v1/details/N%2F1",
    "correos": "/support/trackpub/api/v2/search/N%2F1",
}
LOOKUP = Lookup(tracking_number="N/1", destination_postcode="28001")


class Carrier:
    """Plays any carrier: gives out tokens, refuses those that are not its newest, and answers with `answer`."""

    def __init__(self, answer: Callable[[], web.Response] = lambda: web.json_response({"shipments": []})) -> None:
        self.answer = answer
        self.tokens = 0
        self.revoked = 0
        self.calls: list[web.Request] = []
        self.forms: list[dict[str, str]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            self.forms.append({name: str(value) for name, value in (await request.post()).items()})
            self.tokens += 1
            token = f"s3cret-token-{self.tokens}"
            return web.json_response({"access_token": token, "idToken": token, "expires_in": "14399", "expiresIn": 60})
        self.calls.append(request)
        offered = request.headers.get("Authorization", "")
        if offered.startswith("Bearer") and offered == f"Bearer s3cret-token-{self.revoked}":
            return web.json_response(
                {"response": {"errors": [{"code": "250002", "message": "Invalid token"}]}}, status=401
            )
        return self.answer()


async def fetch(end: FarEnd, code: str, account: Account | None = None) -> Answer:
    client = registry.adapter(code).connect(account or end.account(code, **SECRETS[code]), end.http, end.clock)
    return await client.fetch([LOOKUP])


@pytest.mark.parametrize("code", registry.codes())
async def test_the_number_is_asked_for_and_nothing_of_it_can_change_the_path(code: str) -> None:
    carrier = Carrier()
    async with far_end(carrier) as end:
        answer = await fetch(end, code)
    assert answer.status == 200
    [call] = carrier.calls
    assert call.rel_url.raw_path == TRACKED[code]


@pytest.mark.parametrize("code", registry.codes())
async def test_no_secret_reaches_log_or_account(code: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    carrier = Carrier(lambda: web.Response(status=401, text="{}"))
    async with far_end(carrier) as end:
        account = end.account(code, **SECRETS[code])
        await fetch(end, code, account)
    ours = [record for record in caplog.records if record.name.startswith("carriers")]
    assert ours
    assert "s3cret" not in everything_logged(ours)
    assert "s3cret" not in repr(account)


@pytest.mark.parametrize("code", ["ups", "correos"])
async def test_a_token_is_bought_once_for_many_calls(code: str) -> None:
    carrier = Carrier()
    async with far_end(carrier) as end:
        client = registry.adapter(code).connect(end.account(code, **SECRETS[code]), end.http, end.clock)
        for _ in range(3):
            await client.fetch([LOOKUP])
        assert carrier.tokens == 1
        end.clock.seconds += 15_000
        await client.fetch([LOOKUP])
        assert carrier.tokens == 2


@pytest.mark.parametrize("code", ["ups", "correos"])
async def test_a_revoked_token_is_renewed_and_the_call_repeated_once(code: str) -> None:
    carrier = Carrier()
    carrier.revoked = 1
    async with far_end(carrier) as end:
        assert (await fetch(end, code)).status == 200
    assert carrier.tokens == 2
    assert len(carrier.calls) == 2


@pytest.mark.parametrize("code", registry.codes())
async def test_a_limit_comes_back_with_its_time(code: str) -> None:
    carrier = Carrier(lambda: web.Response(status=429, text="{}", headers={"Retry-After": "90"}))
    async with far_end(carrier) as end:
        answer = await fetch(end, code)
    with pytest.raises(CarrierFailure) as caught:
        registry.adapter(code).parse(answer)
    assert (caught.value.kind, caught.value.retry_after) == (FailureKind.RATE_LIMITED, 90.0)
    assert len(carrier.calls) == 1


@pytest.mark.parametrize("code", registry.codes())
async def test_a_broken_carrier_is_asked_three_times_and_then_down(code: str) -> None:
    carrier = Carrier(lambda: web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html"))
    async with far_end(carrier) as end:
        answer = await fetch(end, code)
    with pytest.raises(CarrierFailure) as caught:
        registry.adapter(code).parse(answer)
    assert caught.value.kind is FailureKind.CARRIER_DOWN
    assert len(carrier.calls) == 3


async def test_dhl_sends_its_key_always_the_same_language_and_the_postcode() -> None:
    carrier = Carrier()
    async with far_end(carrier) as end:
        await fetch(end, "dhl_unified")
    [call] = carrier.calls
    assert call.headers["DHL-API-Key"] == "s3cret-key"
    assert dict(call.query) == {"trackingNumber": "N/1", "language": "en", "recipientPostalCode": "28001"}


async def test_ups_names_each_request_and_asks_for_no_signature() -> None:
    carrier = Carrier()
    async with far_end(carrier) as end:
        await fetch(end, "ups")
    [call] = carrier.calls
    assert 0 < len(call.headers["transId"]) <= 32
    assert call.headers["transactionSrc"]
    assert call.query["returnSignature"] == call.query["returnPOD"] == "false"
    assert carrier.forms == [{"grant_type": "client_credentials"}]


async def test_correos_sends_its_gateway_credentials_beside_the_token() -> None:
    carrier = Carrier()
    async with far_end(carrier) as end:
        values = SECRETS["correos"] | {"gateway_client_id": "gate", "gateway_client_secret": "way"}
        await fetch(end, "correos", end.account("correos", **values))
    [call] = carrier.calls
    assert (call.headers["client_id"], call.headers["client_secret"]) == ("gate", "way")
    assert carrier.forms[0]["scope"] == "TPB"
    assert carrier.forms[0]["client_secret"] == "s3cret-secret"


@pytest.mark.parametrize(
    ("values", "service", "authorization"),
    [
        ({}, "eventos_envio_servicio", None),
        ({"user": "u", "password": "p"}, "eventos_envio_servicio_auth", encode_basic_auth("u", "p")),
    ],
)
async def test_correos_without_api_credentials_asks_the_public_service(
    values: dict[str, str], service: str, authorization: str | None
) -> None:
    carrier = Carrier()
    async with far_end(carrier) as end:
        await fetch(end, "correos", end.account("correos", **values))
    [call] = carrier.calls
    assert call.rel_url.raw_path == f"/canonico/{service}/N%2F1"
    assert call.query["indUltEvento"] == "N"
    assert call.headers.get("Authorization") == authorization
    assert carrier.tokens == 0
