"""An SMTP server on loopback that misbehaves at the stage it is told to."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

DISCONNECT = "disconnect"
SILENCE = "silence"
DRIP = "drip"  # an answer that never comes to its end
LATE = "late"  # the usual answer, once `answer_late` is set

DEFAULTS = {
    "CONNECT": "220 stub",
    "EHLO": "250-stub\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "BODY": "250 2.0.0 queued as {count}",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


class SmtpStub:
    """`will(stage, answer, ...)` sets the next answers at a stage; afterwards all is well again."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.commands: list[str] = []
        self.answer_late = asyncio.Event()
        self.received: list[bytes] = []  # complete messages, dots still doubled
        self._reached: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._answers: dict[str, list[str]] = defaultdict(list)
        self._moods: dict[str, Callable[[], str]] = {}
        self._writers: set[asyncio.StreamWriter] = set()

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        stub = cls()
        server = await asyncio.start_server(stub._serve, "127.0.0.1", 0)
        stub.port = server.sockets[0].getsockname()[1]
        try:
            yield stub
        finally:
            server.close()
            for writer in stub._writers:
                writer.close()
            await server.wait_closed()

    def will(self, stage: str, *answers: str) -> None:
        self._answers[stage].extend(answers)

    async def reached(self, stage: str) -> None:
        async with asyncio.timeout(20):
            await self._reached[stage].wait()

    def well_again(self, stage: str) -> None:
        self._answers[stage].clear()

    def sometimes(self, stage: str, answers: list[str], chance: random.Random, *, share: float) -> None:
        """Any of these answers at a stage, in this share of the cases."""
        self._moods[stage] = lambda: chance.choice(answers) if chance.random() < share else DEFAULTS[stage]

    def hang_up(self) -> None:
        """Closes every connection, as a relay does with idle ones."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._answer("CONNECT", reader, writer):
            return
        while line := await reader.readline():
            command = line.decode().strip()
            self.commands.append(command)
            stage = command.split(" ")[0].upper()
            if not await self._answer(stage, reader, writer) or stage == "QUIT":
                return
            if stage == "DATA" and self._accepts_data:
                body = await reader.readuntil(b"\r\n.\r\n")
                self.received.append(body)
                if not await self._answer("BODY", reader, writer):
                    return

    async def _answer(self, stage: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the conversation goes on."""
        self._reached[stage].set()
        usual = self._moods.get(stage, lambda: DEFAULTS[stage])
        answer = self._answers[stage].pop(0) if self._answers[stage] else usual()
        if answer == DISCONNECT:
            return False
        if answer == LATE:
            await self.answer_late.wait()
            answer = DEFAULTS[stage]
        if answer in {SILENCE, DRIP}:
            while answer == DRIP and not writer.is_closing():
                writer.write(b"2")
                await asyncio.sleep(0.01)
            await reader.read()  # until the other side gives up
            return False
        self._accepts_data = answer.startswith("354")
        writer.write(answer.format(count=len(self.received)).encode() + b"\r\n")
        await writer.drain()
        return not answer.startswith("421")
