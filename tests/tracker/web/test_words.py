import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from carriers.contract import FailureKind
from carriers.vocabulary import CAUSES, STATUS_DETAILS, Category, Milestone, TzCertainty
from notifications.contract import FailureClass, Kind
from tracker.actions.work_incident import WAITS_ON
from tracker.domain.cause import TABLE
from tracker.domain.finding import Provenance, Signal
from tracker.domain.incident import CLOSING_REASONS, LIFE, Command
from tracker.domain.returns import SETTLEMENTS, ReturnState
from tracker.domain.severity import Severity
from tracker.domain.staff import Role
from tracker.store import queue
from tracker.web import assets, words
from tracker.web.console.messages import CHANNELS, STATES
from tracker.web.console.today import HEALTHS
from tracker.web.templating import FOLDER as PAGES

LANGUAGES = sorted(words.available())
GAPS = re.compile(r"%\(\w+\)s|\{\w+\}")
STEPS = ("opened", "changed", "restated", "reopened", "resolved", "merged", "closed", "no_news")


def vocabulary() -> Iterator[tuple[str, str]]:
    """Every kind of the house that a page may have to name."""
    yield from (("milestone", one) for one in Milestone)
    yield from (("detail", one) for details in STATUS_DETAILS.values() for one in details)
    yield from (("event", one) for one in Milestone if one is not Milestone.UNKNOWN)
    yield from (("category", one) for one in Category)
    yield from (("cause", f"{category}.{one}") for category, causes in CAUSES.items() for one in causes)
    for cause in TABLE.values():
        yield from (("owner", cause.owner), ("owner", cause.responsible), ("action", cause.action))
        yield "otherwise", cause.otherwise
    yield from (("owner", one) for one in ("none", "carrier", "shop", "recipient", "authority", "platform"))
    yield from (("state", one) for one in LIFE)
    closed_by_steps = {Command.RESOLVE, Command.CLOSE, Command.REOPEN, Command.MERGE}
    yield from (("entry", one) for one in (*STEPS, *(set(Command) - closed_by_steps)))
    yield from ((kind, one) for one in Command for kind in ("command", "done"))
    yield from (("waits_on", one) for one in WAITS_ON)
    yield from (("consequence", one) for one in Command if one is not Command.UNDO)
    yield from (("reason", one) for one in CLOSING_REASONS)
    yield from (("severity", one) for one in Severity)
    yield from (("signal", one) for one in Signal)
    yield from (("provenance", one) for one in Provenance)
    yield from (("health", one) for one in HEALTHS)
    yield from (("filter", one) for one in queue.NAMES)
    yield from (("due", one) for one in queue.DUE)
    yield from (("said", one) for one in ("view_saved", "view_removed", "view_refused"))
    yield from (("notice", one) for one in Kind)
    yield from (("channel", one) for one in CHANNELS)
    yield from (("message_state", one) for one in (*STATES, "held", "planned", "sent"))
    yield from (("outcome", one) for one in ("accepted", *FailureClass))
    yield from (("failure", one) for one in FailureKind)
    yield from (("return_state", one) for one in ReturnState)
    yield from (("settled_as", one) for one in SETTLEMENTS)
    yield from ((kind, role) for kind in ("role", "role_may") for role in Role)
    yield from (("tz", one) for one in TzCertainty)


class Entry(NamedTuple):
    """One entry of a catalogue; a plural has several ids and strings."""

    context: str | None
    ids: tuple[str, ...]
    strings: tuple[str, ...]

    @property
    def gaps(self) -> tuple[set[str], set[str]]:
        return set(GAPS.findall(" ".join(self.ids))), set(GAPS.findall(" ".join(self.strings)))


def catalogue(code: str) -> list[Entry]:
    with (words.FOLDER / code / "LC_MESSAGES" / "pages.po").open("rb") as text:
        held = [one for one in read_po(text, abort_invalid=True) if one.id]
    return [Entry(one.context, several(one.id), several(one.string)) for one in held]


def several(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def in_the_templates() -> set[tuple[str, ...]]:
    options = {"**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}
    found = extract_from_dir(str(PAGES), method_map=[("**.html", "jinja2")], options_map=options)
    return {several(message) for _, _, message, _, _ in found}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_word_of_the_house_has_its_word_in_every_language(code):
    held = {(entry.context, *entry.ids) for entry in catalogue(code) if all(entry.strings)}

    assert sorted({(kind, str(value)) for kind, value in vocabulary()} - held) == []


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != words.SOURCE])
def test_every_text_of_the_templates_is_translated_and_no_translation_is_left_over(code):
    translated = {entry.ids for entry in catalogue(code) if not entry.context and all(entry.strings)}

    assert in_the_templates() - translated == set()
    assert translated - in_the_templates() == set()


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != words.SOURCE])
def test_languages_hold_the_same_words_and_their_phrases_the_same_gaps(code):
    source = {(entry.context, *entry.ids): entry.gaps[1] for entry in catalogue(words.SOURCE)}
    spoken = {(entry.context, *entry.ids): entry.gaps[1] for entry in catalogue(code) if entry.context}

    assert source == spoken
    texts = [entry for entry in catalogue(code) if not entry.context]
    assert [entry.ids for entry in texts if entry.gaps[0] != entry.gaps[1]] == []


def test_what_has_no_word_yet_is_shown_as_it_is_spelt():
    assert words.language("es").word("cause", "customs.new_kind") == "Customs.new kind"
    assert words.language("es").word("notice", "gift_sent") == "Gift sent"


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(["es-MX"], "es"), (["fr", "es"], "es"), (["fr"], "en"), ([], "en"), ([None, "EN-gb"], "en"), (["../es"], "en")],
)
def test_a_language_is_chosen_narrowing_and_falling_back(wanted, chosen):
    assert words.choose(wanted).code == chosen


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", []),
        ("es", ["es"]),
        ("en;q=0.2, es-ES, fr;q=0.9", ["es-ES", "fr", "en"]),
        ("es;q=0, en", ["en"]),
        ("es;q=high, *, <script>, en", ["en"]),
    ],
)
def test_what_a_browser_asks_for_is_read_in_its_order(header, tags):
    assert words.accepted(header) == tags


def test_every_icon_that_a_template_draws_is_in_the_sprite_of_its_page():
    drawn = re.compile(r"icon\(\"([a-z0-9-]+)\"\)")
    on_customers_pages = {
        name
        for file in [*(PAGES / "customer").glob("*.html"), PAGES / "problem.html"]
        for name in drawn.findall(file.read_text())
    }
    frame = (PAGES / "customer" / "frame.html").read_text()
    symbols = (Path(assets.FOLDER) / "icons.svg").read_text()

    for file in PAGES.rglob("*.html"):
        assert [name for name in drawn.findall(file.read_text()) if f'id="i-{name}"' not in symbols] == []
    assert [name for name in on_customers_pages if f'"{name}"' not in frame] == []
