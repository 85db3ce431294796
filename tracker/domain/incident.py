"""An incident's life as one table, and the promises that go with it.

    open → acknowledged → in_progress ⇄ waiting → stable → resolved → closed

Any open state may go straight to resolved (cured) or merged. A closed incident is watched: the same cause on the
same shipment reopens it, because a second incident would tear its story in two. Every open incident has a next
moment; the database refuses one without.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from carriers.vocabulary import Category, Milestone
from tracker.domain.calendar import Calendar, zone_of
from tracker.domain.cause import Reach
from tracker.domain.errors import RuleRefused
from tracker.domain.finding import Finding, Provenance, Signal
from tracker.domain.severity import Severity
from tracker.domain.shipment import Belief
from tracker.domain.staff import May
from tracker.domain.thresholds import Thresholds


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    STABLE = "stable"
    RESOLVED = "resolved"
    CLOSED = "closed"
    MERGED = "merged"

    @property
    def is_open(self) -> bool:
        """Still being worked: not resolved, closed or merged."""
        return self not in (State.RESOLVED, State.CLOSED, State.MERGED)


class Command(StrEnum):
    """What somebody, or the clock, may do to an incident.

    To assign it to somebody, rate its severity and plan who acts by when moves nothing, while it is open. A note is free
    in every state; an undo takes back the last step, as long as nothing came after it.
    """

    ACKNOWLEDGE = "acknowledge"
    START = "start"
    WAIT = "wait"
    STABILISE = "stabilise"
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"
    MERGE = "merge"
    NOTE = "note"
    UNDO = "undo"
    ASSIGN = "assign"
    RATE = "rate"
    PLAN = "plan"


_S, _C = State, Command
_END: Final = {_C.RESOLVE: _S.RESOLVED, _C.MERGE: _S.MERGED}

LIFE: Final[dict[State, dict[Command, State]]] = {
    _S.OPEN: {_C.ACKNOWLEDGE: _S.ACKNOWLEDGED, _C.START: _S.IN_PROGRESS, **_END},
    _S.ACKNOWLEDGED: {_C.START: _S.IN_PROGRESS, _C.WAIT: _S.WAITING, **_END},
    _S.IN_PROGRESS: {_C.WAIT: _S.WAITING, _C.STABILISE: _S.STABLE, **_END},
    _S.WAITING: {_C.START: _S.IN_PROGRESS, _C.STABILISE: _S.STABLE, **_END},
    _S.STABLE: {_C.START: _S.IN_PROGRESS, **_END},
    _S.RESOLVED: {_C.CLOSE: _S.CLOSED, _C.REOPEN: _S.OPEN},
    _S.CLOSED: {_C.REOPEN: _S.OPEN},
    _S.MERGED: {_C.REOPEN: _S.OPEN},
}

WITHIN: Final = (_C.ASSIGN, _C.RATE, _C.PLAN)  # what leaves an open incident in its state
OWNERS: Final = ("none", "carrier", "shop", "recipient", "authority", "platform")  # who may have to act

UNDOABLE: Final = frozenset(
    {_C.ACKNOWLEDGE, _C.START, _C.WAIT, _C.STABILISE, _C.ASSIGN}
)  # nobody outside has heard of them

# What is more than an agent's work: what was over, or goes on elsewhere, comes back.
_OVERRULES: Final = frozenset({(_S.CLOSED, _C.REOPEN), (_S.MERGED, _C.REOPEN)})

CLOSING_REASONS: Final = frozenset(
    {
        "cured_by_carrier",
        "cured_by_customer",
        "cured_by_shop",
        "reshipped",
        "refunded",
        "returned_and_settled",
        "claim_paid",
        "claim_refused",
        "false_positive",
        "duplicate",
        "merged",
        "insufficient_information",
    }
)
REASONS: Final = CLOSING_REASONS - {"merged"}  # that one is written by a merge alone

UPDATE_MARGIN: Final = timedelta(hours=1)  # a promised update is written this long before it is due, so that it arrives
_REVIEW: Final = timedelta(hours=24)
_NAMED_TIME: Final = time(18)
_BEGINS: Final = {Severity.CRITICAL: 0, Severity.HIGH: 0, Severity.MEDIUM: 1, Severity.LOW: 2}
_SLOW: Final = frozenset({Category.CUSTOMS, Category.RETURN})


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One case about one shipment. `id` is None until the store has given it one."""

    id: int | None
    category: Category
    cause: str
    signal: Signal
    provenance: Provenance
    rule: str
    rule_version: int
    explanation: str
    state: State
    severity: Severity
    responsible: str
    reach: Reach
    action_owner: str
    action: str
    action_until: datetime | None
    action_otherwise: str
    opened_at: datetime
    changed_at: datetime
    told_at: datetime | None = None
    promised_update_at: datetime | None = None
    silent_updates: int = 0
    next_moment_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    closing_reason: str | None = None
    reopened: int = 0
    merged_into: int | None = None
    handled: tuple[str, ...] = ()
    assignee_id: int | None = None  # whose it is
    severity_by_staff: bool = False  # then no rule weighs it anew
    action_by_staff: bool = False  # then no finding says who acts by when
    version: int = 0  # counted by the store, with every change


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What a step that can be undone has changed, as it was."""

    state: State
    action_owner: str
    action_until: datetime | None
    assignee_id: int | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an incident: its new value, the word for the timeline, and who did it.

    `finding` is what the incident now stands on, where that changed.
    """

    incident: Incident
    kind: str  # opened, changed, restated, reopened, resolved, merged, closed, no_news, reviewed, or a Command
    actor: str
    detail: dict[str, Any] = {}
    finding: Finding | None = None


