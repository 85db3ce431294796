import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import Estimate, Precision
from carriers.vocabulary import Category, Milestone
from tests.tracker.domain.building import DAY, at, believed, event, events, present
from tracker.domain.shipment import Belief, Expectation, append, expect, fold, position, variant

HELD = event("in_customs.documents_required", 2, problem="customs.documents_missing")


@given(st.lists(events(), max_size=10), st.randoms(use_true_random=False))
def test_every_order_of_arrival_gives_the_same_belief(history, random):
    shuffled = list(history)
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(history)


@given(st.lists(events(), max_size=10))
def test_hearing_everything_twice_changes_nothing(history):
    assert fold([*history, *history]) == fold(history)


@given(st.lists(events(), max_size=8, unique_by=lambda one: one.key), st.integers(0, 8))
def test_an_append_equals_the_fold_of_everything(history, split):
    ordered = sorted(history, key=position)
    known, news = ordered[:split], ordered[split:]
    assert append(fold(known), news) == fold(ordered)


@given(st.lists(events(), max_size=8, unique_by=lambda one: one.key), st.integers(0, 8))
def test_news_that_is_no_append_is_refused_as_one(history, split):
    known, news = history[:split], history[split:]
    continued = append(fold(known), news)
    assert continued is None or continued == fold(history)


@given(st.lists(events(), max_size=8))
def test_a_belief_survives_its_way_through_the_database(history):
    belief = fold(history)
    assert msgspec.json.decode(msgspec.json.encode(belief), type=Belief) == belief


def test_one_key_stated_twice_in_one_answer_is_no_append():
    first, corrected = event("in_transit", 1, key="k"), event("in_transit", 2, key="k")
    assert append(Belief(), [first, corrected]) is None


def test_of_two_variants_of_one_key_the_later_in_fold_order_counts():
    belief = believed(event("in_transit", 1, key="k"), event("out_for_delivery", 3, key="k"))
    assert (belief.milestone, belief.events) == (Milestone.OUT_FOR_DELIVERY, 1)


def test_a_correction_has_another_variant_and_another_spelling_has_not():
    said = event("in_transit", 1, key="k", text="En tránsito")
    assert variant(said) == variant(event("in_transit", 1, key="k", text="In transit", place=("Madrid", "ES")))
    assert variant(said) != variant(event("in_transit", 2, key="k", text="En tránsito"))
    assert variant(said) != variant(event("in_transit", 1, key="k", problem="weather.storm"))


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        # no event, no time, nothing known
        ((), "registered"),
        ((event("unknown", 1),), "registered"),
        ((event("in_transit", 1), event("delivered", 2, informational=True)), "in_transit"),
        # ties: the vaguer time first, then the carrier's order, then the journey's
        ((event("delivered", 5), event("out_for_delivery", 5)), "delivered"),
        ((event("delivered", 5, sequence=1), event("in_transit", 5, sequence=2)), "delivered"),  # an echo
        ((event("out_for_delivery", 5, sequence=1), event("in_transit", 5, sequence=2)), "in_transit"),
        ((event("out_for_delivery", 5, precision=Precision.DAY), event("in_transit", 5)), "in_transit"),
        # without a time: at the beginning, but an end stands at the end
        ((event("out_for_delivery", None), event("in_transit", 1)), "in_transit"),
        ((event("delivered", None), event("in_transit", 1)), "delivered"),
        # the newest decides, not the furthest
        ((event("out_for_delivery", 1), event("in_transit.at_delivery_depot", 9)), "in_transit"),
        # partners announce what is long on its way
        ((event("in_transit", 1), event("announced.data_received", 2)), "in_transit"),
        ((event("announced", 1), event("registered", 2)), "registered"),
        # echoes of a delivery, and scans that contradict it
        ((event("delivered", 1), event("in_transit", 1.5)), "delivered"),
        ((event("delivered", 1), event("in_transit", 2.01)), "in_transit"),
        ((event("delivered", 1), event("out_for_delivery.attempt_failed", 1.2)), "out_for_delivery"),
        ((event("delivered", 1), event("announced", 9)), "delivered"),
        ((event("delivered", 1), event("returning.refused", 1.2)), "returning"),
        # on the way back until the sender has it
        ((event("returning", 1), event("in_transit.departed_hub", 2)), "returning"),
        ((event("returning", 1), event("out_for_delivery", 2)), "returning"),
        ((event("returning", 1), event("delivered", 2)), "returned"),
        ((event("returned", 1), event("in_transit", 99)), "returned"),
        ((event("returned", 1), event("delivered", 99)), "returned"),
        # ends
        ((event("ended.lost_declared", 1), event("in_transit", 2)), "in_transit"),
        ((event("announced", 1), event("ended.cancelled", 2)), "ended"),
        ((event("returning", 1), event("ended.destroyed", 2)), "ended"),
    ],
)
def test_where_the_parcel_is(story, expected):
    assert believed(*story).milestone == expected


