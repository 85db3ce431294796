"""How PostgreSQL would run a query on tables that have grown: for tests that a hot query keeps its index."""

import json
from collections.abc import Iterator
from typing import Any

from sql.connection import Connection

ROWS = 20_000

_COLUMNS = """
select attname, not attnotnull as nullable, typcategory::text as category, format_type(atttypid, null) as type
from pg_attribute join pg_type on pg_type.oid = atttypid
where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''
order by attnum
"""
_CHECKS = "select conname from pg_constraint where conrelid = $1::regclass and contype = 'c'"


async def fill(connection: Connection, statements: list[str]) -> None:
    """Puts 20,000 rows of no meaning into every table that these statements touch, and lets PostgreSQL count them.

    Checks of the rows' meaning are dropped and foreign keys are not followed; unique keys hold.
    """
    tables = set()
    for sql in statements:
        tables |= {node["Relation Name"] for node in await _plan(connection, sql) if "Relation Name" in node}
    await connection.execute("set session_replication_role = replica")
    for table in sorted(tables):
        for check in await connection.fetch(_CHECKS, table):
            await connection.execute(f'alter table "{table}" drop constraint "{check["conname"]}"')
        columns = await connection.fetch(_COLUMNS, table)
        names = ", ".join(f'"{column["attname"]}"' for column in columns)
        values = ", ".join(
            "1 + n % 200"  # a shop has many of everything
            if column["attname"] == "shop_id"
            else _value(column["type"], column["category"], nullable=column["nullable"])
            for column in columns
        )
        await connection.execute(
            f'insert into "{table}" ({names}) overriding system value select {values} from generate_series(1, {ROWS}) n'
        )
        await connection.execute(f'analyze "{table}"')


async def indexes(connection: Connection, sql: str) -> set[str]:
    """The indexes in the plan that a prepared statement settles on, whatever its parameters are."""
    return {node["Index Name"] for node in await _plan(connection, sql) if "Index Name" in node}


async def _plan(connection: Connection, sql: str) -> list[dict[str, Any]]:
    await connection.execute("set plan_cache_mode = force_generic_plan")
    await connection.execute(f"prepare looked_at as {sql}")
    try:
        count = await connection.fetchval(
            "select cardinality(parameter_types) from pg_prepared_statements where name = 'looked_at'"
        )
        arguments = f"({', '.join(['null'] * count)})" if count else ""
        plan = await connection.fetchval(f"explain (format json) execute looked_at{arguments}")
    finally:
        await connection.execute("deallocate looked_at")
    return list(_nodes(json.loads(plan)[0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _value(kind: str, category: str, *, nullable: bool) -> str:
    """An expression over `n` for a column: another value in each row, one in ten null where that is allowed."""
    if kind.startswith("timestamp"):
        value = "timestamp '2026-01-01' + n * interval '1 minute'"
    elif category == "N":
        value = "n"
    elif category == "B":
        value = "n % 2 = 0"
    elif category == "D":
        value = "date '2026-01-01' + n % 1000"
    elif category == "A" or kind == "jsonb":
        value = "'{}'"
    else:
        value = "n::text"
    return f"case when n % 10 = 0 then null else ({value})::{kind} end" if nullable else f"({value})::{kind}"
