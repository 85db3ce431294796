"""What every script shares: the things it works with, and rooms 4 to 6 over a batch of loaded cases."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from carriers.contract import Card, Estimate, TrackingEvent
from carriers.vocabulary import Milestone
from notifications import outbox
from notifications.contract import Kind, Notice
from notifications.policy import Rules
from sql.connection import Connection
from tracker import metrics
from tracker.clock import Chance, Clock
from tracker.domain.decision import Case, News, Outcome, decide
from tracker.domain.errors import RuleRefused
from tracker.domain.incident import Step
from tracker.domain.notices import incident_subject
from tracker.domain.returns import ReturnCase
from tracker.domain.shipment import append, continues, expect, fold
from tracker.passwords import Passwords
from tracker.store import cases
from tracker.store.calendars import Calendars
from tracker.store.db import Database
from tracker.vault import Vault

_log = logging.getLogger(__name__)
_RETRY = timedelta(minutes=5)
_MOST_EVENTS = 500
_HELD_BACK = timedelta(days=1)
_GO_ON = frozenset({Kind.INCIDENT_CHANGED, Kind.INCIDENT_UPDATE})
_SEQUELS = _GO_ON | {
    Kind.INCIDENT_RESOLVED,
    Kind.CORRECTION,
}  # what makes sense only to those who heard what was before


# Between these milestones the word that it was shipped stays true.
_ON_ITS_WAY = frozenset({Milestone.ACCEPTED, Milestone.IN_TRANSIT, Milestone.IN_CUSTOMS})


class House(msgspec.Struct, frozen=True):
    """What scripts work with; made once by bootstrap. `accounts` are those that can be asked, by carrier."""

    db: Database
    clock: Clock
    chance: Chance
    cards: Mapping[str, Card]
    calendars: Calendars
    vault: Vault
    passwords: Passwords = msgspec.field(default_factory=Passwords)
    rules: Rules = Rules()
    accounts: Mapping[str, Sequence[str]] = {}

    async def load(self, conn: Connection, ids: Sequence[int]) -> dict[int, Case]:
        """The cases of these shipments, locked in key order."""
        names = {code: card.name for code, card in self.cards.items()}
        return await cases.load(conn, ids, self.calendars, names, self.clock.now().date())


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What is new of one shipment: from a carrier, from people, or nothing, when the clock looks.

    `events` are kept already; `refold` is set where some of them are no mere additions. `not_found` is set by a poll:
    how often in a row the carrier did not know the number.
    """

    events: tuple[TrackingEvent, ...] = ()
    refold: bool = False
    estimate: Estimate | None = None
    not_found: int | None = None
    commanded: tuple[Step, ...] = ()
    settled: ReturnCase | None = None

    @property
    def is_peoples(self) -> bool:
        """Somebody waits to hear that it is done."""
        return bool(self.commanded) or self.settled is not None


_NOTHING = Heard()


class HeldBack(Exception):
    """More events than any parcel has: nothing is decided of it until somebody has looked."""


async def decide_and_save(
    house: House, conn: Connection, loaded: Sequence[Case], heard: Mapping[int, Heard], now: datetime
) -> list[Outcome]:
    """Decide each case with what was heard of it (by shipment), save the outcomes, enqueue the notices.

    A case that our own mistake keeps from being decided is marked and tried again, with all its events; the others are
    not held up.
    """
    news = {case.shipment_id: heard.get(case.shipment_id, _NOTHING) for case in loaded}
    anew = [case.shipment_id for case in loaded if _is_anew(case, news[case.shipment_id])]
    histories = await cases.events_of(conn, anew, _MOST_EVENTS + 1)
    outcomes: list[Outcome] = []
    undecided: dict[int, tuple[str, datetime]] = {}
    for case in loaded:
        try:
            told = _news(case, news[case.shipment_id], histories.get(case.shipment_id))
            outcomes.append(decide(case, now, draw=house.chance.random(), news=told))
        except HeldBack as reason:
            if news[case.shipment_id].is_peoples:
                raise RuleRefused(str(reason)) from reason
            undecided[case.shipment_id] = (str(reason), now + _HELD_BACK)
        except Exception as mistake:
            if news[case.shipment_id].is_peoples:
                raise  # people must not believe that it was done
            _log.exception("shipment could not be decided", extra={"shipment_id": case.shipment_id})
            undecided[case.shipment_id] = (type(mistake).__name__, now + _RETRY)  # its words may quote an event
    polled = {shipment_id for shipment_id, one in heard.items() if one.not_found is not None}
    saved = await cases.save(conn, outcomes, now, polled=polled)
    metrics.count_steps((step.incident.category, step.kind) for outcome in saved for step in outcome.steps)
    await cases.mark_undecided(conn, undecided)
    await _tell(house, conn, saved, now)
    return saved


def _is_anew(case: Case, heard: Heard) -> bool:
    """Whether all events must be folded from the beginning: the belief does not hold them all, or not as they are now."""
    return case.undecided or heard.refold or not continues(case.belief, heard.events)


def _news(case: Case, heard: Heard, history: Sequence[TrackingEvent] | None) -> News:
    """Room 4: what is believed now, continued where the news comes last. Raises HeldBack."""
    belief = append(case.belief, heard.events) if history is None else fold(history)
    if belief is None or max(belief.events, len(history or ())) > _MOST_EVENTS:
        raise HeldBack(f"more than {_MOST_EVENTS} events: held back until somebody has looked at it")
    return News(
        belief=belief,
        expectation=expect(case.expectation, heard.estimate, belief, case.destination_zone),
        not_found=heard.not_found,
        commanded=heard.commanded,
        settled=heard.settled,
    )


async def _tell(house: House, conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """What is decided is said, and what is no longer true is not: both in the transaction that decided it."""
    overtaken = [stale for outcome in outcomes for stale in _overtaken(outcome)]
    never_told: set[tuple[int, str]] = set()
    if overtaken:
        shipments, subjects = zip(*overtaken, strict=True)
        because = "the state moved on before it was sent"
        stopped = await outbox.supersede(conn, shipments, because, now, subjects=subjects)
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
    before, after = outcome.case.belief, outcome.belief
    is_on_its_way = before.milestone in _ON_ITS_WAY and after.milestone in _ON_ITS_WAY
    was_tried = after.status_detail != before.status_detail and after.status_detail in ("attempt_failed", "notice_left")
    if was_tried or (after.milestone is not before.milestone and not is_on_its_way):
        over.append((shipment_id, "progress"))
    return over
