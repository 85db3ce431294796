"""Ask carriers about the shipments that are due, within each account's budget, and take in what they say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from carriers.contract import Adapter, Answer, CarrierFailure, Client, FailureKind, Lookup, PayloadRejected, Report
from sql import queries
from tracker.actions.deciding import House
from tracker.actions.group_commit import GroupCommit
from tracker.actions.intake import Observation, Said, Taken

_log = logging.getLogger(__name__)
_SQL = queries.topic("polling")
_INTAKE = queries.topic("intake")
_LEASE: Final = timedelta(minutes=10)  # a round at a carrier that is slow throughout takes nearly as long
_AT_ONCE: Final = 8  # calls of one account under way at the same time
_BATCH: Final = 64
_TURN: Final = 2.0  # seconds of calls that one worker reserves where a carrier wants space between them
_BREAKER: Final = 5  # failures in a row
_SHORTEST, _LONGEST = timedelta(seconds=30), timedelta(minutes=15)
_AGAIN: Final = timedelta(minutes=5)


class Line(msgspec.Struct, frozen=True):
    """One account at one carrier that can be asked. `calls_per_day` None is without limit; `spacing` in seconds."""

    adapter: Adapter
    client: Client
    calls_per_day: int | None
    spacing: float


class _Due(msgspec.Struct, frozen=True):
    shop_id: int
    carrier: str
    account: str
    calls_left: int | None
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
        now = self._house.clock.now()
        async with self._house.db.connection() as conn:
            rows = await conn.fetch(_SQL.accounts_due, now)
        due = [
            _Due(row["shop_id"], row["carrier"], row["account"], _calls_left(line, row, now), row["failures"] > 0)
            for row in rows
            if (line := self._lines.get((row["shop_id"], row["carrier"], row["account"]))) is not None
        ]
        ends = await asyncio.gather(*(self._poll(one) for one in due), return_exceptions=True)
        asked = 0
        for end in ends:
            if isinstance(end, BaseException):
                raise end
            asked += end
        return asked

    async def _poll(self, due: _Due) -> int:
        if due.key in self._under_way:
            return 0
        self._under_way.add(due.key)
        try:
            return await _poll_account(self._house, due, self._lines[due.key], self._intake)
        finally:
            self._under_way.discard(due.key)


def _calls_left(line: Line, row: asyncpg.Record, now: datetime) -> int | None:
    if line.calls_per_day is None:
        return None
    spent = row["calls_today"] if row["calls_on"] == now.astimezone(UTC).date() else 0
    return max(0, line.calls_per_day - int(spent))


async def _poll_account(house: House, due: _Due, line: Line, intake: GroupCommit[Observation, Taken]) -> int:
    now = house.clock.now()
    if due.calls_left == 0:
        tomorrow = datetime.combine(now.date() + timedelta(days=1), time.min, UTC)
        await _pause(house, due, tomorrow, "the day's calls are spent")
        return 0
    asked = await _claim(house, due, line, now)
    batches = [
        asked[at : at + line.adapter.card.batch_size] for at in range(0, len(asked), line.adapter.card.batch_size)
    ]
    if not batches:
        return 0
    async with house.db.connection() as conn:
        await conn.execute(_SQL.count_calls, due.shop_id, due.carrier, due.account, now.date(), len(batches))
    gate = asyncio.Semaphore(1 if line.spacing else _AT_ONCE)
    failures: list[CarrierFailure] = []

    async def ask(batch: Sequence[_Asked]) -> None:
        async with gate:
            if failures:  # whoever says no to one question is not asked the others
                await _postpone(house, batch, house.clock.now() + _AGAIN)
                return
            failure = await _ask(house, due, line, batch, intake)
            if failure is not None:
                failures.append(failure)
            await asyncio.sleep(line.spacing)

    await asyncio.gather(*(ask(batch) for batch in batches))
    await _judge(house, due, failures)
    return len(asked)


async def _claim(house: House, due: _Due, line: Line, now: datetime) -> list[_Asked]:
    size = line.adapter.card.batch_size
    most = size if due.in_trouble else _BATCH  # after a pause one call goes ahead
    if due.calls_left is not None:
        most = min(most, due.calls_left * size)
    async with house.db.connection() as conn:
        if line.spacing:
            calls = max(1, int(_TURN / line.spacing))
            most = min(most, calls * size)
            turn = timedelta(seconds=calls * line.spacing)
            if not await conn.fetchval(_SQL.take_turn, due.shop_id, due.carrier, due.account, turn):
                return []
        rows = await conn.fetch(_SQL.claim, due.shop_id, due.carrier, due.account, now, _LEASE, most)
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
) -> CarrierFailure | None:
    """Fetch, read and take in one call's worth; returns the failure when it was the carrier's, not the parcel's."""
    lookups = [one.lookup for one in batch]
    answer: Answer | None = None
    outcome: list[Report] | CarrierFailure | PayloadRejected
    try:
        answer = await line.client.fetch(lookups)
        outcome = line.adapter.parse(answer, lookups)
    except (CarrierFailure, PayloadRejected) as refusal:
        outcome = refusal
    except Exception as mistake:  # noqa: BLE001 - must not die: our misreading is shown, and others are asked about
        _log.exception("an answer could not be read", extra={"carrier": due.carrier})
        outcome = PayloadRejected("", f"reading it failed: {type(mistake).__name__}")
    if isinstance(outcome, CarrierFailure) and outcome.kind in _OF_THE_ACCOUNT:
        await _postpone(
            house, batch, house.clock.now() + timedelta(seconds=max(outcome.retry_after or 0, _AGAIN.total_seconds()))
        )
        return outcome
    observations = [_observation(house, due, one, answer, outcome) for one in batch]
    await asyncio.gather(*(intake.submit(observation) for observation in observations))
    return None


