"""Finds statements and placeholders in SQL text without being misled by quotes, dollar quotes and comments."""

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<comment> --[^\n]* | /\*.*?\*/ )
      | (?P<quoted> \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
                  | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$ )
      | \$(?P<placeholder>\d+)
      | (?P<end>;)""",
    re.DOTALL | re.VERBOSE,
)


def placeholders(sql: str) -> set[int]:
    """The numbers n of every `$n` that PostgreSQL would take for a parameter."""
    return {int(match["placeholder"]) for match in _TOKEN.finditer(sql) if match["placeholder"]}


def statements(sql: str) -> list[str]:
    """The text cut at its semicolons; parts that hold nothing but comments are left out."""
    return [part.strip() for part in _cut(sql) if _TOKEN.sub(_keep_all_but_comments, part).strip()]


def first_words(sql: str) -> str:
    """A statement in lower case, without comments and with single spaces: for telling what kind it is."""
    return " ".join(_TOKEN.sub(_keep_all_but_comments, sql).lower().split())


def _cut(sql: str) -> Iterator[str]:
    start = 0
    for match in _TOKEN.finditer(sql):
        if match["end"]:
            yield sql[start : match.start()]
            start = match.end()
    yield sql[start:]


def _keep_all_but_comments(match: re.Match[str]) -> str:
    return " " if match["comment"] else match[0]
