"""Closes the way out of this machine: a test that reaches for a host other than loopback fails, whatever it catches."""

import ipaddress
import socket
import sys
from collections.abc import Generator

import pytest

NEVER_RESOLVES = (".invalid",)  # RFC 6761: asking for one is how a test shows an unreachable host

_attempts: list[str] = []
_closed = False


class OutsideRefused(OSError):
    """A test tried to leave this machine."""


def is_loopback(host: str) -> bool:
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: it sees every connection and look-up of this process, also those made by compiled libraries."""
    if not _closed:
        return
    if event in {"socket.connect", "socket.sendto"}:
        family, address = getattr(arguments[0], "family", None), arguments[1]
        if family in {socket.AF_INET, socket.AF_INET6} and isinstance(address, tuple):
            _refuse_unless_loopback(str(address[0]))
    elif event == "socket.getaddrinfo" and arguments[0] is not None:
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        if host.endswith(NEVER_RESOLVES):
            raise socket.gaierror(socket.EAI_NONAME, f"{host} does not exist")
        if not _is_wildcard(host):
            _refuse_unless_loopback(host)


def _is_wildcard(host: str) -> bool:
    return host in {"0.0.0.0", "::"}  # looked up to listen, which leads nowhere outside


def _refuse_unless_loopback(host: str) -> None:
    if not is_loopback(host):
        _attempts.append(host)
        raise OutsideRefused(f"tests stay on this machine; {host} was asked for")


def pytest_configure() -> None:
    sys.addaudithook(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    global _closed  # noqa: PLW0603 - an audit hook cannot be removed, so a switch stands for it
    _closed = True
    try:
        return (yield)
    finally:
        _closed = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    _attempts.clear()
    result = yield
    if _attempts:
        pytest.fail(f"the test reached for {', '.join(sorted(set(_attempts)))}; only loopback is open", pytrace=False)
    return result
