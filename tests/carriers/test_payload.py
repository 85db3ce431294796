import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import PayloadRejected
from carriers.payload import MAX_BODY, Node, clean, decode, read_json


def test_the_path_of_an_error_leads_to_the_value() -> None:
    root = read_json(b'{"shipments": [{"events": [{"timestamp": 1}, {"timestamp": ["x"]}]}]}')
    [shipment] = root.get("shipments").items()
    events = list(shipment.get("events").items())
    assert events[0].get("timestamp").text() == "1"
    with pytest.raises(PayloadRejected) as caught:
        events[1].get("timestamp").text()
    assert caught.value.path == "shipments[0].events[1].timestamp"
    assert caught.value.reason == "expected text, found a list"


def test_a_single_object_counts_as_a_list_of_one_and_nothing_as_none() -> None:
    root = Node({"one": {"a": 1}, "none": None, "text": "x"})
    assert [entry.get("a").integer() for entry in root.get("one").items()] == [1]
    assert list(root.get("none").items()) == list(root.get("missing").items()) == []
    with pytest.raises(PayloadRejected, match="text: expected a list, found text"):
        list(root.get("text").items())


@pytest.mark.parametrize("nothing", ["", "  ", "null", "NULL", "string", "none", "N/A", None])
def test_placeholders_say_nothing(nothing: str | None) -> None:
    assert Node(nothing).text() is None
    assert Node(nothing).integer() is None


@pytest.mark.parametrize(("value", "text"), [(7777777770, "7777777770"), (0, "0"), (1.5, "1.5"), (" a  b\n", "a b")])
def test_numbers_become_text_and_spaces_single(value: object, text: str) -> None:
    assert Node(value).text() == text


def test_prose_loses_its_markup_and_entities() -> None:
    sentence = Node("Arrived at M&aacute;laga (<a href='https://x.example'>see</a>) &lt;b&gt;now&lt;/b&gt;").prose()
    assert sentence == "Arrived at Málaga ( see ) now"
    assert Node("2 < 3").prose() == "2 < 3"


def test_what_no_store_takes_is_taken_out() -> None:
    root = read_json(rb'{"a": "x\u0000y\ud800z\u0007"}')
    assert root.get("a").text() == "x y z"


def test_a_later_duplicate_counts_but_nothing_erases_nothing() -> None:
    root = read_json(b'{"a": 1, "a": 2, "b": "kept", "b": null, "c": [1], "c": []}')
    assert root.value == {"a": 2, "b": "kept", "c": [1]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is empty"),
        (b"\xef\xbb\xbf  ", "the body is empty"),
        (b"<html><title> Bad &amp; Gateway</title>", "a page or XML instead of JSON (titled 'Bad & Gateway')"),
        (b'{"a": NaN}', "not JSON: NaN is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "not JSON"),
    ],
)
def test_a_body_that_is_no_json_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(PayloadRejected) as caught:
        read_json(body)
    assert caught.value.reason.startswith(reason)
    assert caught.value.path == ""


def test_a_body_beyond_the_limit_is_not_even_read() -> None:
    with pytest.raises(PayloadRejected, match="more than"):
        read_json(b" " * (MAX_BODY + 1))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("ñandú".encode(), "application/json"),
        ("ñandú".encode("utf-8-sig"), ""),
        ("ñandú".encode("utf-16"), ""),
        ("ñandú".encode("cp1252"), "application/json"),
        ("ñandú".encode("iso-8859-15"), "text/plain; charset=ISO-8859-15"),
        ("ñandú".encode("cp1252"), "text/plain; charset=no-such-thing"),
    ],
)
def test_text_is_read_in_whatever_encoding_it_came(body: bytes, content_type: str) -> None:
    assert decode(body, content_type) == "ñandú"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_rejected(body: bytes) -> None:
    with suppress(PayloadRejected):
        assert read_json(body).path == ""


@given(st.text())
def test_clean_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned == clean(cleaned)
    assert json.dumps(cleaned)
