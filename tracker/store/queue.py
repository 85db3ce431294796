"""The queue of incidents as staff work it: the most urgent first, page by page, and how it divides."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from sql import queries
from sql.connection import Connection

_SQL = queries.topic("queue")

LOOK_AT: Final = 5_000  # incidents that one page looks through for those that are asked for
NAMES: Final = ("state", "severity", "category", "waiting_on", "carrier", "due")
DUE: Final = ("overdue", "hour", "day")
_WITHIN: Final = {"overdue": timedelta(), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)  # what the driver makes of infinity
_WRITTEN: Final = re.compile(r"([0-4])-(never|\d{1,17})-(\d{1,18})", re.ASCII)


class Spot(msgspec.Struct, frozen=True):
    """A place in the queue: behind the incident with this weight (1 is critical), promise and id."""

    weight: int = 0
    due_at: datetime = _EPOCH
    id: int = 0

    def __str__(self) -> str:
        due = "never" if self.due_at == _NEVER else (self.due_at - _EPOCH) // timedelta(microseconds=1)
        return f"{self.weight}-{due}-{self.id}"


def spot(written: str) -> Spot | None:
    """A place as `str` wrote it, None for anything else."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    due_at = _NEVER if found[2] == "never" else _EPOCH + timedelta(microseconds=int(found[2]))
    return Spot(int(found[1]), due_at, int(found[3]))


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a line must be like; None lets everything pass. `due` is one of DUE: by when something was promised or is
    to be done."""

    state: str | None = None
    severity: str | None = None
    category: str | None = None
    waiting_on: str | None = None
    carrier: str | None = None
    due: str | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as a line of the queue."""

    id: int
    category: str
    cause: str
    state: str
    severity: str
    action_owner: str
    action: str
    action_until: datetime | None
    opened_at: datetime
    promised_update_at: datetime | None
    carrier: str
    tracking_number: str
    destination_country: str
    order_reference: str
    city: str | None


class Lines(msgspec.Struct, frozen=True):
    """A page of the queue; `after` is where the next one begins, None at the end."""

    rows: list[Line]
    after: Spot | None


class Counts(msgspec.Struct, frozen=True):
    """How the LOOK_AT most urgent divide: by filter (NAMES), then by value."""

    total: int
    by: dict[str, Counter[str]]


async def urgent(conn: Connection, shop_id: int, after: Spot, asked: Asked, now: datetime, most: int) -> Lines:
    """The shop's open incidents after this place, the most urgent first."""
    due_before = now + _WITHIN[asked.due] if asked.due else None
    rows = await conn.fetch(
        _SQL.urgent, shop_id, after.weight, after.due_at, after.id, LOOK_AT, asked.state, asked.category,
        asked.severity, asked.waiting_on, asked.carrier, due_before, most,
    )  # fmt: skip
    lines = [row for row in rows if row["id"] is not None]
    found = [Line(**{name: row[name] for name in Line.__struct_fields__}) for row in lines]
    if len(lines) == most:
        last = lines[-1]
        return Lines(found, Spot(last["weight"], last["due_at"], last["id"]))
    end = rows[0]
    is_cut = end["looked_at"] == LOOK_AT
    return Lines(found, Spot(end["last_weight"], end["last_due_at"], end["last_id"]) if is_cut else None)


async def counts(conn: Connection, shop_id: int, now: datetime) -> Counts:
    """How the shop's open incidents divide; what is overdue is also due within the hour, and that within the day."""
    rows = await conn.fetch(_SQL.counts, shop_id, LOOK_AT, now, *(now + _WITHIN[due] for due in DUE[1:]))
    by: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    for row in rows:
        for name in NAMES[:-1]:
            by[name][row[name]] += row["incidents"]
        for due in DUE[DUE.index(row["due"]) :] if row["due"] else ():
            by["due"][due] += row["incidents"]
    return Counts(sum(row["incidents"] for row in rows), by)
