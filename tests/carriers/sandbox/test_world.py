import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.sandbox.parcel import truth
from carriers.sandbox.places import couriers_work
from carriers.sandbox.registration import Registration
from carriers.sandbox.tracking_numbers import is_ups_number
from carriers.sandbox.words import CARRIERS
from carriers.sandbox.world import World
from carriers.vocabulary import STATUS_DETAILS, Category, Milestone
from tests.carriers.sandbox.parcels import parcel

MONDAY = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
WORLD = World.seeded(7, MONDAY)
starts = st.integers(0, 365 * 24).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))


def registration_of(number: str) -> Registration:
    return next(each for each in WORLD.registrations() if each.tracking_number == number)


def test_the_same_seed_makes_the_same_world_and_another_seed_another():
    again, other = World.seeded(7, MONDAY), World.seeded(8, MONDAY)
    assert again.parcels() == WORLD.parcels()
    assert again.registrations() == WORLD.registrations()
    assert {each.number for each in other.parcels()}.isdisjoint(each.number for each in WORLD.parcels())


def test_a_bigger_world_begins_like_a_smaller_one_and_repeats_no_number():
    big = World.seeded(7, MONDAY, parcels=2000)
    assert big.parcels()[:60] == WORLD.parcels()[:60]
    assert len({each.number for each in big.parcels()}) == len(big.parcels()) > 2000


def test_the_cast_is_sixty_parcels_of_three_carriers_to_nine_countries():
    first_sent = [each for each in WORLD.registrations() if each.replaces is None]
    assert len(first_sent) == 60
    assert set(Counter(each.carrier for each in first_sent)) == set(CARRIERS)
    assert {each.destination.country for each in first_sent} == {"ES", "PT", "FR", "DE", "IT", "GB", "CH", "US", "MX"}
    assert {"es", "en", "fr", "de"} <= {each.customer.language for each in first_sent}


@given(starts, st.integers(0, 1000))
def test_everything_is_handed_over_in_the_first_days_and_over_within_weeks(start, seed):
    world = World.seeded(seed, start)
    for each in world.registrations():
        assert each.registered_at > start - timedelta(hours=1)
        if each.replaces is None:
            assert each.shipped_at < start + timedelta(days=12)  # Christmas may stand between
            assert couriers_work("ES", each.shipped_at.date())
    assert world.settled_at < start + timedelta(days=50)


def test_from_an_ordinary_monday_all_is_settled_within_four_weeks():
    for seed in range(20):
        assert World.seeded(seed, MONDAY).settled_at < MONDAY + timedelta(days=28)


@pytest.mark.parametrize("seed", range(10))
def test_after_two_and_a_half_days_carriers_state_customs_weather_and_delays_for_several_parcels(seed):
    world, now = World.seeded(seed, MONDAY), MONDAY + timedelta(days=2, hours=12)
    stated = Counter(problem[0] for each in world.parcels() if (problem := truth(each, now).problem))
    assert stated[Category.CUSTOMS] >= 4
    assert stated[Category.WEATHER] >= 3
    assert stated[Category.DELAY] >= 3


def test_every_kind_of_end_is_reached():
    ends = Counter(truth(each, WORLD.settled_at) for each in WORLD.parcels())
    assert all(end.final for end in ends)
    by_milestone = Counter[Milestone]()
    for end, count in ends.items():
        by_milestone[end.milestone] += count
    assert by_milestone[Milestone.RETURNED] == 4
    assert by_milestone[Milestone.ENDED] == 2
    assert by_milestone[Milestone.DELIVERED] == len(WORLD.parcels()) - 6


def test_some_promises_are_kept_and_some_are_broken():
    kept = Counter(
        arrived.destination.local(arrived.journey.facts[-1].happened_at).date()
        <= registration_of(arrived.number).promised_at
        for arrived in WORLD.parcels()
        if truth(arrived, WORLD.settled_at).milestone is Milestone.DELIVERED
    )
    assert kept[True] >= 20
    assert kept[False] >= 15


def test_what_is_promised_is_a_working_day_after_the_hand_over():
    for each in WORLD.registrations():
        assert each.promised_at > each.shipped_at.date()
        assert couriers_work(each.destination.country, each.promised_at)


