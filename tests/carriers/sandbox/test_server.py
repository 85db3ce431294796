import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, ServerDisconnectedError, encode_basic_auth
from aiohttp.test_utils import TestClient, TestServer

from carriers.sandbox.faults import Fault, FaultRule
from carriers.sandbox.server import Accounts, make_app, start
from carriers.sandbox.world import World
from tests.carriers.sandbox.parcels import parcel


def basic(login: str, password: str) -> dict[str, str]:
    return {"Authorization": encode_basic_auth(login, password)}


UPS, DHL, CORREOS = parcel("ups"), parcel("dhl_unified", "on_time", "Lyon"), parcel("correos")
ACCOUNTS = Accounts()
DHL_KEY = {"DHL-API-Key": ACCOUNTS.dhl_api_key}
UPS_CLIENT = basic(ACCOUNTS.ups_client_id, ACCOUNTS.ups_client_secret)
CORREOS_CLIENT = {"client_id": ACCOUNTS.correos_client_id, "client_secret": ACCOUNTS.correos_client_secret}
CORREOS_GATEWAY = {
    "client_id": ACCOUNTS.correos_gateway_client_id,
    "client_secret": ACCOUNTS.correos_gateway_client_secret,
}

Client = TestClient[Any, Any]


class SteppedClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(max(each.journey.ends_at for each in (UPS, DHL, CORREOS)))


@pytest.fixture
def world() -> World:
    return World([UPS, DHL, CORREOS])


@pytest.fixture
async def client(world: World, clock: SteppedClock) -> AsyncGenerator[Client]:
    async with TestClient(TestServer(make_app(world, clock))) as client:
        yield client


async def ups_token(client: Client) -> dict[str, str]:
    answer = await client.post(
        "/ups/security/v1/oauth/token", data={"grant_type": "client_credentials"}, headers=UPS_CLIENT
    )
    body = await answer.json()
    assert body["expires_in"] == "14399"
    return {"Authorization": f"Bearer {body['access_token']}"}


async def correos_token(client: Client) -> dict[str, str]:
    answer = await client.post(
        "/correos/Api/Authorize/Token", data={"grant_type": "client_credentials", "scope": "AP3", **CORREOS_CLIENT}
    )
    return {"Authorization": f"Bearer {(await answer.json())['idToken']}", **CORREOS_GATEWAY}


async def ask_dhl(client: Client, number: str = DHL.number) -> tuple[int, Mapping[str, str], bytes]:
    answer = await client.get("/dhl_unified/track/shipments", params={"trackingNumber": number}, headers=DHL_KEY)
    return answer.status, answer.headers, await answer.read()


async def test_dhl_answers_to_its_key(client: Client):
    status, headers, body = await ask_dhl(client)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body)["shipments"][0]["status"]["statusCode"] == "delivered"


@pytest.mark.parametrize("headers", [{}, {"DHL-API-Key": "another"}])
async def test_dhl_refuses_another_key(client: Client, headers):
    answer = await client.get("/dhl_unified/track/shipments", params={"trackingNumber": DHL.number}, headers=headers)
    assert (answer.status, answer.content_type) == (401, "application/problem+json")


async def test_dhl_says_404_for_a_stranger_and_400_for_nothing(client: Client):
    status, headers, body = await ask_dhl(client, "1234567897")
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(body)["instance"] == "/shipment/1234567897"
    assert (await client.get("/dhl_unified/track/shipments", headers=DHL_KEY)).status == 400


async def test_ups_answers_to_a_token_that_its_client_got(client: Client):
    answer = await client.get(f"/ups/api/track/v1/details/{UPS.number}", headers=await ups_token(client))
    shipment = (await answer.json())["trackResponse"]["shipment"][0]
    assert shipment["package"][0]["currentStatus"]["code"] == "011"


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        (basic("sandbox-ups-client", "wrong"), {"grant_type": "client_credentials"}),
        ({}, {"grant_type": "client_credentials"}),
        (UPS_CLIENT, {"grant_type": "password"}),
        (UPS_CLIENT, {}),
    ],
)
async def test_ups_gives_no_token_to_others(client: Client, headers, form):
    answer = await client.post("/ups/security/v1/oauth/token", data=form, headers=headers)
    assert answer.status == 401
    assert (await answer.json())["response"]["errors"][0]["code"] == "10401"


