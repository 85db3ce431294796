"""Pushes through the real service, durable with all of rooms 2 to 6, beside the floor that PostgreSQL sets."""

from __future__ import annotations

import random
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec
from standardwebhooks import Webhook

from bench import client, database, parcels, servers
from bench.client import Run
from bench.floor import Plan
from bench.table import Line, Table, spread
from tracker.actions import access, data_key
from tracker.settings import ShopSettings
from tracker.vault import MasterKey

_PARCELS = 100_000
_CONNECTIONS = 64
_SERVERS = ("service", "floor", "bare")
_INSERT = """
insert into event (shop_id, shipment_id, key, variant, occurred_at, milestone, code, text, city, country, tz_certainty,
                   precision, sequence, informational, observation_id, source, received_at)
select $1, r.shipment_id, r.key, r.variant, $2, r.milestone, r.code, r.text, r.city, 'ES', 'offset_given', 2, 0, false,
       $3, 'push', $2
from unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
    as r (shipment_id, key, variant, milestone, code, text, city)
on conflict do nothing
"""

Pushes = Mapping[str, list[tuple[int, str]]]  # by the id of the push: parcels, and the kind of news of each


@dataclass(frozen=True)
class Door:
    """Where the servers listen, and how a push is signed."""

    ports: Mapping[str, int]
    pids: Mapping[str, int]
    path: str
    secret: str
    now: datetime

    def requests(self, pushes: Pushes) -> list[bytes]:
        """The pushes as signed requests."""
        webhook = Webhook(self.secret)
        return [self._request(webhook, push_id, news) for push_id, news in pushes.items()]

    def _request(self, webhook: Webhook, push_id: str, news: Sequence[tuple[int, str]]) -> bytes:
        body = parcels.body([(parcel, parcels.NEWS[kind]) for parcel, kind in news], self.now)
        at = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": push_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": webhook.sign(push_id, at, body.decode()),
        }
        return client.request(self.path, headers, body)


@dataclass(frozen=True)
class Round:
    """As many pushes, about other parcels, at each server; and the processor time that each server took, in seconds."""

    runs: Mapping[str, Run]
    cpu: Mapping[str, float]


async def measure(*, full: bool) -> Table:
    """One event each, and 100 each; every round at the service and at its limits in turn."""
    rounds, singles, hundreds = (5, 4_000, 45) if full else (3, 2_500, 40)
    now, chosen = datetime.now(UTC), _random_news()
    warm, of_one, of_many = (
        [{server: _draw(chosen, count, size) for server in ("service", "floor")} for _ in range(times)]
        for times, count, size in ((1, 500, 1), (rounds, singles, 1), (rounds, hundreds, 100))
    )
    async with database.postgres() as dsn:
        shop_id = await parcels.add(dsn, _PARCELS, now)
        async with _servers(dsn, shop_id, now, [one["floor"] for one in (*warm, *of_one, *of_many)]) as door:
            await _round(dsn, door, warm[0])
            one = [await _round(dsn, door, pushes) for pushes in of_one]
            many = [await _round(dsn, door, pushes) for pushes in of_many]
        inserted = [await _insert_only(dsn, shop_id, now, one["service"]) for one in of_one]
    return Table("pushes", [*_lines(one, 1, inserted), *_lines(many, 100, inserted)], _notes(one, many))


def _random_news() -> Iterator[tuple[int, str]]:
    """Parcels in random order, no one twice, each with a kind of news as often as parcels hear it."""
    chance = random.Random(1)
    ids = list(range(parcels.SAMPLE + 1, parcels.SAMPLE + _PARCELS))
    chance.shuffle(ids)
    return zip(ids, chance.choices(list(parcels.MIX), list(parcels.MIX.values()), k=len(ids)), strict=True)


def _draw(chosen: Iterator[tuple[int, str]], count: int, size: int) -> Pushes:
    pushes = ([next(chosen) for _ in range(size)] for _ in range(count))
    return {f"msg_{news[0][0]}": news for news in pushes}


