import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from sql import migrate
from sql.connection import Connection
from sql.migrate import BadMigration, DatabaseAhead, EditedMigration, MigrationError, MigrationLocked
from tests.support.postgres import Server

SCHEMA = "shop_one"
PARCEL = "create table parcel (id bigint primary key, number text not null)"
INDEX = "-- no transaction\ncreate index concurrently if not exists parcel_number on parcel (number)"
# Stays in the middle of its work for as long as the key is held by somebody else.
WAIT = "select pg_advisory_xact_lock(4711);"


@pytest.fixture
async def dsn(postgres: Server) -> AsyncGenerator[str]:
    """A database in which nothing has been migrated."""
    name = await postgres.create_empty()
    yield postgres.dsn_of(name)
    await postgres.drop(name)


@pytest.fixture
async def connection(dsn: str) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(text)
    return folder


async def applied(connection: Connection) -> list[str]:
    rows = await connection.fetch(f"select name from {SCHEMA}.migration order by number")
    return [row["name"] for row in rows]


async def test_what_is_missing_is_applied_in_order_and_once(connection: Connection, tmp_path: Path) -> None:
    write(tmp_path, m0001_parcels=PARCEL, m0002_parcel_number=INDEX)

    assert await migrate.pending(connection, SCHEMA, tmp_path) == ["0001_parcels.sql", "0002_parcel_number.sql"]
    assert await migrate.migrate(connection, SCHEMA, tmp_path) == ["0001_parcels.sql", "0002_parcel_number.sql"]
    assert await migrate.migrate(connection, SCHEMA, tmp_path) == []

    write(tmp_path, m0003_weight="alter table parcel add weight int")
    assert await migrate.pending(connection, SCHEMA, tmp_path) == ["0003_weight.sql"]
    assert await migrate.migrate(connection, SCHEMA, tmp_path) == ["0003_weight.sql"]
    assert await migrate.pending(connection, SCHEMA, tmp_path) == []
    assert await connection.fetchval("select to_regclass('shop_one.parcel_number') is not null")
    assert await connection.fetchval("show search_path") == '"$user", public'
    assert await connection.fetchval("show statement_timeout") == "0"


async def test_eight_starters_at_once_apply_each_file_once(dsn: str, connection: Connection, tmp_path: Path) -> None:
    parcels = "create table parcel (id bigint primary key, number text); insert into parcel values (1, 'A')"
    write(tmp_path, m0001_parcels=parcels, m0002_parcel_number=INDEX, m0003_weight="alter table parcel add weight int")

    async def start() -> list[str]:
        starter = await asyncpg.connect(dsn)
        try:
            return await migrate.migrate(starter, SCHEMA, tmp_path)
        finally:
            await starter.close()

    work = await asyncio.gather(*(start() for _ in range(8)))

    everything = ["0001_parcels.sql", "0002_parcel_number.sql", "0003_weight.sql"]
    assert sorted(work) == [[]] * 7 + [everything]
    assert await applied(connection) == everything


async def test_an_edited_file_is_refused_before_anything_runs(connection: Connection, tmp_path: Path) -> None:
    await migrate.migrate(connection, SCHEMA, write(tmp_path, m0001_parcels=PARCEL))
    write(tmp_path, m0001_parcels=PARCEL + " -- edited", m0002_weight="alter table parcel add weight int")

    for refusing in (migrate.migrate, migrate.pending):
        with pytest.raises(EditedMigration, match=r"0001_parcels\.sql .* put the change into a new migration"):
            await refusing(connection, SCHEMA, tmp_path)
    assert await applied(connection) == ["0001_parcels.sql"]


async def test_a_renamed_file_is_refused_as_edited(connection: Connection, tmp_path: Path) -> None:
    await migrate.migrate(connection, SCHEMA, write(tmp_path, m0001_parcels=PARCEL))
    (tmp_path / "0001_parcels.sql").rename(tmp_path / "0001_shipments.sql")

    with pytest.raises(EditedMigration, match="is not what was applied as 0001_parcels"):
        await migrate.migrate(connection, SCHEMA, tmp_path)


