from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracker.domain.building import DAY, HOUR, MONDAY, any_facts, at, believed, event, facts, moments, present
from tracker.domain.polling import next_poll
from tracker.domain.shipment import Belief, Expectation

MINUTE = timedelta(minutes=1)
MOVING = believed(event("in_transit", 0))
NIGHT = MONDAY.replace(hour=23)


def interval(belief: Belief, now: datetime = MONDAY, *, incident_open: bool = False, not_found: int = 0, **said: Any):
    """How long from now, without the spreading."""
    due = next_poll(facts(belief, **said), now, draw=0.5, incident_open=incident_open, not_found=not_found)
    return None if due is None else due - now


@pytest.mark.parametrize(
    ("situation", "told", "given", "expected"),
    [
        ("registered, no scan yet", (), {}, 4 * HOUR),
        ("announced", (event("announced", 0),), {}, 4 * HOUR),
        ("on its way at home", (event("in_transit", 0),), {}, 2 * HOUR),
        ("on its way at home, at night", (event("in_transit", 0),), {"now": NIGHT}, 6 * HOUR),
        ("on its way abroad", (event("in_transit", 0),), {"international": True}, 6 * HOUR),
        ("with customs", (event("in_customs", 0),), {"international": True}, 4 * HOUR),
        ("at the depot that delivers", (event("in_transit.at_delivery_depot", 0),), {}, 45 * MINUTE),
        ("out for delivery", (event("out_for_delivery", 0),), {}, 20 * MINUTE),
        ("out for delivery, couriers are home", (event("out_for_delivery", 0),), {"now": NIGHT}, 2 * HOUR),
        ("after an attempt", (event("out_for_delivery.attempt_failed", 0),), {}, 2 * HOUR),
        ("at the collection point", (event("ready_for_collection", 0),), {}, 12 * HOUR),
        ("on its way back", (event("returning", 0),), {}, 6 * HOUR),
        ("lost, and perhaps found", (event("ended.lost_declared", 0),), {}, 2 * HOUR),
        ("a trouble is open", (event("in_customs", 0, problem="customs.inspection"),), {}, 2 * HOUR),
        ("an incident is open", (event("in_customs", 0),), {"incident_open": True}, 2 * HOUR),
        ("the promised day", (event("in_transit", 0),), {"promised_at": at(20)}, HOUR),
        ("the carrier's day", (event("in_transit", 0),), {"expectation": Expectation(latest=at(20))}, HOUR),
        ("the carrier does not know it", (), {"not_found": 1}, HOUR),
        ("nor after six times", (), {"not_found": 7}, 6 * HOUR),
        ("nor after ten", (), {"not_found": 11}, DAY),
        ("and then no more: its incident has long been with the shop", (), {"not_found": 18}, None),
        ("silent for ten days", (event("in_transit", 0),), {"now": at(days=10)}, 12 * HOUR),
        ("silent for a month", (event("in_transit", 0),), {"now": at(days=30)}, DAY),
        ("silent for two months", (event("in_transit", 0),), {"now": at(days=60)}, 7 * DAY),
        ("silent for four months", (event("in_transit", 0),), {"now": at(days=121)}, None),
        ("back with the sender", (event("returned", 0),), {}, None),
        ("settled", (event("returning", 0),), {"settled": True}, None),
    ],
)
def test_how_often_a_carrier_is_asked(situation, told, given, expected):
    assert interval(believed(*told), **given) == expected


@pytest.mark.parametrize(
    ("asked_at", "expected"),
    [
        (at(0), at(0) + DAY * 0.084),
        (at(3), at(0, days=1)),
        (at(0, days=1), at(0, days=3)),
        (at(0, days=3), at(0, days=7)),
        (at(1, days=7), at(0, days=15)),
        (at(0, days=15), None),
    ],
)
def test_a_delivery_is_looked_at_a_few_times_more_in_case_it_is_taken_back(asked_at, expected):
    delivered = facts(believed(event("delivered", 0)))
    assert next_poll(delivered, asked_at, draw=0.9, incident_open=False, not_found=0) == expected


@given(st.integers(0, 999).map(lambda permille: permille / 1000))
def test_the_calls_are_spread(draw):
    due = present(next_poll(facts(MOVING), MONDAY, draw=draw, incident_open=False, not_found=0))
    assert 0.85 * 2 * HOUR <= due - MONDAY < 1.15 * 2 * HOUR


@given(any_facts(), moments(), st.floats(0, 1, exclude_max=True), st.booleans(), st.integers(0, 30))
def test_the_next_poll_always_lies_ahead(given_facts, now, draw, incident_open, not_found):
    due = next_poll(given_facts, now, draw=draw, incident_open=incident_open, not_found=not_found)
    assert due is None or due > now
