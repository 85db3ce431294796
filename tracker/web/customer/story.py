"""What a customer's page says of a parcel: what is true now, what it means for the date, what is done, what they can do (pure).

An open incident speaks with the same phrases as the letters about it, so that page and mail never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from carriers.vocabulary import Category, Milestone
from notifications.contract import Facts, Kind, Recipient, Sender
from notifications.languages import Unsayable, clean, place_name
from notifications.letter import Writer
from notifications.policy import zone_of
from notifications.wording import Occasion, is_late
from tracker.domain.saying import worth_telling
from tracker.store.customer_page import Linked, Step, Trouble
from tracker.web.moments import Time
from tracker.web.words import Language

Tone = Literal["calm", "trouble", "good"]
Place = Literal["done", "current", "ahead"]

_M: Final = Milestone
_OVER: Final = frozenset({_M.DELIVERED, _M.RETURNING, _M.RETURNED, _M.ENDED})
_BEFORE_THE_ROAD: Final = frozenset({_M.UNKNOWN, _M.REGISTERED, _M.ANNOUNCED})
_ON_THE_ROAD: Final = frozenset({_M.ACCEPTED, _M.IN_TRANSIT})
_SAY_MORE: Final = frozenset({"settled", "received", "inspected"})  # states of a return that say more than its parcel
_AS_A_RETURN: Final = {"refunded": "refunded", "reshipped": "replaced"}  # the same words for both
_LONGEST_CITY: Final = 60


class Progress(msgspec.Struct, frozen=True):
    """One step of the way in words, and whether it is behind, here or ahead."""

    milestone: str
    place: Place


class Happened(msgspec.Struct, frozen=True):
    """One line of the history: the day and the time where it happened, in words, and the city."""

    day: str
    hour: str
    moment: datetime | None
    words: str
    city: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page says; what is None is not said."""

    tone: Tone
    headline: str
    happened: str | None
    expected: str | None
    doing: str | None
    can_do: tuple[str, ...]
    next_word: str | None
    progress: tuple[Progress, ...]
    history: tuple[Happened, ...]
    delivered: Happened | None


def tell(
    linked: Linked,
    carrier: str,
    steps: Sequence[Step],
    troubles: Sequence[Trouble],
    spoken: Language,
    now: datetime,
    *,
    is_alone: bool = True,
) -> Story:
    """The story of one parcel. `carrier` is the carrier's name; `steps` come newest first, `troubles` weightiest first.

    Of an order that is not alone in this parcel nothing is said that holds for the parcel only.
    """
    trouble = troubles[0] if troubles else None
    writer = _writer(linked, carrier, trouble, spoken, now)
    title = _said(writer, "title") if trouble else None
    return Story(
        tone=_tone(linked, is_troubled=title is not None),
        headline=title or _statement(linked, carrier, spoken, is_alone=is_alone),
        happened=_said(writer, "happened") if title else _why_it_ended(linked, spoken),
        expected=_expected(linked, writer, now, is_troubled=title is not None),
        doing=_said(writer, "doing") if title else None,
        can_do=_can_do(linked, carrier, trouble if title else None, writer, spoken),
        next_word=_next_word(trouble, writer) if title else None,
        progress=tuple(_progress(linked, steps)),
        history=tuple(_history(linked, steps, spoken, now)),
        delivered=_delivered(linked, steps, spoken, now),
    )


def _tone(linked: Linked, *, is_troubled: bool) -> Tone:
    """What ended without reaching the customer is trouble until it is made good."""
    is_bad = _is_gone(linked) and linked.made_good is None
    if is_troubled or is_bad:
        return "trouble"
    return "good" if linked.milestone is _M.DELIVERED or _is_gone(linked) else "calm"


def _is_gone(linked: Linked) -> bool:
    return linked.milestone is _M.ENDED and linked.belief.status_detail != "cancelled"


def _why_it_ended(linked: Linked, spoken: Language) -> str | None:
    """Under a first line that tells how it was made good."""
    if not _is_gone(linked) or linked.made_good is None:
        return None
    return f"{words_for(linked.milestone, linked.belief.status_detail, spoken)}."


def words_for(milestone: str, detail: str | None, spoken: Language) -> str:
    """A scan in plain words; a detail without words of its own is told as its milestone."""
    exact = f"{milestone}.{detail}"
    return spoken.word("event", exact if spoken.knows("event", exact) else milestone)


