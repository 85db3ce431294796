"""Says a notice in the customer's language: facts and phrases become a letter, before it has any form (pure)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from notifications.contract import Kind
from notifications.languages import Speech, Unsayable, speech
from notifications.policy import zone_of
from notifications.wording import Occasion, is_late, values

_NOTICES = Path(__file__).with_name("notices.toml")
_LABELLED = frozenset({"date", "doing", "can_do", "next"})


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What notices.toml says of one kind; its comments explain the fields."""

    sections: tuple[str, ...]
    subject: Literal["incident", "return", "title", "own"]
    needs: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    causes: bool = False
    apologises: bool = False
    labels: bool = False
    date: Literal["always", "known", "never"] = "never"


class Section(msgspec.Struct, frozen=True):
    name: str
    label: str | None
    paragraphs: tuple[str, ...]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What is said, in order; the text and the HTML of an email are made of the same letter."""

    language: str
    direction: str
    subject: str
    title: str
    preheader: str
    greeting: str
    sections: tuple[Section, ...]
    button: str
    link: str
    details_label: str
    details: tuple[tuple[str, str], ...]
    farewell: str
    signature: str
    contact: tuple[str, ...]
    reason: str


@cache
def entries() -> dict[Kind, Entry]:
    """notices.toml, checked: each kind has its entry."""
    return msgspec.convert(tomllib.loads(_NOTICES.read_text(encoding="utf-8")), dict[Kind, Entry])


class Writer:
    """Writes for one occasion; raises Unsayable where a needed fact, or later a phrase, is missing."""

    def __init__(self, occasion: Occasion) -> None:
        self.occasion = occasion
        self.facts = occasion.facts
        self.entry = entries()[occasion.kind]
        missing = [fact for fact in self.entry.needs if getattr(self.facts, fact) is None]
        if missing:
            raise Unsayable(f"{occasion.kind} cannot be said without {', '.join(missing)}")
        self.speech: Speech = speech(occasion.recipient.language, occasion.shop_language)
        self.zone = zone_of(occasion.recipient.time_zone)
        self.values = values(occasion, self.speech, self.zone)
        self.category, _, self.cause = (self.facts.cause or "").partition(".")

    def letter(self) -> Letter:
        sections = tuple(self._sections())
        return Letter(
            language=self.speech.language,
            direction=self.speech.locale.text_direction,
            subject=self._subject(),
            title=self.say("title"),
            preheader=_preheader(sections),
            greeting=self._phrase("greeting.named" if "name" in self.values else "greeting.unnamed"),
            sections=sections,
            button=self._phrase("button"),
            link=self.occasion.link,
            details_label=self._phrase("details"),
            details=tuple(self._details()),
            farewell=self._phrase("farewell"),
            signature=self._phrase("signature"),
            contact=tuple(self._contact()),
            reason=self._phrase("reason"),
        )

    def say(self, part: str) -> str:
        """The phrase of this part, such as `title` or `sms`."""
        said = self._find(part)
        if said is None:
            raise Unsayable(f"{self.speech.language} has no {part} for {self.occasion.kind} {self.facts.cause or ''}")
        return said

    def _find(self, part: str) -> str | None:
        key = next((key for key in self._keys(part) if self.speech.knows(key)), None)
        return self._phrase(key) if key else None

    def _keys(self, part: str) -> Iterator[str]:
        """Where the phrase of a part may stand, the most telling place first."""
        of_kind = f"{self.occasion.kind}.{part}"
        yield from (f"{of_kind}.{variant}" for variant in self._variants())
        yield of_kind
        if self.entry.causes:
            yield f"cause.{self.facts.cause}.{part}"
            yield f"category.{self.category}.{part}"
        yield f"any.{part}"

    def _variants(self) -> Iterator[str]:
        for fact in self.entry.by:
            value = {"category": self._cured_category(), "cause": self.cause}.get(fact, getattr(self.facts, fact, None))
            if value:
                yield value
                yield value.partition("_")[0]
        if self.facts.sequel > 1:
            yield str(2 + self.facts.sequel % 2)
        yield "until" if self.facts.collection_until else "open"
        if self.facts.city:
            yield "place"

    def _cured_category(self) -> str | None:
        return None if self._is_made_good() else self.category

    def _is_made_good(self) -> bool:
        """Settled otherwise than by the parcel going on: then nothing may be said of its journey."""
        return self.facts.resolution is not None and not self.facts.resolution.startswith("cured")

    def _phrase(self, key: str) -> str:
        return self.speech.say(key, self.values)

    def _sections(self) -> Iterator[Section]:
        special = {
            "happened": self._happened,
            "last_word": self._last_word,
            "date": self._date,
            "can_do": self._can_do,
            "next": self._next,
        }
        for name in self.entry.sections:
            paragraphs = special[name]() if name in special else [self.say(name)]
            if paragraphs:
                labelled = self.entry.labels and name in _LABELLED
                yield Section(name, self._phrase(f"label.{name}") if labelled else None, tuple(paragraphs))

    def _happened(self) -> list[str]:
        return [f"{self.say('happened')} {self.say('apology')}" if self.entry.apologises else self.say("happened")]

    def _last_word(self) -> list[str]:
        return [self.say("last_word")] if self.facts.happened_at else []

    def _date(self) -> list[str]:
        if self._is_made_good():
            return []
        own = self._find("date")
        if own:
            return [own]
        if "window" in self.values:
            return [self._phrase("date.later" if is_late(self.facts, self.zone) else "date.expected")]
        return [self._phrase(self._without_a_date())] if self.entry.date == "always" or self.facts.date_owed else []

    def _without_a_date(self) -> str:
        if self.facts.promised_at is None:
            return "date.unknown"
        return "date.missed" if self.facts.promised_at < self.occasion.now else "date.at_risk"

    def _can_do(self) -> list[str]:
        otherwise = self._find("otherwise")
        if otherwise is None:
            return [self.say("can_do")]
        by_when = self._phrase("can_do.deadline" if "deadline" in self.values else "can_do.soon")
        return [self.say("can_do"), f"{by_when} {otherwise}"]

    def _next(self) -> list[str]:
        return [self._phrase("next")] if self.facts.next_update_at else []

    def _subject(self) -> str:
        if self.entry.subject == "own":
            return self._phrase(f"subject.{self.occasion.kind}")
        if self.entry.subject == "title":
            return self.speech.say("subject.title", self.values | {"title": self.say("title")})
        return self._phrase("subject.return" if self.entry.subject == "return" else f"subject.incident.{self.category}")

    def _details(self) -> Iterator[tuple[str, str]]:
        for gap in ("order", "carrier", "number"):
            yield self._phrase(f"detail.{gap}"), self.values[gap]
        if self.facts.happened_at:
            where = f", {self.values['place']}" if "place" in self.values else ""
            yield self._phrase("detail.last_word"), self.values["happened"] + where

    def _contact(self) -> Iterator[str]:
        yield self._phrase("contact.reply_or_call" if "phone" in self.values else "contact.reply")
        if "website" in self.values:
            yield self._phrase("contact.website")


def _preheader(sections: tuple[Section, ...]) -> str:
    """What the inbox shows beside the subject: the date where it is spoken of, else what happened."""
    dated = next((section for section in sections if section.name == "date"), sections[0])
    return dated.paragraphs[0]
