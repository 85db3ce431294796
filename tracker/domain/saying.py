"""Puts a notice together: what all notices of one decision have in common."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from notifications.contract import Facts, Kind, Notice
from tracker.domain.calendar import end_of_day, zone_of
from tracker.domain.incident import Incident
from tracker.domain.shipment import Belief, Expectation


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The shipment as notices speak of it."""

    shop_id: int
    shipment_id: int
    contact_id: int
    order_reference: str
    carrier: str
    carrier_name: str
    tracking_number: str
    outbound: bool
    registered_at: datetime
    promised_at: datetime | None
    zone: str
    collection_days: float
    collection_reminder: float
    announced: tuple[str, ...]


class How(msgspec.Struct, frozen=True, kw_only=True):
    """How a notice is sent."""

    urgent: bool = False
    hold: timedelta = timedelta(0)
    valid_until: datetime | None = None


PLAINLY: Final = How()
_CARRIER: Final = "carrier"
_NOTHING: Final = Expectation()


def worth_telling(expectation: Expectation, action_owner: str | None, zone: str, now: datetime) -> Expectation:
    """The estimate as far as a customer may rely on it; empty where it would not hold.

    `action_owner` is who must act on the trouble that is told, None where there is none. While a parcel waits for
    anybody but its carrier, the carrier's date knows nothing of that; and nobody should wait for a troubled one today.
    """
    latest = expectation.latest
    if latest is None or latest <= now:
        return _NOTHING
    is_today = latest <= end_of_day(now.astimezone(zone_of(zone)).date(), zone)
    is_troubled = action_owner is not None
    return _NOTHING if is_troubled and (action_owner != _CARRIER or is_today) else expectation


class Sayer(msgspec.Struct, frozen=True):
    """Fills what every notice of one decision has in common."""

    about: About
    belief: Belief
    expectation: Expectation
    now: datetime

    def __call__(
        self,
        kind: Kind,
        subject: str,
        key: str,
        *,
        because: dict[str, Any],
        incident: Incident | None = None,
        how: How = PLAINLY,
        **said: Any,
    ) -> Notice:
        about, is_open = self.about, incident is not None and incident.state.is_open
        owner = incident.action_owner if incident is not None and is_open else None
        expected = worth_telling(self.expectation, owner, about.zone, self.now)
        facts = Facts(
            order_reference=about.order_reference,
            carrier=about.carrier,
            carrier_name=about.carrier_name,
            tracking_number=about.tracking_number,
            promised_at=about.promised_at,
            expected_from=expected.earliest,
            expected_until=expected.latest,
            city=self.belief.city,
            country=self.belief.country,
            happened_offset=self._offset(said.get("happened_at")),
            **said,
        )
        return Notice(
            shop_id=about.shop_id,
            shipment_id=about.shipment_id,
            incident_id=incident.id if incident else None,
            contact_id=about.contact_id,
            kind=kind,
            subject=subject,
            key=f"{about.shipment_id}:{key}",
            facts=facts,
            because=because,
            planned_at=self.now,
            valid_until=how.valid_until,
            promised_update_at=facts.next_update_at,
            urgent=how.urgent,
            hold=how.hold,
        )

    def _offset(self, happened_at: datetime | None) -> int | None:
        """The clocks at the place of the scan that is told, where it is one."""
        belief, problem = self.belief, self.belief.open_problem
        if happened_at is not None and happened_at == belief.moved_at:
            return belief.moved_offset
        return problem.offset if problem is not None and happened_at == problem.since else None
