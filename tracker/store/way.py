"""One parcel's whole way as the board reads it: from the raw payloads to the messages, each list one bounded statement."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from sql import queries
from sql.connection import Connection
from tracker.domain.shipment import Belief, Expectation
from tracker.store.views import FindingView

_SQL = queries.topic("way")
_belief = msgspec.json.Decoder(Belief).decode
_expectation = msgspec.json.Decoder(Expectation).decode
_document = msgspec.json.Decoder(dict[str, Any]).decode

_MOST_OBSERVATIONS: Final = 200
_MOST: Final = 500  # of everything else that one page lists
MOST_BYTES: Final = 256 * 1024


class ParcelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that one parcel's page says of it beside its chain."""

    id: int
    carrier: str
    account: str
    service: str | None
    tracking_number: str
    carrier_reference: str | None
    direction: str
    origin_country: str
    destination_country: str
    destination_postcode: str | None
    destination_zone: str
    shipped_at: datetime | None
    promised_at: datetime | None
    value_amount: Decimal | None
    value_currency: str | None
    registered_at: datetime
    milestone: str
    status_detail: str | None
    health: str
    belief: Belief
    expectation: Expectation
    undecided: str | None
    link_version: int
    ended_at: datetime | None
    replaces_id: int | None
    order_reference: str
    contact_id: int
    name: str | None
    email: str | None
    phone: str | None
    language: str
    customer_zone: str
    city: str | None
    shop: str
    next_poll_at: datetime | None
    polled_at: datetime | None
    poll_failures: int
    next_moment_at: datetime | None
    return_id: int | None
    return_state: str | None
    settled_as: str | None


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One answer or push; `size` in bytes, None when it said nothing new and its bytes were not kept."""

    id: int
    source: str
    carrier: str | None
    account: str | None
    received_at: datetime
    http_status: int | None
    content_type: str | None
    size: int | None
    failure: str | None
    problem: str | None
    problem_path: str | None
    partner: str | None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One tracking event in one variant."""

    id: int
    key: str
    variant: str
    occurred_at: datetime | None
    occurred_local: str | None
    tz_certainty: str
    precision: int
    sequence: int
    milestone: str
    status_detail: str | None
    category: str | None
    cause: str | None
    informational: bool
    code: str | None
    text: str | None
    city: str | None
    country: str | None
    observation_id: int
    received_at: datetime
    missing_since: datetime | None
    withdrawn_at: datetime | None


class IncidentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One incident of a parcel, whatever its state."""

    id: int
    category: str
    cause: str
    signal: str
    provenance: str
    rule: str
    rule_version: int
    explanation: str
    state: str
    severity: str
    responsible: str
    reach: str
    action_owner: str
    action: str
    action_until: datetime | None
    action_otherwise: str
    opened_at: datetime
    changed_at: datetime
    promised_update_at: datetime | None
    silent_updates: int
    next_moment_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    closing_reason: str | None
    reopened: int
    merged_into: int | None
    version: int
    assignee_id: int | None
    severity_by_staff: bool
    action_by_staff: bool
    assignee: str | None

    @property
    def is_open(self) -> bool:
        """Still being worked."""
        return self.state not in ("resolved", "closed", "merged")


class FindingLine(FindingView, frozen=True, kw_only=True):
    """A finding with the incident that it opened or changed."""

    id: int
    incident_id: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an incident's timeline."""

    id: int
    incident_id: int
    at: datetime
    kind: str
    actor: str
    detail: dict[str, Any]
    category: str
    cause: str
    by: str | None = None  # the name of the person or the key
    given_to: str | None = None  # whose it is since then


