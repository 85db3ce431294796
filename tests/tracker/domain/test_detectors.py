from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.vocabulary import CAUSES, Category, Milestone
from tests.tracker.domain.building import (
    DAY,
    HOUR,
    MONDAY,
    any_facts,
    at,
    believed,
    event,
    facts,
    moments,
    present,
)
from tracker.domain import detectors
from tracker.domain.calendar import Calendar
from tracker.domain.cause import Reach
from tracker.domain.finding import Detection, Finding, Provenance, Signal
from tracker.domain.shipment import Expectation

ALL = detectors.detectors()
EVERY = pytest.mark.parametrize("name", sorted(ALL))
DAMAGED = event("in_transit", 1, problem="damage.packaging_failed")


def found(name, given, now) -> list[Finding]:
    return list(ALL[name](given, now).findings)


def spoken(given, now) -> list[str]:
    """What is left after muting, as "signal cause", with a star for warnings."""
    return [
        f"{one.signal} {one.category}.{one.cause}{'*' if one.warning else ''}"
        for one in detectors.detect(given, now).findings
    ]


def test_each_signal_has_its_detector():
    """But for what somebody reports, which nobody has to detect."""
    assert set(ALL) == set(Signal) - {Signal.REPORTED}


@EVERY
@given(given_facts=any_facts(), now=moments())
def test_a_detector_has_an_answer_for_every_state(name, given_facts, now):
    seen = ALL[name](given_facts, now)
    for finding in seen.findings:
        assert finding.cause in CAUSES[finding.category]
        assert finding.rule == name == finding.signal
        assert 0 < finding.confidence <= 1
        assert finding.explanation.endswith(".")
        assert finding.evidence
        assert finding.key.startswith(f"{name}:")
    assert seen.look_again_at is None or seen.look_again_at > now, "the clock would spin"
    over = msgspec.structs.replace(given_facts, settled=True)
    assert ALL[name](over, now) == Detection(), "a journey that is over and made good"


@EVERY
@given(given_facts=any_facts(), now=moments(), permille=st.integers(0, 999))
def test_time_alone_changes_nothing_before_the_next_look(name, given_facts, now, permille):
    seen = ALL[name](given_facts, now)
    ahead = present(seen.look_again_at) - now if seen.look_again_at else 2000 * DAY
    later = ALL[name](given_facts, now + ahead * permille / 1000)
    assert later.findings == seen.findings


@given(given_facts=any_facts(), now=moments())
def test_a_delivery_silences_all_but_damage_and_loss(given_facts, now):
    if given_facts.belief.milestone is Milestone.DELIVERED and given_facts.outbound:
        categories = {one.category for one in detectors.detect(given_facts, now).findings}
        assert categories <= {Category.DAMAGE, Category.LOSS}


@given(given_facts=any_facts(), now=moments())
def test_at_most_one_trouble_on_the_way_speaks(given_facts, now):
    said = detectors.detect(given_facts, now).findings
    assert sum(one.category in detectors.ON_THE_WAY for one in said) <= 1
    assert len({one.key for one in said}) == len(said)
    assert len({(one.category, one.cause) for one in said}) == len(said)


@given(any_facts(), moments())
def test_what_is_not_over_is_looked_at_again_or_spoken_of(given_facts, now):
    """Nothing stays open without a next moment: a finding keeps its incident open, and that has one."""
    belief = given_facts.belief
    at_home = belief.milestone is Milestone.DELIVERED and given_facts.outbound
    cancelled = belief.milestone is Milestone.ENDED and belief.open_problem is None
    with_the_shop = belief.milestone in (Milestone.RETURNED, Milestone.RETURNING) and not given_facts.outbound
    if at_home or cancelled or with_the_shop:
        return
    seen = detectors.detect(given_facts, now)
    assert seen.look_again_at is not None or any(not one.warning for one in seen.findings)


# --------------------------------------------------------------------------------------------------- each detector