def needed(state: State, command: Command) -> May:
    """What somebody must be allowed to do this to an incident in this state."""
    return May.OVERRULE if (state, command) in _OVERRULES else May.WORK


def at_hand(state: State, allowed: Container[May]) -> list[Command]:
    """What somebody who is allowed these things can do now, in the order of the life table; a note last."""
    within = WITHIN if state.is_open else ()
    return [one for one in (*LIFE[state], *within, _C.NOTE) if needed(state, one) in allowed]


def apply(incident: Incident, command: Command, now: datetime) -> Incident:
    """The incident after a command. Raises RuleRefused naming what is allowed instead."""
    allowed = LIFE[incident.state]
    if command not in allowed:
        known = ", ".join(allowed) or "nothing"
        raise RuleRefused(f"an incident that is {incident.state} cannot {command}; it can: {known}")
    return msgspec.structs.replace(
        incident, state=allowed[command], changed_at=now, next_moment_at=None if allowed[command] is _S.MERGED else now
    )


def resolve(incident: Incident, reason: str, now: datetime, *, close_after: timedelta) -> Incident:
    """Harm and cause are gone. It closes by itself later, and is watched until then. Raises RuleRefused."""
    if reason not in REASONS:
        raise RuleRefused(f"{reason!r} is no closing reason; one of {', '.join(sorted(REASONS))}")
    return msgspec.structs.replace(
        apply(incident, Command.RESOLVE, now),
        resolved_at=now,
        closing_reason=reason,
        promised_update_at=None,
        next_moment_at=now + close_after,
    )


def close(incident: Incident, now: datetime) -> Incident:
    """Nobody looks at it any more, until its cause comes back. Raises RuleRefused."""
    return msgspec.structs.replace(apply(incident, Command.CLOSE, now), closed_at=now, next_moment_at=None)


def reopen(incident: Incident, now: datetime) -> Incident:
    """It was not over: nothing of its end stays, and the customer is told anew. Raises RuleRefused."""
    return msgspec.structs.replace(
        apply(incident, Command.REOPEN, now),
        reopened=incident.reopened + 1,
        resolved_at=None,
        closed_at=None,
        closing_reason=None,
        merged_into=None,
        told_at=None,
        silent_updates=0,
        severity_by_staff=False,
        action_by_staff=False,
    )


def assign(incident: Incident, staff_id: int | None, now: datetime) -> Incident:
    """It is somebody's from now on, None: nobody's. Raises RuleRefused."""
    return msgspec.structs.replace(_within(incident, _C.ASSIGN, now), assignee_id=staff_id)


def rate(incident: Incident, severity: Severity | None, now: datetime) -> Incident:
    """People say how much it matters, and no rule contradicts; None: the rules say so again. Raises RuleRefused."""
    rated = _within(incident, _C.RATE, now)
    return msgspec.structs.replace(rated, severity=severity or rated.severity, severity_by_staff=severity is not None)


