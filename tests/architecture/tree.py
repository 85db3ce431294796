"""The project's own files, for the tests that read them as text."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("tracker", "carriers", "notifications", "sql")
MADE_BY_TOOLS = {"__pycache__", "node_modules", "data", "build", "dist"}


def files(*tops: str, suffix: str = "") -> Iterator[Path]:
    """Files below the given folders (the whole tree where none is given), without what tools have made."""
    for top in [ROOT / name for name in tops] or [ROOT]:
        for path in sorted(top.rglob(f"*{suffix}")):
            parts = path.relative_to(ROOT).parts
            hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
            if path.is_file() and not hidden and not MADE_BY_TOOLS.intersection(parts):
                yield path


def modules(*tops: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in files(*tops, suffix=".py"):
        yield path, ast.parse(path.read_text(), filename=str(path))


def imported_names(module: ast.Module) -> Iterator[str]:
    """Full dotted names of what is imported anywhere in the module."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
