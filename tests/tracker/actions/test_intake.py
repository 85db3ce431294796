import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from carriers.contract import Estimate, FailureKind
from tests.tracker.actions.conftest import START, Scene, report
from tests.tracker.domain.building import event
from tracker.actions import deciding, intake
from tracker.actions.examine import examine
from tracker.actions.intake import Observation
from tracker.domain import decision, shipment

HELD = event("in_customs.documents_required", -1, problem="customs.documents_missing")
MOVED = event("in_transit.departed_hub", -0.5)


# ------------------------------------------------------------------------------------------------- what news becomes


async def test_a_push_becomes_events_a_belief_an_incident_and_a_notice(scene: Scene):
    shipment_id = await scene.registers()
    taken = await scene.hears("NUMBER1", event("accepted", -2), HELD)
    assert (taken.new_events, taken.known_events, taken.unclaimed, taken.quarantined) == (2, 0, 0, False)
    row = await scene.shipment(shipment_id)
    assert (row["milestone"], row["status_detail"], row["health"]) == ("in_customs", "documents_required", "held")
    assert await scene.incidents(shipment_id) == ["customs.documents_missing open"]
    assert await scene.notices(shipment_id) == ["incident_opened"]
    incident = await scene.row("select * from incident")
    assert row["next_moment_at"] == incident["next_moment_at"] > START
    notice = await scene.row("select * from notice where kind = 'incident_opened'")
    assert (notice["incident_id"], notice["promised_update_at"]) == (incident["id"], incident["promised_update_at"])


async def test_every_step_can_be_followed_from_the_raw_bytes_to_the_notice(scene: Scene):
    await scene.registers()
    taken = await scene.hears("NUMBER1", HELD)
    assert await scene.value("select raw from observation where id = $1", taken.observation_id) == b'{"pushed": true}'
    heard = await scene.row("select * from event")
    assert (heard["observation_id"], heard["source"]) == (taken.observation_id, "push")
    found = await scene.row("select * from finding")
    assert msgspec.json.decode(found["evidence"])["event"] == heard["key"]
    entry = await scene.row("select * from incident_entry")
    assert (entry["kind"], entry["incident_id"]) == ("opened", found["incident_id"])
    because = msgspec.json.decode(await scene.value("select because from notice where incident_id is not null"))
    assert (because["finding"], because["rule"]) == (found["key"], "carrier_stated")
    kinds = [row["kind"] for row in await scene.rows("select kind from change order by id")]
    assert kinds == ["shipment.registered", "shipment.moved", "shipment.health", "incident.opened", "notice.planned"]


