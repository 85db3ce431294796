"""What a partner pushes of a parcel: events in the default form of `POST /push/{partner}`, unsigned."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from carriers.sandbox.journey import Fact
from carriers.sandbox.parcel import Parcel
from carriers.sandbox.words import correos, dhl_unified, moments, ups

DELAY: Final = timedelta(seconds=20)  # after the carrier's own systems show an event


class Push(msgspec.Struct, frozen=True):
    """A JSON body, who sends it and when (aware UTC)."""

    at: datetime
    partner: str
    body: bytes


def pushes_of(parcel: Parcel) -> list[Push]:
    """One per event of a parcel that has a partner."""
    if parcel.partner is None:
        return []
    return [
        Push(fact.known_at + DELAY, parcel.partner, msgspec.json.encode({"events": [_event(parcel, fact)]}))
        for fact in parcel.journey.facts
    ]


def _event(parcel: Parcel, fact: Fact) -> dict[str, object]:
    moment = moments()[fact.moment]
    code, text = _code_and_text(parcel.carrier, fact.moment)
    event: dict[str, object] = {
        "carrier": parcel.carrier,
        "tracking_number": parcel.number,
        "occurred_at": fact.spot.local(fact.happened_at).isoformat(),
        "milestone": moment.milestone,
        "status_detail": moment.detail,
        "text": text,
        "place": {"city": fact.spot.city, "country": fact.spot.country, "postcode": fact.spot.postcode},
    }
    return event | ({"code": code} if code else {})


def _code_and_text(carrier: str, moment: str) -> tuple[str | None, str]:
    """In the carrier's words, without the names of places and people that its own answers have in them."""
    if carrier == "ups":
        said = ups().says[moment]
        return said.status_code, said.description.strip()
    if carrier == "correos":
        return correos().says[moment].code, correos().says[moment].text
    told = dhl_unified().says[moment]
    return None, told.remark or told.description.partition(" {")[0].removesuffix(" - Signed for by:")
