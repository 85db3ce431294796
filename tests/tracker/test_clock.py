from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tracker.clock import AcceleratedClock, Chance, RealClock, SteppedClock

START = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)  # a minute before Spain puts its clocks forward


def test_the_real_time_is_aware_and_utc():
    with time_machine.travel(START, tick=False):
        now = RealClock().now()
    assert (now, now.utcoffset()) == (START, timedelta())


def test_accelerated_time_runs_evenly_whatever_happens_to_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch):
    seconds = [100.0]
    monkeypatch.setattr("tracker.clock.time.monotonic", lambda: seconds[0])
    accelerated = AcceleratedClock(START, speed=60)
    with time_machine.travel(START, tick=False) as wall:
        assert accelerated.now() == START
        seconds[0] += 2
        wall.shift(timedelta(hours=-5))
        assert accelerated.now() == START + timedelta(minutes=2)


def test_stepped_time_stands_still_and_never_goes_back():
    stepped = SteppedClock(START)
    assert stepped.now() == stepped.now() == START
    stepped.move_to(START + timedelta(hours=1))
    stepped.move_to(START + timedelta(hours=1))
    with pytest.raises(ValueError, match="back"):
        stepped.move_to(START)
    assert stepped.now() == START + timedelta(hours=1)


def test_the_same_seed_gives_the_same_chance_and_another_one_another():
    def drawn(seed: int) -> list[float]:
        chance = Chance(seed)
        return [chance.random(), chance.uniform(5, 6)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert 0 <= drawn(7)[0] < 1
    assert 5 <= drawn(7)[1] <= 6
