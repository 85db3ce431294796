import re

import pytest

from tests.architecture.tree import files, shown

COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# `now()` stands still within a transaction: business time is a parameter, machine time is clock_timestamp().
STANDING_CLOCK = re.compile(
    r"\b(now\s*\(|transaction_timestamp|statement_timestamp|current_(?:timestamp|date|time)\b|local(?:timestamp|time)\b)"
    r"|'(?:now|today|tomorrow|yesterday)'",
    re.IGNORECASE,
)
TRIGGER = re.compile(r"\bcreate\s+(?:or\s+replace\s+)?(?:constraint\s+)?trigger\b", re.IGNORECASE)

SQL = list(files("sql", suffix=".sql"))


@pytest.mark.parametrize("path", SQL, ids=shown)
def test_no_query_or_migration_asks_a_clock_that_stands_still(path):
    assert STANDING_CLOCK.findall(COMMENT.sub("", path.read_text())) == []


@pytest.mark.parametrize("path", SQL, ids=shown)
def test_there_are_no_triggers(path):
    assert TRIGGER.findall(COMMENT.sub("", path.read_text())) == []


@pytest.mark.parametrize("path", [p for p in SQL if p.parent.name == "migrations"], ids=shown)
def test_a_migration_is_named_by_number_and_deed(path):
    assert re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", path.name)


@pytest.mark.parametrize(
    "sql",
    [
        "select now()",
        "select NOW ( )",
        "default current_timestamp",
        "where day < current_date",
        "select 'now'::timestamptz",
    ],
)
def test_a_standing_clock_is_found(sql):
    assert STANDING_CLOCK.search(sql)


@pytest.mark.parametrize(
    "sql", ["select clock_timestamp()", "select known()", "select unknown", "select localtime_text"]
)
def test_other_words_are_left_alone(sql):
    assert not STANDING_CLOCK.search(sql)
