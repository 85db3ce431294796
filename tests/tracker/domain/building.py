"""Small makers of events, facts and cases, and the strategies that generate them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any, Final, TypeVar

import msgspec
from hypothesis import strategies as st

from carriers.contract import Place, Precision, Problem, TrackingEvent
from carriers.vocabulary import CAUSES, STATUS_DETAILS, Category, Milestone, TzCertainty
from tracker.domain.calendar import Calendar
from tracker.domain.decision import Case, News, Outcome, decide
from tracker.domain.finding import Facts
from tracker.domain.incident import Incident
from tracker.domain.shipment import Belief, Expectation, append, fold
from tracker.domain.thresholds import Thresholds

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MADRID = Calendar("Europe/Madrid")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Value = TypeVar("Value")


def present(value: Value | None) -> Value:
    """A value that must be there."""
    assert value is not None
    return value


def at(hours: float = 0, *, days: float = 0) -> datetime:
    """So long after Monday nine o'clock."""
    return MONDAY + timedelta(hours=hours, days=days)


def event(
    means: str,
    occurred_at: datetime | float | None = 0.0,
    *,
    problem: str | None = None,
    key: str | None = None,
    place: tuple[str | None, str | None] = (None, None),
    **said: Any,
) -> TrackingEvent:
    """`means` is "in_transit" or "in_transit.departed_hub"; a number for the time is hours after Monday nine o'clock."""
    milestone, _, detail = means.partition(".")
    instant = at(occurred_at) if isinstance(occurred_at, int | float) else occurred_at
    category, _, cause = (problem or "").partition(".")
    values: dict[str, Any] = {
        "tz_certainty": TzCertainty.OFFSET_GIVEN,
        "precision": Precision.SECOND,
        "sequence": 0,
        "occurred_local": instant.isoformat() if instant else None,
    } | said
    return TrackingEvent(
        key=key or f"{means}:{instant}:{problem or ''}",
        occurred_at=instant,
        milestone=Milestone(milestone),
        status_detail=detail or None,
        problem=Problem(Category(category), cause) if problem else None,
        place=Place(*place),
        **values,
    )


def believed(*events: TrackingEvent) -> Belief:
    """What is believed after these events."""
    return fold(events)


def facts(belief: Belief | None = None, **changes: Any) -> Facts:
    """Facts of a Spanish parcel that was registered on Monday at nine."""
    values: dict[str, Any] = {
        "belief": belief or Belief(),
        "expectation": Expectation(),
        "registered_at": MONDAY,
        "promised_at": None,
        "international": False,
        "outbound": True,
        "lane": MADRID,
        "origin": MADRID,
        "thresholds": Thresholds(),
    }
    return Facts(**values | changes)


def case(**changes: Any) -> Case:
    """A Spanish parcel that was registered on Monday at nine, and of which nothing is known yet."""
    values: dict[str, Any] = {
        "shipment_id": 7,
        "shop_id": 1,
        "contact_id": 3,
        "order_reference": "A-1001",
        "carrier": "correos",
        "carrier_name": "Correos",
        "tracking_number": "PQ4F6P0704104480181750T",
        "outbound": True,
        "international": False,
        "registered_at": MONDAY,
        "promised_at": None,
        "essential": False,
        "value": Decimal("80.00"),
        "destination_zone": "Europe/Madrid",
        "customer_zone": "Europe/Madrid",
        "lane": MADRID,
        "origin": MADRID,
        "thresholds": Thresholds(),
        "belief": Belief(),
        "expectation": Expectation(),
        "health": "unknown",
        "announced": (),
        "cured_at": None,
        "ended_at": None,
        "incidents": (),
        "returned": None,
        "not_found": 0,
        "poll_failures": 0,
        "undecided": False,
    }
    return Case(**values | changes)


def saved(outcome: Outcome, ids: count[int] | None = None) -> Case:
    """The case as the store would load it after this outcome."""
    numbers = ids or count(max((incident.id or 0 for incident in outcome.case.incidents), default=0) + 1)
    held = {(incident.category, incident.cause): incident for incident in outcome.case.incidents}
    by_id = {incident.id: incident for incident in outcome.case.incidents}
    new: dict[tuple[Category, str], Incident] = {}
    for step in outcome.steps:
        if step.incident.id is None:
            new[step.incident.category, step.incident.cause] = step.incident
        else:
            by_id[step.incident.id] = step.incident
    for cause, incident in new.items():
        assert cause not in held, "a cause that the shipment had before must not get a second row"
        identified = msgspec.structs.replace(incident, id=next(numbers))
        by_id[identified.id] = identified
    causes = [(incident.category, incident.cause) for incident in by_id.values()]
    assert len(set(causes)) == len(causes), "the database allows each cause once"
    return msgspec.structs.replace(
        outcome.case,
        belief=outcome.belief,
        expectation=outcome.expectation,
        health=outcome.health,
        announced=outcome.announced,
        cured_at=outcome.cured_at,
        ended_at=outcome.ended_at,
        incidents=tuple(by_id.values()),
        returned=outcome.returned,
    )


