"""Whether a value that somebody wrote down can be what it is meant to be: each check says what to write instead, or None."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import phonenumbers
from babel import localedata
from babel.core import get_global
from email_validator import EmailNotValidError, validate_email

_UNWRITTEN: Final = re.compile(r"[\s\x00-\x20\x7f\"<>\\^`{|}]")  # what no address on the web holds as it is
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NAME: Final = re.compile(r"[a-z0-9_-]{1,40}")
_WEB: Final = ("http", "https")
_EXAMPLES: Final = frozenset({"example.com", "example.net", "example.org"})
_NO_COUNTRY: Final = "ZZ"  # CLDR's word for an unknown one


def address(text: str, schemes: tuple[str, ...] = _WEB) -> str | None:
    """An address that begins with one of these schemes; one of the web names its host."""
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme in schemes and (parts.port is None or parts.port > 0)
        is_placed = bool(parts.hostname) or parts.scheme not in _WEB
    except ValueError:  # urlsplit finds brackets and ports that make no sense
        is_whole = is_placed = False
    if is_whole and is_placed and not _UNWRITTEN.search(text):
        return None
    return f"must be an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"


def website(text: str) -> str | None:
    """An address on the web; the scheme may be left out."""
    written = text if "://" in text else f"https://{text}"
    if len(text) <= 120 and "." in text and address(written) is None:
        return None
    return f"{text!r} is no address on the web: give one such as https://your-shop.example"


def networks(text: str) -> str | None:
    """Addresses and networks of machines, with commas between them."""
    try:
        for one in filter(None, map(str.strip, text.split(","))):
            ip_network(one)
    except ValueError as mistake:
        return f"{mistake}: give addresses and networks, such as 127.0.0.1, 10.0.0.0/8"
    return None


def email(text: str) -> str | None:
    """An address that every mail server takes, also those that know no letters beyond ASCII before the @."""
    try:
        validate_email(text, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as mistake:
        return f"{text!r} is no mail address ({str(mistake).rstrip('.')}): give one such as orders@your-shop.example"
    return None


def phone(text: str, country: str) -> str | None:
    """A telephone number, as dialled from abroad or in this country."""
    try:
        if len(text) <= 40 and phonenumbers.is_possible_number(phonenumbers.parse(text, country)):
            return None
    except phonenumbers.NumberParseException:
        pass
    return f"{text!r} is no telephone number: give it with its country, such as +34 910 000 000"


def country(text: str) -> str | None:
    """A country of ISO 3166."""
    if text in get_global("territory_languages") and text != _NO_COUNTRY:
        return None
    return f"{text!r} is no country: give its two letters of ISO 3166 in capitals, such as ES"


def language(text: str) -> str | None:
    """A language of ISO 639."""
    if re.fullmatch("[a-z]{2}", text) and localedata.exists(text):
        return None
    return f"{text!r} is no language: give its two small letters of ISO 639, such as es"


def time_zone(text: str) -> str | None:
    """A zone of the IANA database."""
    if text in available_timezones():
        return None
    return f"{text!r} is no time zone: give its IANA name, such as Europe/Madrid"


def host(text: str) -> bool:
    """Whether this is the name or the address of a machine."""
    try:
        return bool(ip_address(text))
    except ValueError:
        return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.removesuffix(".").split("."))


def name(text: str) -> bool:
    """Whether this may be the short name of something of ours."""
    return bool(_NAME.fullmatch(text))


def line(text: str) -> str | None:
    """Words that stand on one line, as in the sender of a mail."""
    return None if text.isprintable() and text.strip() else "must be words on one line, without control characters"


def credential(text: str | None) -> str | None:
    """What is sent in a header or a form as it stands: nothing, or characters on one line."""
    return None if text is None or text.isprintable() else "holds a line break or another control character: remove it"


def is_example(address: str) -> bool:
    """Whether this mail address is of a domain kept for examples (RFC 2606), which no mail reaches."""
    domain = address.rpartition("@")[2].lower()
    return domain.rpartition(".")[2] == "example" or domain in _EXAMPLES
