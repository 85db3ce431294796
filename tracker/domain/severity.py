"""How much an incident matters: harm to the customer × time left × value, never the category alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Severity(StrEnum):
    """Ordered by weight."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


def weigh(
    harm: int,
    *,
    promised_at: datetime | None,
    essential: bool,
    value: Decimal | None,
    silent_updates: int,
    now: datetime,
) -> Severity:
    """Harm (1 to 5) counts ten each; a broken or near promise, an essential date, value and repeated silence add."""
    score = harm * 10
    if promised_at is not None:
        score += 10 if now >= promised_at else 5 if promised_at - now < timedelta(hours=24) else 0
    score += 10 if essential else 0
    score += 10 if value is not None and value >= 500 else 5 if value is not None and value >= 150 else 0
    score += 10 if silent_updates >= 2 else 0
    if score >= 60:
        return Severity.CRITICAL
    if score >= 40:
        return Severity.HIGH
    return Severity.MEDIUM if score >= 25 else Severity.LOW
