from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications import policy
from notifications.contract import Facts, Kind, Notice
from notifications.policy import Reach, Rules

RULES = Rules()
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def notice(**more: Any) -> Notice:
    facts = Facts(order_reference="1", carrier="c", carrier_name="C", tracking_number="T")
    return Notice(
        **{
            "shop_id": 1, "shipment_id": 1, "incident_id": None, "contact_id": 1, "kind": Kind.SHIPPED, "subject": "s",
            "key": "k", "facts": facts, "because": {}, "planned_at": NOON,
        } | more
    )  # fmt: skip


def reach(**more: Any) -> Reach:
    fields: dict[str, Any] = {"email": True, "phone": "+34612345678", "time_zone": "Europe/Madrid"}
    return Reach(**fields | more)


@pytest.mark.parametrize(
    ("urgent", "reached", "channels"),
    [
        (False, reach(), ["email"]),
        (True, reach(), ["email", "sms"]),
        (False, reach(email=False), ["sms"]),
        (True, reach(phone=None), ["email"]),
        (True, reach(email=False, phone=None), []),
        (True, reach(erased=True), []),
    ],
)
def test_channels(urgent: bool, reached: Reach, channels: list[str]) -> None:
    planned = policy.plan(notice(urgent=urgent), reached, RULES, NOON)

    assert [message.channel for message in planned] == channels
    assert all(message.why and message.due_at == NOON for message in planned)


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        ("Europe/Madrid", "2026-11-24T19:59:59+00:00", None),
        ("Europe/Madrid", "2026-11-24T20:00:00+00:00", "2026-11-25T08:00:00+00:00"),
        ("Europe/Madrid", "2026-11-24T07:59:59+00:00", "2026-11-24T08:00:00+00:00"),
        ("Atlantic/Canary", "2026-11-24T08:30:00+00:00", "2026-11-24T09:00:00+00:00"),
        (
            "Europe/Madrid",
            "2026-03-28T21:00:00+00:00",
            "2026-03-29T07:00:00+00:00",
        ),  # the night in which an hour is lost
        ("Pacific/Auckland", "2026-11-24T23:00:00+00:00", None),
        ("No/Such_Zone", "2026-11-24T12:00:00+00:00", None),
        ("../etc/passwd", "2026-11-24T22:00:00+00:00", "2026-11-25T09:00:00+00:00"),
    ],
)
def test_quiet_hours_are_the_recipients_own(zone: str, now: str, until: str | None) -> None:
    expected = datetime.fromisoformat(until) if until else None
    assert policy.quiet_until(zone, RULES, datetime.fromisoformat(now)) == expected


def test_an_sms_waits_for_the_morning_an_urgent_one_and_an_email_do_not() -> None:
    night = datetime(2026, 11, 24, 22, tzinfo=UTC)
    morning = datetime(2026, 11, 25, 8, tzinfo=UTC)

    [waiting] = policy.plan(notice(), reach(email=False), RULES, night)
    email, urgent = policy.plan(notice(urgent=True), reach(), RULES, night)

    assert (waiting.due_at, waiting.why) == (morning, "it cannot go by email; after quiet hours")
    assert email.due_at == urgent.due_at == night


@given(st.integers(0, 10 * 365 * 24 * 60), st.sampled_from(["Europe/Madrid", "America/New_York"]))
def test_after_quiet_hours_it_is_not_quiet(minutes: int, zone: str) -> None:
    now = NOON + timedelta(minutes=minutes)
    until = policy.quiet_until(zone, RULES, now)
    if until is not None:
        assert now < until < now + timedelta(hours=13.5)
        assert policy.quiet_until(zone, RULES, until) is None


@pytest.mark.parametrize(
    ("phone", "mobile"),
    [
        ("+34612345678", True),
        ("+34912345678", False),
        ("+12025550123", True),  # a number of either kind
        ("612345678", False),
        ("+34", False),
        ("garbage", False),
        (None, False),
    ],
)
def test_only_mobile_numbers_get_an_sms(phone: str | None, mobile: bool) -> None:
    assert policy.is_mobile(phone) is mobile


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e6))
def test_waits_stay_within_a_fifth_of_their_step_and_below_the_longest(
    attempts: int, chance: float, retry_after: float | None
) -> None:
    wait = policy.back_off(attempts, RULES, chance, retry_after)
    step = RULES.back_off[min(attempts, 7) - 1]
    assert step * 0.8 <= wait <= max(step * 1.2, RULES.back_off[-1])


def test_pauses_double_up_to_the_longest_and_only_a_failing_account_pauses_at_once() -> None:
    def minutes(failures: int, *, account: bool) -> float | None:
        rest = policy.pause(failures, RULES, account=account)
        return rest.total_seconds() / 60 if rest else None

    assert [minutes(failures, account=True) for failures in (1, 2, 3, 4, 5, 1000)] == [1, 2, 4, 8, 15, 15]
    assert [minutes(failures, account=False) for failures in (1, 4, 5, 6, 9)] == [None, None, 1, 2, 15]
