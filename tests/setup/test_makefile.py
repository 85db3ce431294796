import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMISED = {"demo", "test", "help", "setup", "check", "bench", "schema", "campaign"}


def make(*arguments: str) -> str:
    """What make prints, as if it were not itself run by one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    ran = subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return ran.stdout


def test_help_lists_every_target_that_was_promised():
    shown = make("help")
    assert set(re.findall(r"^ +make ([a-z-]+) ", shown, re.MULTILINE)) >= PROMISED


def test_plain_make_explains_itself():
    assert make() == make("help")


def test_ci_runs_make_test_and_nothing_else_that_matters():
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        "set -e",
        'cd "$(dirname "$0")/.."',
        "make test",
    ]


def test_make_test_asks_for_the_browser_before_it_installs_anything_else():
    planned = make("--dry-run", "test")
    steps = re.findall(r"bin/setup (\w+)|-m (ruff|mypy|tests\.support\.tiers)|(lint-imports)", planned)
    order = ["".join(step) for step in steps]
    assert order[:2] == ["system", "dev"]
    assert {"ruff", "mypy", "lint-imports"} <= set(order)
    assert order[-1] == "tests.support.tiers"
