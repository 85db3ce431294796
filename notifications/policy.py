"""Decides on which channels a notice travels and when, and how long a hand-off is tried; pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import phonenumbers

from notifications.contract import Notice

_ON_THE_MOVE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How a shop sends. SMS rest between `sms_until` and `sms_from`, in the recipient's own time."""

    channels: frozenset[str] = frozenset({"email", "sms"})  # those that are set up
    sms_from: time = time(9)
    sms_until: time = time(21)
    back_off: tuple[timedelta, ...] = (
        timedelta(seconds=10),
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=5),
        timedelta(minutes=15),
        timedelta(minutes=30),
        timedelta(minutes=60),
    )
    jitter: float = 0.2  # each wait is longer or shorter by at most this share
    give_up_after: timedelta = timedelta(days=5)  # for a notice that names no end of its validity
    repeat_after: timedelta = timedelta(minutes=15)  # a message in doubt, where a duplicate does no harm
    ask_again_after: timedelta = timedelta(minutes=2)  # a message in doubt, where the provider is asked instead
    stop_asking_after: timedelta = timedelta(minutes=10)
    first_pause: timedelta = timedelta(minutes=1)  # of a channel; doubles with each further failure
    longest_pause: timedelta = timedelta(minutes=15)
    failures_before_pause: int = 5  # of the way, in a row; a failing account pauses at once
    probe_every: timedelta = timedelta(seconds=30)  # after a pause one message goes ahead, the others wait this long


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recipient can be reached. `repr` hides everything personal."""

    email: bool
    phone: str | None
    time_zone: str
    erased: bool = False

    @property
    def mobile(self) -> bool:
        """Whether an SMS can be sent; to be asked last, since telling one number from another takes its time."""
        return is_mobile(self.phone)

    def __repr__(self) -> str:
        return "Reach(...)"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One message to be: its channel, its moment, and the reasons for both."""

    channel: str
    due_at: datetime
    why: str


def plan(notice: Notice, reach: Reach, rules: Rules, now: datetime) -> list[Planned]:
    """The messages in which a notice travels; empty where its recipient cannot be reached at all."""
    if reach.erased:
        return []
    ready_at = max(notice.planned_at, now) + notice.hold
    messages = []
    if reach.email and "email" in rules.channels:
        messages.append(Planned(channel="email", due_at=ready_at, why="there is an email address"))
    if "sms" in rules.channels and (notice.urgent or not messages) and reach.mobile:
        why = "it is urgent" if notice.urgent else "it cannot go by email"
        messages.append(_text_message(notice, reach, rules, ready_at, why))
    return messages


def fallback(channel: str, reach: Reach, rules: Rules, now: datetime, *, urgent: bool) -> Planned | None:
    """Where a message goes that its own channel cannot deliver; None where there is no other way."""
    why = f"{channel} could not deliver it"
    if channel != "email" and reach.email and "email" in rules.channels:
        return Planned(channel="email", due_at=now, why=why)
    if channel != "sms" and reach.mobile and "sms" in rules.channels:
        rested = None if urgent else quiet_until(reach.time_zone, rules, now)
        return Planned(channel="sms", due_at=rested or now, why=why)
    return None


def quiet_until(time_zone: str, rules: Rules, now: datetime) -> datetime | None:
    """The end of the recipient's quiet hours, None outside them."""
    zone = zone_of(time_zone)
    local = now.astimezone(zone)
    if rules.sms_from <= local.time() < rules.sms_until:
        return None
    day = local.date() if local.time() < rules.sms_from else local.date() + timedelta(days=1)
    return datetime.combine(day, rules.sms_from, zone).astimezone(UTC)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this IANA name; UTC where there is none, so that a bad name keeps no message back."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_mobile(phone: str | None) -> bool:
    """Whether an SMS can be sent to this E.164 number."""
    if not phone:
        return False
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.number_type(number) in _ON_THE_MOVE  # an invalid number is of no type


def back_off(attempts: int, rules: Rules, chance: float, retry_after: float | None = None) -> timedelta:
    """How long to wait after so many attempts; `chance` in [0, 1) spreads it, `retry_after` (seconds) can lengthen it."""
    step = rules.back_off[min(attempts, len(rules.back_off)) - 1]
    spread = step * (1 + rules.jitter * (2 * chance - 1))
    asked_for = timedelta(seconds=min(retry_after or 0.0, rules.back_off[-1].total_seconds()))
    return max(spread, asked_for)


def pause(failures: int, rules: Rules, *, account: bool) -> timedelta | None:
    """How long a channel rests after so many failures in a row; of the account at once, of the way after some."""
    doublings = failures - (1 if account else rules.failures_before_pause)
    if doublings < 0:
        return None
    return min(rules.first_pause * (1 << min(doublings, 16)), rules.longest_pause)


def _text_message(notice: Notice, reach: Reach, rules: Rules, ready_at: datetime, why: str) -> Planned:
    rested = None if notice.urgent else quiet_until(reach.time_zone, rules, ready_at)
    if rested is None:
        return Planned(channel="sms", due_at=ready_at, why=why)
    return Planned(channel="sms", due_at=rested, why=f"{why}; after quiet hours")
