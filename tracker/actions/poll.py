"""Ask carriers about the shipments that are due, within each account's budget, and take in what they say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from carriers.contract import (
    Adapter,
    Answer,
    CallsSpent,
    CarrierFailure,
    Client,
    FailureKind,
    Lookup,
    PayloadRejected,
    Report,
)
from sql import queries
from tracker.actions.deciding import House
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Said, Taken

T = TypeVar("T")
_log = logging.getLogger(__name__)
_SQL = queries.topic("polling")
_INTAKE = queries.topic("intake")
_LEASE: Final = timedelta(minutes=10)  # a round at a carrier that is slow throughout takes nearly as long
_AT_ONCE: Final = 8  # calls of one account under way at the same time
_BATCH: Final = 64
_TURN: Final = 2.0  # seconds of calls in one round where a carrier wants space between them
_BREAKER: Final = 5  # failures in a row
_SHORTEST, _LONGEST = timedelta(seconds=30), timedelta(minutes=15)
_AGAIN: Final = timedelta(minutes=5)
_OF_THE_ACCOUNT: Final = frozenset({FailureKind.AUTH, FailureKind.RATE_LIMITED, FailureKind.CARRIER_DOWN})


class Line(msgspec.Struct, frozen=True):
    """One account at one carrier that can be asked; `spacing` between its calls in seconds."""

    adapter: Adapter
    client: Client
    spacing: float


class _Due(msgspec.Struct, frozen=True):
    shop_id: int
    carrier: str
    account: str
    in_trouble: bool

    @property
    def key(self) -> tuple[int, str, str]:
        return self.shop_id, self.carrier, self.account


class _Asked(msgspec.Struct, frozen=True):
    shipment_id: int
    token: int
    lookup: Lookup


class Rounds:
    """Rounds of questions at these lines. Each account goes at its own pace: rounds at others pass one under way."""

    def __init__(
        self, house: House, lines: Mapping[tuple[int, str, str], Line], intake: GroupCommit[Observation, Taken]
    ) -> None:
        self._house, self._lines, self._intake = house, lines, intake
        self._under_way: set[tuple[int, str, str]] = set()

    async def poll_due(self) -> int:
        """One round over all free accounts with something due; returns how many shipments were asked about."""
        async with self._house.db.connection() as conn:
            rows = await conn.fetch(_SQL.accounts_due, self._house.clock.now())
        accounts = [_Due(row["shop_id"], row["carrier"], row["account"], row["failures"] > 0) for row in rows]
        return sum(await _all(self._poll(due) for due in accounts if due.key in self._lines))

    async def _poll(self, due: _Due) -> int:
        if due.key in self._under_way:
            return 0
        self._under_way.add(due.key)
        try:
            return await _poll_account(self._house, due, self._lines[due.key], self._intake)
        finally:
            self._under_way.discard(due.key)


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """What they return; where one fails the others are finished before that is raised."""
    ends = await asyncio.gather(*works, return_exceptions=True)
    results: list[T] = []
    for end in ends:
        if isinstance(end, BaseException):
            raise end
        results.append(end)
    return results


async def _poll_account(house: House, due: _Due, line: Line, intake: GroupCommit[Observation, Taken]) -> int:
    asked = await _claim(house, due, line)
    if not asked:
        return 0
    size = line.adapter.card.batch_size
    gate = asyncio.Semaphore(1 if line.spacing else _AT_ONCE)
    refusals: list[CarrierFailure | CallsSpent] = []

    async def ask(batch: Sequence[_Asked]) -> None:
        async with gate:
            if refusals:  # whoever says no to one question is not asked the others
                await _postpone(house, batch, house.clock.now() + _AGAIN)
                return
            refusal = await _ask(house, due, line, batch, intake)
            if refusal is not None:
                refusals.append(refusal)

    await _all(ask(asked[at : at + size]) for at in range(0, len(asked), size))
    await _judge(house, due, refusals)
    return len(asked)


async def _claim(house: House, due: _Due, line: Line) -> list[_Asked]:
    size = line.adapter.card.batch_size
    most = size if due.in_trouble else _BATCH  # after a pause one call goes ahead
    if line.spacing:
        most = min(most, max(1, int(_TURN / line.spacing)) * size)
    async with house.db.connection() as conn:
        rows = await conn.fetch(_SQL.claim, due.shop_id, due.carrier, due.account, house.clock.now(), _LEASE, most)
    return [
        _Asked(
            row["shipment_id"],
            row["poll_token"],
            Lookup(
                tracking_number=row["tracking_number"],
                carrier_reference=row["carrier_reference"],
                destination_country=row["destination_country"],
                destination_postcode=row["destination_postcode"],
                shipped_at=row["shipped_at"],
            ),
        )
        for row in rows
    ]


async def _ask(
    house: House, due: _Due, line: Line, batch: Sequence[_Asked], intake: GroupCommit[Observation, Taken]
) -> CarrierFailure | CallsSpent | None:
    """Fetch, read and take in one call's worth; returns what stood in the way when it was the account's, not the parcel's."""
    lookups = [one.lookup for one in batch]
    answer: Answer | None = None
    outcome: list[Report] | CarrierFailure | PayloadRejected
    try:
        answer = await line.client.fetch(lookups)
        outcome = line.adapter.parse(answer, lookups)
        _make_sure_of_whom(lookups, outcome)
    except CallsSpent as spent:
        await _postpone(house, batch, spent.until)
        return spent
    except (CarrierFailure, PayloadRejected) as refusal:
        outcome = refusal
    except Exception as mistake:  # noqa: BLE001 - must not die: our misreading is shown, and others are asked about
        _log.exception("an answer could not be read", extra={"carrier": due.carrier})
        outcome = PayloadRejected("", f"reading it failed: {type(mistake).__name__}")
    if isinstance(outcome, CarrierFailure) and outcome.kind in _OF_THE_ACCOUNT:
        again = max(timedelta(seconds=outcome.retry_after or 0), _AGAIN)
        await _postpone(house, batch, house.clock.now() + again)
        return outcome
    observations = [_observation(house, due, one, answer, outcome) for one in batch]
    await _all(intake.submit(observation) for observation in observations)
    return None


