import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("tracker", "carriers", "notifications", "sql")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Everything that the built wheel holds, as paths."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_carries_every_file_of_the_four_packages(wheel):
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    ours = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert ours - wheel == set()


def test_the_wheel_carries_nothing_else(wheel):
    assert {path.partition("/")[0] for path in wheel if ".dist-info/" not in path} == set(PACKAGES)
