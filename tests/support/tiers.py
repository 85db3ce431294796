"""Runs the tests in tiers, quickest first, each beside its time budget: `python -m tests.support.tiers [NAME ...]`."""

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from tracker.store import binaries

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".test-results"
MIRRORS = ("tests/bench", "tests/carriers", "tests/notifications", "tests/sql", "tests/tracker")
ON_BOTH = ("tests/sql", "tests/tracker/store", "tests/notifications")
NO_TESTS_RAN = 5  # pytest's exit code
SYSTEM = "system"


@dataclass(frozen=True)
class Tier:
    """A part of the tests: those in `folders` that `options` choose; `budget` in seconds on a 2-core machine."""

    name: str
    budget: int
    what: str
    folders: tuple[str, ...]
    options: tuple[str, ...] = ()


TIERS = (
    Tier("pure", 90, "no database", (*MIRRORS, "tests/architecture", "tests/setup"), ("-m", "not database")),
    Tier("database", 420, "store, actions and web on a real PostgreSQL", (*MIRRORS, "tests/setup"), ("-m", "database")),
    Tier(SYSTEM, 120, "what leans on PostgreSQL, on the system's", ON_BOTH, ("-m", "database", "--postgres=system")),
    Tier("stories", 180, "payload in, mail in the sink", ("tests/stories",)),
    Tier("browser", 240, "pages as people see them", ("tests/browser",)),
    Tier("faults", 240, "killed, cut off, out of step", ("tests/faults",)),
)


@dataclass(frozen=True)
class Outcome:
    """What became of one tier; `seconds` of wall time."""

    tier: Tier
    exit_code: int
    seconds: float
    passed: int
    failed: int
    skipped: int

    @property
    def verdict(self) -> str:
        if self.exit_code == NO_TESTS_RAN:
            return "NO TESTS: an empty tier checks nothing"
        if self.exit_code:
            return "FAILED"
        return "ok" if self.seconds <= self.tier.budget else "ok, OVER BUDGET"


def counts(report: Path) -> tuple[int, int, int]:
    """Tests passed, failed and skipped, read from a JUnit report; zeros where pytest wrote none."""
    if not report.exists():
        return 0, 0, 0
    suites = ET.parse(report).getroot().findall("testsuite")
    total, failed, errors, skipped = (
        sum(int(suite.get(name, "0")) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    return total - failed - errors - skipped, failed + errors, skipped


def run(tier: Tier, extra: list[str]) -> Outcome:
    report = RESULTS / f"{tier.name}.xml"
    report.unlink(missing_ok=True)
    print(f"\n--- {tier.name}: {tier.what} (budget {tier.budget} s)", flush=True)
    command = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={report}", *tier.options, *tier.folders, *extra]
    started = time.monotonic()
    exit_code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return Outcome(tier, exit_code, time.monotonic() - started, *counts(report))


def summary(outcomes: list[Outcome], left_out: dict[str, str]) -> str:
    rows = [f"{'tier':<10} {'budget':>7} {'took':>7}  passed failed skipped"]
    rows += [
        f"{o.tier.name:<10} {o.tier.budget:>5} s {o.seconds:>5.0f} s  {o.passed:>6} {o.failed:>6} {o.skipped:>7}  {o.verdict}"
        for o in outcomes
    ]
    rows += [f"{name:<10} left out: {reason}" for name, reason in left_out.items()]
    totals = [sum(getattr(o, part) for o in outcomes) for part in ("passed", "failed", "skipped")]
    return "\n".join([*rows, "", "{} passed, {} failed, {} skipped".format(*totals)])


def unavailable() -> dict[str, str]:
    """Tiers for which this machine lacks something, and what; in CI that is a failure."""
    if any(system.major >= binaries.OLDEST_MAJOR for system in binaries.installed()):
        return {}
    return {SYSTEM: f"no PostgreSQL {binaries.OLDEST_MAJOR} or newer is installed (Debian, Ubuntu: postgresql)"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TIER", help=", ".join(tier.name for tier in TIERS))
    parser.add_argument("--without", action="append", default=[], metavar="TIER", help="leave a tier out")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, default=[], help="all that follows goes to pytest")
    wanted = parser.parse_args()
    known = {tier.name for tier in TIERS}
    if unknown := {*wanted.names, *wanted.without} - known:
        parser.error(f"no tier {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    RESULTS.mkdir(exist_ok=True)
    missing = unavailable()
    left_out = missing | dict.fromkeys(wanted.without, "as asked")
    chosen = [tier for tier in TIERS if not wanted.names or tier.name in wanted.names]
    outcomes = [run(tier, wanted.pytest) for tier in chosen if tier.name not in left_out]
    print("\n" + summary(outcomes, left_out))
    incomplete = os.environ.get("CI") == "true" and bool(missing)
    return int(incomplete or any(outcome.exit_code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
