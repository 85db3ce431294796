"""The statements that intake sends, recorded once per kind of news: what is left of it without our own code.

One parcel's statements are recorded with their arguments. For another parcel the id is replaced wherever it stands; a
batch of pushes is their arguments put together. So the same statements with rows of the same size reach PostgreSQL,
whatever intake becomes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from bench import parcels
from sql import queries
from sql.connection import Connection
from tracker.actions import intake
from tracker.actions.deciding import House
from tracker.actions.intake import Observation

_OBSERVATIONS = queries.topic("intake").insert_observations

Key = tuple[str, int]  # the SQL, and how often it had been sent in this batch before


@dataclass(frozen=True)
class Statement:
    """One statement as it was sent; `given` are the ids that it returned for new rows."""

    key: Key
    fetches: bool
    arguments: tuple[Any, ...]
    given: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """A statement for one parcel. `open_at` are the places of its arguments that hold ids not given yet."""

    arguments: tuple[Any, ...]
    given: tuple[int, ...]
    open_at: tuple[int, ...]


Script = Mapping[Key, Step]


@dataclass(frozen=True)
class Recording:
    """Every kind of news with its statements, and the order of all statements; the flag says that rows come back."""

    order: Sequence[tuple[Key, bool]]
    kinds: Mapping[str, Sequence[Statement]]


async def record(house: House, shop_id: int, now: datetime) -> Recording:
    """Record each kind alone, and all in one batch for the order. Nothing of it stays in the database."""
    kinds = list(parcels.NEWS)
    together = [_pushed(kind, parcels.SAMPLE + at, shop_id, now) for at, kind in enumerate(kinds, start=1)]
    await _sent(house, together)  # what is remembered for the life of a process is asked for now
    order = [(one.key, one.fetches) for one in await _sent(house, together)]
    alone = {kind: await _sent(house, [_pushed(kind, parcels.SAMPLE, shop_id, now)]) for kind in kinds}
    return Recording(order, alone)


def script(statements: Sequence[Statement], parcel: int, raw: bytes) -> Script:
    """The same statements for another parcel, whose push is `raw`."""
    given = [one for statement in statements for one in statement.given]
    steps: dict[Key, Step] = {}
    for statement in statements:
        arguments = tuple(_replaced(argument, parcels.SAMPLE, parcel) for argument in statement.arguments)
        if statement.key[0] == _OBSERVATIONS:
            arguments = tuple([raw] if _is_raw(argument) else argument for argument in arguments)
        open_at = tuple(at for at, argument in enumerate(arguments) if any(_holds(argument, one) for one in given))
        steps[statement.key] = Step(arguments, statement.given, open_at)
    return steps


async def replay(conn: Connection, order: Sequence[tuple[Key, bool]], pushes: Sequence[Sequence[Script]]) -> None:
    """Send the statements of a batch of pushes, each with its scripts (one per parcel it speaks of)."""
    ids: dict[int, dict[int, int]] = defaultdict(dict)  # by script: recorded id to the one given now
    for key, fetches in order:
        scripts = [one for push in pushes for one in (push[:1] if key[0] == _OBSERVATIONS else push) if key in one]
        if not scripts:
            continue
        arguments = _merged(key[0], [_closed(one[key], ids[id(one)]) for one in scripts])
        if not fetches:
            await conn.execute(key[0], *arguments)
            continue
        rows = iter(await conn.fetch(key[0], *arguments))
        for one in scripts:
            ids[id(one)].update({recorded: next(rows)["id"] for recorded in one[key].given})
        if key[0] == _OBSERVATIONS:
            _share(pushes, key, ids)


def _share(pushes: Sequence[Sequence[Script]], key: Key, ids: dict[int, dict[int, int]]) -> None:
    """All parcels of a push came with one observation."""
    for push in pushes:
        (given,) = ids[id(push[0])].values()
        for one in push:
            ids[id(one)] = dict.fromkeys(one[key].given, given)


def _pushed(kind: str, parcel: int, shop_id: int, now: datetime) -> Observation:
    return parcels.observation(parcels.body([(parcel, parcels.NEWS[kind])], now), shop_id, now)


async def _sent(house: House, batch: Sequence[Observation]) -> list[Statement]:
    async with house.db.connection() as conn:
        transaction = conn.transaction()
        await transaction.start()
        recorder = _Recorder(conn)
        await intake.take_in(house, cast("Connection", recorder), batch)
        await transaction.rollback()
    return recorder.statements


class _Recorder:
    """Stands between intake and its connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._seen: Counter[str] = Counter()
        self.statements: list[Statement] = []

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        rows = await self._conn.fetch(sql, *arguments)
        given = tuple(row["id"] for row in rows) if sql.lstrip().startswith("insert") else ()
        self._note(sql, arguments, given, fetches=True)
        return rows

    async def execute(self, sql: str, *arguments: Any) -> str:
        self._note(sql, arguments, (), fetches=False)
        return await self._conn.execute(sql, *arguments)

    def _note(self, sql: str, arguments: tuple[Any, ...], given: tuple[int, ...], *, fetches: bool) -> None:
        self.statements.append(Statement((sql, self._seen[sql]), fetches, arguments, given))
        self._seen[sql] += 1


def _replaced(value: Any, old: int, new: int) -> Any:
    if isinstance(value, str):
        return value.replace(str(old), str(new))
    if isinstance(value, bytes):
        return value.replace(b"%d" % old, b"%d" % new)
    if isinstance(value, (list, tuple)):
        return [_replaced(one, old, new) for one in value]
    return new if value == old else value


def _holds(value: Any, number: int) -> bool:
    if isinstance(value, bytes):
        return b"%d" % number in value
    if isinstance(value, list):
        return any(_holds(one, number) for one in value)
    return bool(value == number)


def _is_raw(argument: Any) -> bool:
    return isinstance(argument, list) and isinstance(argument[0], bytes)


def _closed(step: Step, ids: Mapping[int, int]) -> tuple[Any, ...]:
    """The arguments with the ids that were given meanwhile."""
    if not step.open_at:
        return step.arguments
    arguments = list(step.arguments)
    for at in step.open_at:
        for recorded, given in ids.items():
            arguments[at] = _replaced(arguments[at], recorded, given)
    return tuple(arguments)


def _merged(sql: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The arguments of one statement for all: lists and JSON lists put together; ids are asked for once."""
    merged = [_put_together(values) for values in zip(*calls, strict=True)]
    if len(merged) == 1 and isinstance(merged[0], list) and sql.lstrip().startswith("select"):
        return [sorted(set(merged[0]))]
    return merged


def _put_together(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, list):
        return [one for value in values for one in value]
    if isinstance(first, bytes):
        return b"[" + b",".join(value[1:-1] for value in values) + b"]"
    return first
