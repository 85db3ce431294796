"""Machines that are reached on somebody's word: never those inside our own walls, unless a setting allows it.

What is checked is the address that is dialled, not the name: a name may mean one machine now and another one later.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import aiohttp

# Python counts these as global, and each leads somewhere else than it seems (measured with 3.11 to 3.13).
_ELSEWHERE: Final = tuple(
    map(
        ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "fec0::/10", "ff00::/8", "224.0.0.0/4")
    )
)


class NotPublic(OSError):
    """A machine inside our own walls was named."""

    def __init__(self) -> None:
        super().__init__(
            "this is an address of this machine or of a private network; allow_private_addresses in the configuration"
            " lets such ones be used"
        )


def is_public(text: str) -> bool:
    """Whether an address is one of the open network, where no service of our own can hide behind it."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_global and not any(
        address in network for network in _ELSEWHERE if network.version == address.version
    )


async def dial(host: str, port: int, *, allow_private: bool) -> socket.socket:
    """A connection to the first address of this host that answers. Raises NotPublic, OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{host} has no address")
    for info in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            line = _socket(info, allow_private=allow_private)
        except NotPublic as refusal:
            failure = refusal
            continue
        try:
            await loop.sock_connect(line, info[4])
        except OSError as away:
            line.close()
            failure = away
        except BaseException:  # cancelled while it waits
            line.close()
            raise
        else:
            return line
    raise failure


def connector(*, allow_private: bool) -> aiohttp.TCPConnector:
    """For sessions that go where somebody said: each address is checked as it is dialled, literal ones too."""

    def checked(info: Any) -> socket.socket:
        return _socket(info, allow_private=allow_private)

    return aiohttp.TCPConnector(limit=10, socket_factory=checked)


def _socket(info: Any, *, allow_private: bool) -> socket.socket:
    family, kind, protocol, _, address = info
    if not allow_private and not is_public(address[0]):
        raise NotPublic
    line = socket.socket(family, kind, protocol)
    line.setblocking(False)
    return line