_OF_THE_ACCOUNT: Final = frozenset({FailureKind.AUTH, FailureKind.RATE_LIMITED, FailureKind.CARRIER_DOWN})


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
    mine = [report for report in outcome if _is_about(report, asked, outcome)]
    failure = mine[0].failure if mine else FailureKind.NOT_FOUND
    said = tuple(Said(due.carrier, report) for report in mine if report.failure is None)
    return Observation(**observed, said=said, failure=None if said else failure)


def _is_about(report: Report, asked: _Asked, reports: Sequence[Report]) -> bool:
    """A lone report answers the lone question, whatever spelling of the number the carrier gives back."""
    return len(reports) == 1 or report.tracking_number == asked.lookup.tracking_number


async def _judge(house: House, due: _Due, failures: Sequence[CarrierFailure]) -> None:
    """What a round of calls means for the account: open, close or keep its breaker."""
    if not failures:
        async with house.db.connection() as conn:
            await conn.execute(_SQL.answered, due.shop_id, due.carrier, due.account, house.clock.now())
        return
    worst = min(failures, key=lambda failure: list(_PAUSES).index(failure.kind))
    pause = timedelta(seconds=worst.retry_after) if worst.retry_after else _PAUSES[worst.kind]
    await _pause(house, due, house.clock.now() + pause, f"{worst.kind}: {worst.detail}"[:300])


_PAUSES: Final = {
    FailureKind.AUTH: _LONGEST,  # asking on with refused credentials gets accounts locked
    FailureKind.RATE_LIMITED: timedelta(minutes=1),
    FailureKind.CARRIER_DOWN: _SHORTEST,
}


async def _pause(house: House, due: _Due, until: datetime, because: str) -> None:
    """Leave an account alone; each further failure in a row makes the pause longer."""
    async with house.db.connection() as conn:
        failures = await conn.fetchval(_SQL.failures, due.shop_id, due.carrier, due.account) or 0
        if failures >= _BREAKER:
            longer = min(_SHORTEST * 2 ** (failures - _BREAKER), _LONGEST)
            until = max(until, house.clock.now() + longer)
        await conn.execute(_SQL.pause, due.shop_id, due.carrier, due.account, until, because)
    _log.warning(
        "carrier account paused",
        extra={"carrier": due.carrier, "account": due.account, "until": until.isoformat(), "because": because},
    )


async def _postpone(house: House, batch: Sequence[_Asked], until: datetime) -> None:
    async with house.db.connection() as conn:
        await conn.execute(
            _INTAKE.postpone_polls,
            [one.shipment_id for one in batch],
            [one.token for one in batch],
            [until] * len(batch),
        )
