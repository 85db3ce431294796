"""The numbers a shop may change, with the defaults of the field; a versioned row per shop holds what differs."""

from __future__ import annotations

import msgspec


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days are working days on the lane's calendar, except where the name says calendar days or hours."""

    first_event_warning_days: float = 2
    first_event_days: float = 4
    stalled_domestic_days: float = 3
    stalled_international_days: float = 5
    customs_dwell_days: float = 2
    return_dwell_days: float = 10
    collection_calendar_days: float = 10
    collection_reminder: float = 0.5
    collection_incident: float = 0.8
    grace_after_cure_days: float = 2
    update_hours_high: float = 24
    update_hours_medium: float = 48
    update_hours_low: float = 72
    close_after_hours: float = 24
    contradiction_minutes: float = 60
    polling_after_delivery_days: tuple[float, ...] = (0.084, 1, 3, 7, 15)
