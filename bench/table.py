"""What a measurement says, and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Line:
    """One figure of ours, and the limit it stands beside. `goal` is what the ratio should reach, in words."""

    what: str
    ours: str
    limit: str = ""
    ratio: float | None = None
    goal: str = ""


@dataclass(frozen=True)
class Table:
    """The lines of one measurement; `notes` say what a reader must know of this run."""

    title: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()


def show(table: Table) -> str:
    """The table as text, with columns as wide as they must be."""
    rows = [("", "ours", "limit", "ratio", "goal")]
    rows += [
        (line.what, line.ours, line.limit, "" if line.ratio is None else f"{line.ratio:.2f}", line.goal)
        for line in table.lines
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"== {table.title}", *shown, *(f"   {note}" for note in table.notes), ""])


def spread(values: Sequence[float], unit: str) -> str:
    """The median, and the range where there were several rounds."""
    middle = f"{_short(median(values))} {unit}"
    return middle if len(values) == 1 else f"{middle} ({_short(min(values))} to {_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
