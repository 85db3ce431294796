"""The day's work is done once by many processes, and again by another where one fell silent."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from tests.tracker.actions.conftest import Scene
from tracker.actions.deciding import House
from tracker.feeds import calendars as holidays
from tracker.jobs.housekeeping import keep_house
from tracker.store.calendars import Calendars

NEW_YEAR = datetime(2027, 1, 1, 0, 5, tzinfo=UTC)
THREE_KINGS = date(2028, 1, 6)  # a Thursday


def another_process(scene: Scene) -> House:
    """It shares the database, and nothing that it remembers."""
    return msgspec.structs.replace(scene.house, calendars=Calendars())


async def a_failure_is_old(scene: Scene, token: bytes) -> None:
    await scene.value(
        "insert into sign_in_failure (source, failures, failed_at) values ($1, 1, clock_timestamp() - interval '2 days')",
        token,
    )


async def failures(scene: Scene) -> int:
    count: int = await scene.value("select count(*) from sign_in_failure")
    return count


async def test_the_days_work_is_done_once(scene: Scene):
    await a_failure_is_old(scene, b"first")
    await asyncio.gather(*(keep_house(another_process(scene)) for _ in range(3)))
    assert await failures(scene) == 0
    assert [row["done_at"] for row in await scene.rows("select * from once")] == [scene.clock.now()]
    await a_failure_is_old(scene, b"second")
    await keep_house(scene.house)
    assert await failures(scene) == 1
    scene.clock.move_to(scene.clock.now() + timedelta(days=1))
    await keep_house(scene.house)
    assert await failures(scene) == 0


async def test_next_years_holidays_are_learned_for_every_country_that_is_shipped_to(scene: Scene):
    scene.clock.move_to(NEW_YEAR)
    await keep_house(scene.house)
    rows = await scene.rows("select distinct country from holiday where extract(year from day) = 2028 order by country")
    assert [row["country"] for row in rows] == ["ES", "FR", "GB"]
    assert await scene.value("select name from holiday where country = 'ES' and day = $1", THREE_KINGS)


async def test_what_a_crash_left_is_done_by_another_once_its_lease_is_over(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    scene.clock.move_to(NEW_YEAR)
    asked = []

    async def compute(pairs: Sequence[tuple[str, int]]) -> list[tuple[str, date, str]]:
        asked.append(pairs)
        if len(asked) == 1:
            raise asyncio.CancelledError  # the process goes down in the middle
        return [("ES", THREE_KINGS, "Día de los Reyes Magos")]

    monkeypatch.setattr(holidays, "compute", compute)
    with pytest.raises(asyncio.CancelledError):
        await keep_house(scene.house)
    await keep_house(another_process(scene))
    assert len(asked) == 1, "somebody may still be at it"
    await scene.value("update once set lease_until = clock_timestamp() - interval '1 second'")
    await keep_house(another_process(scene))
    assert len(asked) == 2
    assert await scene.value("select done_at from once") == NEW_YEAR
    assert await scene.value("select count(*) from calendar_year where year = 2028") == 3


async def test_holidays_that_one_process_learned_count_in_all_by_the_next_day(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    async def compute(pairs: Sequence[tuple[str, int]]) -> list[tuple[str, date, str]]:
        return [("ES", THREE_KINGS, "Día de los Reyes Magos")]

    async def is_working_day(house: House) -> bool:
        async with house.db.transaction() as conn:
            return (await house.load(conn, [shipment_id]))[shipment_id].lane.works_on(THREE_KINGS)

    monkeypatch.setattr(holidays, "compute", compute)
    shipment_id = await scene.registers()
    other = another_process(scene)
    scene.clock.move_to(NEW_YEAR)
    assert await is_working_day(other)
    await keep_house(scene.house)
    scene.clock.move_to(NEW_YEAR + timedelta(days=1))
    assert not await is_working_day(other)
    assert not await is_working_day(scene.house)


async def test_periods_are_forgotten_after_thirty_days(scene: Scene):
    first = scene.clock.now()
    for days in (0, 29, 31):
        scene.clock.move_to(first + timedelta(days=days))
        await keep_house(scene.house)
    rows = await scene.rows("select begun_at from once order by begun_at")
    assert [row["begun_at"] - first for row in rows] == [timedelta(days=29), timedelta(days=31)]
