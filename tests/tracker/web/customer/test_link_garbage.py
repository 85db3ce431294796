"""Whatever is put into a customer's link, and beside it, gets an answer: never a 500, never a parcel."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.seeded import Site
from tests.tracker.web.garbage import NASTY
from tracker.web.app import make_app
from tracker.web.services import Services

TEXTS = st.one_of(NASTY, st.text(max_size=40)).map(lambda text: text.encode(errors="surrogatepass"))
RAW = st.one_of(
    TEXTS,
    st.binary(max_size=60),
    st.sampled_from(
        [b"A" * 22, b"A" * 7000, b"%00", b"%", b"%ff%fe", b"..%2f..", b"?lang=%00", b"a?lang=../es&lang=es"]
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from([b"Accept-Language", b"X-Forwarded-For", b"Accept", b"Host", b"Cookie", b"Range"]),
    st.one_of(
        TEXTS, st.sampled_from([b"en;q=x, *;q=-1, es" * 90, b"1.2.3.4:99999, [::1, ,", b"text/html", b"bytes=9-0"])
    ),
    max_size=3,
)


@pytest.fixture
async def site(shop_services: Services, aiohttp_client: Callable[..., Awaitable[Site]]) -> Site:
    return await aiohttp_client(
        make_app(msgspec.structs.replace(shop_services, trusted_proxies=(ip_network("127.0.0.0/8"),)))
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(token=RAW, headers=HEADERS)
async def test_links(site: Site, token: bytes, headers: dict[bytes, bytes]):
    status, rest = await answer_to(site, b"GET /t/%s HTTP/1.1" % token, headers)

    assert status in {400, 404, 429}, (status, rest)
    assert b"Traceback" not in rest


async def answer_to(site: Site, line: bytes, headers: dict[bytes, bytes]) -> tuple[int, bytes]:
    """The status of the first answer and all that came, to a request in which nothing is made good on the way."""
    reader, writer = await asyncio.open_connection(site.host, site.port)
    given = {b"Host": b"shop.example"} | headers | {b"Connection": b"close"}
    writer.write(b"\r\n".join([line, *(b"%s: %s" % pair for pair in given.items()), b"", b""]))
    async with asyncio.timeout(10):
        first, rest = await reader.readline(), await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(first.split()[1]), rest
