import asyncio
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from sql.connection import Connection
from tests.support.postgres import SCHEMA, Server
from tracker.store.db import CommitUnknown, ConnectionLost, Database

COUNTER = "create table counter (n int not null); insert into counter values (0)"
# A server that vanishes at the first commit after an insert, and only then.
CUT_AT_COMMIT = """
create sequence commits;
create function cut() returns trigger language plpgsql as $$
begin
    if nextval('commits') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
    return null;
end $$;
create constraint trigger cut after insert on counter deferrable initially deferred for each row execute function cut();
"""


async def execute(database: Database, script: str) -> None:
    async with database.connection() as connection:
        await connection.execute(script)


async def numbers(database: Database) -> list[int]:
    async with database.connection() as connection:
        return [row["n"] for row in await connection.fetch("select n from counter order by n")]


async def test_a_connection_is_in_its_schema_and_in_utc_also_after_it_was_lent_before(postgres: Server) -> None:
    async with await Database.open(postgres.dsn, "shop_two", max_size=1, application_name="work") as database:
        for _ in range(2):
            async with database.connection() as connection:
                for setting, value in {
                    "search_path": "shop_two, public",
                    "TimeZone": "UTC",
                    "jit": "off",
                    "application_name": "work",
                    "statement_timeout": "30s",
                    "idle_in_transaction_session_timeout": "1min",
                }.items():
                    assert await connection.fetchval("select current_setting($1)", setting) == value
                await connection.execute("set search_path = public; set timezone = 'Asia/Tokyo'")


async def test_jsonb_travels_as_the_bytes_that_msgspec_reads_and_writes(conn: Connection) -> None:
    document = {"city": "Coruña", "events": [1, None, {"text": "📦"}]}

    stored = await conn.fetchval("select $1::jsonb", msgspec.json.encode(document))
    many = await conn.fetchval("select $1::jsonb[]", [msgspec.json.encode(document), b"1"])

    assert isinstance(stored, bytes)
    assert msgspec.json.decode(stored) == document
    assert [msgspec.json.decode(one) for one in many] == [document, 1]
    assert await conn.fetchval("select $1::jsonb -> 'events' ->> 0", msgspec.json.encode(document)) == "1"


async def test_a_transaction_commits_at_the_end_and_leaves_nothing_after_an_exception(database: Database) -> None:
    await execute(database, COUNTER)

    async def insert(number: int, divisor: int) -> None:
        async with database.transaction() as connection:
            await connection.execute("insert into counter values ($1)", number)
            _ = number / divisor

    await insert(1, 1)
    with pytest.raises(ZeroDivisionError):
        await insert(2, 0)

    assert await numbers(database) == [0, 1]


async def test_work_that_met_a_conflict_is_done_again(database: Database) -> None:
    await execute(database, COUNTER)
    attempts = 0

    async def add_one(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        await connection.execute("set transaction isolation level repeatable read")
        before: int = await connection.fetchval("select n from counter")
        if attempts == 1:
            await execute(database, "update counter set n = 10")
        await connection.execute("update counter set n = $1", before + 1)
        return before + 1

    assert await database.retrying(add_one) == 11
    assert attempts == 2
    assert await numbers(database) == [11]


async def test_of_two_in_a_deadlock_both_get_through(database: Database) -> None:
    await execute(
        database, "create table counter (id int primary key, n int); insert into counter values (1, 0), (2, 0)"
    )
    meeting = asyncio.Barrier(2)

    async def add(connection: Connection, order: tuple[int, int], *, together: bool) -> None:
        await connection.execute("update counter set n = n + 1 where id = $1", order[0])
        if together:
            await meeting.wait()
        await connection.execute("update counter set n = n + 1 where id = $1", order[1])

    async def worker(order: tuple[int, int]) -> None:
        first = iter([True])
        await database.retrying(lambda connection: add(connection, order, together=next(first, False)))

    await asyncio.gather(worker((1, 2)), worker((2, 1)))

    assert await numbers(database) == [2, 2]


async def test_a_conflict_that_does_not_end_is_raised_after_five_attempts(database: Database) -> None:
    attempts = 0

    async def fail(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute("do $$ begin raise exception 'again' using errcode = 'serialization_failure'; end $$")

    with pytest.raises(asyncpg.SerializationError):
        await database.retrying(fail)
    assert attempts == 5


@pytest.mark.parametrize("failure", [ValueError, FileNotFoundError, asyncpg.UniqueViolationError])
async def test_any_other_failure_is_raised_at_once(database: Database, failure: type[Exception]) -> None:
    attempts = 0

    async def fail(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        raise failure

    with pytest.raises(failure):
        await database.retrying(fail)
    assert attempts == 1


async def test_work_whose_connection_was_lost_before_the_commit_is_done_again(database: Database) -> None:
    await execute(database, COUNTER)
    attempts = 0

    async def add(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute("insert into counter values ($1)", attempts)
        if attempts == 1:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    await database.retrying(add)

    assert await numbers(database) == [0, 2]


async def test_a_connection_that_is_lost_each_time_is_reported_as_lost(database: Database) -> None:
    with pytest.raises(ConnectionLost):
        await database.retrying(lambda connection: connection.execute("select pg_terminate_backend(pg_backend_pid())"))


async def test_work_whose_commit_is_unknown_is_not_done_again(database: Database) -> None:
    await execute(database, COUNTER + ";" + CUT_AT_COMMIT)
    attempts = 0

    async def add(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute("insert into counter values (1)")

    with pytest.raises(CommitUnknown):
        await database.retrying(add)
    assert attempts == 1


async def test_idempotent_work_whose_commit_is_unknown_is_done_again(database: Database) -> None:
    await execute(database, COUNTER + ";" + CUT_AT_COMMIT)

    await database.retrying(lambda connection: connection.execute("insert into counter values (1)"), idempotent=True)

    assert await numbers(database) == [0, 1]


async def test_a_statement_that_takes_too_long_is_ended(postgres: Server) -> None:
    timeout = timedelta(milliseconds=20)
    async with await Database.open(postgres.dsn, SCHEMA, statement_timeout=timeout) as database:
        with pytest.raises(asyncpg.QueryCanceledError):
            await execute(database, "select pg_sleep(60)")


async def test_advisory_keys_carry_the_schema(postgres: Server) -> None:
    async with (
        await Database.open(postgres.dsn, "shop_one", min_size=0) as one,
        await Database.open(postgres.dsn, "shop_two", min_size=0) as two,
    ):
        assert one.advisory_key("changes") == one.advisory_key("changes")
        assert len({one.advisory_key("changes"), one.advisory_key("polls"), two.advisory_key("changes")}) == 3
