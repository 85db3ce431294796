"""The look of the pages, in one place."""

import re

from tracker.web import assets

TOKENS = (assets.FOLDER / "tokens.css").read_text()
DECLARED = re.compile(r"(--[\w-]+): ([^;]+);")


def test_dark_is_the_same_whether_the_machine_asks_for_it_or_somebody_chose_it():
    _, of_the_machine, chosen = re.split(r"@media \(prefers-color-scheme: dark\)|:root\[data-scheme=\"dark\"\]", TOKENS)
    assert DECLARED.findall(of_the_machine) == DECLARED.findall(chosen)
    assert len(DECLARED.findall(chosen)) > 20
