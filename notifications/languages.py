"""Speaks the customers' languages: the phrases of each catalogue, and dates and places as that language writes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locales"
LAST_RESORT = "en"

_WORD = re.compile(r"[^\W\d_]+")
_SMALL = frozenset(  # words inside names of places, in Spanish, French, German, Portuguese and Italian
    [
        "A",
        "À",
        "AL",
        "ALLA",
        "AM",
        "AN",
        "AU",
        "AUX",
        "BEI",
        "D",
        "DA",
        "DAS",
        "DE",
        "DEI",
        "DEL",
        "DELLA",
        "DELLE",
        "DELLO",
        "DER",
        "DES",
        "DI",
        "DO",
        "DOS",
        "DU",
        "E",
        "EL",
        "EM",
        "EN",
        "ET",
        "IM",
        "IN",
        "L",
        "LA",
        "LAS",
        "LE",
        "LES",
        "LEZ",
        "LOS",
        "OB",
        "SOUS",
        "SUR",
        "UND",
        "VOM",
        "VON",
        "VOR",
        "Y",
        "ZU",
        "ZUM",
        "ZUR",
    ]
)
_KEPT = "\u200c\u200d"  # joiners: invisible, but letters of some scripts need them
_BREAKS = {"Cc", "Zl", "Zp"}
_INVISIBLE = {"Cf", "Cs", "Co", "Cn"}  # among them the marks that turn the direction of text


class Unsayable(Exception):
    """A notice cannot be put into words: a phrase or a fact is missing. Says which."""


@dataclass(frozen=True)
class Speech:
    """One catalogue, with the locale by which it writes names of days, months and countries."""

    language: str
    locale: Locale
    phrases: Mapping[str, str]

    def knows(self, key: str) -> bool:
        return key in self.phrases

    def say(self, key: str, values: Mapping[str, str]) -> str:
        """The phrase with its gaps filled; raises Unsayable where the phrase or a value is missing."""
        if key not in self.phrases:
            raise Unsayable(f"{self.language} has no phrase {key!r}")
        try:
            return self.phrases[key].format_map(values)
        except KeyError as gap:
            raise Unsayable(f"the phrase {key!r} in {self.language} needs {gap.args[0]!r}") from None

    def day(self, moment: datetime, zone: tzinfo, *, short: bool = False) -> str:
        return self._date("pattern.day_short" if short else "pattern.day", moment, zone)

    def last_day(self, end: datetime, zone: tzinfo, *, short: bool = False) -> str:
        """The day that a span ends with: an end at midnight belongs to the day before."""
        return self.day(end - timedelta(microseconds=1), zone, short=short)

    def moment(self, moment: datetime, zone: tzinfo) -> str:
        return self.say("moment", {"day": self.day(moment, zone), "hour": self._date("pattern.hour", moment, zone)})

    def place(self, city: str, country: str | None) -> str:
        city = place_name(city)
        name = self.locale.territories.get(country or "")
        return self.say("place", {"city": city, "country": name}) if name else city

    def _date(self, pattern: str, moment: datetime, zone: tzinfo) -> str:
        return format_datetime(moment, self.say(pattern, {}), tzinfo=zone, locale=self.locale)


def speech(language: str, fallback: str) -> Speech:
    """The best catalogue for a customer: their language, then the same without its region, then the shop's, English."""
    for wanted in (*_narrowing(language), *_narrowing(fallback), LAST_RESORT):
        if wanted in available():
            return _speech(wanted)
    raise Unsayable(f"there is no catalogue for {language}, {fallback} or {LAST_RESORT}")


@cache
def available() -> frozenset[str]:
    """The languages that have a catalogue, found by walking the folder."""
    return frozenset(file.parent.parent.name.replace("_", "-") for file in FOLDER.glob("*/LC_MESSAGES/messages.po"))


def place_name(city: str) -> str:
    """Carriers shout; a name in capitals alone is written as names are: "Santa Cruz de Tenerife", "Aix-en-Provence"."""
    if not city.isupper():
        return city
    return _WORD.sub(lambda word: word[0].lower() if word.start() and word[0] in _SMALL else word[0].title(), city)


def clean(text: str, cap: int) -> str:
    """Foreign text made fit for a header or a line: no control or direction marks, single spaces, at most `cap` long."""
    kept = "".join(_visible(character) for character in unicodedata.normalize("NFC", text))
    line = " ".join(kept.split())
    return line if len(line) <= cap else line[: cap - 1].rstrip() + "…"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in _BREAKS:
        return " "
    return "" if category in _INVISIBLE and character not in _KEPT else character


def _narrowing(tag: str) -> list[str]:
    """`pt-BR` gives pt-BR, pt, in the spelling of the folders."""
    language, *rest = tag.replace("_", "-").split("-")
    parts = [language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)]
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


@cache
def _speech(language: str) -> Speech:
    file = FOLDER / language.replace("-", "_") / "LC_MESSAGES" / "messages.po"
    with file.open(encoding="utf-8") as lines:
        catalogue = read_po(lines, abort_invalid=True)
    phrases = {str(entry.id): str(entry.string) for entry in catalogue if entry.id and entry.string}
    try:
        return Speech(language, Locale.parse(language, sep="-"), phrases)
    except (UnknownLocaleError, ValueError) as error:
        raise Unsayable(f"the catalogue {language} is of no known language") from error
