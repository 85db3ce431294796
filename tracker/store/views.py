"""What the API shows of the house, as it is written out; nothing personal stands in any of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Money(msgspec.Struct, frozen=True):
    """An amount as text ("12.34") and its ISO 4217 currency."""

    amount: str
    currency: str


class OrderView(msgspec.Struct, frozen=True):
    """What the customer bought."""

    reference: str
    placed_at: datetime | None
    value: Money | None


class PlacedOrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order with what was bought, and the shipments in which it travels."""

    id: str
    reference: str
    placed_at: datetime | None
    value: Money | None
    destination_country: str | None
    items: list[dict[str, Any]]
    customs: dict[str, Any] | None
    shipments: list[str]


class EndView(msgspec.Struct, frozen=True):
    """One end of the parcel's way. `country` is ISO 3166-1 alpha-2."""

    country: str
    postcode: str | None = None


class PlaceView(msgspec.Struct, frozen=True):
    """Where something happened, as far as the carrier says."""

    city: str | None
    country: str | None
    postcode: str | None = None


class ProblemView(msgspec.Struct, frozen=True):
    """A trouble that the carrier stated and that is still open."""

    category: str
    cause: str
    since: datetime | None
    code: str | None
    text: str | None
    action_owner: str | None


class WindowView(msgspec.Struct, frozen=True, rename={"earliest": "from", "latest": "to"}):
    """The carrier's estimate of delivery, and what it was at first; `revisions` counts how often it moved later."""

    earliest: datetime | None
    latest: datetime | None
    original_to: datetime | None
    revisions: int


class IncidentBrief(msgspec.Struct, frozen=True):
    """An incident, beside the shipment that it is about."""

    id: str
    category: str
    cause: str
    state: str
    severity: str


class ReturnBrief(msgspec.Struct, frozen=True):
    """A return, beside the shipment that it is about."""

    id: str
    state: str


class ShipmentView(msgspec.Struct, frozen=True, kw_only=True, rename={"returned": "return"}):
    """A shipment and all that is believed of it. `incidents` are those that are not closed."""

    id: str
    shop: str
    carrier: str
    account: str
    service: str | None
    tracking_number: str
    carrier_reference: str | None
    direction: str
    order: OrderView
    origin: EndView
    destination: EndView
    shipped_at: datetime | None
    promised_at: datetime | None
    essential_date: bool
    items: list[dict[str, Any]]
    customs: dict[str, Any] | None
    replaces: str | None
    registered_at: datetime
    tracking_url: str
    milestone: str
    status_detail: str | None
    health: str
    since: datetime | None
    last_event_at: datetime | None
    delivered_at: datetime | None
    place: PlaceView
    attempts: int
    open_problem: ProblemView | None
    estimated_delivery: WindowView | None
    events: int
    unmapped_events: int
    contradicted: bool
    undecided: bool
    incidents: list[IncidentBrief]
    returned: ReturnBrief | None
    asked_at: datetime | None
    ask_next_at: datetime | None
    ended_at: datetime | None
    version: int


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One tracking event. `standing` is counts, corrected (the carrier restated it) or withdrawn (it took it back)."""

    id: str
    key: str
    standing: str
    occurred_at: datetime | None
    occurred_local: str | None
    tz_certainty: str
    milestone: str
    status_detail: str | None
    category: str | None
    cause: str | None
    informational: bool
    code: str | None
    text: str | None
    place: PlaceView
    source: str
    observation: str
    received_at: datetime
    withdrawn_at: datetime | None


class ActionView(msgspec.Struct, frozen=True):
    """Who acts, what they do, until when, and what happens otherwise; `by_staff` where people have said so."""

    owner: str
    what: str
    until: datetime | None
    otherwise: str
    by_staff: bool


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """A case about a shipment. `rule` and `explanation` say why it was opened; `owner` is whose it is (stf_12)."""

    id: str
    shipment: str
    category: str
    cause: str
    signal: str
    provenance: str
    rule: str
    rule_version: int
    explanation: str
    state: str
    severity: str
    severity_by_staff: bool
    owner: str | None
    responsible: str
    reach: str
    action: ActionView
    opened_at: datetime
    changed_at: datetime
    told_at: datetime | None
    promised_update_at: datetime | None
    next_moment_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    closing_reason: str | None
    reopened: int
    merged_into: str | None
    version: int


class EntryView(msgspec.Struct, frozen=True):
    """One line of an incident's timeline: what was done, by whom."""

    at: datetime
    kind: str
    actor: str
    detail: dict[str, Any]


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector found, on what evidence, and whether it still stands."""

    key: str
    rule: str
    rule_version: int
    category: str
    cause: str
    signal: str
    provenance: str
    confidence: float
    explanation: str
    evidence: dict[str, Any]
    found_at: datetime
    withdrawn_at: datetime | None
    withdrawn_because: str | None


class IncidentStory(IncidentView, frozen=True, kw_only=True):
    """An incident with its timeline and the findings it stands on, oldest first."""

    timeline: list[EntryView]
    findings: list[FindingView]


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """Something the customer is to be told, once, because of something."""

    id: str
    shipment: str
    incident: str | None
    kind: str
    subject: str
    state: str
    state_because: str | None
    because: dict[str, Any]
    facts: dict[str, Any]
    urgent: bool
    planned_at: datetime
    valid_until: datetime | None
    promised_update_at: datetime | None


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt to send. `outcome` is null while it is under way, and for good where the sender died."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A notice on one channel, without its text and its recipient."""

    id: str
    channel: str
    why: str
    language: str | None
    state: str
    state_because: str | None
    due_at: datetime | None
    message_id: str | None
    provider_reference: str | None
    created_at: datetime
    accepted_at: datetime | None
    attempts: list[AttemptView]


class NoticeStory(NoticeView, frozen=True, kw_only=True):
    """A notice with its messages and every attempt to send them."""

    messages: list[MessageView]


class ReturnView(msgspec.Struct, frozen=True, kw_only=True):
    """Goods on the way back."""

    id: str
    shipment: str
    state: str
    reason: str
    opened_at: datetime
    changed_at: datetime
    settled_as: str | None
    settled_at: datetime | None
    replacement: str | None
    version: int


class ChangeView(msgspec.Struct, frozen=True, kw_only=True, rename={"returned": "return"}):
    """One thing that happened: `kind` is what to, and what.

    - `shipment.` registered, moved, health, estimate: what is believed of a parcel; changed (the names of its fields)
      and unwatched, by the shop
    - `incident.` and a step of its timeline; `return.` and its new state
    - `notice.` planned; superseded, failed or expired, where nobody was told
    - `message.` and how it ended: accepted, failed, expired, superseded, cancelled, shown, unknown; or delayed, where
      an attempt to send it has just failed and it waits for the next one
    """

    id: str
    kind: str
    at: datetime
    shipment: str | None
    incident: str | None
    notice: str | None
    returned: str | None
    detail: dict[str, Any]
