"""Machines inside our own walls are not reached on somebody's word, however they are written."""

import asyncio
import socket

import aiohttp
import pytest

from tracker import reach
from tracker.reach import NotPublic

INSIDE = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
    *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1"),
    *("ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_what_lies_inside_is_known(address: str):
    assert not reach.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "185.199.108.153", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_lies_outside_is_known(address: str):
    assert reach.is_public(address)


@pytest.fixture
async def door():
    """A port on this machine that counts who comes."""
    came: list[object] = []

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], came


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nothing_is_dialled_that_means_this_machine(door, host: str):
    port, came = door
    with pytest.raises(NotPublic, match="allow_private_addresses"):
        await reach.dial(host, port, allow_private=False)
    async with aiohttp.ClientSession(connector=reach.connector(allow_private=False)) as session:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.get(f"http://{host}:{port}/")
    assert came == []


async def test_where_it_is_allowed_it_is_dialled(door):
    port, came = door
    (await reach.dial("localhost", port, allow_private=True)).close()
    async with aiohttp.ClientSession(connector=reach.connector(allow_private=True)) as session:
        assert (await session.get(f"http://127.0.0.1:{port}/")).status == 204
    assert came


async def test_a_name_that_means_a_private_address_by_now_is_not_dialled(door, monkeypatch):
    """However public it was when it was typed."""
    port, came = door

    async def rebound(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
    with pytest.raises(NotPublic):
        await reach.dial("relay.example", port, allow_private=False)
    assert came == []
