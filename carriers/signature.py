"""Standard Webhooks signatures of partners' pushes, verified over the raw bytes and in constant time.

The `standardwebhooks` package signs for the simulated partners and is the second opinion in the tests. It cannot verify here: it takes
the machine's own clock, has one fixed tolerance, and reads the body as text first, so that bytes which are no UTF-8 would
look wrongly signed instead of going into quarantine.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

TOLERANCE: Final = timedelta(minutes=5)

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"
_MAX_SIGNATURES: Final = 16  # more than any rotation needs; bounds the work that a stranger can cause
_MAX_ID: Final = 255


class Refusal(StrEnum):
    """Why a signature does not count. For our log; the sender hears only that it was refused."""

    MISSING_HEADER = "missing_header"
    BAD_TIMESTAMP = "bad_timestamp"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    NO_SECRET = "no_secret"  # noqa: S105 - the reason, not a secret
    NO_MATCH = "no_match"


class Verdict(msgspec.Struct, frozen=True):
    """`message_id` is what a replay has in common with its original; a replay brings only events that are known."""

    message_id: str | None
    refusal: Refusal | None = None

    @property
    def ok(self) -> bool:
        return self.refusal is None


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime, tolerance: timedelta = TOLERANCE
) -> Verdict:
    """Whether one of the active secrets (`whsec_` and base64, or base64 alone) signed this body at about this time.

    `now` is aware and comes from the machine's clock, not from business time. Never raises.
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    message_id, stamp, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message_id and stamp and signatures) or len(message_id) > _MAX_ID:
        return Verdict(None, Refusal.MISSING_HEADER)
    refused = _check_time(stamp, now, tolerance)
    if refused is not None:
        return Verdict(message_id, refused)
    keys = [key for secret in secrets if (key := _key(secret))]
    if not keys:
        return Verdict(message_id, Refusal.NO_SECRET)
    signed = b".".join((message_id.encode(errors="replace"), stamp.encode(errors="replace"), body))
    return Verdict(message_id, None if _is_signed(signed, signatures, keys) else Refusal.NO_MATCH)


def _check_time(stamp: str, now: datetime, tolerance: timedelta) -> Refusal | None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return Refusal.BAD_TIMESTAMP
    age = now.timestamp() - int(stamp)
    if age > tolerance.total_seconds():
        return Refusal.TOO_OLD
    return Refusal.TOO_NEW if -age > tolerance.total_seconds() else None


def _is_signed(signed: bytes, signatures: str, keys: list[bytes]) -> bool:
    """Every secret is tried against every signature, so that the time taken does not tell which one fits."""
    offered = [raw for entry in signatures.split()[:_MAX_SIGNATURES] if (raw := _offered(entry)) is not None]
    matched = False
    for key in keys:
        expected = hmac.digest(key, signed, hashlib.sha256)
        for raw in offered:
            matched |= hmac.compare_digest(expected, raw)
    return matched


def _offered(entry: str) -> bytes | None:
    version, _, encoded = entry.partition(",")
    if version != _VERSION:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(f"{secret.strip().removeprefix(_PREFIX)}==") or None
    except (binascii.Error, ValueError):
        return None
