"""Accounts with carriers, a mail relay and an SMS gateway that are given in the console, sealed in the database.

What the configuration gives stands above them, value by value: it is shown in the console and cannot be changed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import msgspec

from carriers.contract import Card
from sql import queries
from sql.connection import Connection
from tracker import plausible
from tracker.actions import audit
from tracker.actions.audit import Author
from tracker.actions.deciding import House
from tracker.domain.errors import FieldsWrong, NotFound, Wrong
from tracker.settings import CarrierSettings, Settings
from tracker.vault import Vault

_SQL = queries.topic("accounts")
_LONGEST: Final = 500
DEFAULT: Final = "default"  # the name of an account where there is one of its kind
MAIL, SMS = "smtp", "twilio"


class Kind(StrEnum):
    """What an account is for."""

    CARRIER = "carrier"
    MAIL = "mail"
    SMS = "sms"


class Key(msgspec.Struct, frozen=True):
    """Which account of a shop: `code` is the carrier's, else `smtp` or `twilio`."""

    kind: Kind
    code: str
    name: str = DEFAULT

    def __str__(self) -> str:
        return f"acc_{self.kind}_{self.code}_{self.name}"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it stands in the database, opened."""

    key: Key
    values: Mapping[str, str]
    changed_at: datetime
    changed_by: str

    def __repr__(self) -> str:
        return f"Kept({self.key})"


class Field(msgspec.Struct, frozen=True):
    """One value that an account has."""

    name: str
    required: bool

    @property
    def is_secret(self) -> bool:
        """Whether it is never shown again."""
        return self.name.endswith(("secret", "key", "token", "password"))


_MAIL_FIELDS: Final = (
    Field("host", required=True), Field("port", required=True), Field("security", required=True),
    Field("username", required=False), Field("password", required=False),
)  # fmt: skip
_SMS_FIELDS: Final = (
    Field("account_sid", required=True), Field("auth_token", required=True), Field("sender", required=True),
)  # fmt: skip


def fields(key: Key, cards: Mapping[str, Card]) -> tuple[Field, ...]:
    """What an account of this kind is asked for. Raises NotFound for one that there is not."""
    if key.kind is Kind.CARRIER and key.code in cards:
        card = cards[key.code]
        return (
            *(Field(name, required=True) for name in card.settings),
            *(Field(name, required=False) for name in card.optional),
        )
    known = {(Kind.MAIL, MAIL): _MAIL_FIELDS, (Kind.SMS, SMS): _SMS_FIELDS}.get((key.kind, key.code))
    if known is None:
        raise NotFound(f"no account of kind {key.kind} with {key.code}")
    return known


async def keep(house: House, by: Author, shop_id: int, key: Key, given: Mapping[str, str]) -> None:
    """Put an account in or change it: a secret that is not given stays as it is. Raises FieldsWrong, NotFound."""
    async with house.db.transaction() as conn:
        row = await conn.fetchrow(_SQL.lock, shop_id, *_columns(key))
        before = _opened(house.vault, shop_id, key, row["sealed"]) if row else {}
        values = completed(key, house.cards, given, before)
        sealed = house.vault.seal(msgspec.json.encode(values), _place(shop_id, key))
        await conn.execute(_SQL.put, shop_id, *_columns(key), sealed, by.actor)
        changed = sorted(name for name in values.keys() | before.keys() if values.get(name) != before.get(name))
        await audit.record(house.db, conn, by, "account.changed", str(key), fields=" ".join(changed))


def completed(
    key: Key, cards: Mapping[str, Card], given: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """The values of an account out of what was typed and the secrets that it has already. Raises FieldsWrong, NotFound."""
    known = fields(key, cards)
    values = {}
    for field in known:
        value = given.get(field.name, "").strip()
        if not value and field.is_secret:
            value = before.get(field.name, "")
        if value:
            values[field.name] = value
    wrong = list(_mistakes(key, known, values))
    if wrong:
        raise FieldsWrong(wrong)
    return values


async def remove(house: House, by: Author, shop_id: int, key: Key) -> None:
    """An account is not used any more. Raises NotFound."""
    async with house.db.transaction() as conn:
        if not await conn.fetchval(_SQL.remove, shop_id, *_columns(key)):
            raise NotFound(f"no account {key}")
        await audit.record(house.db, conn, by, "account.removed", str(key))


async def load(conn: Connection, vault: Vault, shop_id: int) -> list[Kept]:
    """The shop's accounts in the database, opened."""
    found = []
    for row in await conn.fetch(_SQL.of_shop, shop_id):
        key = Key(Kind(row["kind"]), row["code"], row["name"])
        values = _opened(vault, shop_id, key, row["sealed"])
        found.append(Kept(key=key, values=values, changed_at=row["changed_at"], changed_by=row["changed_by"]))
    return found


