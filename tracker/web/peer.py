"""From which address a request comes, seen past the proxies that the settings name as ours."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import hdrs, web

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address


def address_of(request: web.Request, trusted: Sequence[Network]) -> str:
    """The last address that was not written down by one of ours; of IPv6 the /64 network, which one customer has whole.

    X-Forwarded-For is read from its end and only as far as proxies of ours wrote it: before that anybody may write.
    """
    address = _read(request.remote or "")
    for said in reversed(",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")):
        before = _read(said)
        if address is None or before is None or not any(address in network for network in trusted):
            break
        address = before
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address or "unknown")


def _read(said: str) -> _Address | None:
    """An address, with or without its port; None for anything else."""
    text = said.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
