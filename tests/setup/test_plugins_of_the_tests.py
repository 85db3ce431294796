"""The plugins in tests/support, seen on small test files that do what they must catch."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support import skips, tiers

ROOT = Path(__file__).parents[2]

REACHES_OUTSIDE = """
import asyncio, socket
import pytest

def test_connects_and_swallows_the_refusal():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    except OSError:
        pass

def test_asks_for_a_name():
    try:
        socket.getaddrinfo("example.org", 80)
    except OSError:
        pass

async def test_connects_from_a_loop():
    with pytest.raises(OSError):
        await asyncio.open_connection("192.0.2.1", 80)

def test_stays_here():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    with pytest.raises(OSError):
        socket.getaddrinfo("carrier.invalid", 80)
"""

SKIPS = """
import pytest

@pytest.mark.skip(reason="no time")
def test_unlisted(): ...


@pytest.mark.xfail
def test_known_to_fail(): assert False

def test_uses_a_database(database): ...

@pytest.fixture
def database(): ...
"""


def outcomes(folder: Path, code: str, *arguments: str, **variables: str) -> dict[str, str]:
    """Runs the code under this project's configuration: name of the test -> passed, failed or skipped."""
    (folder / "test_given.py").write_text(code)
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--quiet", "-p", "no:cacheprovider"]
    command += [f"--rootdir={folder}", f"--junit-xml={report}", *arguments, str(folder / "test_given.py")]
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | variables
    subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True)
    return {case.get("name", ""): outcome(case) for case in ET.parse(report).iter("testcase")}


def outcome(case: ET.Element) -> str:
    kinds = {child.tag for child in case}
    return "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"


def test_a_test_that_reaches_outside_fails_whatever_it_swallows(tmp_path):
    assert outcomes(tmp_path, REACHES_OUTSIDE) == {
        "test_connects_and_swallows_the_refusal": "failed",
        "test_asks_for_a_name": "failed",
        "test_connects_from_a_loop": "failed",
        "test_stays_here": "passed",
    }


def test_in_ci_a_skip_fails_and_elsewhere_it_does_not(tmp_path):
    here = outcomes(tmp_path, SKIPS)
    in_ci = outcomes(tmp_path, SKIPS, CI="true")
    assert here["test_unlisted"] == "skipped"
    assert in_ci["test_unlisted"] == "failed"
    assert in_ci["test_known_to_fail"] == "skipped"  # xfail, as JUnit calls it


def test_a_listed_skip_is_allowed_in_ci():
    plugin = skips.NoUnlistedSkip(skips.allowed_skips("# why\n\ntests/a.py::test_listed*: there is no door\n"))
    assert plugin.allows("tests/a.py::test_listed[1]")
    assert not plugin.allows("tests/a.py::test_unlisted")


def test_a_listed_skip_needs_a_reason():
    with pytest.raises(pytest.UsageError, match="needs a reason"):
        skips.allowed_skips("tests/a.py::test_listed\n")


def test_a_test_that_uses_a_database_is_told_from_a_pure_one(tmp_path):
    assert set(outcomes(tmp_path, SKIPS, "-m", "database")) == {"test_uses_a_database"}


def test_an_empty_tier_is_called_so():
    assert "NO TESTS" in tiers.Outcome(tiers.TIERS[0], tiers.NO_TESTS_RAN, 0.1, 0, 0, 0).verdict


def test_the_summary_ends_with_the_sum():
    done = [tiers.Outcome(tier, 0, 1.0, 3, 0, 1) for tier in tiers.TIERS[:2]]
    lines = tiers.summary(done, {"browser": "as asked"}).splitlines()
    assert lines[-1] == "6 passed, 0 failed, 2 skipped"
    assert "browser    left out: as asked" in lines


def test_a_junit_report_is_counted(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>')
    assert tiers.counts(report) == (3, 3, 3)
