"""Cases of shipments: loaded under their locks, saved with a constant number of statements per batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from carriers.contract import Place, Precision, Problem, TrackingEvent
from carriers.vocabulary import Category, Milestone, TzCertainty
from sql import queries
from sql.connection import Connection
from tracker.domain.cause import Reach
from tracker.domain.decision import Case, Outcome
from tracker.domain.finding import Finding, Provenance, Signal
from tracker.domain.incident import Incident, State, Step
from tracker.domain.returns import ReturnCase, ReturnState
from tracker.domain.severity import Severity
from tracker.domain.shipment import Belief, Expectation
from tracker.domain.thresholds import Thresholds
from tracker.store.calendars import Calendars

_SQL = queries.topic("cases")
_SEPARATOR = "\x1f"  # between finding keys in one column of a row; keys may hold spaces
_belief = msgspec.json.Decoder(Belief).decode
_expectation = msgspec.json.Decoder(Expectation).decode
_thresholds = msgspec.json.Decoder(Thresholds).decode
_encode = msgspec.json.encode


async def find_numbers(conn: Connection, numbers: Sequence[tuple[int, str, str]]) -> list[int | None]:
    """The shipment that each (shop, carrier, number) speaks of, None where there is none."""
    if not numbers:
        return []
    shops, carriers, spoken = zip(*numbers, strict=True)
    rows = await conn.fetch(_SQL.find_numbers, shops, carriers, spoken)
    found = {row["position"]: row["id"] for row in rows}
    return [found.get(position) for position in range(1, len(numbers) + 1)]


async def next_moment(conn: Connection) -> datetime | None:
    """The earliest moment at which a shipment is to be looked at: one look at the index."""
    moment: datetime | None = await conn.fetchval(_SQL.next_moment)
    return moment


async def due(conn: Connection, now: datetime, most: int) -> list[int]:
    """Up to `most` shipments whose next moment has come, locked for this transaction."""
    return [row["id"] for row in await conn.fetch(_SQL.due, now, most)]


async def load(
    conn: Connection, ids: Sequence[int], calendars: Calendars, carrier_names: Mapping[str, str], today: date
) -> dict[int, Case]:
    """Lock these shipments in key order and load all that a decision needs, with five statements at the most.

    The rows are read by a statement of their own: one that had to wait for its locks would see the locked rows as they
    are, and all rows joined to them as they were before it waited.
    """
    locked = [row["id"] for row in await conn.fetch(_SQL.lock, sorted(set(ids)))]
    if not locked:
        return {}
    rows = await conn.fetch(_SQL.cases, locked)
    incidents = defaultdict(list)
    for row in await conn.fetch(_SQL.incidents, locked):
        incidents[row["shipment_id"]].append(_incident(row))
    shops = {row["shop_id"] for row in rows}
    thresholds = {row["shop_id"]: _thresholds(row["body"]) for row in await conn.fetch(_SQL.settings, list(shops))}
    await calendars.read(conn, {row[end] for row in rows for end in ("origin_country", "destination_country")}, today)
    return {
        row["id"]: _case(
            row,
            tuple(incidents[row["id"]]),
            thresholds.get(row["shop_id"]) or Thresholds(),
            calendars,
            carrier_names.get(row["carrier"], row["carrier"]),
        )
        for row in rows
    }


async def events_of(conn: Connection, ids: Sequence[int], most: int) -> dict[int, list[TrackingEvent]]:
    """All events of these shipments that still count, for a fold from the beginning; of each up to `most`."""
    found: dict[int, list[TrackingEvent]] = {shipment_id: [] for shipment_id in ids}
    if not found:
        return {}
    for row in await conn.fetch(_SQL.events, list(ids), most):
        found[row["shipment_id"]].append(_event(row))
    return found


async def save(
    conn: Connection, outcomes: Sequence[Outcome], now: datetime, *, polled: Collection[int]
) -> list[Outcome]:
    """Write what was decided; returns the outcomes with the ids that new incidents were given.

    `polled` are shipments that a carrier has just been asked about. Statements depend on what kinds of news there are,
    not on how many.
    """
    if not outcomes:
        return []
    await conn.execute(_SQL.save_shipments, _encode([_shipment_row(outcome) for outcome in outcomes]))
    await conn.execute(
        _SQL.save_schedules,
        [outcome.case.shipment_id for outcome in outcomes],
        [outcome.next_moment_at for outcome in outcomes],
        [outcome.next_poll_at for outcome in outcomes],
        [outcome.case.shipment_id in polled for outcome in outcomes],
    )
    outcomes = await _save_incidents(conn, outcomes, now)
    moved = [outcome for outcome in outcomes if outcome.returned != outcome.case.returned]
    if moved:
        await conn.execute(_SQL.save_returns, _encode([_return_row(outcome) for outcome in moved]))
    changes = [change for outcome in outcomes for change in _change_rows(outcome)]
    if changes:
        await conn.execute(_SQL.insert_changes, _encode(changes), now)
    return list(outcomes)


async def mark_undecided(conn: Connection, reasons: Mapping[int, tuple[str, datetime]]) -> None:
    """Our own mistake: keep the events, show these shipments as undecided and why, and try again at the moment given."""
    if reasons:
        why, retries = zip(*reasons.values(), strict=True)
        await conn.execute(_SQL.mark_undecided, list(reasons), why, retries)


async def _save_incidents(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> list[Outcome]:
    stepped = [outcome for outcome in outcomes if outcome.steps]
    had = [outcome.case.shipment_id for outcome in outcomes if outcome.case.incidents]
    if not stepped and not had:
        return list(outcomes)
    new, held = _last_values(stepped)
    ids: dict[tuple[int, str, str], int] = {}
    if new:
        for row in await conn.fetch(_SQL.insert_incidents, _encode([_incident_row(*one) for one in new])):
            ids[row["shipment_id"], row["category"], row["cause"]] = row["id"]
    if held:
        rows = [_incident_row(outcome, _into(incident, outcome, ids)) for outcome, incident in held]
        await conn.execute(_SQL.update_incidents, _encode(rows))
    standing = [f"{outcome.case.shipment_id} {key}" for outcome in outcomes for key in outcome.standing]
    if had:
        await conn.execute(_SQL.withdraw_findings, had, standing, now)
    identified = {outcome.case.shipment_id: _with_ids(outcome, ids) for outcome in stepped}
    findings = [
        _finding_row(outcome, step.incident, step.finding)
        for outcome in identified.values()
        for step in outcome.steps
        if step.finding is not None
    ]
    if findings:
        await conn.execute(_SQL.insert_findings, _encode(findings), now)
    entries = [
        _entry_row(outcome, step)
        for outcome in identified.values()
        for step in outcome.steps
        if step.kind != "reviewed"
    ]
    if entries:
        await conn.execute(_SQL.insert_entries, _encode(entries), now)
    return [identified.get(outcome.case.shipment_id, outcome) for outcome in outcomes]


def _last_values(
    outcomes: Sequence[Outcome],
) -> tuple[list[tuple[Outcome, Incident]], list[tuple[Outcome, Incident]]]:
    """The last value of each incident that was touched: those without an id yet, and the others."""
    new: dict[tuple[int, str, str], tuple[Outcome, Incident]] = {}
    held: dict[int, tuple[Outcome, Incident]] = {}
    for outcome in outcomes:
        for step in outcome.steps:
            incident = step.incident
            if incident.id is None:
                new[outcome.case.shipment_id, incident.category, incident.cause] = (outcome, incident)
            else:
                held[incident.id] = (outcome, incident)
    return list(new.values()), list(held.values())


def _into(incident: Incident, outcome: Outcome, ids: Mapping[tuple[int, str, str], int]) -> Incident:
    """A merged incident with the id of the one that its story goes on in, which may have been made just now."""
    if incident.state is not State.MERGED or incident.merged_into is not None:
        return incident
    merges = (step for step in outcome.steps if step.incident.id == incident.id and step.kind == "merged")
    named = next(merges).detail["into"]
    category, _, cause = named.partition(".")
    return msgspec.structs.replace(incident, merged_into=ids.get((outcome.case.shipment_id, category, cause)))


def _with_ids(outcome: Outcome, ids: Mapping[tuple[int, str, str], int]) -> Outcome:
    def known(incident: Incident) -> Incident:
        if incident.id is not None:
            return _into(incident, outcome, ids)
        key = (outcome.case.shipment_id, incident.category, incident.cause)
        return msgspec.structs.replace(incident, id=ids[key])

    steps = tuple(msgspec.structs.replace(step, incident=known(step.incident)) for step in outcome.steps)
    by_cause = {f"{step.incident.category}.{step.incident.cause}": step.incident.id for step in steps}
    notices = tuple(
        msgspec.structs.replace(notice, incident_id=by_cause[notice.facts.cause])
        if notice.incident_id is None and notice.subject.startswith("incident:") and notice.facts.cause
        else notice
        for notice in outcome.notices
    )
    return msgspec.structs.replace(outcome, steps=steps, notices=notices)


def _shipment_row(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.case.shipment_id,
        "milestone": outcome.belief.milestone,
        "status_detail": outcome.belief.status_detail,
        "health": outcome.health,
        "belief": outcome.belief,
        "expectation": outcome.expectation,
        "announced": " ".join(outcome.announced),
        "cured_at": outcome.cured_at,
        "ended_at": outcome.ended_at,
    }


def _incident_row(outcome: Outcome, incident: Incident) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(incident),
        "shop_id": outcome.case.shop_id,
        "shipment_id": outcome.case.shipment_id,
        "handled": _SEPARATOR.join(incident.handled),
    }


def _finding_row(outcome: Outcome, incident: Incident, finding: Finding) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(finding),
        "shop_id": outcome.case.shop_id,
        "shipment_id": outcome.case.shipment_id,
        "incident_id": incident.id,
    }


def _entry_row(outcome: Outcome, step: Step) -> dict[str, Any]:
    detail = {**step.detail, **_goes_on(step), "severity": step.incident.severity}
    if step.finding is not None:
        detail |= {"explanation": step.finding.explanation, "rule": step.finding.rule}
    return {
        "shop_id": outcome.case.shop_id,
        "incident_id": step.incident.id,
        "kind": step.kind,
        "actor": step.actor,
        "detail": detail,
    }


def _goes_on(step: Step) -> dict[str, str]:
    """Where the story of an incident goes on that is merged by this step."""
    into = step.incident.merged_into
    return {"into_incident": f"inc_{into}"} if step.kind == "merged" and into is not None else {}


def _return_row(outcome: Outcome) -> dict[str, Any]:
    assert outcome.returned is not None  # only called for outcomes whose return moved
    return {
        **msgspec.structs.asdict(outcome.returned),
        "shop_id": outcome.case.shop_id,
        "shipment_id": outcome.case.shipment_id,
    }


def _change_rows(outcome: Outcome) -> list[dict[str, Any]]:
    about = {"shop_id": outcome.case.shop_id, "shipment_id": outcome.case.shipment_id}
    rows = [{**about, "kind": kind, "detail": detail} for kind, detail in outcome.changes]
    rows += [
        {
            **about,
            "incident_id": step.incident.id,
            "kind": f"incident.{step.kind}",
            "detail": {
                "category": step.incident.category,
                "cause": step.incident.cause,
                "state": step.incident.state,
                "severity": step.incident.severity,
                **_goes_on(step),
            },
        }
        for step in outcome.steps
        if step.kind != "reviewed"
    ]
    before, after = outcome.case.returned, outcome.returned
    if after is not None and (before is None or before.state is not after.state):
        rows.append({**about, "kind": f"return.{after.state}", "detail": {"settled_as": after.settled_as}})
    return rows


def _case(
    row: asyncpg.Record, incidents: tuple[Incident, ...], thresholds: Thresholds, calendars: Calendars, name: str
) -> Case:
    origin, destination, zone = row["origin_country"], row["destination_country"], row["destination_zone"]
    return Case(
        shipment_id=row["id"],
        shop_id=row["shop_id"],
        contact_id=row["contact_id"],
        order_reference=row["order_reference"],
        carrier=row["carrier"],
        carrier_name=name,
        tracking_number=row["tracking_number"],
        outbound=row["direction"] == "outbound",
        international=origin != destination,
        registered_at=row["registered_at"],
        promised_at=row["promised_at"],
        essential=row["essential_date"],
        value=row["value_amount"],
        destination_zone=zone,
        customer_zone=row["customer_zone"],
        lane=calendars.lane(zone, origin, destination),
        origin=calendars.lane(zone, origin),
        thresholds=thresholds,
        belief=_belief(row["belief"]),
        expectation=_expectation(row["expectation"]),
        health=row["health"],
        announced=tuple(row["announced"]),
        cured_at=row["cured_at"],
        ended_at=row["ended_at"],
        unwatched_at=row["unwatched_at"],
        incidents=incidents,
        returned=_return_case(row),
        not_found=row["not_found_count"],
        poll_failures=row["poll_failures"],
        undecided=row["undecided"],
    )


def _return_case(row: asyncpg.Record) -> ReturnCase | None:
    if row["return_id"] is None:
        return None
    return ReturnCase(
        id=row["return_id"],
        state=ReturnState(row["return_state"]),
        reason=row["return_reason"],
        opened_at=row["return_opened_at"],
        changed_at=row["return_changed_at"],
        settled_as=row["settled_as"],
        settled_at=row["settled_at"],
        replacement_id=row["replacement_id"],
    )


def _incident(row: asyncpg.Record) -> Incident:
    values = dict(row)
    del values["shipment_id"]
    return Incident(
        **values
        | {
            "category": Category(row["category"]),
            "signal": Signal(row["signal"]),
            "provenance": Provenance(row["provenance"]),
            "state": State(row["state"]),
            "severity": Severity(row["severity"]),
            "reach": Reach(row["reach"]),
            "handled": tuple(row["handled"]),
        }
    )


def _event(row: asyncpg.Record) -> TrackingEvent:
    problem = Problem(Category(row["category"]), row["cause"]) if row["category"] else None
    return TrackingEvent(
        key=row["key"],
        occurred_at=row["occurred_at"],
        occurred_local=row["occurred_local"],
        tz_certainty=TzCertainty(row["tz_certainty"]),
        precision=Precision(row["precision"]),
        sequence=row["sequence"],
        milestone=Milestone(row["milestone"]),
        status_detail=row["status_detail"],
        problem=problem,
        action_owner=row["action_owner"],
        informational=row["informational"],
        code=row["code"],
        text=row["text"],
        place=Place(row["city"], row["country"], row["postcode"]),
    )
