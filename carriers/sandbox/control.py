"""The door beside the carriers' doors, for tests and development: parcels, faults, calls that were made, the truth."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from carriers.sandbox.chance import Chance
from carriers.sandbox.faults import FaultRule
from carriers.sandbox.journey import Instant, scenarios
from carriers.sandbox.parcel import Parcel, truth
from carriers.sandbox.places import postcodes, spot
from carriers.sandbox.tracking_numbers import SERIALS, tracking_number
from carriers.sandbox.words import CARRIERS
from carriers.sandbox.world import Clock, World


class NewParcel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a test says to have a parcel; `handed_over_at` is now when not said, the number is made from the seed."""

    carrier: str
    scenario: str = "on_time"
    city: str = "Sevilla"
    postcode: str | None = None
    origin_city: str = "Madrid"
    handed_over_at: Instant | None = None
    seed: str = "sandbox"
    number: str | None = None
    reference: str = ""
    receiver: str = ""
    partner: str | None = None


class ParcelState(msgspec.Struct, frozen=True):
    """A parcel, and what is true of it now."""

    carrier: str
    number: str
    scenario: str
    handed_over_at: datetime
    ends_at: datetime
    milestone: str
    status_detail: str | None
    problem: tuple[str, str] | None
    final: bool


class ControlDoor:
    """Handlers of /_sandbox. `calls` and `faults` are counted by whoever answers in the carriers' names."""

    def __init__(self, world: World, clock: Clock, calls: Counter[tuple[str, str]], faults: Counter[FaultRule]) -> None:
        self._world = world
        self._clock = clock
        self._calls = calls
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/healthz", self.healthz),
            web.get("/_sandbox/calls", self.list_calls),
            web.get("/_sandbox/parcels", self.list_parcels),
            web.post("/_sandbox/parcels", self.add_parcel),
            web.get("/_sandbox/parcels/{carrier}/{number}", self.show_parcel),
            web.get("/_sandbox/faults", self.list_faults),
            web.post("/_sandbox/faults", self.add_fault),
            web.delete("/_sandbox/faults", self.clear_faults),
        ]

    async def healthz(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok", "now": self._clock.now()})

    async def list_calls(self, _request: web.Request) -> web.Response:
        kinds = ("track", "token", "refused")
        struck: Counter[str] = Counter()
        for rule, times in self._faults.items():
            struck[rule.fault] += times
        calls = {carrier: {kind: self._calls[carrier, kind] for kind in kinds} for carrier in CARRIERS}
        return _json({"calls": calls, "faults": dict(struck)})

    async def list_parcels(self, _request: web.Request) -> web.Response:
        return _json([parcel_state(parcel, self._clock.now()) for parcel in self._world.parcels()])

    async def show_parcel(self, request: web.Request) -> web.Response:
        parcel = self._world.parcel(request.match_info["carrier"], request.match_info["number"])
        if parcel is None:
            return _json({"error": "no such parcel"}, 404)
        return _json(parcel_state(parcel, self._clock.now()))

    async def add_parcel(self, request: web.Request) -> web.Response:
        try:
            parcel = made(msgspec.json.decode(await request.read(), type=NewParcel), self._clock.now())
            self._world.add(parcel)
        except ValueError as refused:  # msgspec's refusals are of this kind too
            return _json({"error": str(refused)}, 422)
        return _json(parcel_state(parcel, self._clock.now()), 201)

    async def list_faults(self, _request: web.Request) -> web.Response:
        return _json(self._world.rules)

    async def add_fault(self, request: web.Request) -> web.Response:
        try:
            rule = msgspec.json.decode(await request.read(), type=FaultRule)
        except ValueError as refused:
            return _json({"error": str(refused)}, 422)
        self._world.rules.append(rule)
        return _json(rule, 201)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._world.rules.clear()
        return web.Response(status=204)


def made(new: NewParcel, now: datetime) -> Parcel:
    """The parcel that is asked for. Raises ValueError that says what is unknown."""
    if new.carrier not in CARRIERS:
        raise ValueError(f"the sandbox plays {', '.join(CARRIERS)}, not {new.carrier!r}")
    if new.scenario not in scenarios():
        raise ValueError(f"no scenario {new.scenario!r}; there are {', '.join(scenarios())}")
    try:
        origin, destination = spot(new.origin_city), spot(new.city)
    except KeyError as unknown:
        raise ValueError(f"the city {unknown} is not on the map (places.toml)") from None
    postcode = new.postcode or next(iter(postcodes(new.city)), "00000")
    serial = Chance(new.seed).number(0, SERIALS - 1, "serial")
    number = new.number or tracking_number(new.carrier, destination.country, postcode, serial)
    return Parcel(
        number=number,
        carrier=new.carrier,
        scenario=new.scenario,
        handed_over_at=(new.handed_over_at or now).astimezone(UTC),
        origin=origin,
        destination=destination.at_door(postcode),
        seed=new.seed,
        reference=new.reference,
        receiver=new.receiver,
        partner=new.partner,
    )


def parcel_state(parcel: Parcel, now: datetime) -> ParcelState:
    believed = truth(parcel, now)
    return ParcelState(
        carrier=parcel.carrier,
        number=parcel.number,
        scenario=parcel.scenario,
        handed_over_at=parcel.handed_over_at,
        ends_at=parcel.journey.ends_at,
        milestone=believed.milestone,
        status_detail=believed.detail,
        problem=believed.problem,
        final=believed.final,
    )


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
