from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from carriers.signature import Refusal, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + b64encode(b"another secret of enough bytes").decode()
SENT_AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def signed(body: bytes, secret: str, at: datetime = SENT_AT) -> dict[str, str]:
    """What a sender with the official library puts into its headers."""
    stamp = str(int(at.timestamp()))
    return {
        "webhook-id": "m",
        "webhook-timestamp": stamp,
        "webhook-signature": Webhook(secret).sign("m", at, body.decode()),
    }


def test_the_vector_of_the_specification_is_accepted() -> None:
    verdict = verify(HEADERS, BODY, [SECRET], SENT_AT)
    assert verdict.ok
    assert verdict.message_id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_a_second_vector_and_a_secret_without_its_prefix() -> None:
    body = '{"event":"tracking_update","id":"evt_1","msg":"año"}'.encode()
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": "1700000000",
        "Webhook-Signature": "v1,J4TSBXG4lb1PVUbXUkuAtftZhtzvzKapOL8HDa8Pc9M=",
    }
    assert verify(headers, body, [SECRET.removeprefix("whsec_")], datetime.fromtimestamp(1700000000, UTC)).ok


@given(st.text(st.characters(codec="utf-8")), st.binary(min_size=16, max_size=64))
def test_what_the_official_library_signs_is_accepted_and_nothing_else(text: str, key: bytes) -> None:
    secret, body = "whsec_" + b64encode(key).decode(), text.encode()
    headers = signed(body, secret)
    assert verify(headers, body, [secret], SENT_AT).ok
    assert verify(headers, body + b" ", [secret], SENT_AT).refusal is Refusal.NO_MATCH
    assert verify(headers, body, [OTHER], SENT_AT).refusal is Refusal.NO_MATCH
    assert verify(headers | {"webhook-id": "n"}, body, [secret], SENT_AT).refusal is Refusal.NO_MATCH


def test_during_a_rotation_old_and_new_secret_both_count_on_either_side() -> None:
    assert verify(signed(BODY, OTHER), BODY, [SECRET, OTHER], SENT_AT).ok
    both = signed(BODY, SECRET)["webhook-signature"] + " " + signed(BODY, OTHER)["webhook-signature"]
    headers = signed(BODY, SECRET) | {"webhook-signature": f"v1a,YWJj {both}"}
    assert verify(headers, BODY, [SECRET], SENT_AT).ok
    assert verify(headers, BODY, [OTHER], SENT_AT).ok


@pytest.mark.parametrize(
    ("late", "refusal"),
    [(0, None), (300, None), (301, Refusal.TOO_OLD), (-300, None), (-301, Refusal.TOO_NEW), (10**9, Refusal.TOO_OLD)],
)
def test_a_push_counts_within_the_tolerance_of_its_time(late: int, refusal: Refusal | None) -> None:
    assert verify(HEADERS, BODY, [SECRET], SENT_AT + timedelta(seconds=late)).refusal is refusal


def test_the_time_zone_in_which_now_is_told_does_not_matter() -> None:
    elsewhere = SENT_AT.astimezone(datetime.fromisoformat("2021-01-01T00:00:00+05:30").tzinfo)
    assert verify(HEADERS, BODY, [SECRET], elsewhere).ok


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"webhook-id": ""}, Refusal.MISSING_HEADER),
        ({"webhook-id": "x" * 300}, Refusal.MISSING_HEADER),
        ({"webhook-signature": ""}, Refusal.MISSING_HEADER),
        ({"webhook-timestamp": ""}, Refusal.MISSING_HEADER),
        ({"webhook-timestamp": "1614265330.5"}, Refusal.BAD_TIMESTAMP),
        ({"webhook-timestamp": "-1"}, Refusal.BAD_TIMESTAMP),
        ({"webhook-timestamp": "٣"}, Refusal.BAD_TIMESTAMP),
        ({"webhook-timestamp": "9" * 400}, Refusal.BAD_TIMESTAMP),
        ({"webhook-signature": "v1,not base64!"}, Refusal.NO_MATCH),
        ({"webhook-signature": "v1"}, Refusal.NO_MATCH),
        ({"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, Refusal.NO_MATCH),
        ({"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, Refusal.NO_MATCH),
    ],
)
def test_a_header_that_is_wrong_is_told_apart(change: dict[str, str], refusal: Refusal) -> None:
    assert verify(HEADERS | change, BODY, [SECRET], SENT_AT).refusal is refusal


@pytest.mark.parametrize("secrets", [[], ["whsec_"], ["whsec_é"], [""]])
def test_without_a_usable_secret_nothing_is_accepted(secrets: list[str]) -> None:
    assert verify(HEADERS, BODY, secrets, SENT_AT).refusal is Refusal.NO_SECRET


def test_a_body_that_is_no_text_may_still_be_rightly_signed() -> None:
    """It is then quarantined as unreadable, instead of being refused as forged."""
    import hashlib
    import hmac

    body = b"\xff\xfe\x00 no utf-8"
    key = b"0123456789abcdef0123456789abcdef"
    mac = b64encode(hmac.digest(key, b"m.1614265330." + body, hashlib.sha256)).decode()
    headers = {"webhook-id": "m", "webhook-timestamp": "1614265330", "webhook-signature": f"v1,{mac}"}
    assert verify(headers, body, ["whsec_" + b64encode(key).decode()], SENT_AT).ok


@given(st.dictionaries(st.sampled_from(list(HEADERS)), st.text(max_size=80)), st.binary(max_size=40))
def test_no_header_whatever_makes_it_fail(headers: dict[str, str], body: bytes) -> None:
    assert not verify(headers, body, [SECRET], SENT_AT).ok
