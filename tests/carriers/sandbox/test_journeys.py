from collections import Counter
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.sandbox.journey import Step, scenarios, steps_of
from carriers.sandbox.parcel import Parcel, truth, visible
from carriers.sandbox.places import Lane, couriers_work, working_day
from carriers.sandbox.words import CARRIERS, correos, dhl_unified, moments, ups
from carriers.vocabulary import CAUSES, STATUS_DETAILS, Category, Milestone
from tests.carriers.sandbox.parcels import (
    CITY_OF,
    MONDAY_EVENING,
    TELLABLE,
    every_parcel,
    moments_of_interest,
    parcel,
)

AT_THE_DOOR = {
    "out_for_delivery",
    "attempt_failed",
    "attempt_failed_again",
    "delivered",
    "delivered_damaged",
    "refused",
    "collected",
    "returned",
    "picked_up",
}
ENDS = {Milestone.DELIVERED, Milestone.RETURNED, Milestone.ENDED}
each_parcel = pytest.mark.parametrize(
    "subject", every_parcel(), ids=lambda p: f"{p.carrier}-{p.scenario}-{p.destination.city}"
)
any_journey = st.builds(
    lambda told, minutes, seed: parcel(
        told[0], told[1], CITY_OF[told[2]], handed_over_at=MONDAY_EVENING + timedelta(minutes=minutes), seed=str(seed)
    ),
    st.sampled_from(TELLABLE),
    st.integers(0, 366 * 24 * 60),
    st.integers(0, 50),
)


def test_every_moment_speaks_the_vocabulary():
    for moment in moments().values():
        assert moment.detail in STATUS_DETAILS[moment.milestone]
        if moment.problem is not None:
            category, cause = moment.problem
            assert cause in CAUSES[category]


def test_no_carrier_has_words_for_a_moment_that_does_not_exist():
    said = set(dhl_unified().says) | set(ups().says) | set(correos().says)
    assert said <= set(moments())


def test_every_step_of_every_scenario_can_be_read_and_names_a_moment():
    for name, scenario in scenarios().items():
        for kind in scenario.lanes:
            named = {step.moment for step in steps_of(name, kind)} - {None}
            assert named <= set(moments()), name


@pytest.mark.parametrize(
    "line", ["delivered door", "delivered door soon", "delivered door +1d", "delivered door +1d 8:15"]
)
def test_a_step_that_cannot_be_read_is_refused(line):
    with pytest.raises(ValueError, match="not a step"):
        Step.parse(line)


def test_every_scenario_is_told_by_a_carrier_and_the_common_ones_by_all():
    tellers = Counter(scenario for _, scenario in {(carrier, scenario) for carrier, scenario, _ in TELLABLE})
    assert set(tellers) == set(scenarios())
    told_by_one_or_two = {name for name, count in tellers.items() if count < len(CARRIERS)}
    assert told_by_one_or_two == {
        "edd_revised",  # Correos names no dates
        "damaged_in_transit",
        "delivered_damaged",
        "lost",
        "destroyed",
    }


def test_customs_happen_only_where_there_is_a_border():
    kinds = {kind for _, scenario, kind in TELLABLE if scenario.startswith("customs")}
    assert kinds == {Lane.ISLANDS, Lane.ABROAD}


@each_parcel
def test_a_journey_is_told_in_order_to_a_final_end(subject: Parcel):
    facts = subject.journey.facts
    assert [fact.happened_at for fact in facts] == sorted({fact.happened_at for fact in facts})
    assert all(fact.happened_at < fact.known_at < fact.happened_at + timedelta(minutes=20) for fact in facts)
    end = truth(subject, subject.journey.ends_at)
    assert end.final
    assert end.milestone in ENDS
    assert not truth(subject, subject.journey.ends_at - timedelta(seconds=1)).final


@each_parcel
def test_a_history_only_grows(subject: Parcel):
    seen: tuple[object, ...] = ()
    for now in moments_of_interest(subject):
        facts = visible(subject, now).facts
        assert facts[: len(seen)] == seen
        assert all(fact.happened_at < now for fact in facts)
        seen = facts
    assert seen == subject.journey.facts


@given(any_journey)
def test_couriers_come_at_civil_hours_and_never_on_a_day_off(subject: Parcel):
    for fact in subject.journey.facts:
        local = fact.spot.local(fact.happened_at)
        if fact.moment in AT_THE_DOOR - {"picked_up"}:
            assert couriers_work(fact.spot.country, local.date()), f"{fact.moment} at {local}"
            assert time(7, 30) <= local.time() <= time(20, 15), f"{fact.moment} at {local}"


