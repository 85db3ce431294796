from datetime import UTC, datetime, timedelta

import pytest

from tracker.domain.starvation import LIMITS, Alarm, Pause, Queue, alarms

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LITTLE = timedelta(seconds=1)


@pytest.mark.parametrize("name", LIMITS)
def test_a_queue_starves_once_its_oldest_waits_longer_than_it_may(name: str):
    just, late = Queue(name, 3, LIMITS[name]), Queue(name, 3, LIMITS[name] + LITTLE)
    assert alarms([just], [], NOW, is_sending_stopped=False) == []
    assert alarms([late], [], NOW, is_sending_stopped=False) == [Alarm(f"queue.{name}", 3, LIMITS[name] + LITTLE)]
    assert alarms([Queue(name, 0, timedelta(days=9))], [], NOW, is_sending_stopped=False) == []


def test_messages_that_are_kept_in_on_purpose_do_not_starve():
    assert alarms([Queue("messages", 9, timedelta(days=9))], [], NOW, is_sending_stopped=True) == []


def test_one_parcel_that_we_could_not_decide_is_one_too_many():
    undecided = Queue("undecided_shipments", 1, timedelta(0))
    assert [one.name for one in alarms([undecided], [], NOW, is_sending_stopped=False)] == ["queue.undecided_shipments"]


@pytest.mark.parametrize(
    ("failures", "until", "named"),
    [(4, NOW + LITTLE, []), (5, NOW + LITTLE, ["account.ups default"]), (5, NOW, [])],
    ids=["a hiccup", "again and again", "tried again"],
)
def test_what_fails_again_and_again_is_named(failures: int, until: datetime, named: list[str]):
    found = alarms([], [Pause("account", "ups default", failures, until)], NOW, is_sending_stopped=False)
    assert [one.name for one in found] == named
