"""A carrier's code table (codes.toml), and the rules by which code and text together become a meaning.

The rules, most certain first:
1. A text that the carrier's table lists word for word counts as a code.
2. A known code says what it says. Where its row says `refine`, the text may add what the code leaves open, but a code
   that is no end never becomes one through a text, and a delivery stays an end, though perhaps another one (to a shop,
   back to the sender). A problem without a cause takes its cause from the text.
3. An unknown code, or none, is read from its text, which may set anything but an end. Else the event is unknown.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import msgspec

from carriers.contract import Problem
from carriers.phrases import NOTHING, Meaning, meaning_of, problem_of, read_text
from carriers.place import fold_name
from carriers.vocabulary import STATUS_DETAILS, Category, Milestone

_M = Milestone
_ENDS: Final = frozenset({_M.DELIVERED, _M.RETURNED, _M.ENDED})
_OWNERS: Final = frozenset({"none", "carrier", "shop", "recipient", "authority", "platform"})
_UNDER_WAY: Final = frozenset({_M.ACCEPTED, _M.IN_TRANSIT, _M.IN_CUSTOMS, _M.OUT_FOR_DELIVERY, _M.RETURNING})
_TAKES_ANOTHER: Final = frozenset({Category.DELIVERY_ATTEMPT, Category.RETURN})  # what happened, not why
_MAY_DELIVERED_BE: Final = frozenset({_M.DELIVERED, _M.READY_FOR_COLLECTION, _M.RETURNED, _M.ENDED})

# What a status detail means for the customer when nobody states a problem beside it (partners' pushes).
_PROBLEM_OF_DETAIL: Final = {
    "documents_required": "customs.documents_missing",
    "recipient_data_required": "customs.recipient_id_needed",
    "duties_due": "customs.duties_unpaid",
    "inspection": "customs.inspection",
    "export_held": "customs.inspection",
    "pre_clearance_hold": "customs.inspection",
    "prohibited_or_seized": "customs.restricted_or_prohibited",
    "customs_refused": "customs.refused_by_customs",
    "delayed_by_carrier": "delay.unexplained",
    "missorted": "routing.missort",
    "misrouted": "routing.misroute",
    "attempt_failed": "delivery_attempt.nobody_home",
    "notice_left": "delivery_attempt.nobody_home",
    "refused": "return.refused",
    "unclaimed": "return.unclaimed",
    "undeliverable": "return.undeliverable",
    "damaged_on_delivery": "damage.damaged_in_transit",
    "lost_declared": "loss.declared_lost",
    "lost_presumed": "loss.presumed_lost",
}


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of codes.toml. `text` is the carrier's own wording; `source` names an entry of [sources]."""

    code: str | None = None
    text: str | None = None
    means: str | None = None
    problem: str | None = None
    action_owner: str | None = None
    informational: bool = False
    refine: bool = False
    source: str
    confirmed: bool


class _Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """codes.toml: `codes` by code, `texts` by wording, `reasons` by a second code that only gives a cause."""

    sources: dict[str, str]
    codes: list[_Row] = []
    texts: list[_Row] = []
    reasons: list[_Row] = []


class Known(msgspec.Struct, frozen=True):
    """What a known code means, and whether its text may say more."""

    meaning: Meaning
    refine: bool


class Codes(msgspec.Struct, frozen=True):
    """One carrier's code table."""

    codes: dict[str, Known]
    texts: dict[str, Meaning]
    reasons: dict[str, Problem]

    def understand(
        self, code: str | None, text: str | None, *, wording: str | None = None, reason: str | None = None
    ) -> Meaning:
        """The meaning of an event. Never raises; what nobody knows is `NOTHING`, with milestone unknown.

        `text` is all that was said, `wording` the short fixed text that may be listed, `reason` a code for the cause.
        """
        known = self.codes.get(code) if code else None
        listed = self.texts.get(fold_name(wording or text or ""))
        said = read_text(text) if text else NOTHING
        if listed is not None and (known is None or (known.refine and _may_be_said(known.meaning, listed))):
            return _within(_plainer(known, listed), said)
        if known is None:
            return self._with_reason(_no_end(said), reason)
        meaning = _within(known.meaning, said) if known.refine else known.meaning
        return self._with_reason(_explained(meaning, said.problem, said.action_owner), reason)

    def _with_reason(self, meaning: Meaning, reason: str | None) -> Meaning:
        """A reason code is coarse: it gives a cause where none is named, and replaces none that is."""
        held = meaning.problem
        is_named = held is not None and held.cause != "unexplained" and held.category not in _TAKES_ANOTHER
        return meaning if is_named else _explained(meaning, self.reasons.get(reason or ""), None)


def load_codes(path: Path) -> Codes:
    """Read and check a codes.toml. Raises ValueError that names the file and the row."""
    try:
        page = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Page)
        return Codes(
            codes=_by_code(page.codes, page.sources),
            texts={fold_name(_named(row, row.text)): _meaning(row, page.sources) for row in page.texts},
            reasons={_named(row, row.code): _reason(row, page.sources) for row in page.reasons},
        )
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from error


