"""In CI a skipped test fails, unless tests/allowed_skips.txt names it with a reason."""

import os
from collections.abc import Generator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ALLOWED_SKIPS = Path(__file__).parents[1] / "allowed_skips.txt"


def allowed_skips(text: str) -> dict[str, str]:
    """Patterns of test ids, each with its reason: lines of the form `pattern: reason`, `#` opens a comment."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    entries = {pattern: reason.strip() for pattern, _, reason in (line.partition(": ") for line in lines)}
    for pattern, reason in entries.items():
        if not reason:
            raise pytest.UsageError(f"{ALLOWED_SKIPS.name}: {pattern!r} needs a reason, as in `pattern: reason`")
    return entries


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(NoUnlistedSkip(allowed_skips(ALLOWED_SKIPS.read_text())), "no-unlisted-skip")


class NoUnlistedSkip:
    """Turns a skip that is not on the list into a failure that says how to mend it."""

    def __init__(self, allowed: dict[str, str]) -> None:
        self._allowed = allowed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.skipped and not hasattr(report, "wasxfail"):
            self._refuse(report, item.nodeid)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if report.skipped:
            self._refuse(report, collector.nodeid)
        return report

    def allows(self, nodeid: str) -> bool:
        return any(fnmatchcase(nodeid, pattern) for pattern in self._allowed)

    def _refuse(self, report: pytest.TestReport | pytest.CollectReport, nodeid: str) -> None:
        if self.allows(nodeid):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason}\nIn CI every test runs: make it run there, or list it in {ALLOWED_SKIPS.name}."
