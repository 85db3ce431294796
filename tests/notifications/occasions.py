"""Every notice that can be: each kind with each cause and each variant of its facts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from carriers.vocabulary import CAUSES, STATUS_DETAILS, Category, Milestone
from notifications.contract import Facts, Kind, Recipient, Sender
from notifications.wording import Occasion

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
DAY = timedelta(days=1)
LINK = "https://papeleriasol.test/t/x7Kq9Zr2pLm4Vt8bQw3nEa"
REACHES_CUSTOMERS = [
    Category.CUSTOMS, Category.WEATHER, Category.DELAY, Category.DELIVERY_ATTEMPT, Category.ADDRESS, Category.DAMAGE,
    Category.LOSS, Category.RETURN,
]  # fmt: skip
TOLD_CAUSES = [f"{category}.{cause}" for category in REACHES_CUSTOMERS for cause in CAUSES[category]]
ABOUT_INCIDENTS = [Kind.INCIDENT_OPENED, Kind.INCIDENT_CHANGED, Kind.INCIDENT_UPDATE, Kind.INCIDENT_RESOLVED]
RESOLUTIONS = [
    "cured_by_carrier", "cured_by_customer", "cured_by_shop", "reshipped", "refunded", "returned_and_settled",
    "claim_paid", "claim_refused", "false_positive", "duplicate", "merged", "insufficient_information", None,
]  # fmt: skip

PLAIN = Facts(
    order_reference="PS-10482",
    carrier="correos",
    carrier_name="Correos",
    tracking_number="PX4K3C0710012340108001F",
    next_update_at=NOW + 2 * DAY,
)
FULL = msgspec.structs.replace(
    PLAIN,
    happened_at=NOW - DAY,
    city="MADRID",
    country="ES",
    promised_at=NOW + 2 * DAY,
    expected_from=NOW + 3 * DAY,
    expected_until=NOW + 5 * DAY,
    action_owner="recipient",
    action="provide",
    action_until=NOW + 4 * DAY,
    collection_until=NOW + 10 * DAY,
    sequel=2,
)
SENDER = Sender(
    name="Papelería Sol",
    email="envios@papeleriasol.test",
    reply_email="ayuda@papeleriasol.test",
    phone="+34 910 123 456",
    website="https://papeleriasol.test",
)


def occasion(kind: Kind, facts: Facts, language: str, **more: Any) -> Occasion:
    recipient = Recipient(
        name="María García", email="maria@home.test", phone="+34612345678", language=language, time_zone="Europe/Madrid"
    )
    fields: dict[str, Any] = {
        "kind": kind, "facts": facts, "sender": SENDER, "recipient": recipient, "shop_language": "es", "link": LINK,
        "now": NOW,
    }  # fmt: skip
    return Occasion(**fields | more)


def every_notice() -> Iterator[tuple[Kind, Facts]]:
    """Kinds with their variants, each with all facts and with as few as possible."""
    for base in (PLAIN, FULL):
        yield from (
            (kind, msgspec.structs.replace(base, cause=cause)) for kind in ABOUT_INCIDENTS for cause in TOLD_CAUSES
        )
        yield from (
            (
                Kind.INCIDENT_RESOLVED,
                msgspec.structs.replace(base, cause=f"{category}.{CAUSES[category][0]}", resolution=end),
            )
            for category in REACHES_CUSTOMERS
            for end in RESOLUTIONS
        )
        yield from ((kind, base) for kind in Kind if kind not in {*ABOUT_INCIDENTS, Kind.CORRECTION})
        yield from ((Kind.CORRECTION, msgspec.structs.replace(base, said=said)) for said in Kind)
        yield from (
            (Kind.DELIVERED, msgspec.structs.replace(base, delivered_to=detail))
            for detail in sorted(STATUS_DETAILS[Milestone.DELIVERED])
        )
        yield from (
            (Kind.RETURN_SETTLED, msgspec.structs.replace(base, settled_as=end))
            for end in ("refunded", "replaced", "rejected")
        )
        yield from (
            (Kind.RETURN_UNDER_WAY, msgspec.structs.replace(base, cause=cause))
            for cause in (*TOLD_CAUSES, "customs.refused_by_customs")
        )
        yield from (
            (Kind.INCIDENT_UPDATE, msgspec.structs.replace(base, cause="delay.unexplained", sequel=n)) for n in range(6)
        )
