"""What the rest of the house may expect of any carrier: events in our words, and refusals of a known kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Protocol

import msgspec

from carriers.vocabulary import Category, Milestone, TzCertainty


class Precision(IntEnum):
    """How exact an event's time is; the vaguer one folds first within the same instant."""

    DAY = 0  # only a date: the instant is the end of that day
    MINUTE = 1
    SECOND = 2


class Problem(msgspec.Struct, frozen=True):
    """A trouble that a carrier states. `cause` is one of CAUSES[category]."""

    category: Category
    cause: str


class Place(msgspec.Struct, frozen=True):
    """Where an event happened, as far as the carrier says. `country` is ISO 3166-1 alpha-2."""

    city: str | None = None
    country: str | None = None
    postcode: str | None = None


class TrackingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a carrier says happened to a shipment.

    `occurred_at` is aware UTC, or None when the record has no usable time. `sequence` is the carrier's own order,
    0 = oldest. `informational` records (mail sent, forecast, signature image) move nothing.
    """

    key: str
    occurred_at: datetime | None
    occurred_local: str | None
    tz_certainty: TzCertainty
    precision: Precision
    sequence: int
    milestone: Milestone
    status_detail: str | None = None
    problem: Problem | None = None
    action_owner: str | None = None
    informational: bool = False
    code: str | None = None
    text: str | None = None
    place: Place = Place()


class Estimate(msgspec.Struct, frozen=True):
    """The carrier's estimate of delivery: instants (aware) or whole days at the destination; one end may be open."""

    earliest: datetime | date | None
    latest: datetime | date | None


class FailureKind(StrEnum):
    """Every way a carrier says no."""

    NOT_FOUND = "not_found"
    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    CARRIER_DOWN = "carrier_down"
    BAD_REQUEST = "bad_request"
    MALFORMED = "malformed"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one body says about one tracking number: events oldest first, or the failure for this number alone."""

    tracking_number: str
    also_known_as: tuple[
        str, ...
    ] = ()  # other numbers that the carrier gives for it: pieces, references, what was asked
    events: tuple[TrackingEvent, ...] = ()
    estimate: Estimate | None = None
    failure: FailureKind | None = None
    detail: str | None = None


class CarrierFailure(Exception):
    """The carrier answered, or failed to, in a way that says nothing about a shipment.

    `retry_after` is in seconds when the carrier named a time. `retryable` is False when asking again is useless.
    """

    def __init__(
        self, kind: FailureKind, detail: str, *, retry_after: float | None = None, retryable: bool = True
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after
        self.retryable = retryable


class CallsSpent(Exception):
    """The account may not call before `until`: its day's calls are spent. Nothing is wrong with the carrier."""

    def __init__(self, until: datetime) -> None:
        super().__init__("the day's calls are spent")
        self.until = until


class PayloadRejected(Exception):
    """A body that cannot be read; `path` points into it (`shipments[0].events[2].timestamp`)."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or 'body'}: {reason}")
        self.path = path
        self.reason = reason


class Answer(msgspec.Struct, frozen=True):
    """A raw answer as received."""

    status: int
    content_type: str
    body: bytes
    retry_after: float | None = None


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter needs to ask about one shipment."""

    tracking_number: str
    carrier_reference: str | None = None
    destination_country: str | None = None
    destination_postcode: str | None = None
    shipped_at: datetime | None = None
    language: str = "en"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of a carrier as a whole; read from card.toml, printed in the matrix."""

    code: str
    name: str
    home_country: str
    home_zone: str
    languages: tuple[str, ...]
    auth: str  # none, api_key, basic, oauth2_client, oauth2_password, in_body
    base_url: str
    auth_url: str | None = None
    settings: tuple[str, ...] = ()  # credentials an account must have, beside base_url and auth_url
    optional: tuple[str, ...] = ()  # credentials an account may have, which open more
    batch_size: int = 1
    full_history: bool  # every answer lists all events: only then can an event be withdrawn
    has_codes: bool  # False: texts stand in for codes in event keys
    spacing: float = 0.0  # seconds between calls of one account
    calls_per_day: int | None = None
    push: str | None = None
    tracking_url: str  # public page, with {number}
    documentation: str
    quirks: tuple[str, ...] = ()


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One shop's credentials with one carrier; `values` are the settings that the card names."""

    shop: str
    carrier: str
    name: str
    base_url: str
    auth_url: str | None
    values: Mapping[str, str]

    def __repr__(self) -> str:  # a credential must not reach a log through a traceback
        return f"Account({self.shop}/{self.carrier}/{self.name})"


class Permit(Protocol):
    """Leave to make one call, waited for: an account's budget and the space between its calls."""

    async def __call__(self) -> None:
        """Returns when the call may be made. Raises CallsSpent."""
        ...


class Http(Protocol):
    """The one HTTP seam that adapters are handed (carriers/http.py)."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """Send and read, bounded in time and size. Raises CarrierFailure(CARRIER_DOWN) when nothing came back."""
        ...


class Clock(Protocol):
    """Time as adapters may see it: monotonic seconds for tokens and spacing."""

    def monotonic(self) -> float: ...


class Client(Protocol):
    """One account at one carrier: room 1 of the house."""

    async def fetch(self, lookups: Sequence[Lookup]) -> Answer:
        """Ask about 1 to `card.batch_size` shipments. Raises CarrierFailure(AUTH | CARRIER_DOWN | ...)."""
        ...


class Parse(Protocol):
    """Room 2, pure: one answer into reports; parsing twice gives the same keys.

    Raises CarrierFailure when the body says no as a whole, PayloadRejected when it cannot be read.
    """

    def __call__(self, answer: Answer, lookups: Sequence[Lookup] = ()) -> list[Report]: ...


class Connect(Protocol):
    """Makes the client of one account."""

    def __call__(self, account: Account, http: Http, clock: Clock) -> Client: ...


class Adapter(msgspec.Struct, frozen=True):
    """All that a carrier's folder provides: adapters/<code>/{card.toml,parse.py,client.py}."""

    card: Card
    parse: Parse
    connect: Connect
