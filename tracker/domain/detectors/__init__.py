"""The detectors, found by walking this folder; the strong mutes the weak."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from typing import Final

from carriers.vocabulary import Category
from tracker.domain.finding import Detection, Facts, Finding, Signal

Detect = Callable[[Facts, datetime], Detection]

# One trouble on the way explains the others: a parcel held by customs is not stalled besides.
ON_THE_WAY: Final = frozenset(
    {
        Category.CUSTOMS,
        Category.WEATHER,
        Category.DELAY,
        Category.DELIVERY_ATTEMPT,
        Category.ADDRESS,
        Category.ROUTING,
    }
)
_OVER: Final = frozenset({Category.LOSS, Category.RETURN})
_STRENGTH: Final = {
    signal: rank
    for rank, signal in enumerate(
        (
            Signal.CARRIER_STATED,
            Signal.DWELL_TOO_LONG,
            Signal.MISSED_PROMISE,
            Signal.MISSED_EDD,
            Signal.STALLED,
            Signal.LATE_FIRST_EVENT,
        )
    )
}


@cache
def detectors() -> dict[str, Detect]:
    """Every module of this folder by name."""
    return {
        module.name: importlib.import_module(f"{__name__}.{module.name}").detect
        for module in pkgutil.iter_modules(__path__)
    }


def detect(facts: Facts, now: datetime) -> Detection:
    """All detectors together: the findings that are left after muting, and the earliest moment to look again."""
    verdicts = [each(facts, now) for each in detectors().values()]
    moments = [verdict.look_again_at for verdict in verdicts if verdict.look_again_at is not None]
    standing = [finding for verdict in verdicts for finding in verdict.findings]
    found = mute(standing)
    muted = tuple(finding for finding in standing if finding not in found)
    return Detection(tuple(found), min(moments, default=None), muted)


def mute(findings: Iterable[Finding]) -> list[Finding]:
    """Of the troubles on the way only the strongest speaks; the rest keep their own voice.

    Once the carrier says that the goods are lost or go back, no trouble on the way speaks any more: it led there. Nor
    does the damage of goods that are gone: nothing will be delivered that could be looked at or refused.
    """
    ordered = sorted(findings, key=lambda finding: (finding.warning, _STRENGTH[finding.signal], finding.key))
    on_the_way = [finding for finding in ordered if finding.category in ON_THE_WAY]
    others = [finding for finding in ordered if finding.category not in ON_THE_WAY]
    ends = {one.category for one in others if one.category in _OVER and one.signal is Signal.CARRIER_STATED}
    if Category.LOSS in ends:
        others = [finding for finding in others if finding.category is not Category.DAMAGE]
    return others if ends else others + on_the_way[:1]