@pytest.mark.parametrize("authorization", [None, "Bearer nothing", "Basic abc"])
async def test_ups_refuses_who_has_no_token(client: Client, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    answer = await client.get(f"/ups/api/track/v1/details/{UPS.number}", headers=headers)
    assert answer.status == 401
    assert (await answer.json())["response"]["errors"][0]["code"] == "250002"


async def test_ups_says_not_found_inside_a_200_and_400_for_what_is_no_number(client: Client):
    token = await ups_token(client)
    stranger = await client.get("/ups/api/track/v1/details/1Z999AA10123456784", headers=token)
    assert stranger.status == 200
    assert (await stranger.json())["trackResponse"]["shipment"][0]["warnings"][0]["code"] == "TW0001"
    assert (await client.get("/ups/api/track/v1/details/1Z999AA10123456780", headers=token)).status == 400


async def test_correos_answers_anybody_on_its_public_door_and_its_client_on_the_others(client: Client):
    path = f"eventos_envio_servicio/{CORREOS.number}"
    public = await client.get(f"/correos/canonico/{path}", params={"indUltEvento": "N"})
    headers = basic(ACCOUNTS.correos_user, ACCOUNTS.correos_password)
    private = await client.get(f"/correos/canonico/eventos_envio_servicio_auth/{CORREOS.number}", headers=headers)
    portal = await client.get(
        f"/correos/support/trackpub/api/v2/search/{CORREOS.number}", headers=await correos_token(client)
    )
    assert await public.json() == await private.json()
    assert (await public.json())[0]["eventos"][-1]["codEvento"] == "I010000V"
    assert (await portal.json())["events"][-1]["eventCode"] == "I010000V"


async def test_correos_refuses_strangers_where_it_knows_its_clients(client: Client):
    assert (await client.get(f"/correos/canonico/eventos_envio_servicio_auth/{CORREOS.number}")).status == 401
    assert (await client.post("/correos/Api/Authorize/Token", data={"grant_type": "client_credentials"})).status == 401
    token = await correos_token(client)
    only_token = {"Authorization": token["Authorization"]}
    for headers in ({}, CORREOS_GATEWAY, only_token, {**only_token, **CORREOS_CLIENT}):
        answer = await client.get(f"/correos/support/trackpub/api/v2/search/{CORREOS.number}", headers=headers)
        assert answer.status == 401


async def test_correos_says_not_found_inside_a_200(client: Client):
    answer = await client.get("/correos/canonico/eventos_envio_servicio/PQ0000000000000000000X")
    assert answer.status == 200
    assert (await answer.json())[0]["error"]["codError"] == "3"


async def test_a_token_of_one_carrier_opens_no_door_of_another(client: Client):
    token = await ups_token(client)
    headers = {"Authorization": token["Authorization"], **CORREOS_GATEWAY}
    answer = await client.get(f"/correos/support/trackpub/api/v2/search/{CORREOS.number}", headers=headers)
    assert answer.status == 401


async def test_what_is_shown_follows_the_clock(client: Client, clock: SteppedClock):
    facts = DHL.journey.facts
    counts = []
    for clock.at in (facts[0].known_at, facts[2].known_at, facts[-1].known_at):
        counts.append(len(json.loads((await ask_dhl(client))[2])["shipments"][0]["events"]))
    assert counts == [1, 3, len(facts)]


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        (Fault.TOO_MANY_REQUESTS, 429, "application/problem+json"),
        (Fault.SERVER_ERROR, 500, "application/problem+json"),
        (Fault.HTML_PAGE, 200, "text/html"),
        (Fault.WRONG_CREDENTIALS, 401, "application/problem+json"),
        (Fault.NOT_FOUND_YET, 404, "application/problem+json"),
        (Fault.TRUNCATED_BODY, 200, "application/json"),
    ],
)
async def test_a_struck_call_goes_wrong_in_its_way(client: Client, world: World, fault, status, content_type):
    whole = (await ask_dhl(client))[2]
    world.rules.append(FaultRule(fault=fault, carrier="dhl_unified", times=1, retry_after=7))
    answer_status, headers, body = await ask_dhl(client)
    assert (answer_status, headers["Content-Type"]) == (status, content_type)
    assert headers.get("Retry-After") == ("7" if fault is Fault.TOO_MANY_REQUESTS else None)
    assert body != whole
    assert (await ask_dhl(client))[2] == whole
    assert (await (await client.get("/_sandbox/calls")).json())["faults"] == {fault: 1}


async def test_a_truncated_body_is_no_json(client: Client, world: World):
    world.rules.append(FaultRule(fault=Fault.TRUNCATED_BODY))
    with pytest.raises(json.JSONDecodeError):
        json.loads((await ask_dhl(client))[2])


