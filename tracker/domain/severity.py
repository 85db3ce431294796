"""How much an incident matters: harm to the customer × time left × value, never the category alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final


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
    """Harm (1 to 5) counts ten each; a broken or near promise, an essential date and value add.

    Two updates in a row without news make it one step worse, whatever it was: then a person writes.
    """
    score = harm * 10
    if promised_at is not None:
        score += 10 if now >= promised_at else 5 if promised_at - now < timedelta(hours=24) else 0
    score += 10 if essential else 0
    score += 10 if value is not None and value >= 500 else 5 if value is not None and value >= 150 else 0
    step = sum(score >= least for least in _LEAST) + (silent_updates >= 2)
    return _ORDER[min(step, len(_ORDER) - 1)]


_ORDER: Final = tuple(Severity)
_LEAST: Final = (20, 40, 60)  # of medium, high and critical
