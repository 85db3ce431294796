"""Runs measurements and prints their tables: python -m bench [NAME ...] [--full]."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine

from bench import examination, idle, mail, pushes, table

MEASUREMENTS: dict[str, Callable[..., Coroutine[None, None, table.Table]]] = {
    "pushes": pushes.measure,
    "examination": examination.measure,
    "mail": mail.measure,
    "idle": idle.measure,
}


def main() -> None:
    """Each measurement by itself, since they share the machine."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(MEASUREMENTS)}; all when left out")
    parser.add_argument("--full", action="store_true", help="more rounds and more parcels, for steadier medians")
    given = parser.parse_args()
    unknown = set(given.names) - MEASUREMENTS.keys()
    if unknown:
        parser.error(f"no measurement {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    for name in given.names or MEASUREMENTS:
        began = time.monotonic()
        measured = asyncio.run(MEASUREMENTS[name](full=given.full))
        print(table.show(measured) + f"   took {time.monotonic() - began:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