def _writer(linked: Linked, carrier: str, trouble: Trouble | None, spoken: Language, now: datetime) -> Writer:
    """What finds the phrases: about the incident where there is one, else about the parcel."""
    owner = trouble.action_owner if trouble is not None else None
    expected = worth_telling(linked.expectation, owner, linked.zone, now)
    facts = Facts(
        order_reference=linked.order_reference,
        carrier=linked.carrier,
        carrier_name=carrier,
        tracking_number=linked.tracking_number,
        promised_at=linked.promised_at,
        expected_from=expected.earliest,
        expected_until=expected.latest,
        city=linked.belief.city,
        country=linked.belief.country,
    )
    if trouble is not None:
        until = trouble.action_until
        facts = msgspec.structs.replace(
            facts,
            cause=f"{trouble.category}.{trouble.cause}",
            action_owner=trouble.action_owner,
            action=trouble.action,
            action_until=until if until is not None and until > now else None,
            next_update_at=trouble.promised_update_at or now,  # a letter could not be without one; a page can
        )
    return Writer(
        Occasion(
            kind=Kind.INCIDENT_OPENED if trouble else Kind.SHIPPED,
            facts=facts,
            sender=Sender(
                name=linked.shop,
                email=linked.sender_email,
                reply_email=linked.reply_email,
                phone=linked.phone,
                website=linked.website,
            ),
            recipient=Recipient(name=None, email=None, phone=None, language=spoken.code, time_zone=linked.zone),
            shop_language=linked.shop_language,
            link="",
            now=now,
        )
    )


def _said(writer: Writer, part: str) -> str | None:
    try:
        return writer.say(part)
    except Unsayable:
        return None


def _statement(linked: Linked, carrier: str, spoken: Language, *, is_alone: bool) -> str:
    """What is true of a parcel that nothing is wrong with."""
    order = {"order": linked.order_reference}
    what = spoken.phrase("what", "order" if is_alone else "parcel", order)
    gaps = order | {"what": what, "carrier": carrier}
    keys = [linked.milestone.value]
    if linked.belief.status_detail:
        keys.insert(0, f"{linked.milestone}.{linked.belief.status_detail}")
    if linked.return_state == "settled":
        keys = [f"settled.{linked.settled_as}", "settled", *keys]
    elif linked.made_good is not None and _is_gone(linked):
        keys = [f"settled.{_AS_A_RETURN[linked.made_good]}", *keys]
    elif linked.direction == "return" or linked.return_state in _SAY_MORE:
        keys.insert(0, f"return.{linked.return_state}")
    known = next((key for key in keys if spoken.knows("statement", key)), "in_transit")
    return spoken.phrase("statement", known, gaps)


def _expected(linked: Linked, writer: Writer, now: datetime, *, is_troubled: bool) -> str | None:
    """What it means for the date, with the letters' own phrases."""
    if linked.milestone in _OVER or linked.direction == "return":
        return None
    own = _said(writer, "date") if is_troubled else None
    if own is not None:
        return own
    if "window" in writer.values:
        return _phrase(writer, "date.later" if is_late(writer.facts, zone_of(linked.zone)) else "date.expected")
    if linked.promised_at is None:
        return _phrase(writer, "date.unknown") if is_troubled else None
    if linked.promised_at < now:
        return _phrase(writer, "date.missed")
    if is_troubled:
        return _phrase(writer, "date.at_risk")
    promised = writer.speech.say("window.until", {"last": writer.values["promised"]})
    return writer.speech.say("date.expected", writer.values | {"window": promised})


def _phrase(writer: Writer, key: str) -> str:
    return writer.speech.say(key, writer.values)


def _can_do(linked: Linked, carrier: str, trouble: Trouble | None, writer: Writer, spoken: Language) -> tuple[str, ...]:
    """The page's own words, since a letter says "reply to this mail"."""
    gaps = {"carrier": carrier, "number": linked.tracking_number}
    if trouble is None:
        kind = {_M.READY_FOR_COLLECTION: "collect", _M.DELIVERED: "delivered"}.get(linked.milestone)
        if linked.direction == "return" or kind is None:
            return ()
        return (spoken.phrase("can_do", kind, gaps),)
    keys = (f"{trouble.category}.{trouble.cause}", trouble.category)
    said = spoken.phrase("can_do", next((key for key in keys if spoken.knows("can_do", key)), "nothing"), gaps)
    otherwise = _said(writer, "otherwise") if trouble.action_owner == "recipient" else None
    if otherwise is None:
        return (said,)
    by_when = _phrase(writer, "can_do.deadline" if "deadline" in writer.values else "can_do.soon")
    return (said, f"{by_when} {otherwise}")