def _observation(
    house: House,
    due: _Due,
    asked: _Asked,
    answer: Answer | None,
    outcome: list[Report] | CarrierFailure | PayloadRejected,
) -> Observation:
    observed: dict[str, Any] = {
        "shop_id": due.shop_id,
        "source": "poll",
        "carrier": due.carrier,
        "account": due.account,
        "shipment_id": asked.shipment_id,
        "token": asked.token,
        "received_at": house.clock.now(),
        "raw": answer.body if answer else b"",
        "content_type": answer.content_type if answer else "",
        "http_status": answer.status if answer else None,
    }
    if isinstance(outcome, PayloadRejected):
        return Observation(**observed, problem=outcome.reason, problem_path=outcome.path)
    if isinstance(outcome, CarrierFailure):
        return Observation(**observed, failure=outcome.kind)
    mine = _about(asked.lookup.tracking_number, outcome)
    failure = mine[0].failure if mine else FailureKind.NOT_FOUND
    said = tuple(Said(due.carrier, report) for report in mine if report.failure is None)
    return Observation(**observed, said=said, failure=None if said else failure)


def _make_sure_of_whom(lookups: Sequence[Lookup], reports: Sequence[Report]) -> None:
    """Another parcel's news must not be taken for this one's. Raises PayloadRejected."""
    if reports and not any(_about(lookup.tracking_number, reports) for lookup in lookups):
        others = ", ".join(report.tracking_number for report in reports[:3])
        raise PayloadRejected("", f"the answer is about another number: {others}")


def _about(number: str, reports: Sequence[Report]) -> list[Report]:
    """The reports that speak of this number; where none bears it, those that name it beside their own."""
    wanted = _plain(number)
    return [report for report in reports if _plain(report.tracking_number) == wanted] or [
        report for report in reports if wanted in map(_plain, report.also_known_as)
    ]


def _plain(number: str) -> str:
    """Carriers give numbers back with spaces, dashes or without leading zeros."""
    return "".join(filter(str.isalnum, number)).upper().lstrip("0")


async def _judge(house: House, due: _Due, refusals: Sequence[CarrierFailure | CallsSpent]) -> None:
    """What a round of calls means for the account: open, close or keep its breaker, or rest until tomorrow."""
    key = (due.shop_id, due.carrier, due.account)
    now = house.clock.now()
    failures = [refusal for refusal in refusals if isinstance(refusal, CarrierFailure)]
    spent = next((refusal for refusal in refusals if isinstance(refusal, CallsSpent)), None)
    async with house.db.connection() as conn:
        if failures:
            worst = min(failures, key=lambda failure: list(_PAUSES).index(failure.kind))
            pause = timedelta(seconds=worst.retry_after) if worst.retry_after else _PAUSES[worst.kind]
            because = f"{worst.kind}: {worst.detail}"[:300]
            until = await conn.fetchval(_SQL.pause, *key, now, now + pause, because, _BREAKER, _SHORTEST, _LONGEST)
        elif spent:
            until, because = spent.until, str(spent)
            await conn.execute(_SQL.rest, *key, until, because)
        else:
            await conn.execute(_SQL.answered, *key, now)
            return
    _log.warning(
        "carrier account paused",
        extra={"carrier": due.carrier, "account": due.account, "until": until.isoformat(), "because": because},
    )


_PAUSES: Final = {
    FailureKind.AUTH: _LONGEST,  # asking on with refused credentials gets accounts locked
    FailureKind.RATE_LIMITED: timedelta(minutes=1),
    FailureKind.CARRIER_DOWN: _SHORTEST,
}


async def _postpone(house: House, batch: Sequence[_Asked], until: datetime) -> None:
    async with house.db.connection() as conn:
        await conn.execute(
            _INTAKE.postpone_polls,
            [one.shipment_id for one in batch],
            [one.token for one in batch],
            [until] * len(batch),
        )
