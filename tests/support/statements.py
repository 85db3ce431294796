"""Which statements a handler sends: for tests that their number stays the same, and that a page only reads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.store.db import Database
from tracker.web.services import Services

_OURS = {query.sql for query in queries.load().values()}
_OF_THE_DRIVER = re.compile(r"typeinfo|set_config")  # with which it learns about types, once per connection


class Counted:
    """A database that notes every statement sent."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements: list[str] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with self._database.connection() as conn:
            with conn.query_logger(self._note):
                yield conn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self._database.transaction() as conn:
            with conn.query_logger(self._note):
                yield conn

    @property
    def advisory_key(self) -> Callable[[str], int]:
        return self._database.advisory_key

    def _note(self, record: Any) -> None:
        if record.query in _OURS or not _OF_THE_DRIVER.search(record.query):
            self.statements.append(record.query)


def counting(services: Services) -> tuple[Services, Counted]:
    """The same services over a database that notes what is asked of it."""
    counted = Counted(services.house.db)
    house = msgspec.structs.replace(services.house, db=cast("Database", counted))
    return msgspec.structs.replace(services, house=house), counted