def test_a_return_delivered_is_with_the_sender_and_not_with_the_customer():
    belief = believed(event("returning.refused", 1), event("delivered.signed", 2))
    assert (belief.status_detail, belief.delivered_at) == ("arrived_sender", None)


def test_a_delivery_taken_back_leaves_no_delivery():
    belief = believed(event("delivered", 1), event("in_transit", 5))
    assert belief.delivered_at is None


def test_a_second_delivery_scan_does_not_move_the_delivery():
    assert believed(event("delivered", 1), event("delivered.signed", 3)).delivered_at == at(1)


def test_a_delivery_after_one_that_was_taken_back_is_dated_anew():
    belief = believed(event("delivered", 1), event("in_transit", 5), event("delivered", 9))
    assert belief.delivered_at == at(9)


@pytest.mark.parametrize(
    ("story", "open_problem"),
    [
        ((HELD,), "customs.documents_missing"),
        ((HELD, event("in_customs", 3, informational=True)), "customs.documents_missing"),
        ((HELD, event("in_customs", 3)), "customs.documents_missing"),
        ((HELD, event("in_customs.inspection", 3)), "customs.documents_missing"),
        ((HELD, event("in_transit.held_by_carrier", 3)), "customs.documents_missing"),
        ((HELD, event("unknown", 3)), "customs.documents_missing"),
        ((HELD, event("announced.data_received", 3)), "customs.documents_missing"),
        ((HELD, event("in_customs.import_released", 3)), None),
        ((HELD, event("in_transit.departed_hub", 3)), None),
        ((HELD, event("out_for_delivery", 3)), None),
        ((HELD, event("delivered", 3)), None),
        ((HELD, event("in_customs", 3, problem="customs.duties_unpaid")), "customs.duties_unpaid"),
        # an attempt stays until the parcel goes out again, is ready or moves on
        ((event("out_for_delivery.attempt_failed", 1, problem="delivery_attempt.nobody_home"),), "delivery_attempt.nobody_home"),
        (
            (
                event("out_for_delivery.attempt_failed", 1, problem="delivery_attempt.nobody_home"),
                event("in_transit.at_delivery_depot", 2),
            ),
            "delivery_attempt.nobody_home",
        ),
        (
            (
                event("out_for_delivery.attempt_failed", 1, problem="delivery_attempt.nobody_home"),
                event("ready_for_collection.at_point", 2),
            ),
            None,
        ),
        # damage stays, and a later trouble speaks before it
        ((event("in_transit", 1, problem="damage.wet_or_temperature"), event("delivered", 2)), "damage.wet_or_temperature"),
        (
            (event("in_transit", 1, problem="damage.wet_or_temperature"), event("in_transit.departed_hub", 2)),
            "damage.wet_or_temperature",
        ),
        (
            (event("in_transit", 1, problem="damage.wet_or_temperature"), event("in_transit", 2, problem="weather.storm")),
            "weather.storm",
        ),
        # an end is a loss, whatever was wrong before; a cancelled parcel is none
        ((event("in_transit", 1, problem="weather.storm"), event("ended.lost_declared", 2)), "loss.declared_lost"),
        ((event("ended.lost_presumed", 2),), "loss.presumed_lost"),
        ((event("ended.destroyed", 2),), "loss.declared_lost"),
        ((event("ended.cancelled", 2),), None),
        ((event("ended.lost_declared", 2), event("in_transit.arrived_hub", 9)), None),
        # a delivery ends every trouble but damage and loss, also one that it states itself
        ((event("delivered", 1, problem="delay.unexplained"),), None),
        ((event("delivered", 1, problem="loss.misdelivered"),), "loss.misdelivered"),
        ((event("delivered", 1), event("unknown", 9, problem="delay.unexplained")), None),
        ((event("returned", 1), event("unknown", 9, problem="delay.unexplained")), None),
        # the way back
        ((event("returning.refused", 1, problem="return.refused"), event("in_transit", 2)), "return.refused"),
        ((event("returning.refused", 1, problem="return.refused"), event("returned", 2)), None),
        ((HELD, event("returning.undeliverable", 3)), None),
    ],
)  # fmt: skip
def test_what_is_still_wrong(story, open_problem):
    problem = believed(*story).open_problem
    assert (f"{problem.category}.{problem.cause}" if problem else None) == open_problem


def test_the_same_trouble_stated_again_keeps_its_beginning():
    belief = believed(HELD, event("in_customs", 30, problem="customs.documents_missing"))
    assert present(belief.problem).key == HELD.key
    assert present(belief.problem).since == at(2)


