"""The languages of the pages: their catalogues, the words for the house's own kinds, and which one a visitor reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

FOLDER: Final = Path(__file__).parents[1] / "locales"
SOURCE: Final = "en"  # what the templates are written in, and the last resort

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MOST_TAGS = 20


class Language:
    """One language of the pages. `translations` is what templates ask for their text."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.locale = Locale.parse(code, sep="-")
        self.translations = _translations(code)

    def word(self, kind: str, value: str) -> str:
        """Our word for a kind of the vocabulary (`milestone`, `in_transit`); one that is new is shown as it is spelt."""
        said = self._said(kind, value)
        return said if said != value else value[:1].upper() + value[1:].replace("_", " ")

    def knows(self, kind: str, value: str) -> bool:
        """Whether there is a phrase of this kind under this key."""
        return self._said(kind, value) != value

    def phrase(self, kind: str, key: str, values: Mapping[str, str]) -> str:
        """A phrase with its gaps (`{order}`) filled."""
        return self._said(kind, key).format_map(values)

    def country(self, code: str) -> str:
        """The name of a country; its code where the language has no name for it."""
        return str(self.locale.territories.get(code, code))

    def _said(self, kind: str, key: str) -> str:
        return str(self.translations.pgettext(kind, key))


@cache
def available() -> frozenset[str]:
    """The languages that have a catalogue, found by walking the folder."""
    return frozenset(file.parent.parent.name for file in FOLDER.glob("*/LC_MESSAGES/pages.po"))


@cache
def language(code: str) -> Language:
    """One of the available languages."""
    return Language(code)


def choose(wanted: Iterable[str | None]) -> Language:
    """The first of these tags that there is a catalogue for, with or without its region; the source language else."""
    for tag in wanted:
        narrow = (tag or "").lower().partition("-")[0]
        if narrow in available():
            return language(narrow)
    return language(SOURCE)


def accepted(header: str) -> list[str]:
    """The tags of an Accept-Language header, the most wanted first; what cannot be read is left out."""
    weighed: list[tuple[float, str]] = []
    for part in header.split(",")[:_MOST_TAGS]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    ordered = sorted(weighed, key=lambda pair: -pair[0])
    return [tag for weight, tag in ordered if weight > 0 and _TAG.fullmatch(tag)]


def _translations(code: str) -> Translations:
    """A catalogue as gettext wants it, made from its text at the start, so that there is no build step."""
    compiled = BytesIO()
    with (FOLDER / code / "LC_MESSAGES" / "pages.po").open("rb") as text:
        write_mo(compiled, read_po(text, abort_invalid=True))
    compiled.seek(0)
    translations = Translations(compiled, domain="pages")
    if code != SOURCE:
        translations.add_fallback(language(SOURCE).translations)
    return translations
