"""Putting a tracking event together: its identity, and the order of a history."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, NamedTuple

from carriers.contract import Place, TrackingEvent
from carriers.moment import Moment
from carriers.phrases import Meaning
from carriers.place import fold_name

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
# A person's name may follow these words; it has no place in an event, which outlives the person's wish to be forgotten.
_NAMED: Final = re.compile(
    r"\b(signed(?: for)?(?: by)?|(?:received|accepted)(?: for)? by|firmado por|recibido por|unterschrieben von|entgegengenommen von)"
    r"\b\s*[:-]?\s*.+|^(delivered|entregado|zugestellt)\s*:\s*.+",
    re.IGNORECASE,
)


class Raw(NamedTuple):
    """What the carrier said, in its own words."""

    code: str | None = None
    text: str | None = None
    place: Place = Place()


def event(
    number: str, identity: str, moment: Moment, meaning: Meaning, raw: Raw, *, sequence: int = 0
) -> TrackingEvent:
    """One tracking event. `identity` is the carrier's code, or `text_identity` where the carrier has none."""
    return TrackingEvent(
        key=f"{number}:{identity}:{moment.local or ''}",
        occurred_at=moment.at,
        occurred_local=moment.local,
        tz_certainty=moment.certainty,
        precision=moment.precision,
        sequence=sequence,
        milestone=meaning.milestone,
        status_detail=meaning.status_detail,
        problem=meaning.problem,
        action_owner=meaning.action_owner,
        informational=meaning.informational,
        code=raw.code,
        text=without_names(raw.text),
        place=raw.place,
    )


def without_names(text: str | None) -> str | None:
    """The text without the name of whoever signed for the parcel."""
    return _NAMED.sub(lambda match: match.group(1) or match.group(2), text) if text else None


def text_identity(text: str | None) -> str:
    """What stands for a code where there is none: a digest of the text without names."""
    return blake2b(fold_name(without_names(text) or "").encode(), digest_size=6).hexdigest()


def oldest_first(events: Iterable[TrackingEvent]) -> tuple[TrackingEvent, ...]:
    """A history in order of time, the carrier's own order within an instant; events without a time come first."""
    return tuple(sorted(events, key=lambda one: (one.occurred_at or _BEGINNING, one.sequence)))
