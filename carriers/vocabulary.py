"""The words that every carrier's words are translated into: milestones, their details, and what can be wrong.

Kinds are text in the database, so a new member here is no migration.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Milestone(StrEnum):
    """Where a shipment is, in the order of a normal journey; the return and end branches follow."""

    UNKNOWN = "unknown"  # an event that nobody mapped yet: it is kept, and moves nothing
    REGISTERED = "registered"
    ANNOUNCED = "announced"
    ACCEPTED = "accepted"
    IN_TRANSIT = "in_transit"
    IN_CUSTOMS = "in_customs"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_COLLECTION = "ready_for_collection"
    DELIVERED = "delivered"
    RETURNING = "returning"
    RETURNED = "returned"
    ENDED = "ended"

    @property
    def rank(self) -> int:
        """Position in the journey; breaks ties between events of the same instant."""
        return _RANK[self]


_RANK: Final = {milestone: rank for rank, milestone in enumerate(Milestone)}

STATUS_DETAILS: Final[dict[Milestone, frozenset[str]]] = {
    milestone: frozenset(details.split())
    for milestone, details in {
        Milestone.UNKNOWN: "",
        Milestone.REGISTERED: "awaiting_first_data number_not_found number_invalid",
        Milestone.ANNOUNCED: "label_created data_received pickup_scheduled pickup_failed not_handed_over",
        Milestone.ACCEPTED: "picked_up dropped_off accepted_without_data",
        Milestone.IN_TRANSIT: (
            "departed_origin arrived_hub sorted departed_hub missorted misrouted transferred_to_partner"
            " export_handed_over left_origin_country arrived_destination_country at_delivery_depot forwarded"
            " address_corrected repacked problem_resolved held_by_carrier delayed_by_carrier appointment_needed"
            " appointment_set appointment_changed"
        ),
        Milestone.IN_CUSTOMS: (
            "export_presented export_held export_released pre_clearance_hold import_presented inspection"
            " documents_required recipient_data_required duties_due duties_paid prohibited_or_seized import_released"
        ),
        Milestone.OUT_FOR_DELIVERY: "on_vehicle driver_near attempt_failed notice_left rescheduled redirected",
        Milestone.READY_FOR_COLLECTION: "at_point at_locker at_post_office reminder about_to_expire not_collected",
        Milestone.DELIVERED: (
            "to_recipient signed to_neighbour to_safe_place to_mailbox collected cash_collected partial"
            " damaged_on_delivery unconfirmed"
        ),
        Milestone.RETURNING: "refused unclaimed undeliverable customs_refused sender_recall customer_return",
        Milestone.RETURNED: "arrived_sender inspected restocked refused_by_sender",
        Milestone.ENDED: "cancelled lost_declared lost_presumed destroyed expired_no_data",
    }.items()
}


class Category(StrEnum):
    """What kind of trouble an incident is about."""

    CUSTOMS = "customs"
    WEATHER = "weather"
    DELAY = "delay"
    DELIVERY_ATTEMPT = "delivery_attempt"
    ADDRESS = "address"
    DAMAGE = "damage"
    LOSS = "loss"
    RETURN = "return"
    ROUTING = "routing"
    ORDER = "order"
    SHOP = "shop"
    DATA = "data"


CAUSES: Final[dict[Category, tuple[str, ...]]] = {
    Category.CUSTOMS: (
        "documents_missing", "documents_wrong", "value_query", "classification_query", "recipient_id_needed",
        "duties_unpaid", "inspection", "restricted_or_prohibited", "embargo_or_sanction", "broker_unreachable",
        "customs_backlog", "refused_by_customs",
    ),
    Category.WEATHER: (
        "storm", "snow_ice", "flood", "heat", "cold", "wind", "fog", "lightning", "wildfire_smoke", "natural_disaster",
    ),
    Category.DELAY: (
        "capacity_peak", "vehicle_or_technical", "missed_connection_or_flight", "strike", "public_holiday",
        "security_event", "road_closure", "unexplained",
    ),
    Category.DELIVERY_ATTEMPT: (
        "nobody_home", "business_closed", "access_denied", "id_or_age_check_failed", "payment_on_delivery_failed",
        "appointment_missed", "point_full_or_closed",
    ),
    Category.ADDRESS: ("incomplete", "wrong", "moved", "unreachable_contact"),
    Category.DAMAGE: ("damaged_in_transit", "packaging_failed", "contents_missing", "wet_or_temperature"),
    Category.LOSS: ("presumed_lost", "declared_lost", "delivered_not_received", "misdelivered", "theft_reported"),
    Category.RETURN: ("refused", "unclaimed", "undeliverable", "return_stalled", "return_lost", "refund_due_late"),
    Category.ROUTING: ("missort", "misroute", "wrong_partner", "over_labelled"),
    Category.ORDER: ("wrong_item", "missing_item", "supplier_mismatch", "not_as_described", "other_question"),
    Category.SHOP: (
        "payment_problem", "poor_service", "confusing_description", "unclear_checkout", "site_content",
        "channels_disagree",
    ),
    Category.DATA: (
        "unmapped_code", "contradictory_events", "delivery_withdrawn", "carrier_api_down", "push_gap",
        "wrong_number_or_carrier", "reused_number",
    ),
}  # fmt: skip


class TzCertainty(StrEnum):
    """How we know the zone of an event's time."""

    OFFSET_GIVEN = "offset_given"
    FROM_LOCATION = "from_location"
    ASSUMED = "assumed"
