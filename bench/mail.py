"""The outbox: rendering messages, and handing over those that are rendered already."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from itertools import cycle
from statistics import median
from time import perf_counter, process_time

import aiosmtplib

from bench import database, parcels, servers
from bench.table import Line, Table, spread
from notifications import claims
from notifications.channels.email import Email, Relay
from notifications.delivery import Delivery
from notifications.writing import write_all
from sql.connection import Connection
from tracker.actions import intake
from tracker.actions.deciding import House
from tracker.clock import SteppedClock

_CONNECTIONS = (4, 16)
_KINDS = ("out", "delivered", "attempt", "customs", "weather")
_PUSHES = 200  # in one transaction
_LATER = timedelta(minutes=30)  # after which every message is due
_POLICY = policy.SMTP.clone(cte_type="7bit")
_KEEP_BODIES = """
update message set body = r.body, subject = r.subject, message_id = 'n.' || message.id || '@shop.example', language = 'es'
from unnest($1::bigint[], $2::bytea[], $3::text[]) as r (id, body, subject)
where message.id = r.id
"""
_PUT_OFF = "update message set due_at = 'infinity', lease_until = null where channel = 'email' and state = 'queued'"
_MAKE_DUE = """
update message set due_at = $1
where id in (select id from message where channel = 'email' and state = 'queued' order by id limit $2)
"""


class _Links:
    """As long as the real ones."""

    def tracking(self, shipment_id: int, link_version: int) -> str:
        return f"https://track.shop.example/t/{shipment_id:022}{link_version}"


async def measure(*, full: bool) -> Table:
    """Rendering in one thread; then the hand-over with 4 and with 16 connections, beside bare aiosmtplib."""
    rounds, rendered, sent = (5, 1_000, 5_000) if full else (3, 300, 1_500)
    now = datetime.now(UTC)
    count = rounds * sent * len(_CONNECTIONS)
    async with database.postgres() as dsn:
        shop_id = await parcels.add(dsn, count + 1, now)
        clock = SteppedClock(now)
        async with database.house(dsn, clock) as house, database.connected(dsn) as conn:
            await _say_something(house, shop_id, now, count)
            clock.move_to(now + _LATER)
            rendering = [await _render(conn, clock.now(), rendered) for _ in range(rounds)]
            bodies = [body for _, _, bodies in rendering for body in bodies]
            await _keep(conn, bodies)
            handed = [await _hand_over(house, conn, connections, sent, rounds) for connections in _CONNECTIONS]
    ours, bare = [one for one, _, _ in rendering], [other for _, other, _ in rendering]
    size = median(len(body) for body in bodies)
    return Table(
        "mail",
        [
            *handed,
            Line("rendered in one thread", spread(ours, "/s"), spread(bare, "/s"), median(ours) / median(bare)),
        ],
        [
            "limits: bare aiosmtplib with as many kept connections; an EmailMessage made of the same texts and nothing else",
            f"messages of {size:,.0f} bytes; rounds: {rounds}",
        ],
    )


async def _say_something(house: House, shop_id: int, now: datetime, count: int) -> None:
    """News about every parcel, each a notice with its message."""
    kinds = cycle(_KINDS)
    for first in range(1, count + 1, _PUSHES):
        batch = [
            parcels.observation(parcels.body([(parcels.SAMPLE + at, parcels.NEWS[next(kinds)])], now), shop_id, now)
            for at in range(first, min(first + _PUSHES, count + 1))
        ]
        async with house.db.transaction() as conn:
            await intake.take_in(house, conn, batch)


async def _render(conn: Connection, now: datetime, count: int) -> tuple[float, float, list[bytes]]:
    """Messages per second of one core: ours, and the same texts put into an EmailMessage; and the messages."""
    works = await claims.take(conn, Email.name, now, timedelta(minutes=5), count)
    conversations = await claims.conversations(conn, works, Email.name)
    began = process_time()
    problems = write_all(works, conversations, _Links(), now)
    ours = process_time() - began
    assert not problems
    bodies = [work.rendered.body for work in works if work.rendered]
    texts = [_texts(body) for body in bodies]
    began = process_time()
    for plain, html in texts:
        _assemble(plain, html)
    return count / ours, count / (process_time() - began), bodies


def _texts(body: bytes) -> tuple[str, str]:
    message = email.message_from_bytes(body, policy=policy.default)
    plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


def _assemble(plain: str, html: str) -> bytes:
    message = EmailMessage(policy=_POLICY)
    message["From"] = message["To"] = message["Message-ID"] = "<maria@customer.example>"
    message["Subject"] = "Tu pedido"
    message.set_content(plain, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


async def _keep(conn: Connection, bodies: Sequence[bytes]) -> None:
    """As if all had been rendered at an attempt that failed: bytes are kept, and nothing is due."""
    ids = [row["id"] for row in await conn.fetch("select id from message where channel = 'email' and state = 'queued'")]
    again = cycle(bodies)
    await conn.execute(_KEEP_BODIES, ids, [next(again) for _ in ids], ["Tu pedido"] * len(ids))
    await conn.execute(_PUT_OFF)


async def _hand_over(house: House, conn: Connection, connections: int, count: int, rounds: int) -> Line:
    """Messages per second through the outbox, and by aiosmtplib alone, in turn."""
    ours, bare = [], []
    port = servers.free_port()
    async with servers.running("bench.sink", [str(port)]):
        await servers.listening(port)
        for _ in range(rounds):
            bodies = await _make_due(conn, house.clock.now(), count)
            bare.append(count / await _send_bare(port, bodies, connections))
            ours.append(count / await _deliver(house, port, connections, count))
    paired = median(one / other for one, other in zip(ours, bare, strict=True))
    what = f"handed over, {connections} connections"
    return Line(what, spread(ours, "messages/s"), spread(bare, "messages/s"), paired, "≥ 0.6")


async def _make_due(conn: Connection, now: datetime, count: int) -> list[bytes]:
    """So many rendered messages are due; gives their bodies."""
    await conn.execute(_MAKE_DUE, now, count)
    await database.settle(conn)
    return [row["body"] for row in await conn.fetch("select body from message where due_at = $1", now)]


async def _deliver(house: House, port: int, connections: int, count: int) -> float:
    """Seconds until all that is due has been accepted."""
    channel = Email(Relay(host="127.0.0.1", port=port, tls="none", connections=connections))
    delivery = Delivery(house.db, [channel], links=_Links(), clock=house.clock, chance=house.chance)
    began = perf_counter()
    delivered = await delivery.deliver_due()
    taken = perf_counter() - began
    await delivery.close()
    assert delivered.states == {"accepted": count}, delivered
    return taken


async def _send_bare(port: int, bodies: Sequence[bytes], connections: int) -> float:
    """Seconds for the same bodies over as many kept connections, and nothing else."""
    waiting = iter(bodies)

    async def one_connection() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, use_tls=False) as smtp:
            for body in waiting:
                await smtp.sendmail("pedidos@shop.example", ["maria@customer.example"], body)

    began = perf_counter()
    await asyncio.gather(*(one_connection() for _ in range(connections)))
    return perf_counter() - began
