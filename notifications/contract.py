"""What the house hands to notifications, and what a channel must be able to do."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import msgspec


class Kind(StrEnum):
    """Everything a customer can be told. A member has an entry in notifications/notices.toml and phrases per language."""

    SHIPPED = "shipped"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_COLLECTION = "ready_for_collection"
    DELIVERED = "delivered"
    INCIDENT_OPENED = "incident_opened"
    INCIDENT_CHANGED = "incident_changed"
    INCIDENT_UPDATE = "incident_update"
    INCIDENT_RESOLVED = "incident_resolved"
    RETURN_UNDER_WAY = "return_under_way"
    RETURN_RECEIVED = "return_received"
    RETURN_SETTLED = "return_settled"
    CORRECTION = "correction"


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a message may say, as data; no personal data, no prose. Times are aware UTC.

    `date_owed`: a word on the date is due even where none is known. `happened_offset` is in minutes, where it happened at a place whose clocks we know; else it is told in the recipient's
    time. `cause` is `category.cause` ("customs.documents_missing"); `expected` is the window in which we now expect the
    parcel (one end may be open); `said` is the notice kind that a correction takes back.
    """

    order_reference: str
    carrier: str
    carrier_name: str
    tracking_number: str
    happened_at: datetime | None = None
    happened_offset: int | None = None
    cause: str | None = None
    action_owner: str | None = None
    action: str | None = None
    action_until: datetime | None = None
    city: str | None = None
    country: str | None = None
    promised_at: datetime | None = None
    expected_from: datetime | None = None
    expected_until: datetime | None = None
    next_update_at: datetime | None = None
    collection_until: datetime | None = None
    resolution: str | None = None
    settled_as: str | None = None
    said: str | None = None
    delivered_to: str | None = None
    date_owed: bool = False
    sequel: int = 0


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something a customer is to be told, once (`key`), because of something (`because`).

    A newer notice with the same `subject` on the same shipment supersedes unsent older ones. `urgent` passes quiet
    hours and goes out by SMS besides email. `hold` is the time in which corrections may still settle before sending.
    """

    shop_id: int
    shipment_id: int
    incident_id: int | None
    contact_id: int
    kind: Kind
    subject: str
    key: str
    facts: Facts
    because: dict[str, Any]
    planned_at: datetime
    valid_until: datetime | None = None
    promised_update_at: datetime | None = None
    urgent: bool = False
    hold: timedelta = timedelta(0)


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """The shop in whose name a message goes out."""

    name: str
    email: str
    reply_email: str
    phone: str | None
    website: str | None


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a message is for. `repr` hides everything personal."""

    name: str | None
    email: str | None
    phone: str | None
    language: str
    time_zone: str

    def __repr__(self) -> str:
        return "Recipient(...)"


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes that are sent and kept: an RFC 5322 message, or the text of an SMS in UTF-8."""

    subject: str | None
    body: bytes
    language: str


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message on its way. `reference` is ours and the same at every attempt."""

    reference: str
    sender: Sender
    recipient: Recipient
    message_id: str
    body: bytes

    def __repr__(self) -> str:
        return f"Outgoing({self.reference})"


class Accepted(msgspec.Struct, frozen=True):
    """The provider took the message; `provider_reference` is its word for it."""

    provider_reference: str | None


class FailureClass(StrEnum):
    """Who is at fault, which decides what happens next (standards: reply codes to outcomes)."""

    ADDRESS = "address"  # this recipient cannot be reached here: give up, another channel
    CONTENT = "content"  # this message is refused: give up, raise an alarm
    ACCOUNT = "account"  # our credentials or sender: pause the channel, keep the messages
    TRANSPORT = "transport"  # try again later
    AMBIGUOUS = "ambiguous"  # it may have been taken


class SendFailed(Exception):
    """A message was not, or perhaps not, taken. `retry_after` in seconds where the other side named a time.

    `alone`: it is a matter of this message, and says nothing of the channel (a recipient's server that wants us to
    come back later). `detail` holds no personal data: it is kept.
    """

    def __init__(
        self, failure: FailureClass, detail: str, *, retry_after: float | None = None, alone: bool = False
    ) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure
        self.detail = detail
        self.retry_after = retry_after
        self.alone = alone


class Channel(Protocol):
    """One way a message travels.

    `capacity` is how many sends at once are worth while. `repeatable`: a message that may have been taken can be sent
    again without harm, since the same bytes arrive under the same id; else its provider is asked with `find`.
    """

    name: str
    capacity: int
    repeatable: bool

    async def send(self, outgoing: Outgoing) -> Accepted:
        """Hand over one message. Raises SendFailed; a cancelled send leaves nothing behind for the next one."""
        ...

    async def find(self, outgoing: Outgoing, since: datetime) -> Accepted | None:
        """After an ambiguous send: what the provider knows of it, None when it knows nothing or cannot be asked."""
        ...

    async def close(self) -> None: ...


class Links(Protocol):
    """Makes the addresses that a message may carry; handed in, since only the service knows keys and hosts."""

    def tracking(self, shipment_id: int, link_version: int) -> str: ...
