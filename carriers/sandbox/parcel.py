"""One pretend parcel: its journey, what its carrier shows of it at a moment, and what is true at that moment."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import msgspec

from carriers.sandbox.chance import Chance
from carriers.sandbox.journey import Estimate, Fact, Journey, Trip, plan
from carriers.sandbox.places import Spot
from carriers.sandbox.words import moments
from carriers.vocabulary import Category, Milestone

_PARCELS_KEPT_PLANNED = 10_000
_MOVED_ON = frozenset({Milestone.DELIVERED, Milestone.RETURNING, Milestone.RETURNED, Milestone.ENDED})


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel of a shop in one carrier's hands. `handed_over_at` is aware UTC; equal parcels live equal lives.

    `destination` has the postcode of the door. `partner` is the name of who also pushes its events, if anybody.
    """

    number: str
    carrier: str
    scenario: str
    handed_over_at: datetime
    origin: Spot
    destination: Spot
    seed: str
    reference: str = ""
    receiver: str = ""
    partner: str | None = None

    @property
    def chance(self) -> Chance:
        return Chance(self.seed).of(self.number)

    @property
    def trip(self) -> Trip:
        return Trip(self.carrier, self.origin, self.destination, self.handed_over_at, self.chance)

    @property
    def journey(self) -> Journey:
        """Raises ValueError when the carrier cannot tell the scenario on this lane."""
        return _journey(self)


class View(msgspec.Struct, frozen=True):
    """What a carrier shows of a parcel: facts oldest first, and the delivery date that it names, if any."""

    parcel: Parcel
    facts: tuple[Fact, ...]
    estimate: Estimate | None


class Truth(msgspec.Struct, frozen=True):
    """What a reader of all visible facts should believe, in the words of the house."""

    milestone: Milestone
    detail: str | None
    problem: tuple[Category, str] | None
    final: bool


@lru_cache(maxsize=_PARCELS_KEPT_PLANNED)
def _journey(parcel: Parcel) -> Journey:
    return plan(parcel.trip, parcel.scenario)


def visible(parcel: Parcel, now: datetime) -> View:
    """What the carrier shows at `now` (aware); it only grows, but for its estimate."""
    journey = parcel.journey
    facts = tuple(fact for fact in journey.facts if fact.known_at <= now)
    named = [estimate for estimate in journey.estimates if estimate.known_at <= now]
    moved_on = bool(facts) and moments()[facts[-1].moment].milestone in _MOVED_ON
    return View(parcel, facts, named[-1] if named and facts and not moved_on else None)


def truth(parcel: Parcel, now: datetime) -> Truth:
    """The state after all that is visible at `now`; a problem is open until the parcel moves on, damage for good."""
    problem: tuple[Category, str] | None = None
    milestone, detail = Milestone.REGISTERED, None
    seen = visible(parcel, now).facts
    for fact in seen:
        moment = moments()[fact.moment]
        milestone, detail = moment.milestone, moment.detail
        damaged = problem is not None and problem[0] is Category.DAMAGE
        problem = moment.problem or (problem if damaged or milestone is Milestone.RETURNING else None)
    return Truth(milestone, detail, problem, final=len(seen) == len(parcel.journey.facts))