async def version(conn: Connection, shop_id: int) -> str:
    """Another text as soon as anything of them has changed."""
    return str(await conn.fetchval(_SQL.version, shop_id))


def merged(settings: Settings, kept: Sequence[Kept]) -> Settings:
    """The settings with the database's accounts below them."""
    mail = next((one.values for one in kept if one.key.kind is Kind.MAIL), None)
    sms = next((one.values for one in kept if one.key.kind is Kind.SMS), None)
    return msgspec.structs.replace(
        settings,
        carriers=tuple(_carriers(settings, kept)),
        smtp_url=settings.smtp_url or (smtp_url(mail) if mail else None),
        twilio=msgspec.structs.replace(settings.twilio, **sms)
        if sms and not settings.twilio.account_sid
        else settings.twilio,
    )


def smtp_url(values: Mapping[str, str]) -> str:
    """The address of a mail relay, with how to sign in."""
    scheme = "smtps" if values["security"] == "tls" else "smtp"
    username, password = values.get("username", ""), values.get("password", "")
    login = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username else ""
    host = f"[{values['host']}]" if ":" in values["host"] else values["host"]
    return f"{scheme}://{login}{host}:{values['port']}"


def _carriers(settings: Settings, kept: Sequence[Kept]) -> Iterator[CarrierSettings]:
    below = {(one.key.code, one.key.name): one.values for one in kept if one.key.kind is Kind.CARRIER}
    for one in settings.carriers:
        complete = {**below.pop((one.carrier, one.account), {}), **one.values}
        yield CarrierSettings(carrier=one.carrier, account=one.account, values=complete)
    for (code, name), values in below.items():
        yield CarrierSettings(carrier=code, account=name, values=dict(values))


def _mistakes(key: Key, known: Sequence[Field], values: Mapping[str, str]) -> Iterator[Wrong]:
    if not plausible.name(key.name):
        yield Wrong("/name", "1 to 40 small letters, digits, - and _")
    for field in known:
        value = values.get(field.name)
        if value is None and field.required:
            yield Wrong(f"/{field.name}", "is needed")
        elif value is not None and (len(value) > _LONGEST or not value.isprintable()):
            yield Wrong(f"/{field.name}", f"at most {_LONGEST} characters on one line")
    if key.kind is Kind.MAIL:
        yield from _mail_mistakes(values)


def _mail_mistakes(values: Mapping[str, str]) -> Iterator[Wrong]:
    port = values.get("port", "587")
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65535):
        yield Wrong("/port", "a number from 1 to 65535, 587 or 465 for most relays")
    if values.get("security", "starttls") not in ("starttls", "tls"):
        yield Wrong("/security", "starttls or tls")
    if (host := values.get("host")) is not None and not plausible.host(host):
        yield Wrong("/host", "the name of a machine, such as smtp.your-relay.example")
    if "password" in values and "username" not in values:
        yield Wrong("/username", "goes with the password")


def _columns(key: Key) -> tuple[str, str, str]:
    return key.kind.value, key.code, key.name


def _opened(vault: Vault, shop_id: int, key: Key, sealed: bytes) -> dict[str, str]:
    return msgspec.json.decode(vault.open(sealed, _place(shop_id, key)), type=dict[str, str])


def _place(shop_id: int, key: Key) -> str:
    return f"account|sealed|{shop_id}|{'|'.join(_columns(key))}"
