"""The feed over REST: everything that happened, in order, for a shop that reads on from where it was."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from tracker.store import changes
from tracker.store.views import ChangeView
from tracker.web.api.endpoint import Call, Endpoint, Scope, endpoint
from tracker.web.api.paging import Cursor, Limit


class ChangeQuery(Struct, frozen=True):
    """`after` is the `next_cursor` of the answer before; without it the feed begins at its beginning."""

    after: Cursor | None = None
    limit: Limit = 100


class Feed(Struct, frozen=True):
    """What happened, oldest first. `next_cursor` is never null: ask again with it, now or later."""

    data: list[ChangeView]
    next_cursor: str


async def get_changes(call: Call, query: ChangeQuery) -> Feed:
    """What happened after a cursor; nothing is ever skipped."""
    cursors = call.cursors("changes")
    after = cursors.read(query.after, parameter="after") if query.after else 0
    found = await changes.read(call.services.house.db, call.shop_id, after=after, most=query.limit)
    return Feed(found.changes, cursors.write(found.position))


ENDPOINTS: Final[list[Endpoint]] = [endpoint("GET", "/changes", Scope.READ, get_changes)]
