"""The database that the service lives in: found or started, brought up to date, or named with what to do when it is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg
from asyncpg.exceptions import ClientConfigurationError

from sql import migrate
from tracker.settings import Settings, SettingsWrong
from tracker.store.binaries import EmbeddedPostgresError
from tracker.store.embedded import EmbeddedPostgres, attach_dsn

_log = logging.getLogger(__name__)
_RESTART_PAUSE: Final = 5.0  # seconds


class DatabaseAway(Exception):
    """The database cannot be used now; the message says where it was looked for, why not, and what to do."""


async def connect(url: str, patience: float = 30.0) -> asyncpg.Connection:
    """One connection, waited for `patience` seconds. Raises DatabaseAway, SettingsWrong."""
    try:
        return await asyncpg.connect(url, timeout=patience)
    except ClientConfigurationError as mistake:
        raise SettingsWrong([f"database_url (TRACKER_DATABASE_URL) cannot be used: {mistake}"]) from mistake
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
        parts = urlsplit(url)
        reason = str(away) or f"no answer within {patience:g} seconds"
        raise DatabaseAway(
            f"the database {parts.path.lstrip('/')} on {parts.netloc.rpartition('@')[2] or 'this machine'} cannot be"
            f" used: {reason}. Start it, or correct database_url (TRACKER_DATABASE_URL); `tracker doctor` looks again"
        ) from away


async def bring_up_to_date(settings: Settings, url: str) -> list[str]:
    """Migrate as the owner, and let the application role in. Returns the migrations applied. Raises DatabaseAway."""
    connection = await connect(settings.database_owner_url or url)
    try:
        applied = await migrate.migrate(connection, settings.database_schema)
        role = urlsplit(url).username
        if settings.database_owner_url is not None and role is not None:
            await migrate.grant(connection, settings.database_schema, unquote(role))
        return applied
    finally:
        await connection.close()


async def refuse_outdated(settings: Settings, url: str) -> None:
    """For commands that only use the database. Raises MigrationError where it is not up to date, and says what to do."""
    connection = await connect(url)
    try:
        waiting = await migrate.pending(connection, settings.database_schema)
    finally:
        await connection.close()
    if waiting:
        schema = settings.database_schema
        raise migrate.MigrationError(
            f"the database is behind this release: schema {schema} lacks {', '.join(waiting)}; run `tracker migrate`"
        )


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """The database to use: the configured one, else an embedded PostgreSQL that lives as long as this block."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    async with EmbeddedPostgres(settings.data_directory / "postgres") as server:
        watch = asyncio.create_task(_keep_running(server))
        try:
            yield server.dsn
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _keep_running(server: EmbeddedPostgres) -> None:
    """Bring the server back whenever it dies, also where the first attempts fail (a full disk that is cleared)."""
    while True:
        try:
            await server.supervise()
        except EmbeddedPostgresError:
            _log.exception("the embedded PostgreSQL died and cannot be started; it is tried again")
            await asyncio.sleep(_RESTART_PAUSE)
        else:
            return


def running_database_url(settings: Settings) -> str | None:
    """For commands beside a running service: the configured database, else the embedded one that it runs."""
    return settings.database_url or attach_dsn(settings.data_directory / "postgres")
