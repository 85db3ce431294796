"""Turns a scenario into dated facts: steps read from scenarios.toml, laid along a parcel's way by local clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec

from carriers.sandbox.chance import Chance
from carriers.sandbox.places import Lane, Spot, couriers_work, lane, way, working_day
from carriers.sandbox.words import moments, words_of

Instant = Annotated[datetime, msgspec.Meta(tz=True)]  # aware

_USUAL_SPREAD = timedelta(minutes=15)
_SHORTEST_STEP = timedelta(minutes=3)
_LONGEST_LAG_MINUTES = 9

_STEP = re.compile(
    r"(?P<moment>\S+) +(?P<place>\S+) +(?P<when>@|[^\s~]+(?: \d\d:\d\d)?)(?:~(?P<spread>\d+))?(?: edd=(?P<edd>\S+))?"
)
_WHEN = re.compile(r"@|[+-]\d+[hm]|\+\d+[dn] \d\d:\d\d")
_HOURS = re.compile(r"(?P<amount>[+-]\d+)(?P<unit>[hm])")


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A journey as data. `legs` replace the common legs of the same name; `lanes` are those on which it can happen."""

    says: str
    steps: tuple[str, ...]
    lanes: frozenset[Lane] = frozenset(Lane)
    legs: dict[str, dict[str, tuple[str, ...]]] = {}
    needs_estimates: bool = False


class Fact(msgspec.Struct, frozen=True):
    """One thing that happened: when, when the carrier's systems show it, what (a moment), where. Times are UTC."""

    happened_at: datetime
    known_at: datetime
    moment: str
    spot: Spot


class Estimate(msgspec.Struct, frozen=True):
    """A delivery date that the carrier names from `known_at` on; `revised` when it replaces another."""

    known_at: datetime
    day: date
    revised: bool


class Journey(msgspec.Struct, frozen=True):
    facts: tuple[Fact, ...]
    estimates: tuple[Estimate, ...]

    @property
    def ends_at(self) -> datetime:
        """When the last fact is known."""
        return self.facts[-1].known_at


class Step(msgspec.Struct, frozen=True):
    """One line of a scenario. `moment` is None where only the estimate changes."""

    moment: str | None
    place: str
    when: str
    spread: timedelta
    edd: str | None

    @classmethod
    def parse(cls, line: str) -> Step:
        """Raises ValueError for a line that is no step."""
        found = _STEP.fullmatch(line)
        if found is None or not _WHEN.fullmatch(found["when"]):
            raise ValueError(f"not a step: {line!r}")
        spread = timedelta(minutes=int(found["spread"])) if found["spread"] else _USUAL_SPREAD
        moment = None if found["moment"] == "-" else found["moment"]
        return cls(moment, found["place"], found["when"], spread, found["edd"])


class _Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    legs: dict[str, dict[str, tuple[str, ...]]]
    scenarios: dict[str, Scenario]


@cache
def _book() -> _Book:
    return msgspec.toml.decode((files(__package__) / "scenarios.toml").read_bytes(), type=_Book)


def scenarios() -> Mapping[str, Scenario]:
    return _book().scenarios


@cache
def steps_of(scenario: str, kind: Lane) -> tuple[Step, ...]:
    """All steps of a scenario on a kind of lane, legs laid out. Raises KeyError for an unknown scenario."""
    told = scenarios()[scenario]
    return tuple(Step.parse(line) for line in _lines(told.steps, told, kind))


def _lines(lines: tuple[str, ...], told: Scenario, kind: Lane) -> Iterator[str]:
    for line in lines:
        if line.startswith("> "):
            by_kind = told.legs.get(line[2:]) or _book().legs[line[2:]]
            yield from _lines(by_kind.get(kind) or by_kind["any"], told, kind)
        else:
            yield line


def can_tell(carrier: str, scenario: str, kind: Lane) -> bool:
    """Whether the scenario happens on that kind of lane and the carrier has words for all that matters in it."""
    told, words = scenarios()[scenario], words_of(carrier)
    if kind not in told.lanes or (told.needs_estimates and not words.estimates):
        return False
    happening = {step.moment for step in steps_of(scenario, kind)} - {None}
    return all(moment in words.says or moments()[moment].routine for moment in happening if moment)