async def test_a_database_ahead_of_the_code_is_refused(connection: Connection, tmp_path: Path) -> None:
    await migrate.migrate(connection, SCHEMA, write(tmp_path, m0001_parcels=PARCEL, m0002_weight="select 1"))
    (tmp_path / "0002_weight.sql").unlink()

    for refusing in (migrate.migrate, migrate.pending):
        with pytest.raises(
            DatabaseAhead, match=r"0002_weight\.sql, which this release does not know: start the release"
        ):
            await refusing(connection, SCHEMA, tmp_path)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"m0002_parcels": PARCEL}, "number 0001 was expected"),
        ({"m0001_parcels": PARCEL, "m0003_weight": "select 1"}, "number 0002 was expected; numbers have no gaps"),
        ({"m0001_parcels": PARCEL, "m0001_weight": "select 1"}, "number 0002 was expected"),
        ({"m1_parcels": PARCEL}, r"1_parcels\.sql: a migration is called NNNN_what_it_does\.sql"),
        ({"m0001_Parcels": PARCEL}, "in lower case"),
        ({"m0001": PARCEL}, "a migration is called"),
        ({"m0001_parcels": f"begin; {PARCEL}; commit"}, "the runner alone begins and ends transactions"),
        ({"m0001_parcels": INDEX.partition("\n")[2]}, "needs `-- no transaction` as the first line"),
        ({"m0001_parcels": INDEX.replace("if not exists ", "")}, "say `concurrently if not exists`"),
    ],
)
async def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadMigration, match=complaint):
        migrate.read(write(tmp_path, **files))


async def test_a_failing_file_leaves_nothing_of_itself_and_everything_before_it(
    connection: Connection, tmp_path: Path
) -> None:
    write(tmp_path, m0001_parcels=PARCEL, m0002_broken="create table half (id int); select 1 / 0")

    with pytest.raises(MigrationError, match=r"0002_broken\.sql: division by zero"):
        await migrate.migrate(connection, SCHEMA, tmp_path)
    assert await applied(connection) == ["0001_parcels.sql"]
    assert not await connection.fetchval("select to_regclass('shop_one.half') is not null")

    write(tmp_path, m0002_broken="create table half (id int)")
    assert await migrate.migrate(connection, SCHEMA, tmp_path) == ["0002_broken.sql"]


async def test_a_run_killed_in_the_middle_of_a_transaction_is_completed_by_the_next(
    dsn: str, connection: Connection, tmp_path: Path
) -> None:
    write(
        tmp_path, m0001_parcels=PARCEL, m0002_halfway=f"create table half (id int); {WAIT} create table whole (id int)"
    )

    await kill_in_the_middle(dsn, connection, tmp_path)

    assert await applied(connection) == ["0001_parcels.sql"]
    assert await migrate.migrate(connection, SCHEMA, tmp_path) == ["0002_halfway.sql"]
    assert await connection.fetchval("select to_regclass('shop_one.whole') is not null")


