"""What every script shares: the things it works with, and rooms 4 to 6 over a batch of loaded cases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from carriers.contract import Card
from notifications import outbox
from notifications.contract import Kind, Notice
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
_GO_ON = frozenset({Kind.INCIDENT_CHANGED, Kind.INCIDENT_UPDATE})
_SEQUELS = _GO_ON | {
    Kind.INCIDENT_RESOLVED,
    Kind.CORRECTION,
}  # what makes sense only to those who heard what was before


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
    """What is decided is said, and what is no longer true is not: both in the transaction that decided it."""
    overtaken = [stale for outcome in outcomes for stale in _overtaken(outcome)]
    never_told: set[tuple[int, str]] = set()
    if overtaken:
        shipments, subjects = zip(*overtaken, strict=True)
        stopped = await outbox.supersede(conn, shipments, "the state moved on before it was sent", subjects=subjects)
        never_told = {(one.shipment_id, one.subject) for one in stopped if one.kind is Kind.INCIDENT_OPENED}
    notices = await _as_heard(conn, [notice for outcome in outcomes for notice in outcome.notices], never_told)
    if notices:
        await outbox.enqueue(conn, notices, now, house.rules)


async def _as_heard(conn: Connection, notices: Sequence[Notice], taken_back: set[tuple[int, str]]) -> list[Notice]:
    """These notices to people who heard only what really went out (not while sending was stopped, or in shadow mode).

    Nobody hears of the end of a trouble, or of the correction of a word, that they were never told of; and whoever hears
    of a trouble for the first time is told of it as new.
    """
    sequels = [(one.shipment_id, one.subject, _refers_to(one)) for one in notices if one.kind in _SEQUELS]
    if not sequels:
        return list(notices)
    unheard = await outbox.unheard(conn, *zip(*sequels, strict=True))
    heard = []
    for notice in notices:
        subject = notice.shipment_id, notice.subject
        is_first = subject in taken_back or (*subject, _refers_to(notice)) in unheard
        if notice.kind not in _SEQUELS or not is_first:
            heard.append(notice)
        elif notice.kind in _GO_ON:
            facts = msgspec.structs.replace(notice.facts, sequel=0)
            heard.append(msgspec.structs.replace(notice, kind=Kind.INCIDENT_OPENED, facts=facts))
    return heard


def _refers_to(notice: Notice) -> str | None:
    """The kind of notice that a correction takes back; None for an incident, whatever was said of it."""
    said = notice.facts.said
    return None if said == "incident" else said


def _overtaken(outcome: Outcome) -> list[tuple[int, str]]:
    """Subjects (shipment, subject) whose queued notices are no longer true."""
    shipment_id = outcome.case.shipment_id
    over = [
        (shipment_id, incident_subject(step.incident)) for step in outcome.steps if step.kind in ("resolved", "merged")
    ]
    if outcome.belief.milestone is not outcome.case.belief.milestone:
        over.append((shipment_id, "progress"))
    return over
