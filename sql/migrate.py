"""Brings a schema up to date: forward-only files, each applied once, by one starter at a time, safe when killed.

Files are called `NNNN_what_it_does.sql`, numbered from 0001 without gaps, and never change once released: the ledger
table `migration` keeps the sha256 of each. A file runs in one transaction, unless its first line is
`-- no transaction` (for `create index concurrently`); such a file may be run again after a crash, so each of its
statements must be repeatable, and indexes that a crash left invalid are dropped before it runs.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from sql import lexing
from sql.connection import Connection

FOLDER = Path(__file__).parent / "migrations"
OLDEST_SERVER = 15
NO_TRANSACTION = "-- no transaction"

_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9]+(?:_[a-z0-9]+)*\.sql")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LOCK_ATTEMPTS = 5
_IN_TRANSACTION = {"lock_timeout": "4s", "statement_timeout": "10min"}
_ALONE = {"lock_timeout": "10min", "statement_timeout": "0"}  # a concurrent index waits for every older transaction
_APPEND_ONLY = ("audit",)  # tables in which even the application may change nothing that was written


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says why and what to do."""


class BadMigration(MigrationError):
    """A file's name, number or text breaks the rules."""


class EditedMigration(MigrationError):
    """A file was changed after it had been applied."""


class DatabaseAhead(MigrationError):
    """The database was migrated by a newer release."""


class MigrationLocked(MigrationError):
    """Another starter holds the lock, or another session a table, for too long."""


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        return self.text.partition("\n")[0].rstrip() != NO_TRANSACTION


def advisory_key(schema: str, name: str) -> int:
    """The key of an advisory lock: a signed 64-bit number that two schemas of one database never share."""
    return int.from_bytes(hashlib.sha256(f"{schema}.{name}".encode()).digest()[:8], "big", signed=True)


async def migrate(
    connection: Connection,
    schema: str,
    folder: Path = FOLDER,
    *,
    patience: timedelta = timedelta(minutes=10),
) -> list[str]:
    """Applies what is missing, in order, and returns the names applied; the connection must be in no transaction.

    Starters that come at the same time wait for each other, at most for `patience`. Raises MigrationError.
    """
    migrations = read(folder)
    _check_server(connection)
    async with _alone(connection, schema, patience), _search_path(connection, schema):
        await connection.execute(f"create schema if not exists {schema}")
        await connection.execute(
            f"create table if not exists {schema}.migration (number integer primary key, name text not null, "
            "sha256 text not null, applied_at timestamptz not null default clock_timestamp())"
        )
        missing = _missing(migrations, await _ledger(connection, schema))
        for migration in missing:
            await _apply(connection, schema, migration)
    return [migration.name for migration in missing]


async def pending(connection: Connection, schema: str, folder: Path = FOLDER) -> list[str]:
    """The names that `migrate` would apply; raises the same errors and changes nothing."""
    migrations = read(folder)
    _check_server(connection)
    return [migration.name for migration in _missing(migrations, await _ledger(connection, schema))]


async def grant(connection: Connection, schema: str, role: str) -> None:
    """Lets the application's role work in the schema that the connection's role owns; to be run after each migrate.

    Rows of the ledger may only be read, those of the audit table only be read and added.
    """
    named = '"' + role.replace('"', '""') + '"'
    async with connection.transaction():
        await connection.execute(f"""
            grant usage on schema {_checked(schema)} to {named};
            grant select, insert, update, delete on all tables in schema {schema} to {named};
            grant usage on all sequences in schema {schema} to {named};
            alter default privileges in schema {schema} grant select, insert, update, delete on tables to {named};
            alter default privileges in schema {schema} grant usage on sequences to {named};
            revoke insert, update, delete on {schema}.migration from {named};
        """)
        for table in _APPEND_ONLY:
            if await connection.fetchval("select to_regclass($1)", f"{schema}.{table}"):
                await connection.execute(f"revoke update, delete on {schema}.{table} from {named}")


def read(folder: Path = FOLDER) -> list[Migration]:
    """The folder's migrations in order; raises BadMigration for a name, gap or text that breaks the rules."""
    migrations: list[Migration] = []
    for file in sorted(folder.glob("*.sql")):
        name = _NAME.fullmatch(file.name)
        if name is None:
            raise BadMigration(f"{file.name}: a migration is called NNNN_what_it_does.sql, in lower case")
        migration = Migration(int(name["number"]), file.name, file.read_text(encoding="utf-8"))
        if migration.number != len(migrations) + 1:
            raise BadMigration(f"{file.name}: number {len(migrations) + 1:04} was expected; numbers have no gaps")
        _check_text(migration)
        migrations.append(migration)
    return migrations


