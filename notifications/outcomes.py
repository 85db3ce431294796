"""Decides what becomes of a message: before it is sent, and after each way in which sending can end; pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from notifications import policy
from notifications.addresses import ascii_address
from notifications.contract import Accepted, FailureClass, Recipient, SendFailed
from notifications.policy import Planned, Reach, Rules

QUEUED, SENDING, ACCEPTED, FAILED, EXPIRED, UNKNOWN = "queued", "sending", "accepted", "failed", "expired", "unknown"


class Claim(msgspec.Struct, kw_only=True):
    """A message that we hold: what the decisions about it need to know. `attempt` and `started_at` are of the latest."""

    id: int
    token: int
    channel: str
    notice_id: int
    shop_id: int
    recipient: Recipient
    erased: bool
    urgent: bool
    created_at: datetime
    valid_until: datetime | None
    in_doubt_since: datetime | None
    attempt: int
    started_at: datetime | None = None
    notice_state: str = "planned"
    shadow: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written of a message: its new state, when it is due again, and how its attempt ended, if there was one.

    `instead` is a message on another channel, planned because this one does not arrive.
    """

    claim: Claim
    state: str
    because: str | None = None
    due_at: datetime | None = None
    provider_reference: str | None = None
    in_doubt_since: datetime | None = None
    ended: str | None = None
    detail: str | None = None
    instead: Planned | None = None


def before_sending(claim: Claim, rules: Rules, now: datetime) -> Outcome | None:
    """What keeps this message from being sent at this moment; None where it may go."""
    if not _still_wanted(claim):
        state = "superseded" if claim.notice_state == "superseded" else "cancelled"
        return Outcome(claim=claim, state=state, because=f"its notice is {claim.notice_state}")
    if claim.erased:
        return Outcome(claim=claim, state="cancelled", because="the recipient's data was erased")
    if claim.in_doubt_since is None and now >= last_moment(claim, rules):
        return Outcome(claim=claim, state=EXPIRED, because="it would be no news any more")
    if not _has_address(claim):
        return _given_up(claim, FAILED, f"there is no address for {claim.channel}", rules, now)
    if claim.channel == "sms" and not claim.urgent:
        rested_at = policy.quiet_until(claim.recipient.time_zone, rules, now)
        if rested_at:
            return Outcome(claim=claim, state=QUEUED, because="quiet hours", due_at=rested_at)
    return None


def _still_wanted(claim: Claim) -> bool:
    """A notice that shadow mode has shown on one channel may still be shown on another, but is not sent any more."""
    return claim.notice_state in {"planned", "sent"} or (claim.notice_state == "shown" and claim.shadow)


def paused(claim: Claim, until: datetime) -> Outcome:
    """The message waits with its channel; that costs it no attempt."""
    return Outcome(claim=claim, state=QUEUED, because="the channel is paused", due_at=until)


def unsayable(claim: Claim, why: str, rules: Rules, now: datetime) -> Outcome:
    """It could not be rendered."""
    return _given_up(claim, FAILED, why, rules, now)


def accepted(claim: Claim, answer: Accepted) -> Outcome:
    return Outcome(claim=claim, state=ACCEPTED, provider_reference=answer.provider_reference, ended="accepted")


def refused(
    claim: Claim, failure: SendFailed, rules: Rules, now: datetime, *, chance: float, repeatable: bool
) -> Outcome:
    """What follows from a failed attempt. `chance` in [0, 1) spreads the retries."""
    match failure.failure:
        case FailureClass.TRANSPORT:
            wait = policy.back_off(claim.attempt, rules, chance, failure.retry_after)
            ended = _later(claim, now + wait, failure.detail, rules)
        case FailureClass.ACCOUNT:
            ended = _later(claim, now, failure.detail, rules)
        case FailureClass.AMBIGUOUS:
            ended = in_doubt(claim, failure.detail, rules, now, repeatable=repeatable)
        case _:
            ended = _given_up(claim, FAILED, failure.detail, rules, now)
    return msgspec.structs.replace(ended, ended=failure.failure, detail=failure.detail)


def in_doubt(claim: Claim, why: str, rules: Rules, now: datetime, *, repeatable: bool) -> Outcome:
    """The message may have been taken: sent once more where that does no harm, else its provider is asked."""
    if repeatable and claim.in_doubt_since is not None:
        return _given_up(claim, UNKNOWN, f"in doubt for the second time: {why}", rules, now)
    since = claim.in_doubt_since or claim.started_at or now
    due_at = max(now, since + rules.repeat_after) if repeatable else now + rules.ask_again_after
    return Outcome(claim=claim, state=QUEUED, because=f"in doubt: {why}", due_at=due_at, in_doubt_since=since)


def asked(claim: Claim, found: Accepted | None, rules: Rules, now: datetime) -> Outcome:
    """What follows from asking the provider about a message in doubt; its attempt is settled where it was found."""
    if found is not None:
        return msgspec.structs.replace(accepted(claim, found), detail="found at the provider")
    if now < (claim.in_doubt_since or now) + rules.stop_asking_after:
        return Outcome(claim=claim, state=QUEUED, because="in doubt: not found yet", due_at=now + rules.ask_again_after)
    return _given_up(claim, UNKNOWN, "in doubt, and its provider knows nothing of it", rules, now)


def last_moment(claim: Claim, rules: Rules) -> datetime:
    """From when on it would be no news any more."""
    return claim.valid_until or claim.created_at + rules.give_up_after


def _later(claim: Claim, due_at: datetime, why: str, rules: Rules) -> Outcome:
    if due_at >= last_moment(claim, rules):
        state = UNKNOWN if claim.in_doubt_since else EXPIRED
        return Outcome(claim=claim, state=state, because=f"no time left to try again: {why}")
    return Outcome(claim=claim, state=QUEUED, because=why, due_at=due_at)


def _given_up(claim: Claim, state: str, why: str, rules: Rules, now: datetime) -> Outcome:
    reach = Reach(
        email=claim.recipient.email is not None,
        phone=claim.recipient.phone,
        time_zone=claim.recipient.time_zone,
        erased=claim.erased,
    )
    other = None if reach.erased else policy.fallback(claim.channel, reach, rules, now, urgent=claim.urgent)
    return Outcome(claim=claim, state=state, because=why, instead=other)


def _has_address(claim: Claim) -> bool:
    if claim.channel == "sms":
        return policy.is_mobile(claim.recipient.phone)
    try:
        return bool(ascii_address(claim.recipient.email or ""))
    except ValueError:
        return False
