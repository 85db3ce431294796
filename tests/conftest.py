"""Fixtures that every room shares: a real PostgreSQL, a database per test that commits, a rollback per test that does not."""

import os
from collections.abc import AsyncGenerator, Generator

import pytest

from sql.connection import Connection
from tests.support import postgres as support
from tests.support.postgres import Server
from tracker.store.db import Database


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        choices=["embedded", "system"],
        default="embedded",
        help="whose PostgreSQL the database tests start; TRACKER_TEST_DATABASE_URL names a running one instead",
    )


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Generator[Server]:
    """The server of this run, with its migrated template."""
    choice: str = pytestconfig.getoption("--postgres")
    with support.running(os.environ.get("TRACKER_TEST_DATABASE_URL"), choice) as server:
        yield server


@pytest.fixture
async def database(postgres: Server) -> AsyncGenerator[Database]:
    """A database of the test's own, migrated and empty: for tests that commit or need several connections."""
    name = await postgres.clone()
    async with await Database.open(postgres.dsn_of(name), support.SCHEMA, application_name="tests") as database:
        yield database
    await postgres.drop(name)


@pytest.fixture(scope="session")
def shared_database(postgres: Server) -> Generator[str]:
    """The name of the one database in which the tests that roll back take turns."""
    name = support.run(postgres.clone())
    yield name
    support.run(postgres.drop(name))


@pytest.fixture
async def conn(postgres: Server, shared_database: str) -> AsyncGenerator[Connection]:
    """A connection inside a transaction that is rolled back after the test."""
    connection = await postgres.connect(shared_database)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()
