"""What each cause means for us: who answers for it, whom it reaches, who acts, what, and what happens otherwise."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from carriers.vocabulary import CAUSES, Category


class Reach(StrEnum):
    """How far the news of a cause may go."""

    HEALTH = "health"
    STAFF = "staff"
    CUSTOMER = "customer"


class Cause(msgspec.Struct, frozen=True):
    """`harm` is 1 (an annoyance) to 5 (the goods are gone). `days` is how long the owner has, in working days."""

    responsible: str
    owner: str
    action: str
    otherwise: str
    harm: int
    days: float = 2
    reach: Reach = Reach.CUSTOMER


_C: Final = Category

# Several causes of a category usually share an answer; the rows below name only what differs.
_CATEGORY: Final[dict[Category, Cause]] = {
    _C.CUSTOMS: Cause("authority", "authority", "wait_for_release", "parcel_stays_in_customs", 3, 2),
    _C.WEATHER: Cause("nature", "carrier", "deliver_when_safe", "delivery_moves_further", 2, 2),
    _C.DELAY: Cause("carrier", "carrier", "find_and_move", "enquiry_with_carrier", 2, 2),
    _C.DELIVERY_ATTEMPT: Cause("recipient", "recipient", "arrange_delivery", "returned_to_sender", 2, 2),
    _C.ADDRESS: Cause("recipient", "recipient", "correct_address", "returned_to_sender", 3, 2),
    _C.DAMAGE: Cause("carrier", "shop", "replace_or_refund", "customer_without_goods", 4, 1),
    _C.LOSS: Cause("carrier", "shop", "replace_or_refund", "customer_without_goods", 5, 1),
    _C.RETURN: Cause("recipient", "shop", "refund_or_replace", "refund_due_late", 2, 5),
    _C.ROUTING: Cause("carrier", "carrier", "reroute", "delivery_moves_further", 1, 2, Reach.STAFF),
    _C.ORDER: Cause("shop", "shop", "put_right", "customer_without_goods", 3, 1),
    _C.SHOP: Cause("shop", "shop", "put_right", "customer_leaves", 2, 1),
    _C.DATA: Cause("platform", "platform", "check_data", "state_stays_unclear", 1, 2, Reach.STAFF),
}

_OWN: Final[dict[tuple[Category, str], Cause]] = {
    (_C.CUSTOMS, "documents_missing"): Cause("shop", "recipient", "send_documents", "returned_to_sender", 4, 3),
    (_C.CUSTOMS, "documents_wrong"): Cause("shop", "shop", "correct_documents", "returned_to_sender", 4, 2),
    (_C.CUSTOMS, "value_query"): Cause("shop", "shop", "prove_value", "returned_to_sender", 3, 2),
    (_C.CUSTOMS, "classification_query"): Cause("shop", "shop", "state_tariff_code", "returned_to_sender", 3, 2),
    (_C.CUSTOMS, "recipient_id_needed"): Cause("recipient", "recipient", "give_id", "returned_to_sender", 4, 3),
    (_C.CUSTOMS, "duties_unpaid"): Cause("recipient", "recipient", "pay_duties", "returned_to_sender", 4, 3),
    (_C.CUSTOMS, "restricted_or_prohibited"): Cause("shop", "shop", "settle_with_customs", "goods_are_seized", 5, 2),
    (_C.CUSTOMS, "embargo_or_sanction"): Cause("shop", "shop", "settle_with_customs", "goods_are_seized", 5, 2),
    (_C.CUSTOMS, "broker_unreachable"): Cause("carrier", "carrier", "reach_broker", "parcel_stays_in_customs", 3, 2),
    (_C.CUSTOMS, "refused_by_customs"): Cause("authority", "shop", "refund_or_replace", "customer_without_goods", 5, 1),
    (_C.DELAY, "public_holiday"): Cause("platform", "carrier", "find_and_move", "enquiry_with_carrier", 1, 2),
    (_C.RETURN, "return_stalled"): Cause("carrier", "carrier", "find_and_move", "enquiry_with_carrier", 3, 2),
    (_C.RETURN, "return_lost"): Cause("carrier", "shop", "refund_or_replace", "refund_due_late", 4, 1),
    (_C.RETURN, "refund_due_late"): Cause("shop", "shop", "refund_or_replace", "refund_doubles_on_claim", 4, 1),
    (_C.DATA, "unmapped_code"): Cause("platform", "platform", "map_code", "state_stays_unclear", 1, 2, Reach.HEALTH),
    (_C.DATA, "carrier_api_down"): Cause(
        "carrier", "carrier", "wait_for_carrier", "state_stays_unclear", 1, 1, Reach.HEALTH
    ),
}

TABLE: Final[dict[tuple[Category, str], Cause]] = {
    (category, cause): _OWN.get((category, cause), _CATEGORY[category])
    for category, causes in CAUSES.items()
    for cause in causes
}
