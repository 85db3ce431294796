"""Fills the gaps of phrases: the facts of a notice as words, dates in the customer's time zone and language (pure)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import msgspec

from notifications.contract import Facts, Kind, Recipient, Sender
from notifications.languages import Speech, clean


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """What a message is made of; `link` leads to the customer's page, `now` is when it is written."""

    kind: Kind
    facts: Facts
    sender: Sender
    recipient: Recipient
    shop_language: str
    link: str
    now: datetime


def values(occasion: Occasion, speech: Speech, zone: ZoneInfo) -> dict[str, str]:
    """Every gap that can be filled on this occasion; what is not known is not there."""
    filled = _names(occasion) | _moments(occasion.facts, speech, zone)
    filled["place"] = _place(occasion.facts, speech)
    filled["window"] = _window(occasion, speech, zone)
    return {gap: text for gap, text in filled.items() if text}


def is_late(facts: Facts, zone: ZoneInfo) -> bool:
    """Whether we now expect the parcel on a later day than was promised."""
    until = facts.expected_until or facts.expected_from
    if facts.promised_at is None or until is None:
        return False
    return until.astimezone(zone).date() > facts.promised_at.astimezone(zone).date()


def _names(occasion: Occasion) -> dict[str, str]:
    facts, sender = occasion.facts, occasion.sender
    return {
        "order": clean(facts.order_reference, 40),
        "carrier": clean(facts.carrier_name, 60),
        "number": clean(facts.tracking_number, 60),
        "shop": clean(sender.name, 60),
        "name": clean(occasion.recipient.name or "", 80),
        "phone": clean(sender.phone or "", 40),
        "website": clean(sender.website or "", 120),
    }


def _moments(facts: Facts, speech: Speech, zone: ZoneInfo) -> dict[str, str]:
    offset = facts.happened_offset
    there = zone if offset is None else timezone(timedelta(minutes=offset))
    moments = {"happened": (facts.happened_at, there), "next_update": (facts.next_update_at, zone)}
    ends = {"promised": facts.promised_at, "deadline": facts.action_until, "collect_until": facts.collection_until}
    return {
        **{gap: speech.moment(moment, where) for gap, (moment, where) in moments.items() if moment},
        **{gap: speech.last_day(end, zone) for gap, end in ends.items() if end},
        **{f"{gap}_short": speech.last_day(end, zone, short=True) for gap, end in ends.items() if end},
    }


def _place(facts: Facts, speech: Speech) -> str:
    return speech.place(clean(facts.city, 60), facts.country) if facts.city else ""


def _window(occasion: Occasion, speech: Speech, zone: ZoneInfo) -> str:
    """When we expect the parcel, in words; empty where nothing is known or the time has passed."""
    first, last = occasion.facts.expected_from, occasion.facts.expected_until
    if last and last < occasion.now:
        return ""
    if last is None:
        return speech.say("window.from", {"first": speech.day(first, zone)}) if first else ""
    end = speech.last_day(last, zone)
    if first is None or first < occasion.now:
        return speech.say("window.until", {"last": end})
    start = speech.day(first, zone)
    if start == end:
        return speech.say("window.day", {"day": end})
    return speech.say("window.between", {"first": start, "last": end})
