"""Servers in processes of their own, and what they use."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """`python -m module` for as long as this block lasts; what it says is shown only when it fails to stop cleanly."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: ASYNC220 - starting is quick, and nothing else runs
            [sys.executable, "-m", module, *arguments],
            env={**inherited, **(environment or {})},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            ended = await asyncio.to_thread(process.wait)
            if ended not in (0, -signal.SIGTERM):
                said.seek(0)
                print(said.read().decode(errors="replace")[-4000:], file=sys.stderr)


async def answering(process: subprocess.Popen[bytes], port: int, path: str = "/readyz") -> float:
    """Waits until the server answers 200 there; returns how many seconds that took. Raises RuntimeError when it ends."""
    began = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        while process.poll() is None:
            try:
                async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    if answer.status == 200:
                        return time.perf_counter() - began
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.005)
    raise RuntimeError(f"the server ended with {process.returncode}")


async def listening(port: int) -> None:
    """Waits until somebody listens there."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.005)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_megabytes(pid: int) -> float:
    """What the process keeps in memory (RSS)."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def children(pid: int) -> list[int]:
    """Every process below this one."""
    direct = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return direct + [below for child in direct for below in children(child)]


def proportional_megabytes(pid: int) -> float:
    """What the process takes of the memory, pages that it shares divided among those who share them (PSS)."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024


def _kilobytes(file: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(name))