def test_damage_at_the_door_is_a_delivery_with_damage():
    belief = believed(event("delivered", 1), event("in_transit", 1.3, problem="damage.packaging_failed"))
    assert (belief.milestone, belief.status_detail) == (Milestone.DELIVERED, "damaged_on_delivery")
    assert present(belief.damage).cause == "packaging_failed"


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        ((event("returning", 1, problem="return.refused"),), "refused"),
        ((event("out_for_delivery", 1, problem="return.refused"), event("returning", 2)), "refused"),
        ((event("returning.unclaimed", 1),), "unclaimed"),
        ((event("returning.sender_recall", 1),), "undeliverable"),
        ((event("returned", 1),), "undeliverable"),
        ((event("returning.refused", 1), event("in_transit", 2), event("delivered", 9)), "refused"),
    ],
)
def test_why_it_goes_back_is_remembered_until_the_sender_has_it(story, cause):
    reason = present(believed(*story).going_back)
    assert (reason.category, reason.cause) == (Category.RETURN, cause)


def test_moments_of_the_journey_are_those_of_the_first_time():
    belief = believed(
        event("announced", 0),
        event("accepted", 1),
        event("in_transit", 2),
        event("out_for_delivery", 3),
        event("out_for_delivery.attempt_failed", 4),
        event("out_for_delivery", 27),
        event("ready_for_collection", 30),
        event("ready_for_collection.reminder", 60),
    )
    assert (belief.announced_at, belief.accepted_at, belief.in_transit_at) == (at(0), at(1), at(2))
    assert (belief.out_for_delivery_at, belief.ready_at, belief.since) == (at(27), at(30), at(30))
    assert belief.heard_at == at(60)


def test_only_what_is_said_of_the_parcel_itself_counts_as_a_scan():
    belief = believed(
        event("in_transit", 1),
        event("unknown", 5),
        event("in_transit", 7, informational=True),
        event("announced.data_received", 9),
    )
    assert (belief.scanned_at, belief.heard_at) == (at(5), at(9))


def test_a_milestone_without_a_time_gets_that_of_its_first_scan_with_one():
    assert believed(event("in_customs", None, key="a"), event("in_customs", 4, key="b")).since == at(4)


def test_each_failed_attempt_counts_once_with_the_notice_that_was_left():
    belief = believed(
        event("out_for_delivery.attempt_failed", 1),
        event("out_for_delivery.notice_left", 1.1),
        event("out_for_delivery.attempt_failed", 25),
        event("in_transit.at_delivery_depot", 26),
        event("out_for_delivery.notice_left", 49),
    )
    assert belief.attempts == 3


def test_a_place_replaces_the_one_before_whole():
    belief = believed(event("in_transit", 1, place=("Madrid", "ES")), event("in_transit", 2, place=(None, "FR")))
    assert (belief.city, belief.country) == (None, "FR")
    assert believed(event("in_transit", 1, place=("Madrid", "ES")), event("in_transit", 2)).city == "Madrid"


ESTIMATE = Estimate(at(days=2).date(), at(days=3).date())


@pytest.mark.parametrize("story", [(), (event("announced", 0),), (event("announced", 0), event("accepted", 1))])
def test_an_estimate_from_before_the_parcel_moved_does_not_count(story):
    assert expect(Expectation(), ESTIMATE, believed(*story), "Europe/Madrid") == Expectation()


def test_an_estimate_counts_from_the_first_scan_on_the_way():
    found = expect(Expectation(), ESTIMATE, believed(event("in_transit", 1)), "Europe/Madrid")
    assert present(found.earliest).isoformat() == "2026-03-03T23:00:00+00:00"
    assert present(found.latest).isoformat() == "2026-03-05T22:59:59+00:00"
    assert (found.original_latest, found.revisions) == (found.latest, 0)


def test_a_day_begins_at_midnight_also_when_the_clocks_change():
    changing = at(days=27).date()  # 2026-03-29
    found = expect(Expectation(), Estimate(changing, changing), believed(event("in_transit", 1)), "Europe/Madrid")
    assert present(found.earliest).isoformat() == "2026-03-28T23:00:00+00:00"
    assert present(found.latest).isoformat() == "2026-03-29T21:59:59+00:00"


def test_only_a_later_estimate_is_a_revision_and_the_first_is_kept():
    belief, zone = believed(event("in_transit", 1)), "Europe/Madrid"
    first = expect(Expectation(), Estimate(None, at(days=2)), belief, zone)
    earlier = expect(first, Estimate(None, at(days=1)), belief, zone)
    later = expect(earlier, Estimate(None, at(days=4)), belief, zone)
    assert (earlier.revisions, later.revisions) == (0, 1)
    assert later.original_latest == first.latest
    assert expect(later, Estimate(None, at(days=4)), belief, zone) is later
    assert expect(later, None, belief, zone) is later


def test_one_day_alone_is_the_latest_too():
    found = expect(Expectation(), Estimate(at(days=2).date(), None), believed(event("in_transit", 1)), "Europe/Madrid")
    assert present(found.latest) - present(found.earliest) < DAY
