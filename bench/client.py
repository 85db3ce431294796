"""A light HTTP client: kept connections that each send their next request when the last one was answered.

It parses no more than it must, since it shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_HEAD_ENDS = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass
class Run:
    """What came of a run: seconds in all and per request, and answers that were no success."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Successful requests per second."""
        return len(self.latencies) / self.seconds

    def latency(self, share: float) -> float:
        """Seconds within which this share of the requests was answered."""
        return sorted(self.latencies)[int(len(self.latencies) * share)]


def request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _HEAD_ENDS + body


async def send(port: int, requests: Sequence[bytes], connections: int) -> Run:
    """Send them all, as fast as they are answered. Raises ConnectionError when the server hangs up."""
    run, waiting = Run(), iter(requests)
    loop = asyncio.get_running_loop()
    lines = [
        (await loop.create_connection(lambda: _Line(run, waiting), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    began = time.perf_counter()
    for line in lines:
        line.send_next()
    await asyncio.gather(*(line.done for line in lines))
    run.seconds = time.perf_counter() - began
    for line in lines:
        line.transport.close()
    return run


class _Line(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, run: Run, waiting: Iterator[bytes]) -> None:
        self._run, self._waiting = run, waiting
        self._answer = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # a TCP connection
        self.transport = transport

    def send_next(self) -> None:
        upcoming = next(self._waiting, None)
        if upcoming is None:
            self.done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self.transport.write(upcoming)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, ended, body = self._answer.partition(_HEAD_ENDS)
        if not ended or len(body) < _length(head):
            return
        if self._answer.startswith(b"HTTP/1.1 2"):
            self._run.latencies.append(time.perf_counter() - self._sent_at)
        else:
            self._run.refused.append(self._answer)
        self._answer = b""
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))


def _length(head: bytes) -> int:
    """The announced length of the body."""
    after = head.lower().partition(_LENGTH)[2]
    return int(after.partition(b"\r\n")[0] or 0)
