from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import Place, Precision
from carriers.moment import NEVER, from_iso, from_offset, from_wall, wall_dmy, wall_ymd
from carriers.vocabulary import TzCertainty

MADRID = Place(city="MADRID", country="ES")
HOME = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "at", "local", "certainty", "precision"),
    [
        ("2026-03-05T10:30:00+05:00", "2026-03-05T05:30:00", "2026-03-05T10:30:00", "offset_given", Precision.SECOND),
        ("2026-03-05T10:30:00+0500", "2026-03-05T05:30:00", "2026-03-05T10:30:00", "offset_given", Precision.SECOND),
        ("2026-03-05T10:30Z", "2026-03-05T10:30:00", "2026-03-05T10:30:00", "offset_given", Precision.MINUTE),
        ("2026-03-05 10:30:00 EST", "2026-03-05T15:30:00", "2026-03-05T10:30:00", "offset_given", Precision.SECOND),
        ("2026-03-05T10:30:00", "2026-03-05T09:30:00", "2026-03-05T10:30:00", "from_location", Precision.SECOND),
        ("2026-03-05 10:30", "2026-03-05T09:30:00", "2026-03-05T10:30:00", "from_location", Precision.MINUTE),
        ("2026-03-05", "2026-03-05T22:59:59", "2026-03-05", "from_location", Precision.DAY),
    ],
)
def test_an_iso_time_is_read_by_offset_then_abbreviation_then_place(
    text: str, at: str, local: str, certainty: str, precision: Precision
) -> None:
    assert from_iso(text, MADRID, HOME) == (utc(at), local, TzCertainty(certainty), precision)


def test_without_a_place_the_carriers_home_is_assumed() -> None:
    moment = from_iso("2026-07-01T12:00:00", Place(), "Europe/Madrid")
    assert moment == (utc("2026-07-01T10:00:00"), "2026-07-01T12:00:00", TzCertainty.ASSUMED, Precision.SECOND)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "string", "yesterday", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "2026-02-30"),
        *("2026-11-21 EST", "2026-11-21+05:00", "2026-W47", "2026-W48-5", "2026-11-21T10:00:00+23:59"),
    ],
)
def test_an_unusable_time_is_no_time(text: str | None) -> None:
    assert from_iso(text, MADRID, HOME) == NEVER


def test_an_hour_that_the_clock_skips_and_one_that_it_repeats_are_read_the_same_way_each_time() -> None:
    skipped = from_iso("2026-03-29T02:30:00", MADRID, HOME)
    repeated = from_iso("2026-10-25T02:30:00", MADRID, HOME)
    assert skipped.at == utc("2026-03-29T01:30:00")
    assert repeated.at == utc("2026-10-25T00:30:00")


def test_the_wall_clocks_of_ups_and_correos() -> None:
    assert wall_ymd("20260303", "101500") == (wall("2026-03-03T10:15:00"), Precision.SECOND)
    assert wall_dmy("03/03/2026", "9:05") == (wall("2026-03-03T09:05:00"), Precision.MINUTE)
    assert wall_dmy("3/3/2026", None) == (wall("2026-03-03T23:59:59"), Precision.DAY)
    assert wall_ymd("20260303", "250000") == (wall("2026-03-03T23:59:59"), Precision.DAY)
    assert wall_ymd("20260230", "101500") is None
    assert wall_dmy("03-2026", "10:15") is None


@pytest.mark.parametrize(
    ("offset", "at"),
    [("+01:00", "2026-02-12T15:43:40"), ("-0430", "2026-02-12T21:13:40"), ("Z", "2026-02-12T16:43:40")],
)
def test_an_offset_beside_the_clock_counts(offset: str, at: str) -> None:
    assert from_offset(wall_ymd("20260212", "164340"), offset).at == utc(at)


@pytest.mark.parametrize("offset", [None, "", "string", "+99:00"])
def test_an_offset_that_is_none_gives_no_time(offset: str | None) -> None:
    assert from_offset(wall_ymd("20260212", "164340"), offset) == NEVER


@given(
    st.datetimes(wall("1991-01-01"), wall("2099-01-01")),
    st.sampled_from(["Europe/Madrid", "America/New_York", "Asia/Kolkata"]),
)
def test_an_instant_shown_on_a_wall_is_found_again(instant: datetime, zone: str) -> None:
    local = instant.replace(microsecond=0, tzinfo=UTC).astimezone(ZoneInfo(zone))
    if local.fold:
        return  # a wall clock cannot say which of two equal hours it means: the first is taken
    wall = wall_ymd(local.strftime("%Y%m%d"), local.strftime("%H%M%S"))
    assert from_wall(wall, Place(), zone).at == instant.replace(microsecond=0, tzinfo=UTC)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_none(text: str) -> None:
    moment = from_iso(text, MADRID, HOME)
    assert (moment.at is None) == (moment.local is None)
