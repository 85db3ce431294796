"""Each promise that the verdict checks, broken once: it must be noticed, and nothing else with it."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest

from carriers.sandbox.parcel import truth
from carriers.sandbox.world import World
from sql import queries
from tests.carriers.sandbox.parcels import MONDAY_EVENING, parcel
from tracker.simulation.sinks import Mail, Text
from tracker.simulation.verdict import summarise

HELD: Final = parcel("correos", "customs_documents", "Miami")
END: Final = HELD.journey.ends_at + timedelta(days=30)
HOUR: Final = timedelta(hours=1)
_NAMES = {getattr(queries.topic("simulation"), name): name for name in (
    "shipments", "incidents", "accepted_messages", "open_ends", "final_milestones", "incidents_by_kind",
    "notices_by_kind",
)}  # fmt: skip


class Facts:
    """What the database and the sinks hold at the end of a story in which all went well; tests break one thing."""

    def __init__(self) -> None:
        problems = (truth(HELD, fact.known_at).problem for fact in HELD.journey.facts)
        categories = sorted({problem[0].value for problem in problems if problem})
        self.shipment: dict[str, Any] = {
            "id": 1, "carrier": HELD.carrier, "tracking_number": HELD.number, "ended_at": END, "undecided": None,
            "milestone": truth(HELD, END).milestone.value, "status_detail": None,
        }  # fmt: skip
        self.incidents: list[dict[str, Any]] = [
            {"id": n, "shipment_id": 1, "category": category, "state": "closed", "next_moment_at": None}
            for n, category in enumerate(categories, start=1)
        ]
        self.mail = self._message(1, "email", MONDAY_EVENING, promised_update_at=MONDAY_EVENING + 2 * HOUR)
        self.text = self._message(1, "sms", MONDAY_EVENING)
        self.update = self._message(2, "email", MONDAY_EVENING + HOUR, valid_until=MONDAY_EVENING + 3 * HOUR)
        self.messages = [self.mail, self.text, self.update]
        self.ends = {"messages": 0, "quarantined": 0, "unclaimed": 0}
        self.sinks = SimpleNamespace(
            mails=[Mail(MONDAY_EVENING, "<m1@shop>", "a@b.example", b""), Mail(END, "<m2@shop>", "a@b.example", b"")],
            texts=[Text(MONDAY_EVENING, "SM1", "+34600000000", "")],
        )

    def _message(self, notice_id: int, channel: str, at: datetime, **more: Any) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "notice_id": notice_id, "channel": channel, "message_id": f"m{notice_id}@shop", "accepted_at": at,
            "shipment_id": 1, "incident_id": 1, "kind": "incident_opened", "promised_update_at": None,
            "valid_until": None,
        }  # fmt: skip
        return plain | more

    @asynccontextmanager
    async def connection(self):
        yield self

    async def fetch(self, sql: str) -> list[dict[str, Any]]:
        tables = {"shipments": [self.shipment], "incidents": self.incidents, "accepted_messages": self.messages}
        return tables.get(_NAMES[sql], [])

    async def fetchrow(self, sql: str) -> dict[str, int]:
        assert _NAMES[sql] == "open_ends"
        return self.ends


async def violations(facts: Any) -> list[str]:
    world = World([HELD])
    summary = await summarise(facts, world, facts.sinks, MONDAY_EVENING, END)
    found: list[str] = summary["violations"]
    return found


async def test_a_story_in_which_all_went_well_has_none():
    assert await violations(Facts()) == []


def twice(facts: Facts) -> None:
    facts.sinks.mails.append(facts.sinks.mails[0])


def again_by_another_name(facts: Facts) -> None:
    facts.messages.append(facts.mail | {"message_id": "other@shop"})
    facts.sinks.mails.append(Mail(END, "<other@shop>", "a@b.example", b""))


def news_after_the_promise(facts: Facts) -> None:
    facts.update["accepted_at"] = MONDAY_EVENING + 2 * HOUR + timedelta(seconds=1)


BROKEN: list[tuple[str, Callable[[Facts], object], str]] = [
    ("not final", lambda f: f.shipment.update(ended_at=None), "shp_1: not final"),
    ("undecided", lambda f: f.shipment.update(undecided="ValueError"), "shp_1: undecided"),
    ("untrue", lambda f: f.shipment.update(milestone="in_transit"), "shp_1: we say in_transit, in truth"),
    ("undetected", lambda f: f.incidents[0].update(category="loss"), "customs documents_missing was stated"),
    ("open", lambda f: f.incidents[0].update(state="waiting"), "inc_1: still waiting"),
    ("sent twice", twice, "m1@shop: sent 2 times"),
    ("sent unknown", lambda f: f.sinks.mails.append(Mail(END, "<x@y>", "", b"")), "x@y: sent, but not known to be"),
    ("never taken", lambda f: f.sinks.mails.pop(), "m2@shop: believed sent, but never taken"),
    ("SMS lost", lambda f: f.sinks.texts.clear(), "1 SMS believed sent, 0 taken"),
    ("told twice", again_by_another_name, "ntc_1: sent 2 times by email"),
    ("promise", news_after_the_promise, "ntc_1 (incident_opened): promised news by"),
    (
        "stale",
        lambda f: f.update.update(valid_until=MONDAY_EVENING),
        "ntc_2 (incident_opened): sent after it was stale",
    ),
    ("messages", lambda f: f.ends.update(messages=2), "2 messages left at the end"),
    ("unread", lambda f: f.ends.update(quarantined=1), "1 quarantined left at the end"),
    ("unclaimed", lambda f: f.ends.update(unclaimed=1), "1 unclaimed left at the end"),
]


@pytest.mark.parametrize(("broken", "says"), [pytest.param(*one[1:], id=one[0]) for one in BROKEN])
async def test_what_went_wrong_is_noticed(broken: Callable[[Facts], object], says: str):
    facts = Facts()
    broken(facts)
    [found] = await violations(facts)
    assert says in found
