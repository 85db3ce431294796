"""Whether an address can be listened on, asked before anything is started, and said in words."""

from __future__ import annotations

import errno
import socket


class AddressUnusable(Exception):
    """Nobody can listen there now; the message says why and what to do."""


class AddressInUse(AddressUnusable):
    """Somebody listens there already."""


def refuse_unusable(host: str, port: int, setting: str) -> None:
    """Raises AddressUnusable with what to do; `setting` is where another address is given."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as unknown:
        raise AddressUnusable(f"{host} is no address that can be listened on ({unknown}): give {setting}") from unknown
    for family, kind, protocol, _, place in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(place)
                probe.listen(1)
            except OSError as refused:
                raise _in_words(refused, host, port, setting) from refused


def _in_words(refused: OSError, host: str, port: int, setting: str) -> AddressUnusable:
    if refused.errno == errno.EADDRINUSE:
        return AddressInUse(f"port {port} of {host} is in use: stop what listens there, or give another with {setting}")
    if refused.errno == errno.EACCES:
        return AddressUnusable(
            f"port {port} needs rights that this user has not: give one above 1023 with {setting}, behind your proxy"
        )
    if refused.errno == errno.EADDRNOTAVAIL:
        return AddressUnusable(f"{host} is no address of this machine: give one that is, with {setting}")
    return AddressUnusable(f"{host}:{port} cannot be listened on ({refused.strerror}): give another with {setting}")