class NoticeLine(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the customer was to be told."""

    id: int
    incident_id: int | None
    kind: str
    state: str
    state_because: str | None
    because: dict[str, Any]
    urgent: bool
    planned_at: datetime
    cause: str | None


class MessageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a notice, with its attempts."""

    id: int
    notice_id: int
    channel: str
    why: str
    language: str | None
    state: str
    state_because: str | None
    due_at: datetime | None
    attempts: int
    subject: str | None
    provider_reference: str | None
    created_at: datetime
    accepted_at: datetime | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One hand-over of a message; without an outcome it is under way, or its sender died."""

    message_id: int
    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    detail: str | None


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Everything between the raw payloads of one parcel and the messages to its customer."""

    observations: list[Observation]
    events: list[Event]
    incidents: list[IncidentFacts]
    findings: list[FindingLine]
    entries: list[Entry]
    notices: list[NoticeLine]
    messages: list[MessageFacts]
    attempts: list[Attempt]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it is sent and kept; `body` is None until it is written."""

    id: int
    channel: str
    why: str
    language: str | None
    state: str
    state_because: str | None
    due_at: datetime | None
    attempts: int
    message_id: str | None
    subject: str | None
    body: bytes | None
    provider_reference: str | None
    created_at: datetime
    accepted_at: datetime | None
    in_doubt_since: datetime | None
    kind: str
    shipment_id: int
    incident_id: int | None
    because: dict[str, Any]
    planned_at: datetime
    promised_update_at: datetime | None
    cause: str | None
    order_reference: str
    name: str | None
    email: str | None
    phone: str | None
    shop: str
    sender_email: str


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One observation with the first MOST_BYTES of its bytes."""

    id: int
    source: str
    carrier: str | None
    account: str | None
    push_id: str | None
    shipment_id: int | None
    received_at: datetime
    http_status: int | None
    content_type: str | None
    raw: bytes | None
    size: int | None
    failure: str | None
    problem: str | None
    problem_path: str | None
    settled_at: datetime | None
    partner: str | None


async def parcel(conn: Connection, shop_id: int, shipment_id: int) -> ParcelFacts | None:
    """One shipment, None where the shop has no such."""
    row = await conn.fetchrow(_SQL.parcel, shop_id, shipment_id)
    if row is None:
        return None
    believed = {"belief": _belief(row["belief"]), "expectation": _expectation(row["expectation"])}
    return ParcelFacts(**dict(row) | believed)


async def way(conn: Connection, shipment_id: int) -> Way:
    """Everything that was received, believed, decided and said about a shipment, with eight statements."""
    observations = await conn.fetch(_SQL.observations, shipment_id, _MOST_OBSERVATIONS)
    events = await conn.fetch(_SQL.events, shipment_id, _MOST)
    incidents = await conn.fetch(_SQL.incidents, shipment_id)
    findings = await conn.fetch(_SQL.findings, shipment_id, _MOST)
    entries = await conn.fetch(_SQL.entries, shipment_id, _MOST)
    notices = await conn.fetch(_SQL.notices, shipment_id, _MOST)
    messages = await conn.fetch(_SQL.messages, shipment_id, _MOST)
    return Way(
        observations=[Observation(**row) for row in observations],
        events=[Event(**row) for row in events],
        incidents=[IncidentFacts(**row) for row in incidents],
        findings=[FindingLine(**dict(row) | {"evidence": _document(row["evidence"])}) for row in findings],
        entries=[Entry(**dict(row) | {"detail": _document(row["detail"])}) for row in entries],
        notices=[NoticeLine(**dict(row) | {"because": _document(row["because"])}) for row in notices],
        messages=[MessageFacts(**row) for row in messages],
        attempts=await attempts(conn, [row["id"] for row in messages]),
    )


async def attempts(conn: Connection, message_ids: list[int]) -> list[Attempt]:
    """How these messages were handed over."""
    return [Attempt(**row) for row in await conn.fetch(_SQL.attempts, message_ids, _MOST)]


async def shipment_of_incident(conn: Connection, shop_id: int, incident_id: int) -> int | None:
    """The shipment that an incident is about, None where the shop has no such incident."""
    shipment_id: int | None = await conn.fetchval(_SQL.shipment_of_incident, shop_id, incident_id)
    return shipment_id


async def message(conn: Connection, shop_id: int, message_id: int) -> Message | None:
    """One message, None where the shop has no such."""
    row = await conn.fetchrow(_SQL.message, shop_id, message_id)
    return Message(**dict(row) | {"because": _document(row["because"])}) if row else None


async def observation(conn: Connection, shop_id: int, observation_id: int) -> Received | None:
    """One observation with the first MOST_BYTES of its bytes, None where the shop has no such."""
    row = await conn.fetchrow(_SQL.observation, shop_id, observation_id, MOST_BYTES)
    return Received(**row) if row else None
