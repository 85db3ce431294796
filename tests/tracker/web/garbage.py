"""What strangers send: texts, times and shapes that have broken something somewhere."""

import json
from typing import Any

from hypothesis import strategies as st

NASTY = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\u202e3021",
        "\ufffe",
        "🙂" * 50,
        "a" * 5000,
        "null",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "9999-12-31",
        "2026-02-30",
        "2026-03-29T02:30:00",
        "1970-01-01T00:00:00Z",
        "-1",
        "1e400",
        "' or 1=1 --",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "a@b",
        "ES\n",
        "shp_999999999999999999",
        "shp_99999999999999999999999",
    ]
)
SCALARS = st.one_of(
    NASTY,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63) - 1, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10) | NASTY, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def spoilt(draw: st.DrawFn, good: Any) -> Any:
    """A document that was good, with something else in one to three of its places."""
    document = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 3))):
        document = _spoil(draw, document)
    return document


def _spoil(draw: st.DrawFn, document: Any) -> Any:
    if isinstance(document, dict) and document and draw(st.integers(0, 9)):
        name = draw(st.sampled_from(sorted(document)))
        return document | {name: _spoil(draw, document[name])}
    if isinstance(document, list) and document and draw(st.booleans()):
        at = draw(st.integers(0, len(document) - 1))
        return [*document[:at], _spoil(draw, document[at]), *document[at + 1 :]]
    return draw(DOCUMENTS)


def written(document: Any) -> bytes:
    """As JSON: lone surrogates go out as escapes, which is how they come in."""
    return json.dumps(document).encode()


@st.composite
def torn(draw: st.DrawFn, body: bytes) -> bytes:
    """Bytes with a piece missing, doubled or replaced."""
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, len(body)))
    return body[:start] + draw(st.binary(max_size=20)) + body[end:]
