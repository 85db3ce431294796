"""The gateway takes a text and never says so: it is looked for, and never sent twice."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from tests.stories.scene import Scene
from tests.support.postgres import Server
from tracker.simulation.sinks import Sinks

NUMBER = "PQ4K7R0231021370141001A"


class CutOffSinks(Sinks):
    """Hangs up instead of answering, after it took the text or before; `hides` what it took when it is asked."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.takes = True
        self.asked = 0

    async def _take_text(self, request: web.Request) -> web.Response:
        if self.takes:
            await super()._take_text(request)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def _list_texts(self, request: web.Request) -> web.Response:
        self.asked += 1
        return await super()._list_texts(request)


@pytest.fixture
async def scene(postgres: Server) -> AsyncGenerator[Scene]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Scene.set(postgres, sinks=CutOffSinks))


async def told(scene: Scene, **customer: str) -> None:
    await scene.register(
        "correos", NUMBER, customer={"name": "Ana", "language": "es", "phone": "+34612345678"} | customer
    )
    missed = {"milestone": "out_for_delivery", "status_detail": "attempt_failed"}
    said = {"carrier": "correos", "tracking_number": NUMBER, "occurred_at": scene.clock.now().isoformat()}
    await scene.push(said | missed)


async def rows(scene: Scene) -> dict[str, str]:
    async with scene.runtime.house.db.connection() as conn:
        return {row["channel"]: row["state"] for row in await conn.fetch("select channel, state from message")}


async def test_a_text_that_was_taken_without_an_answer_is_found_and_not_sent_again(scene: Scene) -> None:
    await told(scene)
    await scene.go_on(hours=1)

    assert len(scene.texts) == 1
    assert await rows(scene) == {"sms": "accepted"}


async def test_a_text_that_nobody_took_is_not_sent_again_either_and_an_email_goes_instead(scene: Scene) -> None:
    assert isinstance(scene.sinks, CutOffSinks)
    scene.sinks.takes = False
    await told(scene, email="ana@home.example")
    await scene.go_on(hours=1)

    assert scene.texts == []
    assert scene.sinks.asked >= 2
    assert await rows(scene) == {"sms": "unknown", "email": "accepted"}
    assert len(scene.letters) == 1
