"""What is counted while the service runs, and shown at /metrics; no label ever holds an id or a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    generate_latest,
)

from carriers.contract import Report
from carriers.vocabulary import Milestone

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

PUSHES: Final = Counter("tracker_pushes", "Pushes answered, by outcome", ["outcome"], registry=REGISTRY)
POLLS: Final = Counter("tracker_polls", "Answers of carriers, by outcome", ["carrier", "outcome"], registry=REGISTRY)
EVENTS: Final = Counter(
    "tracker_events", "Tracking events received: new, known, unclaimed", ["source", "outcome"], registry=REGISTRY
)
UNMAPPED: Final = Counter(
    "tracker_unmapped_events", "Events whose code nobody has mapped yet", ["carrier"], registry=REGISTRY
)
QUARANTINED: Final = Counter(
    "tracker_quarantined", "Bodies that were kept because they could not be read", ["source"], registry=REGISTRY
)
INCIDENTS: Final = Counter("tracker_incidents", "Steps of incidents", ["category", "step"], registry=REGISTRY)
MESSAGES: Final = Counter("tracker_messages", "What became of messages", ["channel", "state"], registry=REGISTRY)

_UP: Final = Gauge("tracker_database_up", "Whether the database answered this scrape", registry=REGISTRY)
_WAITING: Final = Gauge("tracker_waiting", "Rows that wait (10000 stands for more)", ["queue"], registry=REGISTRY)
_AGE: Final = Gauge(
    "tracker_waiting_age_seconds", "How long the oldest of them has been waiting", ["queue"], registry=REGISTRY
)
_OPEN: Final = Gauge("tracker_open_incidents", "Incidents that are not closed", ["category"], registry=REGISTRY)


class Said(Protocol):
    """What one observation says of one number; tracker/actions/intake.py has it."""

    @property
    def carrier(self) -> str: ...
    @property
    def report(self) -> Report: ...


class Observed(Protocol):
    """An observation as intake takes it."""

    @property
    def source(self) -> str: ...
    @property
    def carrier(self) -> str | None: ...
    @property
    def said(self) -> Sequence[Said]: ...
    @property
    def failure(self) -> str | None: ...
    @property
    def problem(self) -> str | None: ...


class Taken(Protocol):
    """What became of it."""

    @property
    def new_events(self) -> int: ...
    @property
    def known_events(self) -> int: ...
    @property
    def unclaimed(self) -> int: ...


def count_intake(batch: Sequence[Observed], taken: Sequence[Taken]) -> None:
    """Counts a batch of observations that is durable."""
    for one, became in zip(batch, taken, strict=True):
        if one.source == "poll":
            POLLS.labels(one.carrier or "unknown", _outcome(one)).inc()
        if one.problem is not None:
            QUARANTINED.labels(one.source).inc()
        for outcome, count in (
            ("new", became.new_events),
            ("known", became.known_events),
            ("unclaimed", became.unclaimed),
        ):
            if count:
                EVENTS.labels(one.source, outcome).inc(count)
        for said in one.said:
            unmapped = sum(event.milestone is Milestone.UNKNOWN for event in said.report.events)
            if unmapped:
                UNMAPPED.labels(said.carrier if one.source == "poll" else "pushed").inc(unmapped)


def count_steps(steps: Iterable[tuple[str, str]]) -> None:
    """Counts steps of incidents as (category, step) when they are decided: a transaction done again counts again."""
    for category, step in steps:
        INCIDENTS.labels(category, step).inc()


def count_messages(channel: str, states: Mapping[str, int]) -> None:
    """Counts what became of messages in one run of a channel, by their new states."""
    for state, count in states.items():
        MESSAGES.labels(channel, state).inc(count)


def _outcome(one: Observed) -> str:
    if one.problem is not None:
        return "unreadable"
    return one.failure or "answered"


def show_backlog(queues: Iterable[tuple[str, int, float]], open_incidents: Iterable[tuple[str, int]]) -> None:
    """Queues as (name, rows, age of the oldest in seconds), open incidents as (category, how many)."""
    _UP.set(1)
    for name, rows, age in queues:
        _WAITING.labels(name).set(rows)
        _AGE.labels(name).set(age)
    _OPEN.clear()
    for category, count in open_incidents:
        _OPEN.labels(category).set(count)


def show_no_database() -> None:
    """What was read from the database before is no longer known."""
    _UP.set(0)
    for gauge in (_WAITING, _AGE, _OPEN):
        gauge.clear()


def render() -> bytes:
    """Everything in the text format of Prometheus, which CONTENT_TYPE names."""
    return generate_latest(REGISTRY)
