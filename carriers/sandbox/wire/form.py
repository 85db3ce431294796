"""What every wire format can say; each module beside this one is such a form."""

from __future__ import annotations

from typing import Protocol

import msgspec

from carriers.contract import Answer
from carriers.sandbox.journey import Fact
from carriers.sandbox.parcel import View


class Form(Protocol):
    """One carrier's way to answer, kind by kind."""

    def found(self, view: View) -> Answer: ...

    def not_found(self, number: str) -> Answer: ...

    def unauthorised(self) -> Answer: ...

    def too_many_requests(self, retry_after: int | None) -> Answer: ...

    def server_error(self) -> Answer: ...


def json_answer(
    status: int, body: object, *, content_type: str = "application/json", retry_after: int | None = None
) -> Answer:
    return Answer(status, content_type, msgspec.json.encode(body), retry_after)


def newest(view: View) -> Fact | None:
    """The last thing that happened, wherever it stands in the list."""
    return max(view.facts, key=lambda fact: fact.happened_at, default=None)


def surname(receiver: str) -> str:
    """How a courier writes down who signed."""
    return receiver.rsplit(maxsplit=1)[-1].upper() if receiver else "RECIPIENT"
