"""What a carrier's sentence says, read from an ordered table of phrases in English, Spanish and German (phrases.toml).

It serves texts without a known code and refines codes that say little. What it reads never sets a terminal state by
itself: carriers/codes.py decides what a reading may change.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import msgspec

from carriers.contract import Problem
from carriers.place import fold_name
from carriers.vocabulary import CAUSES, STATUS_DETAILS, Category, Milestone

_LANGUAGES: Final = ("en", "es", "de")
_GAP: Final = r"(?:\w+ ){0,12}?"
_READ: Final = 300  # characters that are read; longer texts only cost time


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What a code or a text says. Milestone.UNKNOWN says nothing about where the shipment is."""

    milestone: Milestone = Milestone.UNKNOWN
    status_detail: str | None = None
    problem: Problem | None = None
    action_owner: str | None = None
    informational: bool = False


NOTHING: Final = Meaning()


class _Phrase(msgspec.Struct, frozen=True):
    pattern: re.Pattern[str]
    meaning: Meaning


class _Phrases(msgspec.Struct, frozen=True):
    aside: tuple[_Phrase, ...]
    why: tuple[_Phrase, ...]
    where: tuple[_Phrase, ...]


@lru_cache(maxsize=8192)
def read_text(text: str) -> Meaning:
    """What a sentence says, `NOTHING` when no phrase is recognised. The result may name a terminal state."""
    folded = fold_name(text[:_READ])
    table = _table()
    if _match(table.aside, folded):
        return msgspec.structs.replace(_match(table.where, folded) or NOTHING, problem=None, informational=True)
    why, where = _match(table.why, folded), _match(table.where, folded)
    if why is None or why.problem is None:
        return where or NOTHING
    return why if where is None else _combined(where, why)


def _combined(where: Meaning, why: Meaning) -> Meaning:
    """The place from one phrase and the problem from another of the same sentence."""
    if where.informational:
        return why
    if where.milestone is Milestone.DELIVERED:
        damaged = why.problem is not None and why.problem.category is Category.DAMAGE
        return _with(where, why, "damaged_on_delivery") if damaged else where
    if where.milestone is Milestone.ENDED:
        return where
    if where.milestone is Milestone.RETURNED:  # with a reason beside it, the decision to send it back
        where = msgspec.structs.replace(where, milestone=Milestone.RETURNING, status_detail=None)
    if where.milestone is Milestone.RETURNING:
        refused = why.problem is not None and why.problem.cause == "refused"
        return _with(where, why, "refused" if refused else where.status_detail)
    if where.milestone in (Milestone.OUT_FOR_DELIVERY, Milestone.READY_FOR_COLLECTION):
        return _with(where, why, where.status_detail)
    return why


def _with(where: Meaning, why: Meaning, detail: str | None) -> Meaning:
    return msgspec.structs.replace(
        where, status_detail=detail, problem=why.problem, action_owner=why.action_owner or where.action_owner
    )


def _match(phrases: tuple[_Phrase, ...], folded: str) -> Meaning | None:
    return next((phrase.meaning for phrase in phrases if phrase.pattern.search(folded)), None)


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of phrases.toml."""

    means: str | None = None
    problem: str | None = None
    action_owner: str | None = None
    informational: bool = False
    stops: bool = False
    en: tuple[str, ...] = ()
    es: tuple[str, ...] = ()
    de: tuple[str, ...] = ()


@cache
def _table() -> _Phrases:
    page = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8"))
    kinds = msgspec.convert(page, dict[str, list[_Entry]])
    return _Phrases(**{kind: tuple(_phrase(entry) for entry in entries) for kind, entries in kinds.items()})


def _phrase(entry: _Entry) -> _Phrase:
    alternatives = [pattern for language in _LANGUAGES for pattern in getattr(entry, language)]
    pattern = "|".join(alternatives).replace(" ... ", f" {_GAP}")
    meaning = NOTHING if entry.means is None else meaning_of(entry.means, entry.problem, entry.action_owner)
    meaning = msgspec.structs.replace(meaning, informational=entry.informational)
    return _Phrase(re.compile(rf"\b(?:{pattern})\b"), meaning)


def meaning_of(means: str, problem: str | None = None, action_owner: str | None = None) -> Meaning:
    """A Meaning from the words of a table: `in_customs.documents_required`, `customs.documents_missing`.

    Raises ValueError when a word is not of the vocabulary.
    """
    milestone_word, _, detail = means.partition(".")
    milestone = Milestone(milestone_word)
    if detail and detail not in STATUS_DETAILS[milestone]:
        raise ValueError(f"{detail!r} is no status detail of {milestone}")
    return Meaning(
        milestone=milestone, status_detail=detail or None, problem=problem_of(problem), action_owner=action_owner
    )


def problem_of(word: str | None) -> Problem | None:
    """`customs.duties_unpaid` as a Problem. Raises ValueError when it is not of the vocabulary."""
    if word is None:
        return None
    category_word, _, cause = word.partition(".")
    category = Category(category_word)
    if cause not in CAUSES[category]:
        raise ValueError(f"{cause!r} is no cause of {category}")
    return Problem(category, cause)
