"""The demo's cast: parcels of one Spanish shop, the customers they go to, and what the shop will register and do."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import cycle, islice
from typing import Final
from unicodedata import normalize

import msgspec

from carriers.sandbox.chance import Chance
from carriers.sandbox.journey import can_tell, undisturbed_day
from carriers.sandbox.parcel import Parcel, truth
from carriers.sandbox.places import Lane, Spot, cities, lane, postcodes, spot, working_day
from carriers.sandbox.registration import Address, Customer, Item, Registration, Settlement
from carriers.sandbox.tracking_numbers import SERIALS, tracking_number
from carriers.vocabulary import Milestone

_COUNTRY_CODE_LENGTH: Final = 2
_HAND_OVER_DAYS: Final = 4
_LATEST_START_OF_A_DAY: Final = time(9, 30)  # local: a world that starts later opens on the next working day
_REGISTERED_BEFORE_HAND_OVER: Final = timedelta(hours=5, minutes=30)  # before anybody hears of the label
_MAIL_DOMAINS: Final = ("example.com", "example.net", "example.org")
_SERIAL_STEP: Final = 7_919_317  # shares no factor with the number of serials
_SERVICES: Final = {"dhl_unified": "express", "ups": "express_saver", "correos": "paq_premium"}


class _People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    languages: tuple[str, ...]
    phone: str
    streets: tuple[str, ...]
    given: tuple[str, ...]
    family: tuple[str, ...]


class _Shop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_prefix: str
    origins: tuple[str, ...]
    partner: str
    pushed_share: float


class _Plot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    first_day: int
    parcels: tuple[tuple[str, str, str], ...]


class _Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shop: _Shop
    plot: _Plot
    people: dict[str, _People]
    items: tuple[Item, ...]


class Role(msgspec.Struct, frozen=True):
    """A parcel of the cast, and how the shop registers it."""

    parcel: Parcel
    registration: Registration


@cache
def _script() -> _Script:
    return msgspec.toml.decode((files(__package__) / "cast.toml").read_bytes(), type=_Script)


def cast(seed: str, start: datetime, parcels: int) -> list[Role]:
    """The first `parcels` of the plot (from its beginning again when they are more), then those sent as replacements."""
    chance = Chance(seed)
    plot = islice(cycle(_script().plot.parcels), parcels)
    roles = [_role(chance, index, row, start) for index, row in enumerate(plot)]
    endings = [_with_settlement(role, _serial(chance, 2 * index + 1)) for index, role in enumerate(roles)]
    return [role for role, _ in endings] + [replacement for _, replacement in endings if replacement is not None]


def _serial(chance: Chance, count: int) -> int:
    """Scattered over all serials, each only once."""
    return (chance.number(0, SERIALS - 1, "serials") + count * _SERIAL_STEP) % SERIALS


def _role(world: Chance, index: int, row: tuple[str, str, str], start: datetime) -> Role:
    scenario, carrier, where = row
    chance = world.of("role", index)
    origin = spot(chance.pick(_script().shop.origins, "origin"))
    destination = _destination(chance, carrier, scenario, where)
    customer = _customer(chance, destination.country)
    parcel = Parcel(
        number=_number(carrier, destination, _serial(world, 2 * index)),
        carrier=carrier,
        scenario=scenario,
        handed_over_at=_hand_over(chance, index, origin, start),
        origin=origin,
        destination=destination,
        seed=chance.seed,
        reference=f"{_script().shop.order_prefix}-{20_000 + 7 * index}",
        receiver=customer.name,
        partner=_script().shop.partner if chance.happens(_script().shop.pushed_share, "pushed") else None,
    )
    return Role(parcel, _registration(chance, parcel, customer))


def _destination(chance: Chance, carrier: str, scenario: str, where: str) -> Spot:
    """A door in the city that is named, or in one of the country's where the scenario can happen."""
    names = cities(where) if len(where) == _COUNTRY_CODE_LENGTH else [where]
    city = chance.pick([name for name in names if can_tell(carrier, scenario, lane(spot(name)))], "city")
    return spot(city).at_door(chance.pick(postcodes(city), "postcode"))


def _number(carrier: str, destination: Spot, serial: int) -> str:
    return tracking_number(carrier, destination.country, destination.postcode or "", serial)


