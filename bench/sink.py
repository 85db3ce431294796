"""A mail server that takes everything and keeps nothing, light enough not to be the limit. Usage: python -m bench.sink PORT"""

from __future__ import annotations

import asyncio
import sys

_END = b"\r\n.\r\n"
_ANSWERS = {b"EHLO": b"250 sink", b"DATA": b"354 go on", b"QUIT": b"221 bye"}


class _Session(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._held = b""
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # a TCP connection
        self._transport = transport
        self._say(b"220 sink")

    def data_received(self, data: bytes) -> None:
        self._held += data
        while self._take_one():
            pass

    def _take_one(self) -> bool:
        """One command, or one message; False where the rest of it is still to come."""
        taken, ended, rest = self._held.partition(_END if self._in_message else b"\r\n")
        if not ended:
            return False
        self._held = rest
        if self._in_message:
            self._in_message = False
            self._say(b"250 2.0.0 Ok: queued")
            return True
        word = taken[:4].upper()
        self._in_message = word == b"DATA"
        self._say(_ANSWERS.get(word, b"250 2.1.0 Ok"))
        return True

    def _say(self, line: bytes) -> None:
        self._transport.write(line + b"\r\n")


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(_Session, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
