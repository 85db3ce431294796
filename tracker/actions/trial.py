"""Accounts are tried out: one real call, and what came of it in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from carriers.contract import CallsSpent, CarrierFailure, FailureKind, Lookup, PayloadRejected
from notifications.contract import Channel, FailureClass, Outgoing, Sender, SendFailed
from notifications.plain import plain_mail
from tracker.actions import accounts, audit
from tracker.actions.accounts import Key, Kind
from tracker.actions.audit import Author
from tracker.actions.deciding import House
from tracker.actions.poll import Line
from tracker.settings import Settings, TwilioSettings
from tracker.store import shops
from tracker.vault import new_token

_PATIENCE: Final = 20.0  # seconds
_NUMBER: Final = "00340000000000000000"  # formed like a parcel's, and nobody's


class Came(StrEnum):
    """What came of it."""

    GOOD = "good"
    REFUSED = "refused"  # the account is not known, or its secret is wrong
    AWAY = "away"  # nobody answered
    BUSY = "busy"  # the account has no calls left
    ODD = "odd"  # an answer, but not one that can be read
    MISSING = "missing"  # there is no such account yet


class Trial(msgspec.Struct, frozen=True):
    """How a trial went; `detail` is what the other side said, without secrets."""

    came: Came
    detail: str = ""


class Gateway(Protocol):
    """An SMS account that can be asked whether it is known."""

    async def check(self) -> None:
        """Raises SendFailed."""
        ...

    async def close(self) -> None: ...


class Trials:
    """Tries out what is configured and kept; relay and gateway are made for the one call."""

    def __init__(
        self,
        settings: Settings,
        lines: Mapping[tuple[int, str, str], Line],
        relay: Callable[[str], Channel],
        gateway: Callable[[TwilioSettings], Gateway],
    ) -> None:
        self._settings, self._lines, self._relay, self._gateway = settings, lines, relay, gateway

    async def run(self, house: House, by: Author, shop_id: int, key: Key, reader: str) -> Trial:
        """One call by this account; a mail goes to `reader`. On the record, since it costs and shows something."""
        async with house.db.connection() as conn:
            settings = accounts.merged(self._settings, await accounts.load(conn, house.vault, shop_id))
            shop = await shops.details(conn, shop_id)
        try:
            async with asyncio.timeout(_PATIENCE):
                trial = await self._run(settings, shop, shop_id, key, reader, house)
        except TimeoutError:
            trial = Trial(Came.AWAY, f"no answer within {_PATIENCE:g} seconds")
        async with house.db.transaction() as conn:
            await audit.record(house.db, conn, by, "account.tried", str(key), came=trial.came)
        return trial

    async def _run(
        self, settings: Settings, shop: Mapping[str, str | None], shop_id: int, key: Key, reader: str, house: House
    ) -> Trial:
        if key.kind is Kind.CARRIER:
            line = self._lines.get((shop_id, key.code, key.name))
            return await _ask(line) if line else Trial(Came.MISSING)
        if key.kind is Kind.MAIL:
            if settings.smtp_url is None:
                return Trial(Came.MISSING)
            return await _send(self._relay(settings.smtp_url), _letter(shop, reader, house))
        return await _check(self._gateway(settings.twilio)) if settings.twilio.account_sid else Trial(Came.MISSING)


async def _ask(line: Line) -> Trial:
    """A parcel that nobody has: an account that may ask is told so."""
    lookup = Lookup(tracking_number=_NUMBER)
    try:
        line.adapter.parse(await line.client.fetch([lookup]), [lookup])
    except CarrierFailure as failure:
        came = {
            FailureKind.NOT_FOUND: Came.GOOD, FailureKind.BAD_REQUEST: Came.GOOD, FailureKind.AUTH: Came.REFUSED,
            FailureKind.RATE_LIMITED: Came.BUSY, FailureKind.CARRIER_DOWN: Came.AWAY, FailureKind.MALFORMED: Came.ODD,
        }[failure.kind]  # fmt: skip
        return Trial(came, failure.detail)
    except PayloadRejected as odd:
        return Trial(Came.ODD, str(odd))
    except CallsSpent as spent:
        return Trial(Came.BUSY, str(spent))
    return Trial(Came.GOOD)


async def _send(relay: Channel, letter: Outgoing) -> Trial:
    try:
        accepted = await relay.send(letter)
    except SendFailed as failed:
        return _failed(failed)
    finally:
        await relay.close()
    return Trial(Came.GOOD, accepted.provider_reference or "")


async def _check(gateway: Gateway) -> Trial:
    try:
        await gateway.check()
    except SendFailed as failed:
        return _failed(failed)
    finally:
        await gateway.close()
    return Trial(Came.GOOD)


def _failed(failed: SendFailed) -> Trial:
    is_away = failed.failure in (FailureClass.TRANSPORT, FailureClass.AMBIGUOUS)
    return Trial(Came.AWAY if is_away else Came.REFUSED, failed.detail)


def _letter(shop: Mapping[str, str | None], reader: str, house: House) -> Outgoing:
    name, sender = shop["name"] or "", shop["sender_email"] or ""
    return plain_mail(
        Sender(name=name, email=sender, reply_email=shop["reply_email"] or "", phone=None, website=None),
        reader,
        f"{name}: test / prueba",
        "Mail goes out by this relay.\nEl correo sale por este servidor.\n",
        reference="trial",
        token=new_token(),
        at=house.clock.now(),
    )