async def test_a_slow_answer_outlasts_an_impatient_client(client: Client, world: World):
    world.rules.append(FaultRule(fault=Fault.SLOW_ANSWER, seconds=30))
    with pytest.raises((TimeoutError, ServerDisconnectedError)):
        async with asyncio.timeout(0.05):
            await ask_dhl(client)


async def test_wrong_credentials_revoke_the_token_so_that_a_new_one_helps(client: Client, world: World):
    token = await ups_token(client)
    world.rules.append(FaultRule(fault=Fault.WRONG_CREDENTIALS, carrier="ups", times=1))
    path = f"/ups/api/track/v1/details/{UPS.number}"
    statuses = [(await client.get(path, headers=token)).status for _ in range(2)]
    assert statuses == [401, 401]
    assert (await client.get(path, headers=await ups_token(client))).status == 200


async def test_calls_are_counted_by_carrier_and_kind(client: Client):
    await ask_dhl(client)
    await ask_dhl(client)
    await client.get("/dhl_unified/track/shipments")
    await client.get(f"/ups/api/track/v1/details/{UPS.number}", headers=await ups_token(client))
    calls = (await (await client.get("/_sandbox/calls")).json())["calls"]
    assert calls == {
        "dhl_unified": {"track": 2, "token": 0, "refused": 1},
        "ups": {"track": 1, "token": 1, "refused": 0},
        "correos": {"track": 0, "token": 0, "refused": 0},
    }


async def test_a_parcel_made_through_the_control_door_is_known_to_its_carrier(client: Client, clock: SteppedClock):
    new = {"carrier": "correos", "scenario": "customs_inspection", "city": "Miami", "seed": "x"}
    made = await client.post("/_sandbox/parcels", json=new)
    assert made.status == 201
    number = (await made.json())["number"]
    clock.at += timedelta(days=30)
    shown = await (await client.get(f"/_sandbox/parcels/correos/{number}")).json()
    assert (shown["milestone"], shown["final"], shown["problem"]) == ("delivered", True, None)
    assert number in {each["number"] for each in await (await client.get("/_sandbox/parcels")).json()}
    answer = await client.get(f"/correos/canonico/eventos_envio_servicio/{number}")
    assert (await answer.json())[0]["error"]["codError"] == "0"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"carrier": "seur"}', "not 'seur'"),
        (b'{"carrier": "ups", "scenario": "teleported"}', "no scenario 'teleported'"),
        (b'{"carrier": "ups", "city": "Atlantis"}', "Atlantis"),
        (b'{"carrier": "correos", "scenario": "lost"}', "correos does not tell lost"),
        (b'{"carrier": "ups", "colour": "red"}', "colour"),
        (b'{"carrier": "ups", "handed_over_at": "2026-03-02T10:00:00"}', "handed_over_at"),
        (json.dumps({"carrier": "ups", "number": UPS.number}).encode(), "already carries"),
    ],
)
async def test_the_control_door_says_what_it_does_not_understand(client: Client, body, said):
    answer = await client.post("/_sandbox/parcels", data=body)
    assert answer.status == 422
    assert said in (await answer.json())["error"]


async def test_faults_can_be_added_listed_and_cleared_through_the_control_door(client: Client, world: World):
    rule = {"fault": "server_error", "carrier": "dhl_unified", "from_at": "2026-01-01T00:00:00Z"}
    assert (await client.post("/_sandbox/faults", json=rule)).status == 201
    assert world.rules == [
        FaultRule(fault=Fault.SERVER_ERROR, carrier="dhl_unified", from_at=datetime(2026, 1, 1, tzinfo=UTC))
    ]
    assert [each["fault"] for each in await (await client.get("/_sandbox/faults")).json()] == ["server_error"]
    assert (await ask_dhl(client))[0] == 500
    assert (await client.post("/_sandbox/faults", json={"fault": "gremlins"})).status == 422
    assert (await client.delete("/_sandbox/faults")).status == 204
    assert (await ask_dhl(client))[0] == 200


async def test_it_starts_on_a_free_port_says_that_it_is_well_and_stops(world: World, clock: SteppedClock):
    running = await start(world, clock)
    async with ClientSession(timeout=ClientTimeout(total=5)) as session:
        answer = await session.get(f"{running.base_url}/_sandbox/healthz")
        assert (await answer.json())["status"] == "ok"
        second = await start(World(), clock)
        assert second.base_url != running.base_url
        with pytest.raises(OSError, match="address already in use"):
            await start(World(), clock, port=int(running.base_url.rpartition(":")[2]))
        await second.stop()
    await running.stop()
