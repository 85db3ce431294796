"""What goes wrong between a carrier and whoever asks it: rules that strike single calls or bend single histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from carriers.sandbox.chance import Chance
from carriers.sandbox.journey import Fact, Instant
from carriers.sandbox.parcel import View


class Fault(StrEnum):
    """The first block strikes calls, the second bends what a parcel's history looks like."""

    TOO_MANY_REQUESTS = "too_many_requests"
    SERVER_ERROR = "server_error"
    HTML_PAGE = "html_page"
    SLOW_ANSWER = "slow_answer"
    TRUNCATED_BODY = "truncated_body"
    WRONG_CREDENTIALS = "wrong_credentials"  # also revokes the tokens that were given out
    NOT_FOUND_YET = "not_found_yet"

    EMPTY_HISTORY = "empty_history"
    RESTATED_TIME = "restated_time"
    OUT_OF_ORDER = "out_of_order"
    DUPLICATE_EVENT = "duplicate_event"
    WITHDRAWN_EVENT = "withdrawn_event"


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and when a fault happens: to one carrier or parcel or to all, in `share` (0 to 1) of the calls, or of the
    parcels when it bends histories; from `from_at` until before `until_at` (aware); at most `times` calls.

    `retry_after` is what a 429 names, in seconds, or None (UPS names none); `seconds` is how long a slow answer takes.
    """

    fault: Fault
    carrier: str | None = None
    number: str | None = None
    share: float = 1.0
    from_at: Instant | None = None
    until_at: Instant | None = None
    times: int | None = None
    retry_after: int | None = 30
    seconds: float = 60.0

    def concerns(self, carrier: str, number: str, now: datetime) -> bool:
        return (
            self.carrier in {None, carrier}
            and self.number in {None, number}
            and (self.from_at is None or self.from_at <= now)
            and (self.until_at is None or now < self.until_at)
        )


def _empty(_view: View, _chance: Chance) -> tuple[Fact, ...]:
    return ()


def _restated(view: View, chance: Chance) -> tuple[Fact, ...]:
    before, unlucky, after = _around_record(view, chance)
    earlier = timedelta(minutes=chance.number(2, 12, "by"))
    restated = [msgspec.structs.replace(fact, happened_at=fact.happened_at - earlier) for fact in unlucky]
    return (*before, *restated, *after)


def _shuffled(view: View, chance: Chance) -> tuple[Fact, ...]:
    return tuple(chance.shuffled(view.facts, "order", len(view.facts)))


def _doubled(view: View, chance: Chance) -> tuple[Fact, ...]:
    before, unlucky, after = _around_record(view, chance)
    return (*before, *unlucky, *unlucky, *after)


def _withdrawn(view: View, chance: Chance) -> tuple[Fact, ...]:
    before, _, after = _around_record(view, chance)
    return (*before, *after)


def _around_record(view: View, chance: Chance) -> tuple[tuple[Fact, ...], tuple[Fact, ...], tuple[Fact, ...]]:
    """Splits the facts around the parcel's one unlucky record: never its first or last, the same in every answer."""
    index = chance.number(1, max(1, len(view.parcel.journey.facts) - 2), "record")
    return view.facts[:index], view.facts[index : index + 1], view.facts[index + 1 :]


_BENDS: Final[dict[Fault, Callable[[View, Chance], tuple[Fact, ...]]]] = {
    Fault.EMPTY_HISTORY: _empty,
    Fault.RESTATED_TIME: _restated,
    Fault.OUT_OF_ORDER: _shuffled,
    Fault.DUPLICATE_EVENT: _doubled,
    Fault.WITHDRAWN_EVENT: _withdrawn,
}
HISTORY_FAULTS: Final = frozenset(_BENDS)


def bent(view: View, rules: Sequence[FaultRule], now: datetime) -> View:
    """The view as the rules leave it; what the rules do to a parcel is the same in every answer."""
    for rule in rules:
        parcel = view.parcel
        chance = parcel.chance.of("fault", rule.fault)
        touched = rule.fault in HISTORY_FAULTS and rule.concerns(parcel.carrier, parcel.number, now)
        if touched and view.facts and chance.happens(rule.share, "struck"):
            view = msgspec.structs.replace(view, facts=_BENDS[rule.fault](view, chance))
    return view


def strikes(rule: FaultRule, carrier: str, number: str, call: int, now: datetime) -> bool:
    """Whether a rule spoils the `call`-th call (from 1) about a parcel. `times` is counted by the caller."""
    if rule.fault in HISTORY_FAULTS or not rule.concerns(carrier, number, now):
        return False
    return Chance(number).happens(rule.share, carrier, rule.fault, call)


def everyday_faults(start: datetime) -> tuple[FaultRule, ...]:
    """What an ordinary month has in store: a little of all, and a carrier that is down for an afternoon."""
    outage_from = start + timedelta(days=3, hours=6)
    return (
        FaultRule(
            fault=Fault.SERVER_ERROR, carrier="correos", from_at=outage_from, until_at=outage_from + timedelta(hours=3)
        ),
        FaultRule(fault=Fault.SERVER_ERROR, share=0.01),
        FaultRule(fault=Fault.TOO_MANY_REQUESTS, carrier="dhl_unified", share=0.01),
        FaultRule(fault=Fault.TOO_MANY_REQUESTS, carrier="ups", share=0.01, retry_after=None),
        FaultRule(fault=Fault.HTML_PAGE, share=0.005),
        FaultRule(fault=Fault.TRUNCATED_BODY, share=0.005),
        FaultRule(fault=Fault.WRONG_CREDENTIALS, carrier="ups", times=1, from_at=start + timedelta(days=2)),
        FaultRule(fault=Fault.DUPLICATE_EVENT, share=0.1),
        FaultRule(fault=Fault.OUT_OF_ORDER, share=0.1),
        FaultRule(fault=Fault.RESTATED_TIME, share=0.1, from_at=start + timedelta(days=4)),
        FaultRule(
            fault=Fault.EMPTY_HISTORY,
            share=0.05,
            from_at=start + timedelta(days=4),
            until_at=start + timedelta(days=4, hours=2),
        ),
    )
