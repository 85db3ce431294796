"""Work that is due and cannot be done costs a few looks at each tick: the clock never spins."""

from typing import Any

import pytest

from tests.faults.test_our_own_mistakes import moved
from tests.stories.scene import Scene
from tests.support.recorded_dhl import always
from tracker.actions import access
from tracker.store.db import Database

FEW = 16  # connections that one tick of all jobs may borrow, however much is due


class Borrowed:
    """How often a connection was borrowed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        lend = Database._lend

        def counted(database: Database) -> Any:
            self.times += 1
            return lend(database)

        monkeypatch.setattr(Database, "_lend", counted)


async def test_what_is_due_and_cannot_be_done_costs_next_to_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [f"88112233{index:02}" for index in range(40)]
    for number in numbers:
        await scene.register("dhl_unified", number)
    await scene.settle_down()
    scene.dhl.instead = always(429, b"{}", "application/json", **{"Retry-After": "86400"})
    await scene.go_on(hours=2)  # the account is paused
    async with scene.runtime.house.db.transaction() as conn:
        await access.turn_switch(conn, "stop_sending", engaged=True, by="test")
        await conn.execute("update schedule set next_poll_at = $1", scene.clock.now())
    held = {"milestone": "in_customs", "status_detail": "inspection"}
    await scene.push(*(moved(number) | held | {"carrier": "dhl_unified"} for number in numbers))
    asked = scene.dhl.asked.total()

    borrowed = Borrowed(monkeypatch)
    runtime = scene.runtime
    for _ in range(3):
        for job in (runtime.poll, runtime.examine, runtime.deliver, runtime.keep_house):
            assert await job() == 0
    assert borrowed.times <= 3 * FEW
    assert scene.dhl.asked.total() == asked
    assert scene.letters == []