STATED = event("in_customs.duties_due", 5, problem="customs.duties_unpaid", text="Pago pendiente", action_owner="shop")


@pytest.mark.parametrize(
    ("category", "cause"), [(category, cause) for category, causes in CAUSES.items() for cause in causes]
)
def test_every_problem_that_a_carrier_can_state_is_found(category, cause):
    (one,) = found("carrier_stated", facts(believed(event("in_transit", 1, problem=f"{category}.{cause}"))), at(2))
    assert (one.category, one.cause, one.provenance) == (category, cause, Provenance.CARRIER_STATED)
    assert not one.warning


def test_a_stated_problem_says_who_said_so_and_until_when_somebody_has_time():
    (one,) = found("carrier_stated", facts(believed(STATED)), at(6))
    assert "Pago pendiente" in one.explanation
    assert one.evidence["event"] == STATED.key
    assert one.action_owner == "shop"
    assert one.action_until == at(5, days=3)


@pytest.mark.parametrize(
    "story",
    [
        (STATED, event("in_customs.import_released", 6)),
        (STATED, event("out_for_delivery", 6)),
        (STATED, event("delivered", 6)),
        (event("ended.lost_declared", 5), event("in_transit.arrived_hub", 6)),
    ],
)
def test_a_stated_problem_takes_itself_back_when_the_parcel_moves_on(story):
    assert found("carrier_stated", facts(believed(story[0])), at(7))
    assert not found("carrier_stated", facts(believed(*story)), at(7))


def test_a_return_keeps_one_cause_and_one_key_from_the_first_word_to_the_senders_door():
    refused = event("returning.refused", 1, problem="return.refused")
    on_its_way = facts(believed(refused, event("in_transit", 5)))
    arrived = facts(believed(refused, event("in_transit", 5), event("returned", 90)))
    assert found("carrier_stated", on_its_way, at(6)) == found("carrier_stated", arrived, at(91))
    assert [one.cause for one in found("carrier_stated", arrived, at(91))] == ["refused"]


def test_a_return_that_the_customer_sends_is_no_trouble():
    assert not found("carrier_stated", facts(believed(event("returning", 1)), outbound=False), at(2))


def test_no_first_scan_warns_after_two_working_days_and_is_an_incident_after_four():
    given = facts(believed(event("announced", 1)))
    assert ALL["late_first_event"](given, at(2)).look_again_at == at(1, days=2)
    (warning,) = found("late_first_event", given, at(1, days=2))
    (incident,) = found("late_first_event", given, at(1, days=4))
    assert (warning.warning, incident.warning) == (True, False)
    assert incident.action_owner == "shop"


def test_a_parcel_that_nobody_has_announced_is_waited_for_from_its_registration():
    assert found("late_first_event", facts(), MONDAY + 4 * DAY)[0].evidence["announced_at"] == MONDAY.isoformat()


def test_the_first_scan_silences():
    assert not found("late_first_event", facts(believed(event("announced", 1), event("accepted", 99))), at(days=30))


@pytest.mark.parametrize(("international", "days"), [(False, 3), (True, 7)])  # five working days with a weekend
def test_a_silent_parcel_stalls_after_three_working_days_at_home_and_five_abroad(international, days):
    given = facts(believed(event("in_transit", 1)), international=international)
    assert not found("stalled", given, at(1, days=days) - timedelta(seconds=1))
    (one,) = found("stalled", given, at(1, days=days))
    assert "2026-03-02 10:00" in one.explanation


def test_a_holiday_puts_off_stalling():
    given = facts(believed(event("in_transit", 1)), lane=Calendar("Europe/Madrid", frozenset({at(days=2).date()})))
    assert ALL["stalled"](given, at(2)).look_again_at == at(1, days=4)


def test_each_scan_starts_the_silence_anew_and_a_mail_to_the_customer_does_not():
    quiet = [event("in_transit", 1)]
    assert not found("stalled", facts(believed(*quiet, event("in_transit", 70))), at(2, days=3))
    assert not found("stalled", facts(believed(*quiet, event("unknown", 70))), at(2, days=3))
    assert found("stalled", facts(believed(*quiet, event("in_transit", 70, informational=True))), at(2, days=3))