def plan(incident: Incident, owner: str, until: datetime | None, now: datetime) -> Incident:
    """People say who acts, and by when; no finding contradicts. Raises RuleRefused."""
    if owner not in OWNERS:
        raise RuleRefused(f"nobody is called {owner!r}; who acts is one of {', '.join(OWNERS)}")
    if until is not None and until <= now:
        raise RuleRefused("they act by a time that is still to come")
    planned = _within(incident, _C.PLAN, now)
    return msgspec.structs.replace(planned, action_owner=owner, action_until=until, action_by_staff=True)


def takes_over(incident: Incident, staff_id: int | None) -> bool:
    """Whether it is somebody else's, so that to give it away is more than an agent's work."""
    return incident.assignee_id is not None and incident.assignee_id != staff_id


def _within(incident: Incident, command: Command, now: datetime) -> Incident:
    if not incident.state.is_open:
        raise RuleRefused(f"an incident that is {incident.state} cannot {command}: it is over")
    return msgspec.structs.replace(incident, changed_at=now, next_moment_at=now)


def before(incident: Incident) -> Before:
    """What an undo needs to know of an incident that is about to be moved."""
    return Before(
        state=incident.state,
        action_owner=incident.action_owner,
        action_until=incident.action_until,
        assignee_id=incident.assignee_id,
    )


def undo(incident: Incident, was: Before, now: datetime) -> Incident:
    """Back to where it stood: the step was a mistake, and is told as one on the timeline."""
    return msgspec.structs.replace(
        incident,
        state=was.state,
        action_owner=was.action_owner,
        action_until=was.action_until,
        assignee_id=was.assignee_id,
        changed_at=now,
        next_moment_at=now,
    )


def merge(incident: Incident, into: int | None, now: datetime) -> Incident:
    """Its story goes on in another incident (None: one that has no id yet). Raises RuleRefused."""
    return msgspec.structs.replace(
        apply(incident, Command.MERGE, now),
        closed_at=now,
        closing_reason="merged",
        merged_into=into,
        promised_update_at=None,
    )


def leaves_the_word(incident: Incident, belief: Belief) -> bool:
    """Whether the return of the goods says it all: damage of what goes back stays a case for staff, and is not told."""
    return incident.category is Category.DAMAGE and belief.milestone in (Milestone.RETURNING, Milestone.RETURNED)


def takes_the_word(incident: Incident, belief: Belief) -> bool:
    """Whether damage that was left to a return must be told after all: the scans of the return were taken back."""
    is_untold = incident.reach is Reach.CUSTOMER and incident.promised_update_at is None
    is_open_damage = incident.category is Category.DAMAGE and incident.state.is_open
    return is_untold and is_open_damage and not leaves_the_word(incident, belief)


def days_until_next_word(incident: Incident, thresholds: Thresholds) -> int:
    """How many working days a customer waits for our next word: one where they must act or harm is high, and longer with
    every word that brings no news. Customs and ways back, once explained, take their time.
    """
    waits = thresholds.update_after_days
    if incident.category in _SLOW and incident.silent_updates:
        return waits[-1]
    begins = 0 if incident.action_owner == "recipient" else _BEGINS[incident.severity]
    return waits[min(begins + incident.silent_updates, len(waits) - 1)]


def promise_of_next_update(now: datetime, days: int, calendar: Calendar, zone: str) -> datetime:
    """A time that we can name and keep: 18:00 where the customer is, so many working days after today."""
    day = now.astimezone(zone_of(zone)).date()
    while days:
        day += timedelta(days=1)
        days -= calendar.works_on(day)
    return datetime.combine(day, _NAMED_TIME, zone_of(zone)).astimezone(now.tzinfo)


def next_moment(incident: Incident, now: datetime) -> datetime | None:
    """When the clock must look at this incident again; None once it is closed or merged."""
    if incident.state in (_S.CLOSED, _S.MERGED):
        return None
    if incident.state is _S.RESOLVED:
        return incident.next_moment_at
    if incident.promised_update_at is not None:
        return incident.promised_update_at - UPDATE_MARGIN
    if incident.action_until is not None and incident.action_until > now:
        return incident.action_until
    return now + _REVIEW
