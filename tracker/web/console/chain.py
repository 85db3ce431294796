"""The chain of one parcel: what came in, what it says, what was decided because of it, and what was said (pure).

Everything that one decision wrote bears the same instant. A decision belongs to the answer or push whose event it names;
one that names none belongs to the clock, unless it says that the carrier's own news ended a trouble, or a person acted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from carriers.contract import Place, Precision, TrackingEvent
from carriers.vocabulary import Milestone, TzCertainty
from tracker.domain.finding import Signal
from tracker.domain.shipment import position
from tracker.store.way import Attempt, Entry, Event, FindingLine, MessageFacts, NoticeLine, Observation, Way

Source = Literal["registered", "poll", "push", "clock", "staff"]

_OURSELVES: Final = frozenset({"tracker", *Signal})  # actors that are no people
_AFTER_NEWS: Final = frozenset({"cured_by_carrier"})


class Seen(msgspec.Struct, frozen=True):
    """An event, and whether another version of it counts instead."""

    event: Event
    is_overruled: bool


class Sent(msgspec.Struct, frozen=True):
    """A message with the times it was handed over."""

    message: MessageFacts
    attempts: tuple[Attempt, ...]


class Told(msgspec.Struct, frozen=True):
    """A notice with the messages in which it travelled."""

    notice: NoticeLine
    sent: tuple[Sent, ...]


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain: something came in or its moment came, and all that followed at once.

    Answers in a row that said nothing new stand in one turn; `until` is when the last of them came.
    """

    at: datetime
    source: Source
    until: datetime | None = None
    observations: tuple[Observation, ...] = ()
    events: tuple[Seen, ...] = ()
    findings: tuple[FindingLine, ...] = ()
    taken_back: tuple[FindingLine, ...] = ()
    entries: tuple[Entry, ...] = ()
    told: tuple[Told, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """An answer that said nothing new."""
        nothing_followed = not (self.events or self.findings or self.taken_back or self.entries or self.told)
        in_order = all(one.failure is None and one.problem is None for one in self.observations)
        return self.source == "poll" and nothing_followed and in_order


class _Decision(msgspec.Struct):
    """What bears the same instant."""

    at: datetime
    findings: list[FindingLine] = []
    taken_back: list[FindingLine] = []
    entries: list[Entry] = []
    told: list[Told] = []


def build(registered_at: datetime, way: Way) -> list[Turn]:
    """The turns of a parcel, oldest first, from its registration on."""
    decisions = _decisions(way)
    brought: dict[int, list[Seen]] = defaultdict(list)
    for seen in _seen(way.events):
        brought[seen.event.observation_id].append(seen)
    roots = {decision.at: _root(decision, registered_at, way) for decision in decisions}
    turns = [_turn("registered", registered_at, [one for one in decisions if roots[one.at] == "registered"])]
    for observation in way.observations:
        mine = [one for one in decisions if roots[one.at] == observation.id]
        events = tuple(brought[observation.id])
        source: Source = "push" if observation.source == "push" else "poll"
        turns.append(_turn(source, observation.received_at, mine, (observation,), events))
    turns += [
        _turn("staff" if root == "staff" else "clock", one.at, [one])
        for one in decisions
        if (root := roots[one.at]) in ("clock", "staff")
    ]
    return _gathered(sorted(turns, key=lambda turn: turn.at))


def of_incident(incident_id: int, way: Way) -> Way:
    """The way as far as one incident goes: all that came in, and of what was concluded and said its own part."""
    return msgspec.structs.replace(
        way,
        findings=[one for one in way.findings if one.incident_id == incident_id],
        entries=[one for one in way.entries if one.incident_id == incident_id],
        notices=[one for one in way.notices if one.incident_id == incident_id],
    )


def counts(way: Way) -> dict[str, int]:
    """How many of each link the chain has."""
    return {
        "observations": len(way.observations),
        "events": len(way.events),
        "findings": len(way.findings),
        "incidents": len(way.incidents),
        "notices": len(way.notices),
        "messages": len(way.messages),
    }


def _decisions(way: Way) -> list[_Decision]:
    at: dict[datetime, _Decision] = {}

    def decided(moment: datetime) -> _Decision:
        return at.setdefault(moment, _Decision(moment))

    for finding in way.findings:
        decided(finding.found_at).findings.append(finding)
        if finding.withdrawn_at is not None:
            decided(finding.withdrawn_at).taken_back.append(finding)
    for entry in way.entries:
        decided(entry.at).entries.append(entry)
    for told in _told(way):
        decided(told.notice.planned_at).told.append(told)
    return list(at.values())


def _told(way: Way) -> Iterable[Told]:
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in way.attempts:
        attempts[attempt.message_id].append(attempt)
    sent: dict[int, list[Sent]] = defaultdict(list)
    for message in way.messages:
        sent[message.notice_id].append(Sent(message, tuple(attempts[message.id])))
    return (Told(notice, tuple(sent[notice.id])) for notice in way.notices)


def _root(decision: _Decision, registered_at: datetime, way: Way) -> int | str:
    """The observation that a decision follows from, else what set it off."""
    named = {str(finding.evidence.get("event")) for finding in decision.findings}
    named |= {str(told.notice.because.get("event")) for told in decision.told}
    before = [one for one in way.events if one.received_at <= decision.at]
    causing = [one for one in before if one.key in named]
    if causing:
        return max(causing, key=lambda event: (event.received_at, event.observation_id)).observation_id
    if any(entry.actor not in _OURSELVES for entry in decision.entries):
        return "staff"
    ended = any(entry.detail.get("reason") in _AFTER_NEWS for entry in decision.entries if entry.kind == "resolved")
    if ended and before:
        return max(before, key=lambda event: (event.received_at, event.observation_id)).observation_id
    return "registered" if decision.at == registered_at else "clock"


def _turn(
    source: Source,
    at: datetime,
    decisions: Sequence[_Decision],
    observations: tuple[Observation, ...] = (),
    events: tuple[Seen, ...] = (),
) -> Turn:
    return Turn(
        at=at,
        source=source,
        observations=observations,
        events=events,
        findings=tuple(one for decision in decisions for one in decision.findings),
        taken_back=tuple(one for decision in decisions for one in decision.taken_back),
        entries=tuple(one for decision in decisions for one in decision.entries),
        told=tuple(one for decision in decisions for one in decision.told),
    )


def _gathered(turns: Iterable[Turn]) -> list[Turn]:
    """Answers without news that follow one another become one turn."""
    gathered: list[Turn] = []
    for turn in turns:
        if gathered and turn.is_quiet and gathered[-1].is_quiet:
            observations = (*gathered[-1].observations, *turn.observations)
            gathered[-1] = msgspec.structs.replace(gathered[-1], observations=observations, until=turn.at)
        else:
            gathered.append(turn)
    return gathered


def _seen(events: Sequence[Event]) -> list[Seen]:
    """Of several versions of one event the last in the order of the fold counts; the others are overruled by it."""
    counting: dict[str, Event] = {}
    for event in events:
        held = counting.get(event.key)
        if event.withdrawn_at is None and (held is None or _rank(event) > _rank(held)):
            counting[event.key] = event
    return [Seen(event, event.withdrawn_at is None and counting[event.key].id != event.id) for event in events]


def _rank(event: Event) -> tuple[object, str]:
    folded = TrackingEvent(
        key=event.key,
        occurred_at=event.occurred_at,
        occurred_local=event.occurred_local,
        tz_certainty=TzCertainty(event.tz_certainty),
        precision=Precision(event.precision),
        sequence=event.sequence,
        milestone=Milestone(event.milestone),
        place=Place(),
    )
    return position(folded), event.variant
