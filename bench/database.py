"""A PostgreSQL of the measurement's own, durable as in service, and the house over it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg

from carriers import registry
from sql import migrate
from sql.connection import Connection
from tracker.actions.deciding import House
from tracker.clock import Chance, Clock
from tracker.store import db
from tracker.store.calendars import Calendars
from tracker.store.embedded import EmbeddedPostgres
from tracker.vault import Vault

SCHEMA = "tracker"
SECRET_KEY = "of no consequence, but long enough for a key"  # noqa: S105 - it guards nothing


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """The address of a running, migrated PostgreSQL in a directory that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="tracker-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - as root, the server's user must be able to pass
        async with EmbeddedPostgres(Path(folder) / "postgres") as server:
            connection = await asyncpg.connect(server.dsn)
            try:
                await migrate.migrate(connection, SCHEMA)
            finally:
                await connection.close()
            yield server.dsn


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    """A single connection that is set up as those of the service's pool are."""
    settings = db.server_settings(SCHEMA, "bench", timedelta(minutes=10))
    connection = await asyncpg.connect(dsn, server_settings=settings)
    try:
        await db.prepare(connection)
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def house(dsn: str, clock: Clock) -> AsyncIterator[House]:
    """What scripts work with, as bootstrap makes it."""
    async with await db.Database.open(dsn, SCHEMA) as database:
        yield House(
            db=database,
            clock=clock,
            chance=Chance(1),
            cards={code: adapter.card for code, adapter in registry.adapters().items()},
            calendars=Calendars(),
            vault=Vault(SECRET_KEY.encode()),
        )


async def settle(conn: Connection) -> None:
    """Everything counted and written down, so that each round begins alike."""
    await conn.execute("vacuum analyze")
    await conn.execute("checkpoint")
