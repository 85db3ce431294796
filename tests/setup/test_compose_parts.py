"""The parts of docker-compose.yml as processes on this machine: its commands and variables, other addresses."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import aiohttp
import pytest

from tests.setup.composed import command, environment
from tests.support.postgres import Server
from tracker.clock import RealClock
from tracker.simulation.sinks import Sinks

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; what is waited for takes two


class Parts:
    """Starts services of the file. Their hosts become ports of loopback; the mail sink and PostgreSQL are the test's."""

    def __init__(self, dsn: str, smtp_url: str, folder: Path) -> None:
        self._dsn, self._smtp_url, self._folder = dsn, smtp_url, folder
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.web, self.sandbox = (f"127.0.0.1:{free_port()}" for _ in range(2))

    def _environment(self, service: str) -> dict[str, str]:
        given = environment(service)
        if "TRACKER_DATABASE_URL" in given:
            given["TRACKER_DATABASE_URL"] = self._dsn
        if "TRACKER_SMTP_URL" in given:
            given["TRACKER_SMTP_URL"] = self._smtp_url
        here = {"0.0.0.0:8080": self.web, "sandbox:8090": self.sandbox}
        for address, ours in here.items():
            given = {name: value.replace(address, ours) for name, value in given.items()}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given}

    async def start(self, service: str) -> None:
        words = [word.replace("0.0.0.0:8090", self.sandbox) for word in command(service)]
        with (self._folder / f"{service}.log").open("wb") as log:
            self._running[service] = await self._process(service, words, log)

    async def run(self, service: str, *words: str) -> str:
        """Runs a command to its end in the service's surroundings; gives what it printed."""
        process = await self._process(service, words, asyncio.subprocess.PIPE)
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0, printed.decode()
        return printed.decode()

    async def _process(self, service: str, words: Sequence[str], output: int | BinaryIO) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "tracker", *words]
        given = self._environment(service)
        return await asyncio.create_subprocess_exec(*command, env=given, cwd=self._folder, stdout=output, stderr=output)

    async def stop(self) -> dict[str, int | None]:
        """Asks every part to stop, as compose does; gives their exit codes."""
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(asyncio.wait_for(part.wait(), PATIENCE) for part in self._running.values()))
        return {name: process.returncode for name, process in self._running.items()}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await found():  # noqa: ASYNC110 - other processes tell us nothing
            await asyncio.sleep(0.1)


@pytest.fixture
async def parts(postgres: Server, tmp_path: Path) -> AsyncGenerator[Parts]:
    name = await postgres.create_empty()
    sinks = Sinks(RealClock())
    smtp_url, _ = await sinks.start()
    parts = Parts(postgres.dsn_of(name), smtp_url, tmp_path)
    yield parts
    await parts.stop()
    await sinks.stop()
    await postgres.drop(name)


async def test_they_migrate_serve_poll_and_stop(parts: Parts) -> None:
    await parts.run("migrate", *command("migrate"))
    await parts.start("sandbox")
    await parts.start("web")
    await parts.start("work")
    key = (await parts.run("web", "keys", "create")).splitlines()[0]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:

        async def answers(url: str) -> bool:
            try:
                async with session.get(url) as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(lambda: answers(f"http://{parts.web}/readyz"))
        await until(lambda: answers(f"http://{parts.sandbox}/_sandbox/healthz"))
        await parts.run("work", "doctor")
        shipment, milestone = await register_one(session, parts)

        async def is_known() -> bool:
            async with session.get(f"http://{parts.web}/api/v1/shipments/{shipment}") as answer:
                return bool((await answer.json())["milestone"] == milestone)

        await until(is_known)
    ended = await parts.stop()
    assert (ended["web"], ended["work"]) == (0, 0)


async def register_one(session: aiohttp.ClientSession, parts: Parts) -> tuple[str, str]:
    """A parcel that was handed over a week ago; gives the shipment's id, and where the parcel is by now."""
    parcels = f"http://{parts.sandbox}/_sandbox/parcels"
    handed_over_at = (datetime.now(UTC) - timedelta(days=7)).isoformat()
    parcel = {
        "carrier": "dhl_unified",
        "scenario": "customs_documents",
        "city": "London",
        "handed_over_at": handed_over_at,
    }
    async with session.post(parcels, json=parcel) as answer:
        assert answer.status == 201, await answer.text()
        number = (await answer.json())["number"]
    async with session.get(f"{parcels}/dhl_unified/{number}") as answer:
        milestone = (await answer.json())["milestone"]
    registration = {
        "carrier": "dhl_unified",
        "tracking_number": number,
        "order": {"reference": "A-1"},
        "customer": {"name": "Ada Byron", "email": "ada@customer.example", "language": "en"},
        "destination": {"country": "GB", "city": "London"},
    }
    async with session.post(f"http://{parts.web}/api/v1/shipments", json=registration) as answer:
        assert answer.status == 201, await answer.text()
        return (await answer.json())["id"], milestone