@given(any_journey)
def test_a_journey_stays_in_order_whenever_it_begins(subject: Parcel):
    facts = subject.journey.facts
    assert [fact.happened_at for fact in facts] == sorted({fact.happened_at for fact in facts})
    assert subject.journey.ends_at - subject.handed_over_at < timedelta(days=40)


def test_nothing_is_delivered_on_a_holiday_between_two_sundays():
    saturday_before_epiphany = datetime(2026, 1, 2, 17, 0, tzinfo=UTC)  # a Friday; Tuesday the 6th is a holiday
    late = parcel("correos", "attempt_then_delivered", handed_over_at=saturday_before_epiphany)
    attempts = [fact.happened_at.date().isoformat() for fact in late.journey.facts if fact.moment == "out_for_delivery"]
    assert attempts == ["2026-01-05", "2026-01-07"]


def test_the_working_day_after_friday_is_monday_and_after_new_years_eve_the_second():
    assert working_day("ES", datetime(2026, 3, 6, tzinfo=UTC).date(), 1).isoformat() == "2026-03-09"
    assert working_day("DE", datetime(2026, 3, 6, tzinfo=UTC).date(), 1).isoformat() == "2026-03-07"
    assert working_day("ES", datetime(2026, 12, 31, tzinfo=UTC).date(), 1).isoformat() == "2027-01-04"


def test_the_same_parcel_lives_the_same_life_and_another_seed_another():
    assert parcel(seed="a").journey == parcel(seed="a").journey
    assert parcel(seed="a").journey != parcel(seed="b").journey


def test_a_stalled_parcel_is_silent_for_more_than_a_working_week():
    for city in ("Sevilla", "Lyon", "Miami"):
        at = [fact.happened_at for fact in parcel("dhl_unified", "stalled", city).journey.facts]
        assert max(later - earlier for earlier, later in pairwise(at)) > timedelta(days=7)


def test_a_late_hand_over_shows_a_label_and_then_nothing_for_days():
    facts = parcel("ups", "late_hand_over").journey.facts
    assert [fact.moment for fact in facts[:2]] == ["label_created", "picked_up"]
    assert facts[1].happened_at - facts[0].happened_at > timedelta(days=6)


def test_delays_that_a_carrier_states_move_its_estimate_and_slow_scans_do_not():
    for scenario, revised in [("weather_delay", True), ("edd_revised", True), ("missed_without_reason", False)]:
        subject = parcel("dhl_unified", scenario, "Lyon")
        days = [estimate.day for estimate in subject.journey.estimates]
        arrival = subject.journey.facts[-1].happened_at.date()
        assert len(days) == 1 + revised
        assert days[0] < arrival
        assert (days[-1] == arrival) is revised


def test_an_estimate_is_silent_once_the_parcel_is_delivered_or_on_its_way_back():
    refused = parcel("ups", "refused", "Lyon")
    before = visible(refused, refused.journey.facts[-4].known_at)
    back = visible(refused, refused.journey.ends_at)
    assert before.facts[-1].moment == "out_for_delivery"
    assert before.estimate is not None
    assert back.estimate is None


@pytest.mark.parametrize(
    ("scenario", "city", "during", "after"),
    [
        ("customs_documents", "Miami", (Category.CUSTOMS, "documents_missing"), None),
        ("weather_delay", "Lyon", (Category.WEATHER, "storm"), None),
        ("address_corrected", "Sevilla", (Category.ADDRESS, "incomplete"), None),
        (
            "damaged_in_transit",
            "Lyon",
            (Category.DAMAGE, "damaged_in_transit"),
            (Category.DAMAGE, "damaged_in_transit"),
        ),
        ("refused", "Sevilla", (Category.RETURN, "refused"), None),
    ],
)
def test_a_problem_is_open_from_its_statement_until_the_parcel_moves_on(scenario, city, during, after):
    subject = parcel("ups", scenario, city)
    stated = next(fact for fact in subject.journey.facts if moments()[fact.moment].problem)
    assert truth(subject, stated.known_at - timedelta(seconds=1)).problem is None
    assert truth(subject, stated.known_at).problem == during
    assert truth(subject, subject.journey.ends_at).problem == after
