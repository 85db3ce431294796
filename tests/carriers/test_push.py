from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import PayloadRejected, TrackingEvent
from carriers.push import MAX_ENTRIES, Push, parse_push
from carriers.vocabulary import Category, Milestone, TzCertainty

ENTRY = {
    "carrier": "ups",
    "tracking_number": "1Z12345E0205271688",
    "occurred_at": "2026-03-05T10:45:09+01:00",
    "code": "005",
    "text": "Departed from Facility",
    "place": {"city": "Madrid", "country": "es", "postcode": "28001"},
}


def push(*entries: Any) -> Push:
    return parse_push(msgspec.json.encode({"events": list(entries)}))


def pushed(**change: Any) -> TrackingEvent:
    result = push({**ENTRY, **change})
    assert not result.refused, result.refused
    [one] = result.reports
    [event] = one.report.events
    return event


def test_an_entry_becomes_the_event_that_a_poll_would_have_given() -> None:
    event = pushed()
    assert event.occurred_at == datetime(2026, 3, 5, 9, 45, 9, tzinfo=UTC)
    assert event.tz_certainty is TzCertainty.OFFSET_GIVEN
    assert (event.milestone, event.status_detail) == (Milestone.IN_TRANSIT, "departed_hub")
    assert event.key == "1Z12345E0205271688:005:2026-03-05T10:45:09"
    assert (event.place.city, event.place.country, event.place.postcode) == ("Madrid", "ES", "28001")


def test_entries_are_grouped_by_shipment_and_put_in_order_of_time() -> None:
    later = {**ENTRY, "occurred_at": "2026-03-06T00:00:00Z"}
    other = {**ENTRY, "tracking_number": "1Z12345E0205271699"}
    result = push(later, other, ENTRY)
    assert [(one.carrier, one.report.tracking_number, len(one.report.events)) for one in result.reports] == [
        ("ups", "1Z12345E0205271688", 2),
        ("ups", "1Z12345E0205271699", 1),
    ]
    first, second = result.reports[0].report.events
    assert first.occurred_at is not None
    assert second.occurred_at is not None
    assert first.occurred_at < second.occurred_at


def test_our_own_words_stand_before_code_and_text() -> None:
    event = pushed(milestone="in_customs", status_detail="documents_required", code="011")
    assert (event.milestone, event.status_detail) == (Milestone.IN_CUSTOMS, "documents_required")
    assert event.problem is not None
    assert (event.problem.category, event.problem.cause) == (Category.CUSTOMS, "documents_missing")


def test_a_status_detail_alone_tells_its_milestone() -> None:
    assert pushed(status_detail="to_neighbour").milestone is Milestone.DELIVERED


def test_a_text_explains_what_our_words_leave_open() -> None:
    event = pushed(milestone="in_transit", status_detail="delayed_by_carrier", text="Delayed by heavy snow")
    assert event.problem is not None
    assert event.problem.cause == "snow_ice"


@pytest.mark.parametrize(
    ("change", "milestone"),
    [
        ({"code": "X9", "text": "Out for delivery"}, Milestone.OUT_FOR_DELIVERY),
        ({"code": "X9", "text": "Delivered"}, Milestone.UNKNOWN),
        ({"code": "X9", "text": None}, Milestone.UNKNOWN),
        ({"carrier": "correos", "code": "I010000V", "text": None}, Milestone.DELIVERED),
        ({"carrier": "dhl_unified", "code": "transit", "text": "Clearance delay"}, Milestone.IN_CUSTOMS),
        ({"carrier": "dhl_unified", "code": None, "text": "Delivered"}, Milestone.DELIVERED),
    ],
)
def test_a_known_carriers_code_table_is_asked_and_unknown_ones_end_nothing(
    change: dict[str, Any], milestone: Milestone
) -> None:
    assert pushed(**change).milestone is milestone


@pytest.mark.parametrize(
    ("change", "at", "certainty"),
    [
        ({}, "2026-03-05T09:45:09", TzCertainty.FROM_LOCATION),
        ({"place": None, "carrier": "correos"}, "2026-03-05T09:45:09", TzCertainty.ASSUMED),
        ({"place": "TOKYO - JAPAN"}, "2026-03-05T01:45:09", TzCertainty.FROM_LOCATION),
    ],
)
def test_a_time_without_offset_is_read_at_its_place_or_the_carriers_home(
    change: dict[str, Any], at: str, certainty: TzCertainty
) -> None:
    event = pushed(occurred_at="2026-03-05T10:45:09", **change)
    assert event.occurred_at == datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert event.tz_certainty is certainty


