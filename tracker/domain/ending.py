"""When a journey is over: delivered, its return settled, or ended and made good to the customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from carriers.vocabulary import Category, Milestone
from tracker.domain.incident import Incident, Step, resolve
from tracker.domain.returns import ReturnCase, ReturnState
from tracker.domain.shipment import Belief
from tracker.domain.thresholds import Thresholds

_FINAL: Final = frozenset({Milestone.DELIVERED, Milestone.RETURNED, Milestone.ENDED})
_MADE_GOOD: Final = frozenset({"refunded", "reshipped"})


def declared_lost(belief: Belief, held: Sequence[Incident], now: datetime) -> Belief:
    """Many carriers say that a parcel is lost and never that its journey is over: the shop's making it good ends it."""
    lost = belief.problem is not None and belief.problem.category is Category.LOSS
    made_good = any(one.category is Category.LOSS and one.closing_reason in _MADE_GOOD for one in held)
    if not lost or not made_good or belief.milestone is Milestone.ENDED:
        return belief
    return msgspec.structs.replace(belief, milestone=Milestone.ENDED, status_detail="lost_declared", since=now)


def unwatched(belief: Belief, since: datetime | None) -> Belief:
    """What the shop looks after itself is over for us, wherever it is: cancelled, unless it has come to its end."""
    if since is None or belief.milestone in _FINAL:
        return belief
    return msgspec.structs.replace(belief, milestone=Milestone.ENDED, status_detail="cancelled", since=since)


def is_made_good(belief: Belief, held: Sequence[Incident], returned: ReturnCase | None) -> bool:
    """The journey is over without delivery, and the customer has the money or the goods.

    Of a cancelled parcel nobody expects anything, unless there is still an incident that the customer heard of.
    """
    if returned is not None and returned.state is ReturnState.SETTLED:
        return True
    if belief.milestone is not Milestone.ENDED:
        return False
    if belief.status_detail == "cancelled":
        return not any(incident.state.is_open for incident in held)
    return any(incident.closing_reason in _MADE_GOOD for incident in held)


def end_of_return(
    held: Sequence[Incident], returned: ReturnCase | None, now: datetime, thresholds: Thresholds
) -> list[Step]:
    """A settled return ends the incidents of its way; what is damaged is not made good by a rejection."""
    if returned is None or returned.state is not ReturnState.SETTLED:
        return []
    after = timedelta(hours=thresholds.close_after_hours)
    rejected = returned.settled_as == "rejected"
    return [
        Step(
            incident=resolve(incident, "returned_and_settled", now, close_after=after),
            kind="resolved",
            actor="tracker",
            detail={"reason": "returned_and_settled", "settled_as": returned.settled_as},
        )
        for incident in held
        if incident.state.is_open and not (rejected and incident.category is Category.DAMAGE)
    ]
