import ast
from collections.abc import Iterator

import pytest

from tests.architecture.tree import files, imported_names, shown

# What a decision may be made of. No files, network, clock, chance, logging or settings, and nothing that waits.
ALLOWED = {
    "__future__",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "graphlib",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "operator",
    "re",
    "statistics",
    "string",
    "types",
    "typing",
    "unicodedata",
    "zoneinfo",
    # the house's own; which modules of them is import-linter's to say
    "carriers",
    "notifications",
    "tracker",
}
WALKERS = {"importlib", "pkgutil"}  # a package may find its own modules
FORBIDDEN_CALLS = {"open", "print", "input", "eval", "exec", "breakpoint", "__import__"}
CLOCK_CALLS = {"now", "utcnow", "today"}

DOMAIN = list(files("tracker/domain", suffix=".py"))


def impurities(module: ast.Module, *, is_package: bool) -> Iterator[str]:
    allowed = ALLOWED | WALKERS if is_package else ALLOWED
    for name in imported_names(module):
        if name.partition(".")[0] not in allowed:
            yield f"imports {name}"
    for node in ast.walk(module):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith | ast.AsyncFor):
            yield f"line {node.lineno} waits"
        elif isinstance(node, ast.Global):
            yield f"line {node.lineno} keeps state"
        elif isinstance(node, ast.Call) and (called := name_of_call(node)):
            yield f"line {node.lineno} calls {called}"


def name_of_call(call: ast.Call) -> str | None:
    match call.func:
        case ast.Name(id=name) if name in FORBIDDEN_CALLS:
            return name
        case ast.Attribute(attr=name) if name in CLOCK_CALLS:
            return name
    return None


@pytest.mark.parametrize("path", DOMAIN, ids=shown)
def test_a_domain_module_only_computes(path):
    module = ast.parse(path.read_text())
    assert list(impurities(module, is_package=path.name == "__init__.py")) == []


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import time",
        "from logging import getLogger",
        "import asyncio",
        "import importlib",
        "async def decide(): ...",
        "moment = datetime.now(UTC)",
        "print('decided')",
        "def decide():\n    global seen",
    ],
)
def test_an_impurity_is_found(code):
    assert list(impurities(ast.parse(code), is_package=False))
