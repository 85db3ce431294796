"""The pool of connections to PostgreSQL: every connection alike, transactions, and retries where they are safe."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Self, TypeVar

import asyncpg

from sql import migrate
from sql.connection import Connection

if TYPE_CHECKING:
    from asyncpg.pool import PoolAcquireContext

    Pool = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's classes are generic in their stubs only
    Pool = asyncpg.Pool

Result = TypeVar("Result")

STATEMENT_TIMEOUT = timedelta(seconds=30)
LENDING_TIMEOUT = timedelta(seconds=5)

_ATTEMPTS = 5
_FIRST_PAUSE = timedelta(milliseconds=5)
_JSONB_VERSION = b"\x01"  # the one byte that precedes the text in jsonb's binary format
_CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_CUT_OFF = (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.PostgresConnectionError)


class ConnectionLost(Exception):
    """The connection was lost before the commit began: nothing was kept."""


class CommitUnknown(Exception):
    """The connection was lost while committing: the work may be done or not, so it was not done again."""


# The database cannot be reached, has no room left, or was stopped in the middle: nobody's mistake, and it passes.
AWAY = (
    OSError,  # refused, reset, no such socket, and every time-out; nothing else near a query touches a device
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # among them "starting up" after a crash, and a statement that ran out of time
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    ConnectionLost,
    CommitUnknown,
)


class Database:
    """A pool whose connections all live in one schema.

    Settings of a connection, each with its reason:
    - `search_path` is the schema, then `public` for extensions: one setting moves everything to another schema. It is
      sent with the start-up packet, since the pool runs RESET ALL on release, which would undo a SET.
    - `TimeZone` is UTC, so that text and dates derived in SQL never depend on the server's zone.
    - `jit` is off: our queries are short, and compiling one costs more than running it.
    - `idle_in_transaction_session_timeout` ends a transaction that somebody forgot: one open transaction keeps dead
      rows alive, and claims slow down to a crawl within seconds.
    - `statement_timeout` bounds what one statement may cost. A server that is frozen, or cut off without a word, cannot
      keep it: so we stop waiting by our own clock a little later, and wait 5 seconds at the most to be lent a connection,
      and to have one that was left in the middle of a statement back in order.
    - `jsonb` travels as bytes both ways, so that msgspec alone reads and writes JSON.
    """

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self.schema = schema

    @classmethod
    async def open(
        cls,
        dsn: str,
        schema: str,
        *,
        application_name: str = "tracker",
        min_size: int = 1,
        max_size: int = 10,
        statement_timeout: timedelta = STATEMENT_TIMEOUT,
    ) -> Self:
        """Opens the pool; raises asyncpg.PostgresError or OSError where the database cannot be reached."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            init=prepare,
            command_timeout=(statement_timeout + LENDING_TIMEOUT).total_seconds(),
            server_settings=server_settings(schema, application_name, statement_timeout),
        )
        return cls(pool, schema)

    async def close(self) -> None:
        """Waits until every lent connection is back, then closes them all."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside a transaction: each statement commits by itself."""
        async with self._lend() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction that commits at the end of the block, or rolls back on an exception."""
        async with self._lend() as connection, connection.transaction():
            yield connection

    def _lend(self) -> "PoolAcquireContext[asyncpg.Record]":
        """A connection; TimeoutError where none is free for too long."""
        return self._pool.acquire(timeout=LENDING_TIMEOUT.total_seconds())

    async def retrying(self, work: Callable[[Connection], Awaitable[Result]], *, idempotent: bool = False) -> Result:
        """Runs `work(connection)` in a transaction, up to five times, and returns its result.

        Done again after a serialization failure or deadlock, and after a connection lost before the commit began: then
        nothing was kept. The last failure is raised as it is (of a lost connection: ConnectionLost). A connection lost
        during the commit raises CommitUnknown, unless the work is `idempotent`: then it is done again too.
        """
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._attempt(work, idempotent=idempotent)
            except (*_CONFLICTS, ConnectionLost):
                await asyncio.sleep(_FIRST_PAUSE.total_seconds() * 4 ** (attempt - 1))
        return await self._attempt(work, idempotent=idempotent)

    async def _attempt(self, work: Callable[[Connection], Awaitable[Result]], *, idempotent: bool) -> Result:
        async with self._lend() as connection:
            committing = False
            try:
                async with connection.transaction():
                    result = await work(connection)
                    committing = True
                return result
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if not _is_lost(connection, error):
                    raise
                if committing and not idempotent:
                    raise CommitUnknown("the connection was lost while committing") from error
                raise ConnectionLost("the connection to the database was lost") from error

    def advisory_key(self, name: str) -> int:
        """The key of the advisory lock of this name in this schema."""
        return migrate.advisory_key(self.schema, name)


def server_settings(schema: str, application_name: str, statement_timeout: timedelta) -> dict[str, str]:
    """What every connection starts with; see Database for the reasons."""
    return {
        "search_path": f"{schema}, public",
        "application_name": application_name,
        "TimeZone": "UTC",
        "jit": "off",
        "statement_timeout": str(int(statement_timeout.total_seconds() * 1000)),
        "idle_in_transaction_session_timeout": "60000",
    }


async def prepare(connection: Connection) -> None:
    """Makes a new connection pass jsonb through as bytes."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda document: _JSONB_VERSION + document,
        decoder=lambda data: bytes(data[1:]),
    )


def _is_lost(connection: Connection, error: Exception) -> bool:
    if isinstance(error, _CUT_OFF):
        return True
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool takes a dead connection back by itself
        return True
