from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracker.domain.building import DAY, HOUR, MONDAY
from tracker.domain.severity import Severity, weigh

ORDER = list(Severity)


def weighed(harm: int, **changes: Any) -> Severity:
    calm: dict[str, Any] = {"promised_at": None, "essential": False, "value": None, "silent_updates": 0, "now": MONDAY}
    return weigh(harm, **calm | changes)


@pytest.mark.parametrize(
    ("harm", "changes", "expected"),
    [
        (1, {}, "low"),
        (2, {}, "medium"),
        (3, {}, "medium"),
        (4, {}, "high"),
        (5, {}, "high"),
        (1, {"promised_at": MONDAY + DAY}, "low"),
        (1, {"promised_at": MONDAY + 23 * HOUR}, "low"),
        (1, {"promised_at": MONDAY}, "medium"),
        (1, {"essential": True}, "medium"),
        (1, {"value": Decimal(150)}, "low"),
        (1, {"value": Decimal(150), "promised_at": MONDAY + 23 * HOUR}, "medium"),
        (3, {"value": Decimal(500)}, "high"),
        (5, {"promised_at": MONDAY}, "critical"),
        (2, {"essential": True, "promised_at": MONDAY}, "high"),
    ],
)
def test_harm_times_time_left_times_value(harm, changes, expected):
    assert weighed(harm, **changes) == expected


CALM = st.fixed_dictionaries(
    {
        "promised_at": st.none() | st.integers(-50, 50).map(lambda hours: MONDAY + hours * HOUR),
        "essential": st.booleans(),
        "value": st.none() | st.integers(0, 1000).map(Decimal),
    }
)


@given(st.integers(1, 5), CALM, st.integers(2, 9))
def test_two_updates_without_news_make_it_worse_whatever_it_was(harm, changes, silent):
    before, after = weighed(harm, **changes), weighed(harm, **changes, silent_updates=silent)
    assert weighed(harm, **changes, silent_updates=1) == before
    assert ORDER.index(after) == min(ORDER.index(before) + 1, len(ORDER) - 1)


@given(st.integers(1, 4), CALM)
def test_more_harm_never_weighs_less(harm, changes):
    assert ORDER.index(weighed(harm, **changes)) <= ORDER.index(weighed(harm + 1, **changes))