def read_words(milestone: Milestone, status_detail: str | None, text: str | None) -> Meaning:
    """The meaning of an event that was given in our own words: they stand, the text only explains what is wrong."""
    problem = problem_of(_PROBLEM_OF_DETAIL.get(status_detail or ""))
    meaning = Meaning(milestone=milestone, status_detail=status_detail, problem=problem)
    said = read_text(text) if text else NOTHING
    if said.problem is None or said.informational:
        return meaning
    if milestone is _M.DELIVERED:
        fits = said.problem.category is Category.DAMAGE
    else:
        fits = milestone in _UNDER_WAY and (problem is None or _is_open(meaning, said.problem))
    if not fits:
        return meaning
    return msgspec.structs.replace(meaning, problem=said.problem, action_owner=said.action_owner)


def milestone_of(status_detail: str) -> Milestone | None:
    """The milestone that a status detail belongs to; None when it is no word of ours."""
    return next((milestone for milestone, details in STATUS_DETAILS.items() if status_detail in details), None)


def _within(known: Meaning, said: Meaning) -> Meaning:
    """What the text says, as far as the code leaves it open."""
    if said == NOTHING:
        return known
    if known.milestone in _ENDS:
        return _another_end(known, said)
    if said.informational:
        return msgspec.structs.replace(said, milestone=_below_end(said, known).milestone, status_detail=None)
    return _below_end(said, known)


def _may_be_said(known: Meaning, listed: Meaning) -> bool:
    """A listed text beside a code that leaves it open: any end, but a delivery only where the code is an end too."""
    return listed.milestone is not _M.DELIVERED or known.milestone in _ENDS


def _plainer(known: Known | None, listed: Meaning) -> Meaning:
    """The listed text, unless a code says the same and more."""
    same = known is not None and known.meaning.milestone is listed.milestone and known.meaning.status_detail is not None
    return known.meaning if known is not None and same else listed


def _another_end(known: Meaning, said: Meaning) -> Meaning:
    if known.milestone is not _M.DELIVERED or said.informational:
        return known
    if said.milestone is _M.RETURNING:
        return Meaning(milestone=_M.RETURNED, status_detail="arrived_sender")
    if said.milestone in _MAY_DELIVERED_BE:
        return said if said.milestone is not _M.DELIVERED or said.status_detail else known
    if said.problem is not None and said.problem.category is Category.DAMAGE:
        return msgspec.structs.replace(known, status_detail="damaged_on_delivery", problem=said.problem)
    return known


def _below_end(said: Meaning, known: Meaning) -> Meaning:
    """A reading of a text beside a code that is no end."""
    if said.milestone is _M.RETURNED:
        return Meaning(milestone=_M.RETURNING, problem=said.problem, action_owner=said.action_owner)
    if said.milestone in _ENDS or said.milestone is _M.UNKNOWN:
        return msgspec.structs.replace(known, problem=said.problem or known.problem)
    return said


def _no_end(said: Meaning) -> Meaning:
    return _below_end(said, NOTHING)


def _explained(meaning: Meaning, problem: Problem | None, action_owner: str | None) -> Meaning:
    """The meaning with the cause that a text or a reason code gives, and who has to act on that, where it was left open."""
    if problem is None or problem == meaning.problem or meaning.informational:
        return meaning
    if meaning.milestone is _M.UNKNOWN:
        return msgspec.structs.replace(
            meaning, milestone=_M.IN_TRANSIT, problem=problem, action_owner=action_owner or meaning.action_owner
        )
    if not _is_open(meaning, problem):
        return meaning
    return msgspec.structs.replace(meaning, problem=problem, action_owner=action_owner)


def _is_open(meaning: Meaning, problem: Problem) -> bool:
    """An unexplained problem, a failed attempt or a return takes any cause; a named one only a better word of its kind."""
    held = meaning.problem
    if held is None:
        return meaning.milestone is _M.RETURNING
    return held.cause == "unexplained" or held.category in _TAKES_ANOTHER or held.category is problem.category


def _by_code(rows: list[_Row], sources: dict[str, str]) -> dict[str, Known]:
    known: dict[str, Known] = {}
    for row in rows:
        code = _named(row, row.code)
        if code in known:
            raise ValueError(f"{code} is listed twice")
        known[code] = Known(_meaning(row, sources), row.refine)
    return known


def _meaning(row: _Row, sources: dict[str, str]) -> Meaning:
    name = row.code or row.text
    if row.source not in sources:
        raise ValueError(f"{name}: the source {row.source!r} is not listed under [sources]")
    if row.action_owner is not None and row.action_owner not in _OWNERS:
        raise ValueError(f"{name}: {row.action_owner!r} is no owner of an action")
    try:
        meaning = meaning_of(row.means or "unknown", row.problem, row.action_owner)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return msgspec.structs.replace(meaning, informational=row.informational)


def _reason(row: _Row, sources: dict[str, str]) -> Problem:
    problem = _meaning(row, sources).problem
    if problem is None:
        raise ValueError(f"{row.code}: a reason needs a problem")
    return problem


def _named(row: _Row, name: str | None) -> str:
    if not name:
        raise ValueError(f"a row with source {row.source!r} has neither code nor text")
    return name
