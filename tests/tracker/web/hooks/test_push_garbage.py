"""Whatever is signed is answered 2xx and kept; whatever is not, is refused. Nothing makes the door fall."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.web.door import PARCEL, Caller, Pusher, event
from tests.tracker.web.garbage import DOCUMENTS, spoilt, torn, written
from tracker.web.services import Services

GOOD = {
    "events": [
        event(code="P040000V", place={"city": "Madrid", "country": "ES", "postcode": "28001"}),
        event(carrier="dhl_unified", milestone="out_for_delivery", status_detail="on_vehicle"),
    ]
}
BODIES = st.one_of(
    spoilt(GOOD).map(written),
    DOCUMENTS.map(written),
    DOCUMENTS.map(lambda document: written({"events": [document]})),
    torn(written(GOOD)),
    st.binary(max_size=200),
)
CONTENT_TYPES = st.sampled_from(
    ["application/json", "application/vnd.partner+json"]
    + [
        f"application/json; charset={name}"
        for name in (
            "utf-16",
            "latin-1",
            "undefined",
            "idna",
            "hex",
            "rot13",
            "punycode",
            "unicode_escape",
            "mbcs",
            "x",
        )
    ]
)
same_house = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@same_house
@given(raw=BODIES, content_type=CONTENT_TYPES)
async def test_whatever_is_signed_is_kept(
    raw: bytes, content_type: str, shop: Caller, partner: Pusher, services: Services
):
    await shop.post("/api/v1/shipments", PARCEL)
    answer = await partner.push(raw, headers={"Content-Type": content_type})

    assert answer.status in (200, 202), answer
    assert (answer.status == 200) <= answer.body["quarantined"]
    async with services.house.db.connection() as conn:
        kept = await conn.fetchrow("select raw, problem from observation order by id desc limit 1")
    assert kept is not None
    assert kept["raw"] == raw
    assert not (kept["problem"] or "").startswith("taking it in failed")


@same_house
@given(
    raw=BODIES,
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-encoding"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
    ),
)
async def test_whatever_is_not_signed_is_refused(raw: bytes, headers: dict[str, str], partner: Pusher):
    lines = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]

    assert await partner.send_raw(raw, *lines) in (400, 401, 413, 415)
