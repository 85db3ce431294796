"""Marks every test that uses PostgreSQL, so that the pure tests can be run without it."""

import pytest

DATABASE_FIXTURES = frozenset({"conn", "database", "pool", "postgres", "service"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.database)