def _next_word(trouble: Trouble | None, writer: Writer) -> str | None:
    if trouble is None or trouble.promised_update_at is None:
        return None
    return _phrase(writer, "next")


def _progress(linked: Linked, steps: Sequence[Step]) -> list[Progress]:
    seen = {step.milestone for step in steps} | {linked.milestone.value}
    way = _way(linked, seen)
    here = _here(linked, way)
    done = linked.milestone in (_M.DELIVERED, _M.RETURNED)  # what ended otherwise is nothing to tick off
    return [
        Progress(milestone, "done" if at < here or (at == here and done) else "current" if at == here else "ahead")
        for at, milestone in enumerate(way)
    ]


def _way(linked: Linked, seen: set[str]) -> list[str]:
    """The steps of this parcel's way: customs only where it passes through, the return where it came to that."""
    # Once released the parcel is simply on its way again; later on customs is a step that lies behind it.
    customs = [_M.IN_CUSTOMS.value] if _M.IN_CUSTOMS in seen and linked.milestone not in _ON_THE_ROAD else []
    start = [_M.REGISTERED.value, _M.IN_TRANSIT.value, *customs]
    if linked.direction == "return":
        return [*start, _M.RETURNED.value]
    if linked.milestone in (_M.RETURNING, _M.RETURNED):
        return [*start, _M.RETURNING.value, _M.RETURNED.value]
    if linked.milestone is _M.ENDED:
        return [*start, _M.ENDED.value]
    collected = _M.READY_FOR_COLLECTION in seen
    return [*start, (_M.READY_FOR_COLLECTION if collected else _M.OUT_FOR_DELIVERY).value, _M.DELIVERED.value]


def _here(linked: Linked, way: Sequence[str]) -> int:
    milestone = linked.milestone
    if milestone in _BEFORE_THE_ROAD:
        return 0
    if milestone in _ON_THE_ROAD:
        return 1
    if linked.direction == "return" and milestone is _M.DELIVERED:
        return len(way) - 1
    if milestone in (_M.OUT_FOR_DELIVERY, _M.READY_FOR_COLLECTION):
        return len(way) - 2
    return way.index(milestone.value) if milestone.value in way else 1


def _history(linked: Linked, steps: Sequence[Step], spoken: Language, now: datetime) -> list[Happened]:
    """Newest first; of an event that was corrected its last version, and nothing said twice in a row."""
    told: list[Happened] = []
    known: set[str] = set()
    for step in steps:
        if step.key in known:
            continue
        known.add(step.key)
        line = _line(linked, step, spoken, now)
        if told and (told[-1].words, told[-1].city, told[-1].day) == (line.words, line.city, line.day):
            told[-1] = line  # the first of several scans alike is when it happened
        else:
            told.append(line)
    return told


def _delivered(linked: Linked, steps: Sequence[Step], spoken: Language, now: datetime) -> Happened | None:
    """When it was delivered, as its line in the history has it: each scan in the time of its own place."""
    if linked.milestone is not _M.DELIVERED or linked.belief.delivered_at is None:
        return None
    scan = next(
        (one for one in steps if one.occurred_at == linked.belief.delivered_at and one.milestone == _M.DELIVERED), None
    )
    return _line(linked, scan, spoken, now) if scan is not None else None


def _line(linked: Linked, step: Step, spoken: Language, now: datetime) -> Happened:
    time = Time(spoken)
    detail = "damage" if step.category == Category.DAMAGE else step.status_detail
    words, city = words_for(step.milestone, detail, spoken), _city(step.city)
    local = _local(step)
    if local is not None:
        return Happened(time.past_day(local, "UTC", now), time.hour(local, "UTC"), step.occurred_at, words, city)
    if step.occurred_at is None:
        return Happened("", "", None, words, city)
    at, zone = step.occurred_at, linked.zone
    return Happened(time.past_day(at, zone, now), time.hour(at, zone), at, words, city)


def _local(step: Step) -> datetime | None:
    """The carrier's own local time; marked as UTC only so that it is shown as it is."""
    try:
        return datetime.fromisoformat(step.occurred_local or "").replace(tzinfo=UTC)
    except ValueError:
        return None


def _city(city: str | None) -> str:
    """Carriers shout; letters of one case are written as a name is."""
    return place_name(clean(city or "", _LONGEST_CITY))
