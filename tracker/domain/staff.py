"""Who may do what: the roles of vocabulary.md and what each is allowed; whatever is not in the table is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Role(StrEnum):
    """What somebody is in a shop."""

    VIEWER = "viewer"
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    PARTNER = "partner"


class May(StrEnum):
    """What can be allowed."""

    ENTER = "enter"  # come in at all, and look after one's own account
    SEE = "see"  # parcels, incidents, messages; personal data masked
    SEE_PERSONAL = "see_personal"  # names and addresses as they are
    SEE_OWN_PUSHES = "see_own_pushes"  # a partner's people: what they pushed, and what was refused
    WORK = "work"  # incidents, returns, notices
    OVERRULE = (
        "overrule"  # reopen what was closed, split, take work from others, map codes, settle what is in quarantine
    )
    CONFIGURE = "configure"  # shop, switches, keys, partners
    MANAGE_PEOPLE = "manage_people"
    AUDIT = "audit"  # read what everybody did


_SEES: Final = frozenset({May.ENTER, May.SEE})
_WORKS: Final = _SEES | {May.SEE_PERSONAL, May.WORK}
_LEADS: Final = _WORKS | {May.OVERRULE}
ALLOWED: Final[Mapping[Role, frozenset[May]]] = {
    Role.VIEWER: _SEES,
    Role.AGENT: _WORKS,
    Role.SUPERVISOR: _LEADS,
    Role.ADMIN: _LEADS | {May.CONFIGURE, May.MANAGE_PEOPLE, May.AUDIT},
    Role.PARTNER: frozenset({May.ENTER, May.SEE_OWN_PUSHES}),
}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has come in, in one of their shops. `language`, `time_zone` and `scheme` None are the shop's and the
    machine's own."""

    staff_id: int
    session_id: int
    email: str
    name: str
    shop_id: int
    shop: str
    shop_name: str
    role: Role
    partner_id: int | None = None
    language: str | None = None
    time_zone: str | None = None
    scheme: str | None = None
    has_second_factor: bool = False

    @property
    def actor(self) -> str:
        """Who did it, as it stands on timelines and in the audit."""
        return f"staff:{self.staff_id}"

    def may(self, what: May) -> bool:
        """Whether this is allowed."""
        return what in ALLOWED[self.role]


def masked_email(address: str) -> str:
    """ "m***@g***.com": enough to recognise, too little to use."""
    local, _, host = address.partition("@")
    name, dot, top = host.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***{dot}{top}"


def masked_phone(number: str) -> str:
    """ "+34******678": the country and the last three digits."""
    return f"{number[:3]}{'*' * max(0, len(number) - 6)}{number[-3:]}" if len(number) > 6 else "***"


def masked_name(name: str) -> str:
    """ "María G.": the first name and an initial."""
    first, *others = name.split()
    return " ".join([first, *(f"{other[0]}." for other in others[:1])])