class Trip(msgspec.Struct, frozen=True):
    """What lies fixed before anything happens. `handed_over_at` is aware UTC."""

    carrier: str
    origin: Spot
    destination: Spot
    handed_over_at: datetime
    chance: Chance


def plan(trip: Trip, scenario: str) -> Journey:
    """The whole journey of one parcel, to its end.

    Raises ValueError for a scenario that the carrier cannot tell on this lane.
    """
    kind = lane(trip.destination)
    if not can_tell(trip.carrier, scenario, kind):
        raise ValueError(f"{trip.carrier} does not tell {scenario} on a lane of kind {kind}")
    spots = way(trip.carrier, trip.origin, trip.destination)
    steps = steps_of(scenario, kind)
    dated = list(zip(steps, _instants(steps, trip, spots), strict=True))
    facts = _facts([(step.moment, spots[step.place], at) for step, at in dated if step.moment], trip)
    return Journey(facts, _estimates(dated, trip) if words_of(trip.carrier).estimates else ())


def undisturbed_day(trip: Trip) -> date:
    """The day of delivery, at the destination, if all goes well."""
    spots = way(trip.carrier, trip.origin, trip.destination)
    instants = _instants(steps_of("on_time", lane(trip.destination)), trip, spots)
    return trip.destination.local(instants[-1]).date()


def _instants(steps: tuple[Step, ...], trip: Trip, spots: Mapping[str, Spot]) -> list[datetime]:
    exact = words_of(trip.carrier).seconds
    instants: list[datetime] = []
    previous = trip.handed_over_at
    for index, step in enumerate(steps):
        due = _due(step, trip.handed_over_at, previous, spots[step.place])
        if step.when != "@":
            spread = int(step.spread.total_seconds())
            due += timedelta(seconds=trip.chance.number(-spread, spread, "spread", index))
        due = due.replace(microsecond=0) if exact else due.replace(second=0, microsecond=0)
        before = step.when.startswith("-")
        instants.append(due if before or step.when == "@" else max(due, previous + _SHORTEST_STEP))
        previous = previous if before else instants[-1]
    return instants


def _due(step: Step, handed_over_at: datetime, previous: datetime, place: Spot) -> datetime:
    if step.when == "@":
        return handed_over_at
    if hours := _HOURS.fullmatch(step.when):
        wait = timedelta(**{{"h": "hours", "m": "minutes"}[hours["unit"]]: int(hours["amount"])})
        return (handed_over_at if wait < timedelta() else previous) + wait
    count, unit, at = step.when[1:-7], step.when[-7], time.fromisoformat(step.when[-5:])
    local = place.local(previous)
    day = _working_day(place, local, at, int(count)) if unit == "d" else _calendar_day(local, at, int(count))
    return place.utc(day, at)


def _working_day(place: Spot, local: datetime, at: time, count: int) -> date:
    if count == 0 and at <= local.time() and couriers_work(place.country, local.date()):
        count = 1
    return working_day(place.country, local.date(), count)


def _calendar_day(local: datetime, at: time, count: int) -> date:
    return local.date() + timedelta(days=count or int(at <= local.time()))


def _facts(happened: list[tuple[str, Spot, datetime]], trip: Trip) -> tuple[Fact, ...]:
    said = words_of(trip.carrier).says
    facts: list[Fact] = []
    for index, (moment, spot, at) in enumerate(happened):
        if moment not in said:
            continue
        known_at = at + timedelta(minutes=trip.chance.number(1, _LONGEST_LAG_MINUTES, "lag", index))
        if facts:
            known_at = max(known_at, facts[-1].known_at)
        facts.append(Fact(at, known_at, moment, spot))
    return tuple(facts)


def _estimates(dated: list[tuple[Step, datetime]], trip: Trip) -> tuple[Estimate, ...]:
    local = trip.destination.local
    estimates: list[Estimate] = []
    for step, at in dated:
        match step.edd:
            case None:
                continue
            case "plan":
                day = undisturbed_day(trip)
            case "end":
                day = local(dated[-1][1]).date()
            case later:
                day = working_day(trip.destination.country, local(at).date(), int(later))
        estimates.append(Estimate(at, day, revised=bool(estimates)))
    return tuple(estimates)
