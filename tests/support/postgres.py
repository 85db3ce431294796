"""PostgreSQL for the tests: one server per run, a migrated template, and databases cloned from it in milliseconds."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import pytest

from sql import migrate
from sql.connection import Connection
from tracker.store import binaries, db
from tracker.store.embedded import EmbeddedPostgres

SCHEMA = "tracker"

Result = TypeVar("Result")

# What is written here dies with the run, so nothing waits for the disk.
UNSAFE_AND_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}


class Server:
    """A running PostgreSQL on which the tests may create databases; all its names carry this run's process id."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._prefix = f"tracker_test_{os.getpid()}"
        self._numbers = count(1)
        self._template = f"{self._prefix}_template"

    async def prepare(self) -> None:
        """Creates the migrated template."""
        await self._execute(f"create database {self._template}")
        connection = await asyncpg.connect(self.dsn_of(self._template))
        try:
            await migrate.migrate(connection, SCHEMA)
        finally:
            await connection.close()

    async def clone(self) -> str:
        """The name of a new database, migrated and empty."""
        name = f"{self._prefix}_{next(self._numbers)}"
        await self._execute(f"create database {name} template {self._template}")
        return name

    async def create_empty(self) -> str:
        """The name of a new database in which nothing has been migrated."""
        name = f"{self._prefix}_{next(self._numbers)}"
        await self._execute(f"create database {name}")
        return name

    async def drop(self, name: str) -> None:
        await self._execute(f"drop database if exists {name} with (force)")

    async def drop_template(self) -> None:
        await self.drop(self._template)

    def dsn_of(self, name: str) -> str:
        return urlsplit(self.dsn)._replace(path=f"/{name}").geturl()

    async def connect(self, name: str) -> Connection:
        """A single connection that is set up as those of the service's pool are."""
        connection = await asyncpg.connect(
            self.dsn_of(name), server_settings=db.server_settings(SCHEMA, "tests", db.STATEMENT_TIMEOUT)
        )
        await db.prepare(connection)
        return connection

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running(url: str | None, choice: str) -> Generator[Server]:
    """The server at `url`, else one started here from the `embedded` or the `system` programs; stopped at the end."""
    if url:
        yield from _prepared(Server(url))
        return
    folder = Path(tempfile.mkdtemp(prefix="tracker-test-"))
    folder.chmod(0o711)  # as root, the server's user must be able to pass
    server = EmbeddedPostgres(folder / "postgres", binaries=programs(choice), settings=UNSAFE_AND_FAST)
    try:
        run(server.start())
        yield from _prepared(Server(server.dsn))
    finally:
        run(server.stop())
        shutil.rmtree(folder)


def programs(choice: str) -> Path | None:
    """The folder of the `system` programs; None stands for the `embedded` ones, which are found by themselves."""
    if choice == "embedded":
        return None
    installed = binaries.installed()
    if not installed:
        raise pytest.UsageError("--postgres=system needs PostgreSQL on the system (Debian, Ubuntu: postgresql)")
    return installed[0].folder


def run(work: Coroutine[None, None, Result]) -> Result:
    """Runs to the end in a loop of its own, out of the sight of the loops that the tests run in."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


def _prepared(server: Server) -> Generator[Server]:
    run(server.prepare())
    try:
        yield server
    finally:
        run(server.drop_template())
