"""Loads the named queries: each has a name, its parameters, a sentence that says what it is for, and its SQL as written.

A file `queries/<topic>.sql` holds queries of this shape:

    -- name: open_incidents(shipment_ids, now)
    -- Incidents of these shipments that are still open.
    select ... where shipment_id = any($1) and opened_at <= $2

A sentence may end with `[index: <name>]`: the query then has to use that index however large the table grows.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sql import lexing

FOLDER = Path(__file__).parent / "queries"

_HEADER = re.compile(r"-- name: (?P<name>[a-z][a-z0-9_]*)\((?P<parameters>[a-z0-9_, ]*)\)")
_INDEX = re.compile(r"\[index: (?P<index>[a-z][a-z0-9_]*)\]$")


class QueryError(Exception):
    """A query file is not as it must be, or a query is asked for that does not exist; says where and what."""


@dataclass(frozen=True)
class Query:
    topic: str
    name: str
    parameters: tuple[str, ...]
    purpose: str
    sql: str

    @property
    def index(self) -> str | None:
        """The index that this query must use, where its sentence promises one."""
        promised = _INDEX.search(self.purpose)
        return promised["index"] if promised else None


class Topic:
    """The queries of one file; each attribute is the text of the query of that name."""

    def __init__(self, name: str, queries: dict[str, Query]) -> None:
        self._name = name
        self._queries = queries

    def __getattr__(self, name: str) -> str:
        if name.startswith("__"):  # pickle, copy and doctest look for names of their own
            raise AttributeError(name)
        if name not in self._queries:
            raise QueryError(f"no query {name!r} in {self._name}.sql; it has {', '.join(sorted(self._queries))}")
        return self._queries[name].sql


def load(folder: Path = FOLDER) -> dict[str, Query]:
    """Every query below `folder`, keyed `<topic>.<name>`, in the order of the files."""
    return {f"{query.topic}.{query.name}": query for file in sorted(folder.glob("*.sql")) for query in _read(file)}


@cache
def topic(name: str, folder: Path = FOLDER) -> Topic:
    """The queries of `<name>.sql`; raises QueryError where there is no such file or it is not as it must be."""
    file = folder / f"{name}.sql"
    if not file.is_file():
        raise QueryError(f"no topic {name!r}; there are {', '.join(sorted(f.stem for f in folder.glob('*.sql')))}")
    return Topic(name, {query.name: query for query in _read(file)})


def _read(file: Path) -> list[Query]:
    lines = file.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("-- name:")]
    ends = [*starts, len(lines)]
    if lexing.statements("\n".join(lines[: ends[0]])):
        raise QueryError(f"{file.name}:1: SQL before the first `-- name:` line belongs to no query")
    queries: dict[str, Query] = {}
    for start, end in zip(starts, ends[1:], strict=True):
        query = _query(f"{file.name}:{start + 1}", file.stem, lines[start:end])
        if query.name in queries:
            raise QueryError(f"{file.name}:{start + 1}: {query.name} is defined twice")
        queries[query.name] = query
    return list(queries.values())


def _query(where: str, topic: str, lines: list[str]) -> Query:
    header = _HEADER.fullmatch(lines[0].rstrip())
    if header is None:
        raise QueryError(f"{where}: expected `-- name: the_name(first, second)`, found {lines[0]!r}")
    if len(lines) < 2 or not re.match(r"-- \S", lines[1]):
        raise QueryError(f"{where}: {header['name']} needs a line `-- What it is for.` below its name")
    parameters = tuple(parameter.strip() for parameter in header["parameters"].split(",") if parameter.strip())
    sql = "\n".join(lines[2:]).strip()
    _check_text(f"{where}: {header['name']}", parameters, sql)
    return Query(topic, header["name"], parameters, lines[1].removeprefix("-- ").rstrip(), sql)


def _check_text(where: str, parameters: tuple[str, ...], sql: str) -> None:
    if not lexing.statements(sql):
        raise QueryError(f"{where} has no SQL")
    if lexing.statements(sql) != [sql]:
        raise QueryError(f"{where} must be one statement without a semicolon")
    if len(set(parameters)) != len(parameters):
        raise QueryError(f"{where} names a parameter twice")
    found, declared = lexing.placeholders(sql), set(range(1, len(parameters) + 1))
    if found != declared:
        raise QueryError(
            f"{where} declares {len(parameters)} parameters ({', '.join(parameters)}) "
            f"but its text uses {', '.join(f'${number}' for number in sorted(found)) or 'none'}"
        )