def test_an_old_parcel_registered_late_is_not_stalled_at_once():
    given = facts(believed(event("in_transit", -500)))
    assert ALL["stalled"](given, MONDAY).look_again_at == MONDAY + 3 * DAY


def test_a_carrier_that_gives_no_times_can_stall():
    assert found("stalled", facts(believed(event("in_transit", None))), MONDAY + 3 * DAY)


@pytest.mark.parametrize(
    ("story", "due_at", "cause"),
    [
        ((event("in_customs.import_presented", 1),), at(1, days=2), "customs.customs_backlog"),
        ((event("in_customs", 1), event("in_customs.inspection", 20)), at(1, days=2), "customs.customs_backlog"),
        ((event("in_customs", None),), at(0, days=2), "customs.customs_backlog"),
        ((event("ready_for_collection.at_point", 1),), at(1, days=8), "return.unclaimed"),
        ((event("ready_for_collection", 1), event("ready_for_collection.reminder", 99)), at(1, days=8), "return.unclaimed"),
        ((event("returning.refused", 1),), at(1, days=14), "return.return_stalled"),
    ],
)  # fmt: skip
def test_waiting_too_long(story, due_at, cause):
    given = facts(believed(*story))
    before = found("dwell_too_long", given, due_at - timedelta(seconds=1))
    assert all(one.warning for one in before)
    (one,) = found("dwell_too_long", given, due_at)
    assert (f"{one.category}.{one.cause}", one.warning) == (cause, False)
    assert not found("dwell_too_long", facts(believed(*story, event("delivered", 1000))), at(2000))


def test_a_parcel_that_customs_released_dwells_no_longer_but_can_stall():
    given = facts(believed(event("in_customs", 1), event("in_customs.import_released", 24)))
    assert not found("dwell_too_long", given, at(days=30))
    assert found("stalled", given, at(days=4))


def test_a_paid_parcel_gets_some_working_days_before_customs_is_slow():
    paid = believed(
        event("in_customs.duties_due", 1, problem="customs.duties_unpaid"), event("in_customs.duties_paid", 90)
    )
    given = facts(paid, cured_at=at(90))
    assert not found("dwell_too_long", given, at(91))
    assert found("dwell_too_long", given, at(days=7, hours=19))


def test_a_parcel_at_the_point_warns_at_half_of_its_time():
    given = facts(believed(event("ready_for_collection", 1)))
    assert ALL["dwell_too_long"](given, at(2)).look_again_at == at(1, days=5)
    warned = ALL["dwell_too_long"](given, at(1, days=5))
    assert [one.warning for one in warned.findings] == [True]
    assert warned.look_again_at == at(1, days=8)
    (incident,) = found("dwell_too_long", given, at(1, days=8))
    assert (incident.reach, incident.action_until) == (Reach.STAFF, at(1, days=10))


def test_a_return_that_arrived_at_the_shop_and_is_not_settled_is_noticed():
    given = facts(believed(event("delivered", 1)), outbound=False)
    (one,) = found("dwell_too_long", given, at(1, days=7))
    assert (one.cause, one.reach) == ("refund_due_late", Reach.STAFF)
    assert not found("dwell_too_long", msgspec.structs.replace(given, settled=True), at(1, days=99))


MOVING = believed(event("in_transit", 1))


def test_a_broken_promise_is_found_at_its_very_moment():
    given = facts(MOVING, promised_at=at(50))
    assert ALL["missed_promise"](given, at(49.9)).look_again_at == at(50)
    (one,) = found("missed_promise", given, at(50))
    assert one.confidence == 1.0


