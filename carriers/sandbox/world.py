"""A world of pretend parcels: who is in it, what the carriers show at a moment, what a partner pushes, what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from carriers.sandbox.cast import cast
from carriers.sandbox.faults import FaultRule, bent, everyday_faults
from carriers.sandbox.parcel import Parcel, View, visible
from carriers.sandbox.pushes import Push, pushes_of
from carriers.sandbox.registration import Registration


class Clock(Protocol):
    """Business time as the sandbox is given it: the real one, an accelerated or a stepped one."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


class World:
    """Parcels by number, and the rules of what goes wrong; both may be added to while the world runs."""

    def __init__(
        self,
        parcels: Iterable[Parcel] = (),
        registrations: Sequence[Registration] = (),
        rules: Sequence[FaultRule] = (),
    ) -> None:
        self._parcels: dict[tuple[str, str], Parcel] = {}
        self._registrations = sorted(registrations, key=lambda registration: registration.registered_at)
        self.rules: list[FaultRule] = list(rules)
        for parcel in parcels:
            self.add(parcel)

    @classmethod
    def seeded(cls, seed: str | int, start: datetime, parcels: int = 60, *, faults: bool = False) -> World:
        """The demo's cast (cast.toml), alike for the same seed and start (aware UTC).

        Besides `parcels` there are those that the shop sends as replacements; with `faults` an ordinary month's mishaps.
        """
        roles = cast(str(seed), start, parcels)
        rules = everyday_faults(start) if faults else ()
        return cls([role.parcel for role in roles], [role.registration for role in roles], rules)

    def add(self, parcel: Parcel) -> None:
        """Raises ValueError when the number is taken, or the carrier cannot tell the scenario on that lane."""
        key = parcel.carrier, parcel.number
        if key in self._parcels:
            raise ValueError(f"{parcel.carrier} already carries a parcel with the number {parcel.number}")
        _ = parcel.journey
        self._parcels[key] = parcel

    def parcels(self) -> list[Parcel]:
        return list(self._parcels.values())

    def parcel(self, carrier: str, number: str) -> Parcel | None:
        return self._parcels.get((carrier, number))

    def view(self, carrier: str, number: str, now: datetime) -> View | None:
        """What the carrier shows of a parcel, bent by faults; None as long as the carrier knows nothing of it."""
        parcel = self.parcel(carrier, number)
        if parcel is None:
            return None
        shown = visible(parcel, now)
        return bent(shown, self.rules, now) if shown.facts else None

    def registrations(self) -> list[Registration]:
        """What the shop registers, in order of time."""
        return list(self._registrations)

    def pushes(self, after: datetime, until: datetime) -> list[Push]:
        """What partners push later than `after` and not later than `until`, in order of time."""
        pushes = [push for parcel in self._parcels.values() for push in pushes_of(parcel) if after < push.at <= until]
        return sorted(pushes, key=lambda push: (push.at, push.body))

    @property
    def settled_at(self) -> datetime:
        """When the last journey is over and the shop has done all that it does. Raises ValueError for an empty world."""
        journeys = [parcel.journey.ends_at for parcel in self._parcels.values()]
        settlements = [registration.settlement.at for registration in self._registrations if registration.settlement]
        return max(journeys + settlements)
