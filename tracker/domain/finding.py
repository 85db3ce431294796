"""What a detector sees, and what it may say: facts in, findings and the next moment out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from carriers.vocabulary import Category
from tracker.domain.calendar import Calendar
from tracker.domain.cause import Reach
from tracker.domain.shipment import Belief, Expectation
from tracker.domain.thresholds import Thresholds


class Signal(StrEnum):
    """How we noticed; never shown to a customer as a cause."""

    CARRIER_STATED = "carrier_stated"
    LATE_FIRST_EVENT = "late_first_event"
    STALLED = "stalled"
    DWELL_TOO_LONG = "dwell_too_long"
    MISSED_EDD = "missed_edd"
    MISSED_PROMISE = "missed_promise"
    REPORTED = "reported"


class Provenance(StrEnum):
    """Who says so, the strongest first."""

    STAFF = "staff"
    CARRIER_STATED = "carrier_stated"
    CUSTOMER = "customer"
    FEED = "feed"
    INFERRED = "inferred"
    PREDICTED = "predicted"

    @property
    def strength(self) -> int:
        """The higher, the more it is believed."""
        return -list(Provenance).index(self)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that detectors may know of one shipment. `outbound` is False for goods on their way to the shop.

    `cured_at` is when the last trouble of its way passed; `settled` means that the journey is over and made good.
    """

    belief: Belief
    expectation: Expectation
    registered_at: datetime
    promised_at: datetime | None
    international: bool
    outbound: bool
    lane: Calendar
    origin: Calendar
    thresholds: Thresholds
    cured_at: datetime | None = None
    settled: bool = False

    def after_cure(self, due_at: datetime) -> datetime:
        """`due_at`, put off while a parcel whose trouble has just passed gets some working days to arrive."""
        if self.cured_at is None:
            return due_at
        return max(due_at, self.lane.after(self.cured_at, self.thresholds.grace_after_cure_days))


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble seen: what, how, how sure, on what evidence, and a sentence that a person can read.

    `key` stays the same for as long as the same trouble stands. A `warning` colours the shipment's health and opens
    no incident. `reach` narrows the cause's own reach.
    """

    key: str
    rule: str
    rule_version: int
    category: Category
    cause: str
    signal: Signal
    provenance: Provenance
    confidence: float
    explanation: str
    evidence: dict[str, Any]
    action_until: datetime | None = None
    action_owner: str | None = None
    reach: Reach | None = None
    warning: bool = False


class Detection(msgspec.Struct, frozen=True):
    """Findings that stand now, and the next moment at which time alone could change the answer.

    `muted` stand too, and leave the word to stronger ones.
    """

    findings: tuple[Finding, ...] = ()
    look_again_at: datetime | None = None
    muted: tuple[Finding, ...] = ()


NOTHING = Detection()