def test_an_estimate_is_missed_when_its_day_is_over_at_the_destination():
    given = facts(MOVING, expectation=Expectation(latest=at(days=1)))  # Tuesday at nine
    assert ALL["missed_edd"](given, at(days=1)).look_again_at == at(days=1).replace(hour=22, minute=59, second=59)
    assert found("missed_edd", given, at(days=1).replace(hour=23))


@pytest.mark.parametrize("name", ["missed_promise", "missed_edd"])
@pytest.mark.parametrize(
    "story",
    [
        (event("delivered", 1),),
        (event("ready_for_collection", 1),),
        (event("returning.refused", 1),),
        (event("returned", 1),),
        (event("ended.cancelled", 1),),
        (event("ended.lost_declared", 1),),
        (DAMAGED,),
    ],
)
def test_dates_are_silent_after(name, story):
    given = facts(believed(*story), promised_at=at(2), expectation=Expectation(latest=at(2)))
    assert not found(name, given, at(days=60))


def test_a_promise_that_was_broken_before_we_were_told_of_the_parcel_is_history():
    assert not found("missed_promise", facts(MOVING, promised_at=MONDAY - HOUR), at(days=60))


@pytest.mark.parametrize("name", ["missed_promise", "missed_edd"])
def test_a_parcel_whose_trouble_has_just_passed_gets_some_working_days(name):
    given = facts(MOVING, promised_at=at(2), expectation=Expectation(latest=at(2)), cured_at=at(days=4))  # Friday
    assert not found(name, given, at(days=7))
    assert found(name, given, at(days=8))


# ---------------------------------------------------------------------------------------------------------- muting


@pytest.mark.parametrize(
    ("story", "now", "expected"),
    [
        ((STATED,), at(days=9), ["carrier_stated customs.duties_unpaid"]),
        ((event("in_customs", 1),), at(days=9), ["dwell_too_long customs.customs_backlog"]),
        ((event("in_transit", 1),), at(days=9), ["missed_promise delay.unexplained"]),
        ((event("announced", 1),), at(days=9), ["missed_promise delay.unexplained"]),
        (
            (DAMAGED, event("in_transit", 2, problem="weather.storm")),
            at(3),
            ["carrier_stated damage.packaging_failed", "carrier_stated weather.storm"],
        ),
        ((STATED, event("ended.destroyed", 9)), at(days=9), ["carrier_stated loss.declared_lost"]),
        (
            (event("returning.customs_refused", 1, problem="customs.refused_by_customs"),),
            at(2),
            ["carrier_stated return.undeliverable"],
        ),
        (
            (event("ready_for_collection", 1, problem="delivery_attempt.nobody_home"),),
            at(days=6),
            ["carrier_stated delivery_attempt.nobody_home", "dwell_too_long return.unclaimed*"],
        ),
    ],
)
def test_the_strong_mutes_the_weak(story, now, expected):
    assert sorted(spoken(facts(believed(*story), promised_at=at(days=4)), now)) == sorted(expected)


def test_before_the_promise_the_estimate_speaks_and_before_it_the_silence():
    given = facts(MOVING, promised_at=at(days=20), expectation=Expectation(latest=at(days=9)))
    assert spoken(given, at(days=4)) == ["stalled delay.unexplained"]
    assert spoken(given, at(days=11)) == ["missed_edd delay.unexplained"]
    assert spoken(given, at(days=20)) == ["missed_promise delay.unexplained"]


def test_a_warning_never_mutes_an_incident():
    given = facts(believed(event("announced", 1)), promised_at=at(days=3))
    assert spoken(given, at(days=3)) == ["missed_promise delay.unexplained"]
    assert spoken(given, at(days=2, hours=2)) == ["late_first_event delay.unexplained*"]


@given(given_facts=any_facts(), now=moments(), random=st.randoms(use_true_random=False))
def test_muting_does_not_depend_on_the_order_of_detectors(given_facts, now, random):
    heard = [finding for each in ALL.values() for finding in each(given_facts, now).findings]
    shuffled = list(heard)
    random.shuffle(shuffled)
    assert detectors.mute(shuffled) == detectors.mute(heard)