@asynccontextmanager
async def _servers(dsn: str, shop_id: int, now: datetime, at_the_floor: Sequence[Pushes]) -> AsyncIterator[Door]:
    """The service, the floor and the bare server, all of them ready."""
    async with AsyncExitStack() as stack:
        async with database.connected(dsn) as conn:
            vault = await data_key.open_vault(conn, MasterKey(database.SECRET_KEY.encode()))
            code, secret = await access.add_partner(conn, vault, ShopSettings().code, "the bench")
        ports = {name: servers.free_port() for name in _SERVERS}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracker-bench-")))
        pushes = {push_id: news for pushes in at_the_floor for push_id, news in pushes.items()}
        (folder / "plan").write_bytes(msgspec.json.encode(Plan(dsn, secret, shop_id, now, pushes)))
        environment = {
            "TRACKER_DATABASE_URL": dsn,
            "TRACKER_SECRET_KEY": database.SECRET_KEY,
            "TRACKER_LISTEN": f"127.0.0.1:{ports['service']}",
        }
        started = {
            "service": servers.running("tracker", ["serve", "--role", "web"], environment),
            "floor": servers.running("bench.floor", [str(ports["floor"]), str(folder / "plan")]),
            "bare": servers.running("bench.floor", [str(ports["bare"])]),
        }
        processes = {name: await stack.enter_async_context(server) for name, server in started.items()}
        for name, process in processes.items():
            await servers.answering(process, ports[name])
        pids = {name: process.pid for name, process in processes.items()}
        yield Door(ports, pids, f"/push/{code}", secret, now)


async def _round(dsn: str, door: Door, pushes: Mapping[str, Pushes]) -> Round:
    runs: dict[str, Run] = {}
    cpu: dict[str, float] = {}
    for server in _SERVERS:
        requests = door.requests(pushes.get(server, pushes["service"]))
        if server != "bare":
            async with database.connected(dsn) as conn:
                await database.settle(conn)
        used = servers.cpu_seconds(door.pids[server])
        runs[server] = await client.send(door.ports[server], requests, _CONNECTIONS)
        cpu[server] = servers.cpu_seconds(door.pids[server]) - used
    return Round(runs, cpu)


async def _insert_only(dsn: str, shop_id: int, now: datetime, pushes: Pushes) -> float:
    """Events per second when rows are only inserted, a thousand in a transaction."""
    columns = [_row(parcel, kind) for news in pushes.values() for parcel, kind in news]
    async with database.connected(dsn) as conn:
        observation = await conn.fetchval("select min(id) from observation")
        began = perf_counter()
        for at in range(0, len(columns), 1000):
            batch = [list(column) for column in zip(*columns[at : at + 1000], strict=True)]
            await conn.execute(_INSERT, shop_id, now, observation, *batch)
        return len(columns) / (perf_counter() - began)


def _row(parcel: int, kind: str) -> tuple[int, str, str, str, str, str, str]:
    code, text, city, _ = parcels.NEWS[kind]
    number = parcels.tracking_number(parcel)
    return parcel, f"{number}:{code}:inserted", "as told|in_transit|arrived_hub||0", "in_transit", code, text, city


def _lines(rounds: Sequence[Round], size: int, inserted: Sequence[float]) -> list[Line]:
    rates = {name: [one.runs[name].rate * size for one in rounds] for name in _SERVERS}
    said = spread(rates["service"], "events/s")
    what = f"{size} event{'s' * (size > 1)} each"
    paired = [ours / floor for ours, floor in zip(rates["service"], rates["floor"], strict=True)]
    return [
        Line(
            f"{what}, of the same without our code", said, spread(rates["floor"], "events/s"), median(paired), "≥ 0.6"
        ),
        _beside(f"{what}, of a bare POST", said, rates["service"], rates["bare"]),
        _beside(f"{what}, of an insert by unnest", said, rates["service"], inserted),
    ]


def _beside(what: str, said: str, ours: Sequence[float], limit: Sequence[float]) -> Line:
    return Line(what, said, spread(limit, "events/s"), median(ours) / median(limit))


def _notes(one: Sequence[Round], many: Sequence[Round]) -> list[str]:
    return [
        f"{_CONNECTIONS} connections; rounds: {len(one)}; {_PARCELS:,} parcels, hit at random",
        *(_note("1 event", name, one) for name in _SERVERS),
        *(_note("100 events", name, many) for name in _SERVERS),
    ]


def _note(size: str, server: str, rounds: Sequence[Round]) -> str:
    runs = [one.runs[server] for one in rounds]
    sent = sum(len(run.latencies) for run in runs)
    refused = [answer for run in runs for answer in run.refused]
    middle, slowest = (1000 * median(run.latency(share) for run in runs) for share in (0.5, 0.99))
    processor = 1e6 * sum(one.cpu[server] for one in rounds) / sent
    said = f"{size}, {server}: half within {middle:.1f} ms, 99 % within {slowest:.1f} ms, {processor:,.0f} µs of processor each"
    return said if not refused else f"{said}; {len(refused)} REFUSED, the first: {refused[0][-300:]!r}"
