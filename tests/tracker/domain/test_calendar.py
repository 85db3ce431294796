from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.domain.calendar import Calendar, end_of_day, lane, start_of_day, zone_of

MADRID = Calendar("Europe/Madrid")
ZONES = ["Europe/Madrid", "UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Santiago"]

moments = st.integers(0, 3 * 365 * 24 * 60).map(
    lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
spans = st.floats(0, 20, allow_nan=False)
calendars = st.builds(
    Calendar,
    st.sampled_from(ZONES),
    st.frozensets(st.dates(date(2025, 1, 1), date(2027, 12, 31)), max_size=20),
    st.frozensets(st.integers(1, 7), max_size=3),
)


def madrid(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Madrid")).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        ("2026-03-04T10:00", 1, "2026-03-05T10:00"),
        ("2026-03-06T18:00", 1, "2026-03-09T18:00"),  # Friday evening: the weekend does not count
        ("2026-03-07T12:00", 1, "2026-03-10T00:00"),  # Saturday: counting begins on Monday at midnight
        ("2026-03-08T23:59", 0, "2026-03-09T00:00"),
        ("2026-03-05T00:00", 2, "2026-03-07T00:00"),  # Friday's last instant
        ("2026-03-04T10:00", 0.5, "2026-03-04T22:00"),
        ("2026-03-27T10:00", 1, "2026-03-30T10:00"),  # over the night of the clock change
        ("2026-10-23T10:00", 1, "2026-10-26T10:00"),
    ],
)
def test_only_working_days_count(start, days, expected):
    assert MADRID.after(madrid(start), days) == madrid(expected)


def test_a_holiday_of_either_country_is_a_day_off():
    spain_and_france = lane("Europe/Madrid", [date(2026, 3, 3)], [date(2026, 3, 4)])
    assert spain_and_france.after(madrid("2026-03-02T10:00"), 1) == madrid("2026-03-05T10:00")


def test_a_day_of_23_hours_gives_only_23_hours():
    working_sundays = Calendar("Europe/Madrid", weekend=frozenset())
    due = working_sundays.after(madrid("2026-03-28T00:00"), 2)
    assert due - madrid("2026-03-28T00:00") == timedelta(hours=48)
    assert due == madrid("2026-03-30T01:00")


@given(moments, spans)
def test_without_days_off_it_is_plain_time(start, days):
    always = Calendar("Europe/Madrid", weekend=frozenset())
    assert abs(always.after(start, days) - (start + timedelta(days=days))) < timedelta(seconds=1)


@given(calendars, moments, spans)
def test_days_off_only_put_off(calendar, start, days):
    without = Calendar(calendar.zone, weekend=frozenset())
    assert calendar.after(start, days) >= without.after(start, days)


def worked(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """The working time between two instants, counted day by day."""
    total, day = timedelta(0), start.astimezone(zone_of(calendar.zone)).date()
    while start_of_day(day, calendar.zone) < end:
        begins, ends = start_of_day(day, calendar.zone), start_of_day(day + timedelta(days=1), calendar.zone)
        if calendar.works_on(day):
            total += max(timedelta(0), min(ends, end) - max(begins, start))
        day += timedelta(days=1)
    return total


@given(calendars, moments, spans)
def test_days_off_ripen_nothing(calendar, start, days):
    """What is due on a Monday is due by Monday's hours and those before the weekend, as if the weekend had not been."""
    assert abs(worked(calendar, start, calendar.after(start, days)) - timedelta(days=days)) < timedelta(seconds=1)


@given(calendars, moments, spans, spans)
def test_more_time_is_never_due_earlier(calendar, start, some, more):
    low, high = sorted((some, more))
    assert calendar.after(start, low) <= calendar.after(start, high)


@given(calendars, moments, moments, spans)
def test_a_later_start_is_never_due_earlier(calendar, one, other, days):
    low, high = sorted((one, other))
    assert calendar.after(low, days) <= calendar.after(high, days)


def test_a_calendar_without_any_working_day_ends_all_the_same():
    never = Calendar("Europe/Madrid", weekend=frozenset(range(1, 8)))
    due = never.after(madrid("2026-03-02T10:00"), 3)
    assert madrid("2026-03-02T10:00") < due < madrid("2028-01-01T00:00")


@pytest.mark.parametrize("zone", ZONES)
@given(day=st.dates(date(2010, 1, 1), date(2030, 1, 1)))
def test_a_day_lasts_from_its_first_instant_to_the_next_days(zone, day):
    assert end_of_day(day, zone) + timedelta(seconds=1) == start_of_day(day + timedelta(days=1), zone)


def test_the_end_of_a_promised_day_is_that_of_the_place():
    assert end_of_day(date(2026, 7, 1), "Europe/Madrid").isoformat() == "2026-07-01T21:59:59+00:00"
    assert end_of_day(date(2026, 7, 1), "Atlantic/Canary").isoformat() == "2026-07-01T22:59:59+00:00"


def test_an_unknown_zone_is_named():
    with pytest.raises(ZoneInfoNotFoundError, match="Atlantis"):
        zone_of("Europe/Atlantis")
