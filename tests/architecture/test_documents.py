import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, files, shown

PAGES = list(files(suffix=".md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PATH_IN_THE_TREE = re.compile(rf"(?:{'|'.join((*PACKAGES, 'tests', 'bench', 'bin', 'docs'))})/[\w./-]*")


def anchor(heading: str) -> str:
    """The anchor that a page on a code host gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        place = (page.parent / path) if path else page
        if not place.exists() or (fragment and anchor(fragment) not in map(anchor, HEADING.findall(place.read_text()))):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_leads_somewhere(page):
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_path_that_is_named_exists(page):
    quoted = QUOTED.findall(FENCE.sub("", page.read_text()))
    paths = [path for path in quoted if PATH_IN_THE_TREE.fullmatch(path)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^ {4}|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    assert set(named) - targets == set()


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](gone.md) [b](#one) [c](#two) [d](https://example.org) ![e](page.md)\n")
    assert list(broken_links(page)) == ["gone.md", "#two"]
