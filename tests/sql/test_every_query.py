"""The queries of the house against its migrated schema, and against the code that asks for them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sql import queries
from sql.connection import Connection
from sql.queries import Query
from tests.support import plans
from tracker.store.db import Database

ROOT = Path(__file__).parents[2]
QUERIES = queries.load()


def asked_for() -> Iterator[tuple[Path, str]]:
    """Each use in the code of a query, as `<topic>.<name>`."""
    for package in ("tracker", "notifications"):
        for file in (ROOT / package).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(file.read_text())))
            topics = dict(topic for node in nodes for topic in topics_named_by(node))
            for node in nodes:
                match node:
                    case ast.Attribute(value=ast.Name(id=variable), attr=name) if variable in topics:
                        yield file.relative_to(ROOT), f"{topics[variable]}.{name}"


def topics_named_by(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The variable and the topic of a line `variable = queries.topic("topic")`."""
    match node:
        case ast.Assign(
            targets=[ast.Name(id=variable)],
            value=ast.Call(
                func=ast.Attribute(attr="topic") | ast.Name(id="topic"), args=[ast.Constant(value=str(topic)), *_]
            ),
        ):
            yield variable, topic


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in QUERIES.items()])
async def test_every_query_prepares(conn: Connection, query: Query) -> None:
    statement = await conn.prepare(query.sql)

    assert len(statement.get_parameters()) == len(query.parameters)


async def test_hot_queries_keep_their_index(database: Database) -> None:
    hot = {name: query for name, query in QUERIES.items() if query.index}
    async with database.connection() as connection:
        await plans.fill(connection, [query.sql for query in hot.values()])
        used = {name: await plans.indexes(connection, query.sql) for name, query in hot.items()}

    assert {name: used[name] for name, query in hot.items() if query.index not in used[name]} == {}


async def test_a_query_that_lost_its_index_is_noticed(database: Database) -> None:
    due = "select id from parcel where due_at <= $1 order by due_at limit $2"
    async with database.connection() as connection:
        await connection.execute("create table parcel (id bigint primary key, due_at timestamptz, kind text not null)")
        await connection.execute("create index parcel_due_at on parcel (due_at) where due_at is not null")
        await plans.fill(connection, [due])

        assert await plans.indexes(connection, due) == {"parcel_due_at"}
        await connection.execute("drop index parcel_due_at")
        assert await plans.indexes(connection, due) == set()


def test_every_query_that_the_code_asks_for_exists() -> None:
    assert [(file, name) for file, name in asked_for() if name not in QUERIES] == []


def test_every_query_is_asked_for() -> None:
    assert QUERIES.keys() - {name for _, name in asked_for()} == set()
