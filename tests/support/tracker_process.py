"""`tracker serve` as a user runs it: a process of its own with a configuration file, there to be stopped, frozen and killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg

from sql.connection import Connection
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tracker import bootstrap, keys
from tracker.actions import data_key
from tracker.settings import load
from tracker.store import embedded_files
from tracker.store.db import STATEMENT_TIMEOUT, prepare, server_settings
from tracker.store.embedded import attach_dsn
from tracker.vault import Vault

ROOT = Path(__file__).parents[2]


class TrackerProcess:
    """One service over one folder; it may be started again and again, as its data stay.

    `settings` stand in its configuration beside what every test needs, under dotted names; `role` is that of `serve`.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object], *, role: str = "all") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = folder / "data"
        self._role = role
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / f"tracker-{role}-{self.port}.toml"
        self._log = self._config.with_suffix(".log")
        written = {
            "data_directory": str(self.data),
            "listen": f"127.0.0.1:{self.port}",
            "public_url": self.url,
            "tick_seconds": 0.1,
            "drain_seconds": 0.5,
        }
        self._config.write_text(_toml({**written, **settings}))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Starts it and does not wait."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tracker", "--config", str(self._config), "serve", "--role", self._role],
                cwd=self.folder,
                env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
                | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def start(self) -> None:
        """Starts it and waits until it is ready."""
        self.launch()
        async with aiohttp.ClientSession() as session:

            async def is_ready() -> bool:
                assert self.is_running, f"it ended by itself:\n{self.said()}"
                async with session.get(f"{self.url}/readyz") as answer:
                    return answer.status == 200

            await eventually(is_ready, within=60)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tell(self, wish: signal.Signals) -> None:
        os.kill(self.pid, wish)

    async def kill(self) -> None:
        """SIGKILL, and nothing of it is left when this returns but what it has started."""
        if self._process is not None:
            self._process.kill()
            await self.ended()

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.tell(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Waits for its end; returns the exit code."""
        process = self._process
        assert process is not None
        return await asyncio.wait_for(asyncio.to_thread(process.wait), 60)

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-6000:]

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        """A connection of ours beside the service's own."""
        settings = load(bootstrap.carrier_settings(), environment={}, file=self._config)
        dsn = settings.database_url or attach_dsn(self.data / "postgres")
        if dsn is None:
            raise ConnectionRefusedError("the embedded PostgreSQL does not answer")
        connection = await asyncpg.connect(
            dsn, server_settings=server_settings(settings.database_schema, "tests", STATEMENT_TIMEOUT)
        )
        try:
            await prepare(connection)
            yield connection
        finally:
            await connection.close()

    async def vault(self, conn: Connection) -> Vault:
        settings = load(bootstrap.carrier_settings(), environment={}, file=self._config)
        return await data_key.open_vault(conn, keys.master_key(settings))

    def postgres_processes(self) -> list[int]:
        """Every process of its embedded server that lives."""
        return embedded_files.server_processes(embedded_files.cluster_of(self.data / "postgres"))

    async def clean_up(self) -> None:
        """Whatever happened, it does not outlive the test."""
        if self.is_running:
            self.tell(signal.SIGCONT)
            await self.kill()

        async def is_gone() -> bool:
            return not self.postgres_processes()

        await eventually(is_gone, within=60)


def _toml(settings: Mapping[str, object]) -> str:
    return "".join(
        f'{name} = "{value}"\n' if isinstance(value, str) else f"{name} = {value}\n" for name, value in settings.items()
    )
