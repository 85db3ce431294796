from datetime import UTC, datetime, timedelta
from typing import Any

from tracker.store.way import Entry, Event, FindingLine, MessageFacts, NoticeLine, Observation, Way
from tracker.web.console import chain
from tracker.web.console.chain import Turn

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def observation(id_: int, hours: float, **given: Any) -> Observation:
    values: dict[str, Any] = {
        "source": "poll", "carrier": "correos", "account": "default", "http_status": 200, "content_type": "application/json",
        "size": 10, "failure": None, "problem": None, "problem_path": None, "partner": None,
    }  # fmt: skip
    return Observation(id=id_, received_at=at(hours), **values | given)


def event(id_: int, observation_id: int, hours: float, **given: Any) -> Event:
    values: dict[str, Any] = {
        "key": f"e{id_}", "variant": "", "occurred_at": at(hours - 1), "occurred_local": None, "tz_certainty": "assumed",
        "precision": 2, "sequence": 0, "milestone": "in_transit", "status_detail": None, "category": None, "cause": None,
        "informational": False, "code": None, "text": None, "city": None, "country": None, "missing_since": None,
        "withdrawn_at": None,
    }  # fmt: skip
    return Event(id=id_, observation_id=observation_id, received_at=at(hours), **values | given)


def finding(hours: float, because_of: str | None, **given: Any) -> FindingLine:
    values: dict[str, Any] = {
        "id": 1, "incident_id": 1, "key": "k", "rule": "carrier_stated", "rule_version": 1, "category": "customs",
        "cause": "inspection", "signal": "carrier_stated", "provenance": "carrier_stated", "confidence": 1.0,
        "explanation": "It is so.", "withdrawn_at": None, "withdrawn_because": None,
    }  # fmt: skip
    return FindingLine(found_at=at(hours), evidence={"event": because_of}, **values | given)


def entry(hours: float, kind: str, actor: str = "tracker", **detail: Any) -> Entry:
    return Entry(id=1, incident_id=1, at=at(hours), kind=kind, actor=actor, detail=detail, category="customs", cause="inspection")  # fmt: skip


def notice(hours: float, **because: Any) -> NoticeLine:
    return NoticeLine(
        id=5, incident_id=1, kind="incident_opened", state="sent", state_because=None, because=because, urgent=False,
        planned_at=at(hours), cause=None,
    )  # fmt: skip


def way(**given: Any) -> Way:
    kinds = ("observations", "events", "incidents", "findings", "entries", "notices", "messages", "attempts")
    return Way(**{kind: given.get(kind, []) for kind in kinds})


def sources(turns: list[Turn]) -> list[str]:
    return [turn.source for turn in turns]


def test_a_decision_stands_with_the_answer_whose_event_it_names():
    turns = chain.build(START, way(
        observations=[observation(1, 1), observation(2, 5)],
        events=[event(10, 1, 1), event(11, 2, 5)],
        findings=[finding(5.1, "e11")], entries=[entry(5.1, "opened", "carrier_stated")], notices=[notice(5.1, finding="k")],
    ))  # fmt: skip

    assert sources(turns) == ["registered", "poll", "poll"]
    last = turns[-1]
    assert (len(last.events), len(last.findings), len(last.entries), len(last.told)) == (1, 1, 1, 1)


def test_what_time_alone_decided_stands_by_itself():
    turns = chain.build(START, way(
        observations=[observation(1, 1)], events=[event(10, 1, 1)],
        findings=[finding(30, None, rule="stalled")], entries=[entry(30, "opened", "stalled")],
    ))  # fmt: skip

    assert sources(turns) == ["registered", "poll", "clock"]


def test_a_cure_follows_from_the_news_that_came_last_and_a_person_from_nothing():
    turns = chain.build(START, way(
        observations=[observation(1, 1), observation(2, 9)], events=[event(10, 1, 1), event(11, 2, 9)],
        entries=[entry(9.1, "resolved", reason="cured_by_carrier"), entry(20, "acknowledge", "eva")],
    ))  # fmt: skip

    assert [(turn.source, len(turn.entries)) for turn in turns[1:]] == [("poll", 0), ("poll", 1), ("staff", 1)]


def test_answers_without_news_stand_in_one_turn_but_a_refusal_stands_alone():
    turns = chain.build(START, way(
        observations=[observation(n, n) for n in (1, 2, 3)] + [observation(4, 4, failure="carrier_down"), observation(5, 5)],
    ))  # fmt: skip

    assert [len(turn.observations) for turn in turns] == [0, 3, 1, 1]
    assert (turns[1].at, turns[1].until) == (at(1), at(3))


def test_of_an_event_told_twice_the_version_that_counts_overrules_the_other():
    first = event(10, 1, 1, key="same", milestone="delivered")
    corrected = event(11, 2, 9, key="same", occurred_at=at(8), milestone="in_transit")

    turns = chain.build(START, way(observations=[observation(1, 1), observation(2, 9)], events=[first, corrected]))

    assert [[seen.is_overruled for seen in turn.events] for turn in turns[1:]] == [[True], [False]]


def test_an_event_that_was_withdrawn_overrules_nothing():
    first = event(10, 1, 1, key="same")
    gone = event(11, 2, 9, key="same", occurred_at=at(8), withdrawn_at=at(20))

    turns = chain.build(START, way(observations=[observation(1, 1), observation(2, 9)], events=[first, gone]))

    assert [seen.is_overruled for turn in turns for seen in turn.events] == [False, False]


def test_every_notice_carries_its_messages_and_is_found_by_its_incident():
    message = MessageFacts(
        id=7, notice_id=5, channel="email", why="", language="es", state="accepted", state_because=None, due_at=None,
        attempts=1, subject=None, provider_reference=None, created_at=at(1), accepted_at=at(1),
    )  # fmt: skip
    whole = way(notices=[notice(1)], messages=[message])

    def messages(incident_id: int) -> list[int]:
        turns = chain.build(START, chain.of_incident(incident_id, whole))
        return [sent.message.id for turn in turns for told in turn.told for sent in told.sent]

    assert (messages(1), messages(2)) == ([7], [])
