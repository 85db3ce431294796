"""Staff, the shop or a customer says that something is wrong: a word that no detector takes back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from carriers.vocabulary import Category
from sql.connection import Connection
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.actions.deciding import Heard, House, decide_and_save
from tracker.domain.cause import TABLE
from tracker.domain.decision import Case
from tracker.domain.errors import FieldsWrong, NotFound, RuleRefused, Wrong
from tracker.domain.finding import Finding, Provenance, Signal
from tracker.domain.incident import Step
from tracker.domain.reconcile import reconcile
from tracker.store import reading

_WHOSE: Final = {"staff": "staff", "shop": "the shop", "customer": "the customer"}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a shipment, by whose word, and their words for the timeline."""

    shipment_id: int
    category: Category
    cause: str
    whose: Literal["staff", "shop", "customer"] = "staff"
    note: str | None = None


async def report(house: House, shop_id: int, by: Author, given: Report) -> tuple[int, bool]:
    """The incident that the report opened, changed or brought back, and whether it is a new one.

    Raises FieldsWrong for a cause that is none, NotFound, RuleRefused where just that is being worked on already.
    """
    if (given.category, given.cause) not in TABLE:
        causes = ", ".join(cause for category, cause in TABLE if category is given.category)
        raise FieldsWrong([Wrong("/cause", f"a cause of {given.category}: {causes}")])

    async def attempt(conn: Connection) -> tuple[int, bool]:
        now = house.clock.now()
        if not await reading.owns_shipment(conn, shop_id, given.shipment_id):
            raise NotFound(f"no shipment shp_{given.shipment_id}")
        case = (await house.load(conn, [given.shipment_id]))[given.shipment_id]
        step = _step(case, given, by, now=now)
        (outcome,) = await decide_and_save(house, conn, [case], {given.shipment_id: Heard(commanded=(step,))}, now)
        incident_id = step.incident.id or _opened(outcome.steps, given)
        about = {"cause": f"{given.category}.{given.cause}", "whose": given.whose}
        await audit.record(house.db, conn, by, "incident.reported", f"inc_{incident_id}", **about)
        return incident_id, step.kind == "opened"

    return await house.db.retrying(attempt)


def _step(case: Case, given: Report, by: Author, *, now: datetime) -> Step:
    """What the report does to the incidents of its shipment. Raises RuleRefused where it says nothing new."""
    if any(one.state.is_open and (one.category, one.cause) == (given.category, given.cause) for one in case.incidents):
        raise RuleRefused(f"{given.category}.{given.cause} is being worked on already: add a note there")
    steps = reconcile(case.incidents, [_finding(given, now)], now, case.thresholds, silence_cures=False)
    said = next((step for step in steps if step.finding is not None), None)
    if said is None:
        raise RuleRefused("another incident of this shipment tells that story already: add a note there")
    words = {"note": given.note} if given.note else {}
    # No detector's finding: what people say neither stands nor falls with what is detected.
    return msgspec.structs.replace(said, actor=by.actor, finding=None, detail={**said.detail, **words})


def _finding(given: Report, now: datetime) -> Finding:
    return Finding(
        key=f"reported:{given.category}.{given.cause}:{now.isoformat()}",
        rule="reported",
        rule_version=1,
        category=given.category,
        cause=given.cause,
        signal=Signal.REPORTED,
        provenance=Provenance.CUSTOMER if given.whose == "customer" else Provenance.STAFF,
        confidence=1.0,
        explanation=f"Reported by {_WHOSE[given.whose]}.",
        evidence={},
    )


def _opened(steps: Sequence[Step], given: Report) -> int:
    opened = next(
        step.incident
        for step in steps
        if (step.incident.category, step.incident.cause) == (given.category, given.cause)
    )
    assert opened.id is not None  # it was saved
    return opened.id
