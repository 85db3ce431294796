"""The numbers a shop may change, with the defaults of the field; a versioned row per shop holds what differs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

_Days = Annotated[float, Meta(ge=0, le=365)]
_Share = Annotated[float, Meta(ge=0, le=1)]
# One word a day at the most: a promise is always for a later day.
_Wait = Annotated[int, Meta(ge=1, le=30)]


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days are working days on the lane's calendar, except where the name says calendar days or hours."""

    first_event_warning_days: _Days = 2
    first_event_days: _Days = 4
    stalled_domestic_days: _Days = 3
    stalled_international_days: _Days = 5
    customs_dwell_days: _Days = 2
    return_dwell_days: _Days = 10
    settle_return_days: _Days = 5
    collection_calendar_days: _Days = 10
    collection_reminder: _Share = 0.5
    collection_incident: _Share = 0.8
    grace_after_cure_days: _Days = 2
    # How long customers wait for our next word, each silence longer than the one before; what is less grave begins later.
    update_after_days: Annotated[tuple[_Wait, ...], Meta(min_length=1)] = (1, 2, 3, 5)
    close_after_hours: Annotated[float, Meta(ge=0, le=720)] = 24
    polling_after_delivery_days: tuple[_Days, ...] = (0.084, 1, 3, 7, 15)