def test_the_shop_settles_what_ended_badly_and_only_that():
    for each in WORLD.parcels():
        end = truth(each, each.journey.ends_at)
        bad = end.milestone in {Milestone.RETURNED, Milestone.ENDED} or end.problem is not None
        settlement = registration_of(each.number).settlement
        assert (settlement is not None) == bad
        if settlement is not None:
            assert settlement.at > each.journey.ends_at


def test_a_replacement_goes_to_the_same_customer_after_the_first_parcel_ended():
    settled = [each for each in WORLD.registrations() if each.settlement and each.settlement.replacement]
    assert settled
    for first in settled:
        assert first.settlement is not None
        second = registration_of(first.settlement.replacement or "")
        assert second.replaces == first.tracking_number
        assert (second.customer, second.destination, second.items) == (first.customer, first.destination, first.items)
        assert second.shipped_at > first.settlement.at


def test_customers_can_be_written_to_but_do_not_exist():
    for each in World.seeded(3, MONDAY, parcels=400).registrations():
        assert each.customer.email.isascii()
        assert each.customer.email.rpartition("@")[2] in {"example.com", "example.net", "example.org"}
        number = phonenumbers.parse(each.customer.phone)
        assert phonenumbers.is_possible_number(number), each.customer.phone
        assert phonenumbers.region_code_for_country_code(number.country_code or 0) == each.destination.country


def test_every_number_has_the_form_of_its_carrier():
    for each in WORLD.parcels():
        match each.carrier:
            case "ups":
                assert is_ups_number(each.number)
            case "dhl_unified":
                assert int(each.number[:-1]) % 7 == int(each.number[-1])
            case _:
                assert each.number.startswith("PQ" if each.destination.country == "ES" else "CX")


def test_a_world_refuses_a_number_twice_and_a_story_that_its_carrier_cannot_tell():
    world = World([parcel()])
    with pytest.raises(ValueError, match="already carries"):
        world.add(parcel())
    with pytest.raises(ValueError, match="correos does not tell lost"):
        world.add(parcel("correos", "lost"))


def test_a_carrier_knows_only_its_own_parcels_and_only_once_there_is_a_label():
    subject = parcel("ups")
    world, labelled_at = World([subject]), subject.journey.facts[0].known_at
    assert world.view("correos", subject.number, labelled_at) is None
    assert world.view("ups", subject.number, labelled_at - timedelta(seconds=1)) is None
    assert world.view("ups", subject.number, labelled_at) is not None


def test_pushes_tell_every_event_of_the_pushed_parcels_once_in_order():
    pushed = [each for each in WORLD.parcels() if each.partner]
    assert 5 <= len(pushed) <= 25
    pushes = WORLD.pushes(MONDAY - timedelta(days=1), WORLD.settled_at + timedelta(days=1))
    assert [push.at for push in pushes] == sorted(push.at for push in pushes)
    told = Counter(json.loads(push.body)["events"][0]["tracking_number"] for push in pushes)
    assert told == {each.number: len(each.journey.facts) for each in pushed}
    for push in pushes:
        [event] = json.loads(push.body)["events"]
        occurred_at = datetime.fromisoformat(event["occurred_at"])
        assert occurred_at.utcoffset() is not None
        assert occurred_at < push.at
        assert event["status_detail"] in STATUS_DETAILS[Milestone(event["milestone"])]


def test_the_shop_registers_a_parcel_before_anybody_hears_of_it():
    for seed in range(10):
        world = World.seeded(seed, MONDAY)
        registered_at = {each.tracking_number: each.registered_at for each in world.registrations()}
        for each in world.parcels():
            assert registered_at[each.number] < each.journey.facts[0].happened_at


@given(st.data())
def test_however_time_is_cut_no_push_is_lost_or_sent_twice(data):
    whole = WORLD.pushes(MONDAY - timedelta(days=1), MONDAY + timedelta(days=31))
    cuts = data.draw(st.lists(st.sampled_from([push.at for push in whole]), min_size=1, max_size=6))
    instants = [MONDAY - timedelta(days=1), *sorted(cuts), MONDAY + timedelta(days=31)]
    pieces = [WORLD.pushes(after, until) for after, until in pairwise(instants)]
    assert [push for piece in pieces for push in piece] == whole