def _hand_over(chance: Chance, index: int, origin: Spot, start: datetime) -> datetime:
    local = origin.local(start)
    opening = working_day(origin.country, local.date(), int(local.time() > _LATEST_START_OF_A_DAY))
    later = 0 if index < _script().plot.first_day else chance.number(0, _HAND_OVER_DAYS - 1, "hand-over day")
    return _afternoon(chance, origin, working_day(origin.country, opening, later))


def _afternoon(chance: Chance, origin: Spot, day: date) -> datetime:
    """When the lorry comes: between four and seven o'clock, local."""
    return origin.utc(day, time(16)) + timedelta(seconds=chance.number(0, 3 * 3600, "hand-over time"))


def _customer(chance: Chance, country: str) -> Customer:
    people = _script().people[country]
    given, family = chance.pick(people.given, "given"), chance.pick(people.family, "family")
    mailbox = f"{given}.{family.split()[0]}".lower().replace("ß", "ss")
    plain = normalize("NFKD", mailbox).encode("ascii", "ignore").decode()
    digits = people.phone.count("x")
    ending = str(chance.number(0, 10**digits - 1, "phone")).zfill(digits)
    return Customer(
        name=f"{given} {family}",
        email=f"{plain}@{chance.pick(_MAIL_DOMAINS, 'mail')}",
        phone=people.phone.replace("x" * digits, ending),
        language=chance.pick(people.languages, "language"),
    )


def _registration(chance: Chance, parcel: Parcel, customer: Customer, replaces: str | None = None) -> Registration:
    destination = parcel.destination
    street = chance.pick(_script().people[destination.country].streets, "street")
    items = tuple(chance.shuffled(_script().items, "items")[: chance.number(1, 3, "how many items")])
    duties = "DAP" if parcel.scenario == "customs_duties" else "DDP"
    registered_at = parcel.handed_over_at - _REGISTERED_BEFORE_HAND_OVER
    return Registration(
        registered_at=registered_at,
        carrier=parcel.carrier,
        service=_SERVICES[parcel.carrier],
        tracking_number=parcel.number,
        shipped_at=parcel.handed_over_at,
        order_reference=parcel.reference,
        order_placed_at=registered_at - timedelta(minutes=chance.number(30, 40 * 60, "order")),
        value=str(sum((Decimal(item.value) * item.quantity for item in items), Decimal())),
        customer=customer,
        origin=Address(parcel.origin.country, parcel.origin.city, postcodes(parcel.origin.city)[0]),
        destination=Address(
            destination.country,
            destination.city,
            destination.postcode or "",
            f"{street} {chance.number(2, 96, 'house')}",
        ),
        promised_at=_promise(chance, parcel),
        items=items,
        incoterm=duties if lane(destination) is Lane.ABROAD else None,
        replaces=replaces,
    )


def _promise(chance: Chance, parcel: Parcel) -> date:
    """What the shop promises: the day of an undisturbed journey, or one working day more."""
    return working_day(parcel.destination.country, undisturbed_day(parcel.trip), chance.number(0, 1, "slack"))


def _with_settlement(role: Role, spare_serial: int) -> tuple[Role, Role | None]:
    """Adds what the shop will do if the parcel ends badly, and the parcel that it then sends instead, if it does."""
    parcel, chance = role.parcel, role.parcel.chance
    ended_at = parcel.journey.ends_at
    end = truth(parcel, ended_at)
    if end.milestone not in {Milestone.RETURNED, Milestone.ENDED} and end.problem is None:
        return role, None
    day = working_day(parcel.origin.country, parcel.origin.local(ended_at).date(), 1)
    at = parcel.origin.utc(day, time(10, 30))
    if not chance.happens(0.4, "replace"):
        return _settled(role, Settlement(at, "refund")), None
    replacement = _replacement(role, day, spare_serial)
    return _settled(role, Settlement(at, "replace", replacement.parcel.number)), replacement


def _settled(role: Role, settlement: Settlement) -> Role:
    return Role(role.parcel, msgspec.structs.replace(role.registration, settlement=settlement))


def _replacement(role: Role, day: date, serial: int) -> Role:
    parcel, chance = role.parcel, role.parcel.chance.of("replacement")
    sent = msgspec.structs.replace(
        parcel,
        number=_number(parcel.carrier, parcel.destination, serial),
        scenario="on_time",
        handed_over_at=_afternoon(chance, parcel.origin, day),
    )
    registration = _registration(chance, sent, role.registration.customer, replaces=parcel.number)
    same = {field: getattr(role.registration, field) for field in ("items", "value", "destination", "order_placed_at")}
    return Role(sent, msgspec.structs.replace(registration, **same))