class Story:
    """One parcel's story: news and time go in, the outcomes of each decision are kept."""

    def __init__(self, **changes: Any) -> None:
        self.case = case(**changes)
        self.events: list[TrackingEvent] = []
        self.outcomes: list[Outcome] = []
        self.now = self.looked_at = self.case.registered_at

    def look(self, now: datetime | None = None, **given: Any) -> Outcome:
        """One decision, saved."""
        self.now = self.looked_at = now or self.now
        outcome = decide(self.case, self.now, draw=0.5, news=News(**given))
        self.case = saved(outcome)
        self.outcomes.append(outcome)
        return outcome

    def peek(self) -> Outcome:
        """What a decision without news would decide now."""
        return decide(self.case, self.now, draw=0.5)

    def hear(self, *events: TrackingEvent, now: datetime | None = None) -> Outcome:
        """News arrives: at the time of the newest event where no other is said."""
        self.events += events
        heard = [one.occurred_at for one in events if one.occurred_at is not None]
        continued = (
            append(self.case.belief, events) if self.case.belief.events + len(events) == len(self.events) else None
        )
        belief = fold(self.events) if continued is None else continued
        return self.look(now or max([self.now, *heard]), belief=belief)

    def live(self, until: datetime) -> None:
        """The clock's looks, one after the other, until then."""
        for _ in range(1000):
            due = self.outcomes[-1].next_moment_at if self.outcomes else self.now
            if due is None or due > until:
                self.now = until
                return
            self.look(max(due, self.now))
        raise AssertionError("the clock spins")

    @property
    def notices(self) -> list[str]:
        """The kinds of all notices so far, but for the first, that it was shipped."""
        kinds = [notice.kind.value for outcome in self.outcomes for notice in outcome.notices]
        return [kind for kind in kinds if kind != "shipped"]

    def incident(self, cause: str) -> Incident:
        """The incident of this cause ("customs.documents_missing")."""
        (found,) = [one for one in self.case.incidents if f"{one.category}.{one.cause}" == cause]
        return found


_PROBLEMS = [Problem(category, cause) for category, causes in CAUSES.items() for cause in causes]


def _some_event(random: Random) -> TrackingEvent:
    milestone = random.choice(list(Milestone))
    details = [None, *sorted(STATUS_DETAILS[milestone] - {""})]
    return TrackingEvent(
        key=random.choice("abcdefghijkl"),
        occurred_at=MONDAY + timedelta(minutes=25 * random.randrange(13)) if random.random() < 0.9 else None,
        occurred_local=None,
        tz_certainty=random.choice(list(TzCertainty)),
        precision=random.choice(list(Precision)),
        sequence=random.randrange(3),
        milestone=milestone,
        status_detail=random.choice(details),
        problem=random.choice(_PROBLEMS) if random.random() < 0.4 else None,
        action_owner=random.choice([None, "carrier", "recipient"]),
        informational=random.random() < 0.2,
        code=random.choice([None, "X1", "X2"]),
        text=random.choice([None, "on its way", "En reparto"]),
        place=Place(random.choice([None, "Madrid", "Lyon"]), random.choice([None, "ES", "FR"])),
    )


# Drawn from a pool that is made once: a draw for every field would make the properties ten times as slow.
_POOL: Final = [_some_event(Random(seed)) for seed in range(5000)]


def events() -> st.SearchStrategy[TrackingEvent]:
    """Any event that a carrier could send: ties, missing times, few keys, so that variants of one key are common."""
    return st.sampled_from(_POOL)


def beliefs() -> st.SearchStrategy[Belief]:
    """What could be believed of any shipment."""
    return st.lists(events(), max_size=8, unique_by=lambda one: one.key).map(fold)


_MOMENTS = st.integers(-200, 900).map(lambda hours: MONDAY + timedelta(hours=hours))
_LANES = st.builds(
    Calendar,
    st.sampled_from(["Europe/Madrid", "America/New_York"]),
    st.frozensets(st.integers(0, 40).map(lambda days: (MONDAY + timedelta(days=days)).date()), max_size=6),
)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """Facts of any shipment in any state."""
    first, second = sorted((draw(_MOMENTS), draw(_MOMENTS)))
    expected = draw(st.none() | st.just((first, second)))
    return facts(
        draw(beliefs()),
        expectation=Expectation(earliest=expected[0], latest=expected[1]) if expected else Expectation(),
        registered_at=draw(st.sampled_from([MONDAY, MONDAY - 5 * DAY, MONDAY + 2 * DAY])),
        promised_at=draw(st.none() | _MOMENTS),
        international=draw(st.booleans()),
        outbound=draw(st.booleans()),
        lane=draw(_LANES),
        origin=draw(_LANES),
        cured_at=draw(st.none() | _MOMENTS),
    )


def moments() -> st.SearchStrategy[datetime]:
    """From a week before Monday to more than a month after it."""
    return _MOMENTS
