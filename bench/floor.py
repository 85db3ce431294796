"""What a push costs without our own code, as a server: the same HTTP handling, the same statements, and nothing else.

Also the bare server, which reads a body and answers. Usage: python -m bench.floor PORT [PLAN]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiohttp import web

from bench import database, parcels, statements
from bench.statements import Recording, Script
from carriers import signature
from sql.connection import Connection
from tracker.actions.deciding import House
from tracker.actions.group_commit import GroupCommit
from tracker.bootstrap import INTAKE_LANES
from tracker.clock import SteppedClock
from tracker.web.errors import answer_problems
from tracker.web.passage import add_headers, note_request

_MOST = 1024 * 1024
_RECEIPT = b'{"accepted":1,"known":0,"unclaimed":0,"refused":[]}'


class Plan(msgspec.Struct, frozen=True):
    """What will be pushed: by the id of the push its (parcel, kind of news)."""

    dsn: str
    secret: str
    shop_id: int
    now: datetime
    pushes: dict[str, list[tuple[int, str]]]


class Floor:
    """The pushes as scripts, and the group commit that plays them."""

    def __init__(self, house: House, recording: Recording, plan: Plan) -> None:
        self._house, self._order = house, recording.order
        self._secrets = (plan.secret,)
        self._scripts = {push_id: _scripts(recording, plan, news) for push_id, news in plan.pushes.items()}
        self._pushes: GroupCommit[str, None] = GroupCommit(self._commit, lanes=INTAKE_LANES)

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        verdict = signature.verify(request.headers, raw, self._secrets, datetime.now(UTC))
        if not verdict.ok or verdict.message_id is None:
            raise web.HTTPUnauthorized
        await self._pushes.submit(verdict.message_id)
        return web.Response(status=202, body=_RECEIPT, content_type="application/json")

    async def _commit(self, batch: Sequence[str]) -> list[None]:
        async def work(conn: Connection) -> None:
            await statements.replay(conn, self._order, [self._scripts[push_id] for push_id in batch])

        await self._house.db.retrying(work, idempotent=True)
        return [None] * len(batch)


def _scripts(recording: Recording, plan: Plan, news: Sequence[tuple[int, str]]) -> list[Script]:
    raw = parcels.body([(parcel, parcels.NEWS[kind]) for parcel, kind in news], plan.now)
    return [statements.script(recording.kinds[kind], parcel, raw) for parcel, kind in news]


async def bare(request: web.Request) -> web.Response:
    """Reads, answers, and does nothing else."""
    await request.read()
    return web.Response(status=202, body=_RECEIPT, content_type="application/json")


async def ready(_request: web.Request) -> web.Response:
    return web.Response(text="ready")


async def main(port: int, plan: Plan | None) -> None:
    """Serve until killed."""
    async with AsyncExitStack() as stack:
        app = web.Application(client_max_size=_MOST)
        if plan is None:
            app.router.add_post("/push/{partner}", bare)
        else:
            house = await stack.enter_async_context(database.house(plan.dsn, SteppedClock(plan.now)))
            recording = await statements.record(house, plan.shop_id, plan.now)
            app = web.Application(middlewares=[note_request, answer_problems], client_max_size=_MOST)
            app.on_response_prepare.append(add_headers)
            app.router.add_post("/push/{partner}", Floor(house, recording, plan).take)
        app.router.add_get("/readyz", ready)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    planned = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Plan) if len(sys.argv) > 2 else None
    asyncio.run(main(int(sys.argv[1]), planned))
