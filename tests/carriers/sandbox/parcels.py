"""Parcels for the tests of the sandbox: one per carrier, scenario and kind of lane, handed over on a Monday evening."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from carriers.sandbox.journey import can_tell, scenarios
from carriers.sandbox.parcel import Parcel
from carriers.sandbox.places import Lane, postcodes, spot
from carriers.sandbox.tracking_numbers import tracking_number
from carriers.sandbox.words import CARRIERS

BODIES = Path(__file__).parents[4] / "shared" / "data" / "carriers"
NO_BODIES = f"no carrier bodies in {BODIES}"

MONDAY_EVENING = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)
CITY_OF = {Lane.DOMESTIC: "Sevilla", Lane.ISLANDS: "Santa Cruz de Tenerife", Lane.EU: "Lyon", Lane.ABROAD: "Miami"}
TELLABLE = [  # every carrier, scenario and kind of lane that go together
    (carrier, scenario, kind)
    for carrier in CARRIERS
    for scenario in scenarios()
    for kind in Lane
    if can_tell(carrier, scenario, kind)
]


def parcel(
    carrier: str = "ups",
    scenario: str = "on_time",
    city: str = "Sevilla",
    *,
    handed_over_at: datetime = MONDAY_EVENING,
    origin: str = "Madrid",
    seed: str = "test",
    partner: str | None = None,
) -> Parcel:
    destination = spot(city).at_door(postcodes(city)[0])
    return Parcel(
        number=tracking_number(carrier, destination.country, postcodes(city)[0], 1234567),
        carrier=carrier,
        scenario=scenario,
        handed_over_at=handed_over_at,
        origin=spot(origin),
        destination=destination,
        seed=seed,
        reference="LZ-20007",
        receiver="Carmen Núñez Prieto",
        partner=partner,
    )


def every_parcel() -> list[Parcel]:
    return [parcel(carrier, scenario, CITY_OF[kind]) for carrier, scenario, kind in TELLABLE]


def moments_of_interest(subject: Parcel) -> list[datetime]:
    """Just before and just after every change of what is visible, and long after the end."""
    changes = [fact.known_at for fact in subject.journey.facts]
    changes += [estimate.known_at for estimate in subject.journey.estimates]
    instants = [at + shift for at in changes for shift in (-timedelta(seconds=1), timedelta())]
    return sorted({*instants, changes[-1] + timedelta(days=60)})
