from datetime import timedelta

import pytest

from carriers.sandbox.faults import HISTORY_FAULTS, Fault, FaultRule, bent, everyday_faults, strikes
from carriers.sandbox.parcel import Parcel, visible
from tests.carriers.sandbox.parcels import MONDAY_EVENING, every_parcel, parcel

PARCEL = parcel("dhl_unified", "customs_documents", "Miami")
END = PARCEL.journey.ends_at


def histories(fault: Fault, subject: Parcel = PARCEL, **rule: object):
    """The true facts at the end, and what the fault makes of them."""
    shown = visible(subject, END)
    rules = [FaultRule(fault=fault, **rule)]  # type: ignore[arg-type]
    return shown.facts, bent(shown, rules, END).facts


def test_an_empty_history_comes_after_a_full_one_and_goes_again():
    rule = FaultRule(fault=Fault.EMPTY_HISTORY, from_at=END + timedelta(days=1), until_at=END + timedelta(days=2))
    lengths = [len(bent(visible(PARCEL, now), [rule], now).facts) for now in (END, rule.from_at, rule.until_at) if now]
    assert lengths == [len(PARCEL.journey.facts), 0, len(PARCEL.journey.facts)]


def test_a_restated_event_keeps_everything_but_its_time():
    true, shown = histories(Fault.RESTATED_TIME)
    changed = [(before, after) for before, after in zip(true, shown, strict=True) if before != after]
    [(before, after)] = changed
    assert (before.moment, before.spot) == (after.moment, after.spot)
    assert timedelta(minutes=2) <= before.happened_at - after.happened_at <= timedelta(minutes=12)


def test_out_of_order_means_the_same_records_in_another_order():
    true, shown = histories(Fault.OUT_OF_ORDER)
    assert shown != true
    assert sorted(shown, key=lambda fact: fact.happened_at) == list(true)


def test_a_duplicate_stands_beside_its_twin():
    true, shown = histories(Fault.DUPLICATE_EVENT)
    assert len(shown) == len(true) + 1
    assert list(dict.fromkeys(shown)) == list(true)


def test_a_withdrawn_event_is_never_the_first_or_the_last():
    for subject in every_parcel():
        true, shown = histories(Fault.WITHDRAWN_EVENT, subject)
        if len(true) > 2 and true == subject.journey.facts:
            assert len(shown) == len(true) - 1
            assert (shown[0], shown[-1]) == (true[0], true[-1])


@pytest.mark.parametrize("fault", sorted(HISTORY_FAULTS))
def test_what_a_fault_does_to_a_parcel_is_the_same_in_every_answer(fault):
    assert histories(fault) == histories(fault)


def test_a_share_of_parcels_is_struck_for_good_and_the_others_never():
    parcels = [parcel("ups", seed=str(seed)) for seed in range(200)]
    rules = [FaultRule(fault=Fault.EMPTY_HISTORY, share=0.3)]
    struck = [not bent(visible(each, each.journey.ends_at), rules, each.journey.ends_at).facts for each in parcels]
    assert 40 < sum(struck) < 80
    assert struck == [not bent(visible(each, each.journey.ends_at), rules, END).facts for each in parcels]


def test_a_share_of_calls_is_struck():
    rule = FaultRule(fault=Fault.SERVER_ERROR, share=0.25)
    struck = [strikes(rule, "ups", "1Z", call, END) for call in range(1, 401)]
    assert 70 < sum(struck) < 130
    assert not any(
        strikes(FaultRule(fault=Fault.SERVER_ERROR, share=0.0), "ups", "1Z", call, END) for call in range(100)
    )


def test_a_rule_keeps_to_its_carrier_parcel_and_time():
    rule = FaultRule(
        fault=Fault.HTML_PAGE,
        carrier="ups",
        number="1Z",
        from_at=MONDAY_EVENING,
        until_at=MONDAY_EVENING + timedelta(hours=1),
    )
    assert strikes(rule, "ups", "1Z", 1, MONDAY_EVENING)
    assert not strikes(rule, "correos", "1Z", 1, MONDAY_EVENING)
    assert not strikes(rule, "ups", "1Y", 1, MONDAY_EVENING)
    assert not strikes(rule, "ups", "1Z", 1, MONDAY_EVENING - timedelta(seconds=1))
    assert not strikes(rule, "ups", "1Z", 1, MONDAY_EVENING + timedelta(hours=1))


def test_rules_that_bend_histories_strike_no_calls():
    assert not any(strikes(FaultRule(fault=fault), "ups", "1Z", 1, END) for fault in HISTORY_FAULTS)


def test_an_ordinary_month_ends_well_for_every_record():
    """After the mishaps of the first week nothing is hidden for good: every event of a parcel is there, its time aside."""
    rules = everyday_faults(MONDAY_EVENING)
    late = MONDAY_EVENING + timedelta(days=60)
    for subject in every_parcel():
        shown = bent(visible(subject, late), rules, late).facts
        assert {(fact.moment, fact.spot) for fact in shown} == {
            (fact.moment, fact.spot) for fact in subject.journey.facts
        }
