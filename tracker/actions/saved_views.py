"""Somebody saves the filters that they work with under a name, or has enough of them."""

from __future__ import annotations

from typing import Final

from tracker.actions import audit
from tracker.actions.deciding import House
from tracker.domain.errors import NotFound, RuleRefused
from tracker.domain.staff import Person
from tracker.store import saved_views

LONGEST_NAME: Final = 40


async def save(house: House, person: Person, name: str, query: str) -> None:
    """Save a view of one's own. Raises RuleRefused without a name, and where there are too many."""
    called = " ".join(name.split())
    if not 0 < len(called) <= LONGEST_NAME:
        raise RuleRefused(f"a view has a name of 1 to {LONGEST_NAME} characters")
    async with house.db.transaction() as conn:
        saved = await saved_views.save(conn, person, called, query)
        if saved is None:
            raise RuleRefused(f"nobody keeps more than {saved_views.MOST} views; remove one first")
        await audit.record(house.db, conn, audit.author(person), "view.saved", f"view_{saved}")


async def remove(house: House, person: Person, view_id: int) -> None:
    """Remove a view of one's own. Raises NotFound for any other."""
    async with house.db.transaction() as conn:
        if not await saved_views.remove(conn, person, view_id):
            raise NotFound("no such view")
        await audit.record(house.db, conn, audit.author(person), "view.removed", f"view_{view_id}")
