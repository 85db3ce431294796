"""A return's life as one table: goods on the way back, from request to settled.

A carrier's return to sender enters at `in_transit`. A shop may settle as soon as the goods are on their way: many
refund before the parcel is back.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from carriers.vocabulary import Milestone
from tracker.domain.errors import RuleRefused
from tracker.domain.shipment import Belief


class ReturnState(StrEnum):
    """Where a return stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    LABEL_SENT = "label_sent"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    INSPECTED = "inspected"
    SETTLED = "settled"
    EXPIRED = "expired"


class ReturnCommand(StrEnum):
    """What the shop, or a parcel's scans, may do to a return."""

    APPROVE = "approve"
    REFUSE = "refuse"
    SEND_LABEL = "send_label"
    MOVE = "move"
    RECEIVE = "receive"
    INSPECT = "inspect"
    SETTLE = "settle"
    EXPIRE = "expire"


_S, _C = ReturnState, ReturnCommand

RETURN_LIFE: Final[dict[ReturnState, dict[ReturnCommand, ReturnState]]] = {
    _S.REQUESTED: {_C.APPROVE: _S.APPROVED, _C.REFUSE: _S.REFUSED},
    _S.APPROVED: {_C.SEND_LABEL: _S.LABEL_SENT, _C.REFUSE: _S.REFUSED},
    _S.LABEL_SENT: {_C.MOVE: _S.IN_TRANSIT, _C.RECEIVE: _S.RECEIVED, _C.EXPIRE: _S.EXPIRED},
    _S.IN_TRANSIT: {_C.RECEIVE: _S.RECEIVED, _C.SETTLE: _S.SETTLED},
    _S.RECEIVED: {_C.INSPECT: _S.INSPECTED, _C.SETTLE: _S.SETTLED},
    _S.INSPECTED: {_C.SETTLE: _S.SETTLED},
    _S.REFUSED: {},
    _S.SETTLED: {},
    _S.EXPIRED: {},
}

SETTLEMENTS: Final = frozenset({"refunded", "replaced", "rejected"})


class ReturnCase(msgspec.Struct, frozen=True, kw_only=True):
    """Goods on the way back. `settled_as` is one of SETTLEMENTS; `replacement_id` the shipment that replaces them."""

    id: int | None
    state: ReturnState
    reason: str
    opened_at: datetime
    changed_at: datetime
    settled_as: str | None = None
    settled_at: datetime | None = None
    replacement_id: int | None = None


def follow(held: ReturnCase | None, belief: Belief, *, outbound: bool, now: datetime) -> ReturnCase | None:
    """The return as the parcel's scans have it; the same value when they change nothing."""
    on_its_way = belief.returning_at or belief.milestone is Milestone.RETURNING if outbound else belief.accepted_at
    arrived = belief.milestone is (Milestone.RETURNED if outbound else Milestone.DELIVERED)
    if held is None:
        if not outbound or not (on_its_way or arrived):
            return None
        reason = belief.status_detail if belief.milestone is Milestone.RETURNING else None
        held = ReturnCase(id=None, state=_S.IN_TRANSIT, reason=reason or "undeliverable", opened_at=now, changed_at=now)
    if held.state is _S.LABEL_SENT and on_its_way and not arrived:
        return command(held, _C.MOVE, now)
    if held.state in (_S.LABEL_SENT, _S.IN_TRANSIT) and arrived:
        return command(held, _C.RECEIVE, now)
    return held


def command(held: ReturnCase, given: ReturnCommand, now: datetime) -> ReturnCase:
    """The return after a command. Raises RuleRefused naming what is allowed instead."""
    allowed = RETURN_LIFE[held.state]
    if given not in allowed:
        raise RuleRefused(f"a return that is {held.state} cannot {given}; it can: {', '.join(allowed) or 'nothing'}")
    return msgspec.structs.replace(held, state=allowed[given], changed_at=now)


def settle(held: ReturnCase, settled_as: str, replacement_id: int | None, now: datetime) -> ReturnCase:
    """The shop confirms how it ended. Raises RuleRefused for an unknown settlement or a state that forbids it."""
    if settled_as not in SETTLEMENTS:
        raise RuleRefused(f"a return is settled as one of {', '.join(sorted(SETTLEMENTS))}, not {settled_as!r}")
    return msgspec.structs.replace(
        command(held, _C.SETTLE, now), settled_as=settled_as, settled_at=now, replacement_id=replacement_id
    )
