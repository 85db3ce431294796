"""What every adapter must do, whatever its carrier: found by walking the folders, broken with Hypothesis."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carriers import registry
from carriers.contract import Answer, CarrierFailure, FailureKind, PayloadRejected, Report
from carriers.vocabulary import CAUSES, STATUS_DETAILS, Milestone

FIXTURES = Path(__file__).parents[1] / "fixtures"
CODES = registry.codes()
OWNERS = {None, "none", "carrier", "shop", "recipient", "authority", "platform"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def bodies(code: str) -> list[Any]:
    fixtures = [msgspec.json.decode(path.read_bytes()) for path in sorted((FIXTURES / code).glob("*.json"))]
    return [fixture["body"] for fixture in fixtures if "reports" in fixture]


def read_or_refuse(code: str, answer: Answer) -> list[Report] | None:
    """What the adapter reads; any exception but the two allowed ones fails the test."""
    try:
        reports = registry.adapter(code).parse(answer)
    except (PayloadRejected, CarrierFailure):
        return None
    for report in reports:
        check(report)
    return reports


def check(report: Report) -> None:
    """Everything is of the vocabulary, aware, in order, and can be stored as UTF-8 without NUL."""
    times = [event.occurred_at for event in report.events if event.occurred_at]
    assert times == sorted(times)
    for event in report.events:
        assert event.occurred_at is None or event.occurred_at.tzinfo is UTC
        assert event.status_detail is None or event.status_detail in STATUS_DETAILS[event.milestone]
        assert event.problem is None or event.problem.cause in CAUSES[event.problem.category]
        assert event.action_owner in OWNERS
        assert b"\0" not in msgspec.json.encode(event)
        for text in (event.key, event.code, event.text, event.place.city, event.place.postcode):
            assert text is None or text.encode()
        assert event.place.country is None or len(event.place.country) == 2


@pytest.mark.parametrize("code", CODES)
def test_the_folder_is_complete_and_its_card_agrees(code: str) -> None:
    adapter = registry.adapter(code)
    card = adapter.card
    assert card.code == code
    assert ZoneInfo(card.home_zone).key
    assert len(card.home_country) == 2
    assert card.base_url.startswith("https://")
    assert (card.auth_url is not None) or not card.auth.startswith("oauth2")
    assert card.quirks


@pytest.mark.parametrize("code", CODES)
def test_a_code_table_says_where_each_row_was_read(code: str) -> None:
    table = registry.code_table(code)
    assert any(known.meaning.milestone is Milestone.DELIVERED for known in table.codes.values())
    assert any(known.meaning.milestone is Milestone.ANNOUNCED for known in table.codes.values())


@pytest.mark.parametrize("code", CODES)
def test_an_unknown_code_with_an_unknown_text_is_kept_and_moves_nothing(code: str) -> None:
    fixture = msgspec.json.decode((FIXTURES / code / "unknown_code.json").read_bytes())
    [report] = registry.adapter(code).parse(Answer(200, "application/json", msgspec.json.encode(fixture["body"])))
    [event] = report.events
    assert event.milestone is Milestone.UNKNOWN
    assert event.text == "Xzzq blorf"
    assert event.problem is None
    assert not event.informational


@pytest.mark.parametrize("code", CODES)
def test_reading_twice_gives_the_same_keys_and_one_key_per_record(code: str) -> None:
    for body in bodies(code):
        answer = Answer(200, "application/json", msgspec.json.encode(body))
        first, second = registry.adapter(code).parse(answer), registry.adapter(code).parse(answer)
        assert first == second
        for report in first:
            keys = [event.key for event in report.events]
            assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("code", CODES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_body_changed_anywhere_is_read_or_refused(code: str, data: st.DataObject) -> None:
    body = deepcopy(data.draw(st.sampled_from(bodies(code))))
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(body, data.draw)
    read_or_refuse(code, Answer(200, "application/json", msgspec.json.encode(scrubbed(body))))


@pytest.mark.parametrize("code", CODES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_body_cut_short_or_overwritten_is_read_or_refused(code: str, data: st.DataObject) -> None:
    whole = bytearray(msgspec.json.encode(data.draw(st.sampled_from(bodies(code)))))
    for position, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)
    ):
        whole[position] = byte
    cut = data.draw(st.integers(0, len(whole)))
    read_or_refuse(code, Answer(200, "application/json", bytes(whole[:cut])))


@pytest.mark.parametrize("code", CODES)
@settings(deadline=None, max_examples=60)
@given(
    status=st.sampled_from([200, 204, 301, 400, 401, 403, 404, 429, 500, 503]),
    body=st.binary(max_size=60) | JSON.map(lambda v: repr(v).encode("utf-8", "replace")),
)
def test_garbage_under_any_status_is_refused(code: str, status: int, body: bytes) -> None:
    reports = read_or_refuse(code, Answer(status, "text/plain", body))
    assert not reports or not any(report.events for report in reports)


REFUSALS = [
    (401, FailureKind.AUTH, False),
    (403, FailureKind.AUTH, False),
    (404, FailureKind.NOT_FOUND, True),
    (422, FailureKind.BAD_REQUEST, False),
    (429, FailureKind.RATE_LIMITED, True),
    (500, FailureKind.CARRIER_DOWN, True),
    (503, FailureKind.CARRIER_DOWN, True),
    (302, FailureKind.CARRIER_DOWN, True),
]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(("status", "kind", "retryable"), REFUSALS)
def test_each_status_is_its_kind_of_failure(code: str, status: int, kind: FailureKind, *, retryable: bool) -> None:
    with pytest.raises(CarrierFailure) as caught:
        registry.adapter(code).parse(Answer(status, "application/json", b"{}", retry_after=7.0))
    assert (caught.value.kind, caught.value.retryable, caught.value.retry_after) == (kind, retryable, 7.0)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_page_under_an_error_status_is_that_error(code: str, status: int) -> None:
    with pytest.raises(CarrierFailure) as caught:
        registry.adapter(code).parse(Answer(status, "text/html", b"\n <!doctype html><title>Oops</title>"))
    assert caught.value.kind is (FailureKind.RATE_LIMITED if status == 429 else FailureKind.CARRIER_DOWN)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    "body", [b"", b"   ", b"<html><title>Login</title></html>", b'{"shipments"', b"[" * 5000, b'"text"', b"NaN"]
)
def test_what_is_no_answer_under_200_is_rejected_with_a_reason(code: str, body: bytes) -> None:
    with pytest.raises(PayloadRejected) as caught:
        registry.adapter(code).parse(Answer(200, "application/json", body))
    assert caught.value.reason


def test_the_times_of_a_history_do_not_depend_on_the_order_of_its_records() -> None:
    for code in CODES:
        for body in bodies(code):
            forward = registry.adapter(code).parse(Answer(200, "application/json", msgspec.json.encode(body)))
            backward = registry.adapter(code).parse(Answer(200, "application/json", msgspec.json.encode(turned(body))))
            for one, other in zip(forward, backward, strict=True):
                assert {(event.key, event.occurred_at) for event in one.events} == {
                    (event.key, event.occurred_at) for event in other.events
                }


def turned(value: Any) -> Any:
    """The body with every history upside down."""
    if isinstance(value, dict):
        return {
            name: member[::-1] if name in ("events", "eventos", "activity") and member else turned(member)
            for name, member in value.items()
        }
    return [turned(member) for member in value] if isinstance(value, list) else value


def mutate(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
    """Change one member somewhere below: replace it, drop it, or wrap it in a list."""
    while True:
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not places:
            return
        place = draw(st.sampled_from(places))
        inner = value[place]
        if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
            value = inner
            continue
        change = draw(st.sampled_from(["replace", "drop", "wrap"]))
        if change == "drop":
            del value[place]
        else:
            value[place] = [inner] if change == "wrap" else draw(JSON)
        return


def scrubbed(value: Any) -> Any:
    """JSON has no NaN, and bytes on the wire no lone surrogates."""
    if isinstance(value, float) and not -1e300 < value < 1e300:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {scrubbed(name): scrubbed(member) for name, member in value.items()}
    return [scrubbed(member) for member in value] if isinstance(value, list) else value


def test_a_future_event_is_kept_as_the_carrier_said_it() -> None:
    body = deepcopy(bodies("correos")[0])
    body[0]["eventos"][0]["fecEvento"] = "10/03/2099"
    [report] = registry.adapter("correos").parse(Answer(200, "application/json", msgspec.json.encode(body)))
    newest = report.events[-1].occurred_at
    assert newest is not None
    assert newest.year == 2099
    assert newest.utcoffset() == timedelta(0)
