"""`tracker serve` with nothing to do: how soon it answers, and what it keeps in memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from bench import servers
from bench.table import Line, Table, spread

_LIBRARIES = "aiohttp, aiohttp.web, aiosmtplib, apscheduler, asyncpg, babel, cryptography, jinja2, msgspec, phonenumbers, prometheus_client, structlog"
_BARE = f"import os, {_LIBRARIES}; print(open(f'/proc/{{os.getpid()}}/status').read())"


@dataclass(frozen=True)
class Start:
    """Seconds until /readyz answered; megabytes of the service, and of its PostgreSQL, once it has been idle a while."""

    seconds: float
    service: float
    postgres: float


async def measure(*, full: bool) -> Table:
    """The first start makes a database, later ones find it."""
    rounds, idle = (5, 30) if full else (3, 8)
    bare = [_import_only() for _ in range(rounds)]
    with tempfile.TemporaryDirectory(prefix="tracker-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - as root, the database's user must be able to pass
        first = await _start(Path(folder) / "data", 0)
        later = [await _start(Path(folder) / "data", idle) for _ in range(rounds)]
    seconds, service, postgres = zip(*((one.seconds, one.service, one.postgres) for one in later), strict=True)
    import_seconds, megabytes = zip(*bare, strict=True)
    return Table(
        "idle",
        [
            Line(
                "resident memory",
                spread(service, "MB"),
                spread(megabytes, "MB"),
                median(service) / median(megabytes),
                "< 120 MB",
            ),
            Line(
                "start until /readyz answers",
                spread(seconds, "s"),
                spread(import_seconds, "s"),
                median(seconds) / median(import_seconds),
            ),
            Line("the very first start, with a new database", spread([first.seconds], "s")),
            Line("memory of its PostgreSQL (PSS)", spread(postgres, "MB")),
        ],
        [
            "limit: a Python that imports the same libraries and nothing else; both ratios are the smaller the better",
            f"`tracker serve` with an embedded PostgreSQL, after {idle} s with its jobs ticking; starts: {rounds}",
        ],
    )


async def _start(data_directory: Path, idle: float) -> Start:
    port = servers.free_port()
    environment = {"TRACKER_DATA_DIRECTORY": str(data_directory), "TRACKER_LISTEN": f"127.0.0.1:{port}"}
    began = perf_counter()
    async with servers.running("tracker", ["serve"], environment) as process:
        await servers.answering(process, port)
        seconds = perf_counter() - began
        await asyncio.sleep(idle)
        below = servers.children(process.pid)
        return Start(
            seconds=seconds,
            service=servers.resident_megabytes(process.pid),
            postgres=sum(servers.proportional_megabytes(pid) for pid in below),
        )


def _import_only() -> tuple[float, float]:
    """Seconds, and megabytes, of importing the libraries."""
    began = perf_counter()
    said = subprocess.run([sys.executable, "-c", _BARE], capture_output=True, text=True, check=True).stdout
    seconds = perf_counter() - began
    line = next(line for line in said.splitlines() if line.startswith("VmRSS:"))
    return seconds, int(line.split()[1]) / 1024