async def test_duplicates_fall_out_by_key(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", HELD)
    again = await scene.hears("NUMBER1", HELD, HELD)
    assert (again.new_events, again.known_events) == (0, 2)
    counts = await scene.counts()
    assert (counts["event"], counts["incident"], counts["observation"]) == (1, 1, 2)
    assert await scene.notices(shipment_id) == ["incident_opened"]


async def test_two_observations_of_one_parcel_in_one_batch_are_both_heard(scene: Scene):
    shipment_id = await scene.registers()
    first, second = await scene.takes_in(
        scene.pushed(report("NUMBER1", HELD)), scene.pushed(report("NUMBER1", HELD, MOVED))
    )
    assert (first.new_events, second.new_events, second.known_events) == (1, 1, 1)
    row = await scene.shipment(shipment_id)
    assert row["status_detail"] == "departed_hub"
    assert await scene.incidents(shipment_id) == []  # held and moved on before we looked


async def test_news_about_several_parcels_in_one_push(scene: Scene):
    ids = [await scene.registers(f"NUMBER{n}") for n in (1, 2)]
    (taken,) = await scene.takes_in(
        scene.pushed(report("NUMBER1", MOVED), report("NUMBER2", HELD), report("OTHER", HELD))
    )
    assert (taken.new_events, taken.unclaimed) == (2, 1)
    assert [(await scene.shipment(one))["milestone"] for one in ids] == ["in_transit", "in_customs"]


async def test_old_news_arriving_late_is_folded_where_it_belongs(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", -1))
    await scene.hears("NUMBER1", event("accepted", -9))
    row = await scene.shipment(shipment_id)
    assert row["milestone"] == "in_transit"
    belief = msgspec.json.decode(row["belief"], type=shipment.Belief)
    assert belief == shipment.fold([event("in_transit", -1), event("accepted", -9)])


async def test_a_correction_stands_beside_what_it_corrects(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", -3, key="k"))
    taken = await scene.hears("NUMBER1", event("out_for_delivery", -1, key="k"))
    assert taken.new_events == 1
    assert (await scene.counts())["event"] == 2
    row = await scene.shipment(shipment_id)
    assert row["milestone"] == "out_for_delivery"
    assert msgspec.json.decode(row["belief"])["events"] == 1


async def test_an_estimate_is_news_of_its_own(scene: Scene):
    shipment_id = await scene.registers()
    await scene.asks(shipment_id, MOVED)
    await scene.asks(shipment_id, MOVED, estimate=Estimate(None, (START + timedelta(days=2)).date()))
    row = await scene.shipment(shipment_id)
    assert b"2026-03-04T22:59:59" in row["expectation"]
    raws = [row["raw"] for row in await scene.rows("select raw from observation order by id")]
    assert None not in raws


# ---------------------------------------------------------------------------------------------------- what is kept


async def test_a_number_that_nobody_registered_is_kept(scene: Scene):
    taken = await scene.hears("STRAY1", HELD)
    assert (taken.unclaimed, taken.new_events) == (1, 0)
    kept = await scene.row("select * from unclaimed")
    assert (kept["tracking_number"], kept["observation_id"], kept["claimed_by"]) == (
        "STRAY1",
        taken.observation_id,
        None,
    )


async def test_what_cannot_be_read_is_quarantined_with_its_bytes(scene: Scene):
    (taken,) = await scene.takes_in(scene.pushed(raw=b"{", problem="truncated", problem_path="events[0]"))
    assert taken.quarantined
    kept = await scene.row("select * from observation")
    assert (kept["raw"], kept["problem"], kept["problem_path"]) == (b"{", "truncated", "events[0]")


async def test_a_poll_without_news_keeps_no_bytes(scene: Scene):
    shipment_id = await scene.registers()
    await scene.asks(shipment_id, MOVED)
    taken = await scene.asks(shipment_id, MOVED)
    assert (taken.new_events, taken.known_events) == (0, 1)
    raws = [row["raw"] for row in await scene.rows("select raw from observation order by id")]
    assert raws == [b'{"polled": true}', None]


async def test_a_refusal_keeps_its_bytes_once(scene: Scene):
    shipment_id = await scene.registers()
    for _ in range(3):
        await scene.asks(shipment_id, failure=FailureKind.NOT_FOUND)
    raws = [row["raw"] for row in await scene.rows("select raw from observation order by id")]
    assert raws == [b'{"polled": true}', None, None]
    row = await scene.shipment(shipment_id)
    assert (row["not_found_count"], row["poll_failures"]) == (3, 3)
    assert row["next_poll_at"] - START == pytest.approx(timedelta(hours=1), rel=0.16)


async def test_a_parcel_has_one_unreadable_answer_in_quarantine_and_none_once_it_can_be_read(scene: Scene):
    shipment_id = await scene.registers()
    for _ in range(3):
        await scene.asks(shipment_id, problem="not JSON", problem_path="")
    unsettled = "select count(*) from observation where problem is not null and settled_at is null"
    assert await scene.value(unsettled) == 1
    await scene.asks(shipment_id, MOVED)
    assert await scene.value(unsettled) == 0


async def test_an_answer_whose_lease_was_overtaken_moves_no_poll(scene: Scene):
    shipment_id = await scene.registers()
    late = await scene.polled(shipment_id, MOVED)
    newer = await scene.polled(shipment_id)
    await scene.takes_in(late)
    row = await scene.shipment(shipment_id)
    assert (row["milestone"], row["polled_at"], row["poll_token"]) == ("in_transit", None, newer.token)
    assert row["poll_lease_until"] is not None


@pytest.mark.parametrize("bad", ["a\x00b", "a\ud800b"])
async def test_characters_that_the_database_refuses_do_no_harm(scene: Scene, bad: str):
    shipment_id = await scene.registers()
    dirty = msgspec.structs.replace(event("in_transit", -1, key=f"k{bad}", text=bad, place=(bad, "ES")), code=bad)
    pushed = scene.pushed(
        report("NUMBER1", dirty), report(f"N{bad}", dirty), push_id=bad, problem=bad, problem_path=bad
    )
    (taken,) = await scene.takes_in(pushed)
    assert (taken.new_events, taken.unclaimed) == (1, 1)
    kept = await scene.row("select key, code, text, city from event")
    assert list(kept.values()) == ["ka\ufffdb", "a\ufffdb", "a\ufffdb", "a\ufffdb"]
    (again,) = await scene.takes_in(pushed)
    assert again.new_events == 0
    assert (await scene.shipment(shipment_id))["undecided"] is None


# ------------------------------------------------------------------------------------------- withdrawn by the carrier


async def test_an_event_is_withdrawn_when_two_full_answers_half_an_hour_apart_lack_it(scene: Scene):
    shipment_id = await scene.registers()
    delivered = event("delivered", -0.5)
    await scene.asks(shipment_id, MOVED, delivered)
    await scene.passes(minutes=1)
    await scene.asks(shipment_id, MOVED)
    await scene.passes(minutes=29)
    await scene.asks(shipment_id, MOVED)
    assert (await scene.shipment(shipment_id))["milestone"] == "delivered"
    await scene.passes(minutes=1)
    await scene.asks(shipment_id, MOVED)
    row = await scene.shipment(shipment_id)
    assert (row["milestone"], row["ended_at"]) == ("in_transit", None)
    assert await scene.value("select count(*) from event where withdrawn_at is not null") == 1
    await scene.asks(shipment_id, MOVED, delivered)
    assert (await scene.shipment(shipment_id))["milestone"] == "delivered"
    assert await scene.value("select count(*) from event where withdrawn_at is not null") == 0


@pytest.mark.parametrize("lacking", ["empty", "partial carrier", "push", "refusal", "seen in between"])
async def test_nothing_else_withdraws_an_event(scene: Scene, lacking: str):
    carrier = "partial" if lacking == "partial carrier" else "full"
    shipment_id = await scene.registers(carrier=carrier)
    await scene.asks(shipment_id, MOVED, event("delivered", -0.4), carrier=carrier)
    for round_ in range(3):
        await scene.passes(minutes=40)
        if lacking == "empty":
            await scene.asks(shipment_id)
        elif lacking == "partial carrier":
            await scene.asks(shipment_id, MOVED, carrier=carrier)
        elif lacking == "push":
            await scene.hears("NUMBER1", MOVED)
        elif lacking == "refusal":
            await scene.asks(shipment_id, failure=FailureKind.NOT_FOUND)
        else:
            await scene.asks(shipment_id, MOVED, *([event("delivered", -0.4)] if round_ % 2 else []))
    assert (await scene.shipment(shipment_id))["milestone"] == "delivered"


async def test_what_was_pushed_is_not_withdrawn_by_a_poll_that_lacks_it(scene: Scene):
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("out_for_delivery", -0.1))
    for _ in range(3):
        await scene.asks(shipment_id, MOVED)
        await scene.passes(minutes=40)
    assert (await scene.shipment(shipment_id))["milestone"] == "out_for_delivery"


async def test_an_event_that_a_full_history_states_otherwise_is_corrected_whichever_stands_later(scene: Scene):
    """A carrier moves a scan to an earlier time: the first statement is withdrawn like any event that is gone."""
    shipment_id = await scene.registers()
    await scene.asks(shipment_id, event("delivered", -1, key="k"))
    await scene.asks(shipment_id, event("delivered", -3, key="k"))
    await scene.passes(minutes=31)
    await scene.asks(shipment_id, event("delivered", -3, key="k"))
    belief = msgspec.json.decode((await scene.shipment(shipment_id))["belief"], type=shipment.Belief)
    assert belief.delivered_at == START - timedelta(hours=3)


# --------------------------------------------------------------------------------------------------- our own mistakes


class Broken:
    """A decision that fails on some shipments, until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: str = "decide") -> None:
        self.on: set[int] = set()
        real = getattr(decision if room == "decide" else shipment, room)

        def sometimes(*arguments: Any, **named: Any) -> Any:
            if self.on and (room != "decide" or arguments[0].shipment_id in self.on):
                raise ZeroDivisionError("our mistake")
            return real(*arguments, **named)

        monkeypatch.setattr(deciding, room, sometimes)


@pytest.mark.parametrize("room", ["decide", "append"])
async def test_our_mistake_keeps_the_events_and_the_clock_mends_it(scene: Scene, monkeypatch, room: str):
    first, second = [await scene.registers(f"NUMBER{n}") for n in (1, 2)]
    broken = Broken(monkeypatch, room)
    broken.on = {first}
    (taken, _) = await scene.takes_in(scene.pushed(report("NUMBER1", HELD)), scene.pushed(report("NUMBER2", HELD)))
    assert taken.new_events == 1
    row = await scene.shipment(first)
    assert row["undecided"] == "ZeroDivisionError"
    assert row["next_moment_at"] == START + timedelta(minutes=5)
    if room == "decide":
        assert await scene.incidents(second) == ["customs.documents_missing open"]
    broken.on = set()
    await scene.passes(minutes=5)
    row = await scene.shipment(first)
    assert (row["undecided"], row["milestone"]) == (None, "in_customs")
    assert await scene.incidents(first) == ["customs.documents_missing open"]
    assert await scene.notices(first) == ["incident_opened"]


async def test_a_mistake_that_stays_is_tried_again_and_again_and_never_spins(scene: Scene, monkeypatch):
    shipment_id = await scene.registers()
    broken = Broken(monkeypatch)
    broken.on = {shipment_id}
    await scene.hears("NUMBER1", HELD)
    await scene.passes(minutes=16)
    row = await scene.shipment(shipment_id)
    assert row["next_moment_at"] == START + timedelta(minutes=20)


async def test_news_after_our_mistake_is_folded_with_what_was_kept(scene: Scene, monkeypatch):
    shipment_id = await scene.registers()
    broken = Broken(monkeypatch)
    broken.on = {shipment_id}
    await scene.hears("NUMBER1", event("accepted", -9), HELD)
    broken.on = set()
    await scene.hears("NUMBER1", event("in_customs.inspection", -0.1))
    row = await scene.shipment(shipment_id)
    assert row["undecided"] is None
    belief = msgspec.json.decode(row["belief"], type=shipment.Belief)
    assert (belief.events, belief.problem and belief.problem.cause) == (3, "documents_missing")


async def test_an_undecided_poll_is_not_asked_again_at_once(scene: Scene, monkeypatch):
    shipment_id = await scene.registers()
    broken = Broken(monkeypatch)
    broken.on = {shipment_id}
    await scene.asks(shipment_id, MOVED)
    assert (await scene.shipment(shipment_id))["next_poll_at"] == START + timedelta(minutes=5)


async def test_more_events_than_any_parcel_has_stay_in_quarantine_and_silence_nobody(scene: Scene):
    shipment_id = await scene.registers()
    many = [event("in_transit", -1 - n / 1000, key=f"k{n}") for n in range(260)]
    taken = await scene.hears("NUMBER1", *many)
    assert (taken.new_events, taken.known_events, taken.quarantined) == (250, 0, True)
    assert (await scene.hears("NUMBER1", event("delivered", -0.5))).new_events == 0
    problems = [row["problem"] for row in await scene.rows("select problem from observation order by id")]
    assert problems == [f"more events than a shipment may have, by {n}" for n in (10, 1)]
    row = await scene.shipment(shipment_id)
    assert (row["milestone"], row["undecided"]) == ("in_transit", None)

    # What the carrier says when it is asked still counts, up to a limit of its own.
    await scene.asks(shipment_id, *many[:240], event("delivered", -0.4))
    assert (await scene.shipment(shipment_id))["milestone"] == "delivered"
    taken = await scene.asks(shipment_id, *(event("in_transit", -9 - n / 1000, key=f"p{n}") for n in range(260)))
    assert (taken.new_events, taken.quarantined) == (249, True)
    assert (await scene.counts())["event"] == 500
    assert (await scene.shipment(shipment_id))["undecided"] is None


async def test_what_has_not_come_yet_moves_nothing(scene: Scene):
    """A zone that was guessed may run a little ahead; a delivery next year has not happened."""
    shipment_id = await scene.registers()
    await scene.hears("NUMBER1", event("in_transit", 20))
    await scene.asks(shipment_id, event("in_transit", 20), event("delivered", 24 * 300))
    row = await scene.shipment(shipment_id)
    assert row["milestone"] == "in_transit"
    assert "delivered" not in await scene.notices(shipment_id)
    await scene.hears("NUMBER1", event("in_customs.duties_due", 21, problem="customs.duties_unpaid"))
    assert await scene.incidents(shipment_id) == ["customs.duties_unpaid open"]


# -------------------------------------------------------------------------------------------------- set-based, and locks


async def statements(scene: Scene, batch: list[Observation]) -> list[str]:
    """What is sent to PostgreSQL for a batch."""
    sent: list[str] = []
    async with scene.house.db.transaction() as conn:

        def note(record: Any) -> None:
            if "typeinfo_tree" not in record.query and "set_config('jit'" not in record.query:  # the driver's own
                sent.append(record.query)

        conn.add_query_logger(note)
        await intake.take_in(scene.house, conn, batch)
        conn.remove_query_logger(note)
    return sent


async def test_a_hundred_pushes_cost_as_many_statements_as_one(scene: Scene):
    for n in range(101):
        await scene.registers(f"NUMBER{n}")

    def batch(numbers: range) -> list[Observation]:
        stories = (
            HELD,
            event("delivered", -0.2),
            event("returning.refused", -0.3),
            event("ready_for_collection", -0.2),
        )
        return [
            scene.pushed(report(f"NUMBER{n}", event("accepted", -9), stories[n % 4]), report(f"STRAY{n}", HELD))
            for n in numbers
        ]

    few = await statements(scene, batch(range(4)))
    many = await statements(scene, batch(range(4, 101)))
    assert len(many) == len(few) <= 25


async def test_a_hundred_polls_cost_as_many_statements_as_one(scene: Scene):
    ids = [await scene.registers(f"NUMBER{n}") for n in range(60)]
    await scene.takes_in(*[await scene.polled(one, event("accepted", -9)) for one in ids])

    async def batch(some: list[int]) -> list[Observation]:
        return [await scene.polled(one, event("in_transit", -1)) for one in some]  # lacks the first: judged as missing

    few, many = await statements(scene, await batch(ids[:1])), await statements(scene, await batch(ids[1:]))
    assert len(many) == len(few) <= 20


async def test_two_connections_that_hear_the_same_at_once_come_to_the_same(scene: Scene):
    """Random batches in random order on several connections at once: no deadlock, and the state of the ideal order."""
    numbers = [f"NUMBER{n}" for n in range(5)]
    ids = [await scene.registers(number) for number in numbers]
    story = [event("accepted", -9), event("in_transit", -8), HELD, MOVED, event("out_for_delivery", -0.2)]
    random = Random(11)
    batches = []
    for _ in range(12):
        reports = [report(number, *random.sample(story, 2)) for number in random.sample(numbers, 3)]
        batches.append([scene.pushed(one) for one in reports])
    batches += [[scene.pushed(report(number, *story)) for number in random.sample(numbers, 5)] for _ in range(2)]
    await asyncio.gather(*(scene.takes_in(*batch) for batch in batches))
    for shipment_id in ids:
        row = await scene.shipment(shipment_id)
        assert msgspec.json.decode(row["belief"], type=shipment.Belief) == shipment.fold(story)
        assert row["undecided"] is None
    assert (await scene.counts())["event"] == len(ids) * len(story)


async def test_whoever_waits_for_a_shipment_sees_all_that_was_done_to_it_meanwhile(scene: Scene):
    """A return is opened by one transaction while another waits: the second must not open it anew."""
    shipment_id = await scene.registers()
    returning = event("returning.refused", -1, problem="return.refused")
    async with scene.house.db.transaction() as conn:
        await intake.take_in(scene.house, conn, [scene.pushed(report("NUMBER1", returning))])
        waiting = asyncio.create_task(scene.hears("NUMBER1", event("returned", -0.5)))
        while not await scene.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"):
            pass
    await waiting
    case = await scene.row("select state, reason, version from return_case where shipment_id = $1", shipment_id)
    assert tuple(case.values()) == ("received", "refused", 2)


async def test_the_clock_and_a_push_about_the_same_parcels_do_not_stand_in_each_others_way(scene: Scene):
    for n in range(20):
        await scene.registers(f"NUMBER{n}")
    scene.clock.move_to(START + timedelta(days=5))
    pushes = [scene.pushed(report(f"NUMBER{n}", event("in_transit", 100))) for n in reversed(range(20))]
    await asyncio.gather(scene.takes_in(*pushes), examine(scene.house), scene.takes_in(*pushes), examine(scene.house))
    assert await scene.value("select count(*) from shipment where milestone = 'in_transit'") == 20


async def test_what_kept_an_observation_from_being_taken_in_is_kept_in_its_place(scene: Scene):
    pushed = scene.pushed(report("NUMBER1", HELD))
    instead = intake.quarantined(pushed, ZeroDivisionError("ours"))
    assert instead is not None
    assert (instead.said, instead.problem) == ((), "taking it in failed: ZeroDivisionError")
    assert instead.raw == pushed.raw
    assert intake.quarantined(instead, ZeroDivisionError("again")) is None