async def test_a_concurrent_index_killed_in_the_middle_is_built_again_and_valid(
    dsn: str, connection: Connection, tmp_path: Path
) -> None:
    """`if not exists` alone would leave the broken index standing for good."""
    await migrate.migrate(connection, SCHEMA, write(tmp_path, m0001_parcels=PARCEL))
    write(tmp_path, m0002_parcel_number=INDEX)
    writer = await asyncpg.connect(dsn)
    open_transaction = writer.transaction()
    await open_transaction.start()
    await writer.execute("insert into shop_one.parcel values (1, 'A')")  # the index has to wait for this one

    starter = await asyncpg.connect(dsn)
    run = asyncio.create_task(migrate.migrate(starter, SCHEMA, tmp_path))
    await until(connection, "select count(*) = 1 from pg_index where not indisvalid")
    await terminate(connection, starter)
    with pytest.raises((MigrationError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await run
    await open_transaction.commit()
    await writer.close()

    assert await applied(connection) == ["0001_parcels.sql"]
    assert await migrate.migrate(connection, SCHEMA, tmp_path) == ["0002_parcel_number.sql"]
    assert await connection.fetchval(
        "select indisvalid from pg_index where indexrelid = 'shop_one.parcel_number'::regclass"
    )


async def test_starters_that_wait_do_not_deadlock_with_a_concurrent_index(
    dsn: str, connection: Connection, tmp_path: Path
) -> None:
    await migrate.migrate(connection, SCHEMA, write(tmp_path, m0001_parcels=PARCEL))
    write(tmp_path, m0002_parcel_number=INDEX)
    starters = [await asyncpg.connect(dsn) for _ in range(3)]

    work = await asyncio.wait_for(
        asyncio.gather(*(migrate.migrate(starter, SCHEMA, tmp_path) for starter in starters)), timeout=30
    )

    assert sorted(work) == [[], [], ["0002_parcel_number.sql"]]
    for starter in starters:
        await starter.close()


async def test_a_starter_gives_up_when_another_holds_the_lock_too_long(
    dsn: str, connection: Connection, tmp_path: Path
) -> None:
    other = await asyncpg.connect(dsn)
    await other.execute("select pg_advisory_lock($1)", migrate.advisory_key(SCHEMA, "migrate"))
    try:
        with pytest.raises(MigrationLocked, match="another process has been migrating schema shop_one"):
            await migrate.migrate(connection, SCHEMA, tmp_path, patience=timedelta())
    finally:
        await other.close()


async def test_a_schema_name_that_is_none_is_refused(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="is no name for a schema"):
        await migrate.migrate(connection, "shop; drop schema public", tmp_path)


def test_two_schemas_of_one_database_never_share_an_advisory_key() -> None:
    keys = {
        migrate.advisory_key(schema, name) for schema in ("shop_one", "shop_two") for name in ("migrate", "changes")
    }

    assert len(keys) == 4
    assert all(-(2**63) <= key < 2**63 for key in keys)


async def test_the_application_role_works_on_rows_but_rewrites_neither_ledger_nor_audit(
    connection: Connection, tmp_path: Path
) -> None:
    parcels = PARCEL.replace("bigint primary", "bigint generated always as identity primary")
    write(tmp_path, m0001_parcels=f"{parcels}; create table audit (id int)")
    await migrate.migrate(connection, SCHEMA, tmp_path)
    role = f'app "{await connection.fetchval("select current_database()")}"'
    quoted = await connection.fetchval("select quote_ident($1)", role)
    await connection.execute(f"create role {quoted}")
    try:
        await migrate.grant(connection, SCHEMA, role)
        await migrate.grant(connection, SCHEMA, role)
        write(tmp_path, m0002_later="create table later (id int generated always as identity, note text)")
        await migrate.migrate(connection, SCHEMA, tmp_path)

        await connection.execute(f"set role {quoted}; set search_path = {SCHEMA}")
        await connection.execute("insert into parcel (number) values ('A'); update parcel set number = 'B'")
        await connection.execute("insert into later (note) values ('made after the grant'); delete from parcel")
        await connection.execute("insert into audit values (1); select id from audit; select name from migration")
        for forbidden in (
            "update audit set id = 2",
            "delete from audit",
            "truncate parcel",
            "delete from migration",
            "insert into migration (number, name, sha256) values (9, 'x', 'x')",
            "create table mine (id int)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
    finally:
        await connection.execute(f"reset role; drop owned by {quoted}; drop role {quoted}")


async def kill_in_the_middle(dsn: str, connection: Connection, folder: Path) -> None:
    """Ends the server's side of a run that waits in the middle of a file."""
    await connection.execute("select pg_advisory_lock(4711)")
    starter = await asyncpg.connect(dsn)
    run = asyncio.create_task(migrate.migrate(starter, SCHEMA, folder))
    await until(connection, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted")
    await terminate(connection, starter)
    with pytest.raises((MigrationError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await run
    await connection.execute("select pg_advisory_unlock(4711)")


async def terminate(connection: Connection, victim: Connection) -> None:
    await connection.execute("select pg_terminate_backend($1, 10000)", victim.get_server_pid())
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await victim.close(timeout=5)


async def until(connection: Connection, condition: str) -> None:
    async with asyncio.timeout(30):
        while not await connection.fetchval(condition):
            pass
