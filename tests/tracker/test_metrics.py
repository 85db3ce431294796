from datetime import UTC, datetime

import pytest

from carriers.contract import FailureKind, Precision, Report, TrackingEvent
from carriers.vocabulary import Milestone, TzCertainty
from tracker import metrics
from tracker.actions.intake import Observation, Said, Taken

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def said(carrier: str, *milestones: Milestone) -> tuple[Said, ...]:
    events = tuple(
        TrackingEvent(
            key=str(at),
            occurred_at=NOW,
            occurred_local=None,
            tz_certainty=TzCertainty.ASSUMED,
            precision=Precision.DAY,
            sequence=at,
            milestone=milestone,
        )
        for at, milestone in enumerate(milestones)
    )
    return (Said(carrier, Report(tracking_number="1234", events=events)),)


def observed(source: str, carrier: str | None = None, **more: object) -> Observation:
    plain = {"shop_id": 1, "received_at": NOW, "raw": b"", "content_type": ""}
    return Observation(source=source, carrier=carrier, **plain, **more)  # type: ignore[arg-type]


@pytest.fixture
def counted():
    """What a counter has gained since the test began, by its labels."""
    before: dict[str, dict[tuple[str, ...], float]] = {}

    def samples(counter):
        return {
            tuple(sample.labels.values()): sample.value
            for family in counter.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }

    counters = (metrics.POLLS, metrics.EVENTS, metrics.UNMAPPED, metrics.QUARANTINED, metrics.MESSAGES)
    before = {counter._name: samples(counter) for counter in counters}

    def gained(counter):
        was = before[counter._name]
        return {
            labels: value - was.get(labels, 0)
            for labels, value in samples(counter).items()
            if value > was.get(labels, 0)
        }

    return gained


def test_what_intake_has_made_durable_is_counted(counted):
    unknown, moving = Milestone.UNKNOWN, Milestone.IN_TRANSIT
    batch = [
        observed("poll", "ups", said=said("ups", moving, unknown, unknown)),
        observed("poll", "ups", failure=FailureKind.NOT_FOUND),
        observed("poll", "correos", problem="no JSON"),
        observed("push", said=said("whatever a partner calls it", moving, unknown)),
    ]
    taken = [
        Taken(observation_id=1, new_events=2, known_events=1),
        Taken(observation_id=2),
        Taken(observation_id=3, quarantined=True),
        Taken(observation_id=4, unclaimed=1),
    ]

    metrics.count_intake(batch, taken)

    assert counted(metrics.POLLS) == {("ups", "answered"): 1, ("ups", "not_found"): 1, ("correos", "unreadable"): 1}
    assert counted(metrics.EVENTS) == {("poll", "new"): 2, ("poll", "known"): 1, ("push", "unclaimed"): 1}
    assert counted(metrics.UNMAPPED) == {("ups",): 2, ("pushed",): 1}
    assert counted(metrics.QUARANTINED) == {("poll",): 1}


def test_what_became_of_messages_is_counted(counted):
    metrics.count_messages("email", {"accepted": 3, "queued": 1})

    assert counted(metrics.MESSAGES) == {("email", "accepted"): 3, ("email", "queued"): 1}


def test_a_queue_that_emptied_and_a_database_that_went_leave_no_old_numbers():
    metrics.show_backlog([("polls", 7, 60.0)], [("customs", 2)])
    metrics.show_backlog([("polls", 0, 0.0)], [])
    assert b'tracker_waiting{queue="polls"} 0.0' in metrics.render()
    assert b"tracker_open_incidents{" not in metrics.render()

    metrics.show_no_database()
    assert b"tracker_database_up 0.0" in metrics.render()
    assert b"tracker_waiting{" not in metrics.render()