def _check_text(migration: Migration) -> None:
    for statement in map(lexing.first_words, lexing.statements(migration.text)):
        if re.match(r"(begin|start transaction|commit|end|rollback|abort)\b", statement):
            raise BadMigration(f"{migration.name}: the runner alone begins and ends transactions")
        concurrent = re.match(r"create (unique )?index concurrently (?P<guard>if not exists)?", statement)
        if concurrent and migration.in_transaction:
            raise BadMigration(f"{migration.name}: a concurrent index needs `{NO_TRANSACTION}` as the first line")
        if concurrent and not concurrent["guard"]:
            raise BadMigration(f"{migration.name}: say `concurrently if not exists`, so that it can run again")


def _checked(schema: str) -> str:
    if not _SCHEMA.fullmatch(schema):
        raise MigrationError(f"{schema!r} is no name for a schema: use lower-case letters, digits and underscores")
    return schema


def _check_server(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST_SERVER:
        raise MigrationError(f"the server is PostgreSQL {version.major}; {OLDEST_SERVER} or newer is needed")


@asynccontextmanager
async def _alone(connection: Connection, schema: str, patience: timedelta) -> AsyncIterator[None]:
    """Holds the schema's migration lock. A blocking lock would deadlock with an index built concurrently."""
    key = advisory_key(_checked(schema), "migrate")
    give_up_at = asyncio.get_running_loop().time() + patience.total_seconds()
    while not await connection.fetchval("select pg_try_advisory_lock($1)", key):
        if asyncio.get_running_loop().time() > give_up_at:
            raise MigrationLocked(
                f"another process has been migrating schema {schema} for {patience}; see what it does"
            )
        await asyncio.sleep(0.1)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", key)


@asynccontextmanager
async def _search_path(connection: Connection, schema: str) -> AsyncIterator[None]:
    await _set(connection, {"search_path": f"{schema}, public"})
    try:
        yield
    finally:
        if not connection.is_closed():
            for setting in ("search_path", "lock_timeout", "statement_timeout"):
                await connection.execute(f"reset {setting}")


async def _set(connection: Connection, settings: dict[str, str]) -> None:
    for setting, value in settings.items():
        await connection.execute("select set_config($1, $2, false)", setting, value)


async def _ledger(connection: Connection, schema: str) -> list[asyncpg.Record]:
    if await connection.fetchval("select to_regclass($1)", f"{_checked(schema)}.migration") is None:
        return []
    return await connection.fetch(f"select number, name, sha256 from {schema}.migration order by number")  # noqa: S608


def _missing(migrations: list[Migration], ledger: Sequence[asyncpg.Record]) -> list[Migration]:
    if len(ledger) > len(migrations):
        raise DatabaseAhead(
            f"the database has {ledger[len(migrations)]['name']}, which this release does not know: "
            "start the release that applied it or a newer one, or restore a backup from before it"
        )
    for migration, applied in zip(migrations, ledger, strict=False):
        if (migration.name, migration.sha256) != (applied["name"], applied["sha256"]):
            raise EditedMigration(
                f"{migration.name} is not what was applied as {applied['name']}: "
                "bring the file back as it was, and put the change into a new migration"
            )
    return migrations[len(ledger) :]


async def _apply(connection: Connection, schema: str, migration: Migration) -> None:
    for attempt in range(1, _LOCK_ATTEMPTS + 1):
        try:
            if migration.in_transaction:
                await _in_transaction(connection, migration)
            else:
                await _statement_by_statement(connection, schema, migration)
            return
        except asyncpg.LockNotAvailableError as error:
            if attempt == _LOCK_ATTEMPTS:
                raise MigrationLocked(f"{migration.name}: {error}; end long transactions, then try again") from error
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration.name}: {error}") from error


async def _in_transaction(connection: Connection, migration: Migration) -> None:
    await _set(connection, _IN_TRANSACTION)
    async with connection.transaction():
        await connection.execute(migration.text)
        await _record(connection, migration)


async def _statement_by_statement(connection: Connection, schema: str, migration: Migration) -> None:
    await _set(connection, _ALONE)
    await _drop_invalid_indexes(connection, schema)
    for statement in lexing.statements(migration.text):
        await connection.execute(statement)
    await _record(connection, migration)


async def _record(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "insert into migration (number, name, sha256) values ($1, $2, $3)",
        migration.number,
        migration.name,
        migration.sha256,
    )


async def _drop_invalid_indexes(connection: Connection, schema: str) -> None:
    """A killed `create index concurrently` leaves an index that `if not exists` would take for a good one."""
    invalid = await connection.fetch(
        """
        select indexrelid::regclass::text as name from pg_index join pg_class on pg_class.oid = indexrelid
        where not indisvalid and relnamespace = $1::regnamespace
          and indexrelid not in (select index_relid from pg_stat_progress_create_index)
        """,
        schema,
    )
    for index in invalid:
        await connection.execute(f"drop index concurrently if exists {index['name']}")