def test_texts_stand_in_for_codes_in_keys_and_names_stay_out() -> None:
    one = pushed(code=None, text="Delivered - Signed for by: LOPEZ")
    other = pushed(code=None, text="Delivered - Signed for by: GARCIA")
    assert one.key == other.key != pushed(code=None, text="Left with a neighbour").key
    assert one.text == "Delivered - Signed for by"


BAD = [
    ({"carrier": ""}, "carrier"),
    ({"carrier": 7}, "carrier"),
    ({"tracking_number": " "}, "tracking_number"),
    ({"tracking_number": "x" * 65}, "tracking_number"),
    ({"tracking_number": "1Z\u0000"}, "tracking_number"),
    ({"occurred_at": "yesterday"}, "occurred_at"),
    ({"occurred_at": 1741167909}, "occurred_at"),
    ({"occurred_at": "0001-01-01T00:00:00Z"}, "occurred_at"),
    ({"milestone": "gone"}, "milestone"),
    ({"milestone": "delivered", "status_detail": "lost_declared"}, "status_detail"),
    ({"status_detail": "no such word"}, "status_detail"),
    ({"code": None, "text": None}, "milestone"),
    ({"code": "", "text": "  "}, "milestone"),
    ({"place": {"country": "Spain"}}, "place.country"),
    ({"place": {"city": ["Madrid"]}}, "place.city"),
    ({"place": 7}, "place"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_a_bad_entry_among_good_ones_is_named_and_the_good_ones_are_taken(change: dict[str, Any], field: str) -> None:
    other = {**ENTRY, "tracking_number": "1Z12345E0205271699"}
    result = push(ENTRY, {**ENTRY, **change}, other)
    assert sum(len(one.report.events) for one in result.reports) == 2
    [refused] = result.refused
    assert (refused.index, refused.path) == (1, f"events[1].{field}")
    assert refused.reason


@pytest.mark.parametrize("missing", ["carrier", "tracking_number", "occurred_at"])
def test_what_is_missing_is_named(missing: str) -> None:
    [refused] = push({name: value for name, value in ENTRY.items() if name != missing}).refused
    assert refused.path == "events[0]"
    assert missing in refused.reason


def test_entries_that_are_no_objects_are_refused_one_by_one() -> None:
    result = push(None, "x", [ENTRY], 7, ENTRY)
    assert [one.index for one in result.refused] == [0, 1, 2, 3]
    assert len(result.reports) == 1


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b"", "", "the body is empty"),
        (b"<xml/>", "", "a page or XML instead of JSON"),
        (b'{"events": [', "", "not JSON"),
        (b"[]", "", "expected an object with a list `events`, found a list"),
        (b"{}", "events", "expected a list of events, found nothing"),
        (b'{"events": {}}', "events", "expected a list of events, found an object"),
        (b'{"events": null}', "events", "expected a list of events, found nothing"),
    ],
)
def test_a_body_without_a_list_of_events_is_rejected_as_a_whole(body: bytes, path: str, reason: str) -> None:
    with pytest.raises(PayloadRejected) as caught:
        parse_push(body)
    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)


def test_too_many_entries_are_rejected_as_a_whole() -> None:
    with pytest.raises(PayloadRejected, match="more than"):
        push(*[ENTRY] * (MAX_ENTRIES + 1))


def test_no_entries_are_nothing() -> None:
    assert push() == Push(())


def test_a_body_in_another_encoding_is_read_all_the_same() -> None:
    body = msgspec.json.encode({"events": [{**ENTRY, "text": "Entrega en A Coruña", "code": None}]})
    for encoded in (body.decode().encode("utf-8-sig"), body.decode().encode("cp1252"), body.decode().encode("utf-16")):
        [one] = parse_push(encoded).reports
        assert one.report.events[0].text == "Entrega en A Coruña"


def test_unknown_members_are_passed_over() -> None:
    assert push({**ENTRY, "weight": 3}).reports


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from([*ENTRY, "milestone", "status_detail"]), ANYTHING).map(
            lambda change: {**ENTRY, **change}
        ),
        max_size=4,
    )
)
def test_every_entry_is_either_taken_or_refused(entries: list[dict[str, Any]]) -> None:
    result = push(*entries)
    taken = sum(len(one.report.events) for one in result.reports)
    assert taken + len(result.refused) == len(entries)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_rejected(body: bytes) -> None:
    with pytest.raises(PayloadRejected):
        parse_push(body)
