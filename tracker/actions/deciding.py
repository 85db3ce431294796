"""What every script shares: the things it works with, and rooms 4 to 6 over a batch of loaded cases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from carriers.contract import Card
from notifications import outbox
from notifications.contract import Kind
from notifications.policy import Rules
from sql.connection import Connection
from tracker import metrics
from tracker.clock import Chance, Clock
from tracker.domain.decision import Case, Outcome
from tracker.domain.notices import incident_subject
from tracker.store import cases
from tracker.store.calendars import Calendars
from tracker.store.db import Database
from tracker.vault import Vault

_log = logging.getLogger(__name__)
_RETRY = timedelta(minutes=5)


class House(msgspec.Struct, frozen=True):
    """What scripts work with; made once by bootstrap."""

    db: Database
    clock: Clock
    chance: Chance
    cards: Mapping[str, Card]
    calendars: Calendars
    vault: Vault
    rules: Rules = Rules()

    async def load(self, conn: Connection, ids: Sequence[int]) -> dict[int, Case]:
        """The cases of these shipments, locked in key order."""
        names = {code: card.name for code, card in self.cards.items()}
        return await cases.load(conn, ids, self.calendars, names)


async def decide_and_save(
    house: House,
    conn: Connection,
    loaded: Sequence[Case],
    decide: Callable[[Case], Outcome],
    now: datetime,
    *,
    polled: bool = False,
) -> list[Outcome]:
    """Decide each case, save the outcomes, enqueue the notices.

    A case that our own mistake keeps from being decided is marked and tried again; the others are not held up.
    """
    outcomes: list[Outcome] = []
    undecided: dict[int, str] = {}
    for case in loaded:
        try:
            outcomes.append(decide(case))
        except Exception as mistake:  # noqa: BLE001 - what was received is kept, whatever we got wrong
            _log.exception("shipment could not be decided", extra={"shipment_id": case.shipment_id})
            undecided[case.shipment_id] = f"{type(mistake).__name__}: {mistake}"[:500]
    saved = await cases.save(conn, outcomes, now, polled=polled)
    metrics.count_steps((step.incident.category, step.kind) for outcome in saved for step in outcome.steps)
    await cases.mark_undecided(conn, undecided, now + _RETRY)
    await _tell(house, conn, saved, now)
    return saved


async def _tell(house: House, conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """What is decided is said, and what is no longer true is not: both in the transaction that decided it.

    Taken back unsent is silence: nobody hears of the end of a trouble that they were never told of.
    """
    overtaken = [stale for outcome in outcomes for stale in _overtaken(outcome)]
    never_told: set[tuple[int, str]] = set()
    if overtaken:
        shipments, subjects = zip(*overtaken, strict=True)
        stopped = await outbox.supersede(conn, shipments, "the state moved on before it was sent", subjects=subjects)
        never_told = {(one.shipment_id, one.subject) for one in stopped if one.kind is Kind.INCIDENT_OPENED}
    notices = [
        notice
        for outcome in outcomes
        for notice in outcome.notices
        if notice.kind is not Kind.INCIDENT_RESOLVED or (notice.shipment_id, notice.subject) not in never_told
    ]
    if notices:
        await outbox.enqueue(conn, notices, now, house.rules)


def _overtaken(outcome: Outcome) -> list[tuple[int, str]]:
    """Subjects (shipment, subject) whose queued notices are no longer true."""
    shipment_id = outcome.case.shipment_id
    over = [
        (shipment_id, incident_subject(step.incident)) for step in outcome.steps if step.kind in ("resolved", "merged")
    ]
    if outcome.belief.milestone is not outcome.case.belief.milestone:
        over.append((shipment_id, "progress"))
    return over
