"""Pages of lists: where one ends is a cursor that is opaque, good for one list of one shop, and made by nobody else."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Final, Generic, TypeVar

from msgspec import Meta, Struct

from tracker.vault import SecretUnreadable, Vault
from tracker.web.errors import Problem, wrong_parameter

Item = TypeVar("Item")
Cursor = Annotated[str, Meta(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Meta(ge=1, le=200, description="How many entries a page has at the most.")]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
ShipmentId = Annotated[str, Meta(pattern=r"^shp_[0-9]{1,18}$", description="a shipment's id", examples=["shp_1"])]


class NothingMore(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class Page(Struct, Generic[Item], frozen=True):
    """A page of a list; `next_cursor` leads to the next one and is null on the last."""

    data: list[Item]
    next_cursor: str | None


class Cursors(Struct, frozen=True):
    """The cursors of the list `name` of one shop."""

    vault: Vault
    name: str
    shop_id: int

    def write(self, position: int) -> str:
        """The cursor of a position."""
        sealed = self.vault.seal(position.to_bytes(8), self._place)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, cursor: str, *, parameter: str = "cursor") -> int:
        """The position of a cursor. Raises Problem for one that this list has not given."""
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            return int.from_bytes(self.vault.open(sealed, self._place))
        except (binascii.Error, ValueError, SecretUnreadable):
            raise _unknown(parameter) from None

    def before(self, cursor: str | None) -> int:
        """Where a list that shows the newest first goes on."""
        return NEWEST if cursor is None else self.read(cursor)

    def page(self, data: Sequence[Item], ids: Sequence[int], limit: int) -> Page[Item]:
        """The page of the first `limit` entries, of which one more was asked for to see whether there are more."""
        return Page(list(data), self.write(ids[limit - 1]) if len(ids) > limit else None)

    @property
    def _place(self) -> str:
        return f"cursor|{self.name}|{self.shop_id}"


NEWEST: Final = 2**63 - 1  # before it stands everything


def _unknown(parameter: str) -> Problem:
    return wrong_parameter(parameter, "no cursor of this list; begin without one")
