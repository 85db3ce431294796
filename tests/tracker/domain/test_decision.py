from datetime import timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from carriers.contract import Problem
from carriers.vocabulary import Category, Milestone
from tests.tracker.domain.building import DAY, HOUR, MONDAY, Story, at, event, present
from tracker.domain import incident as incidents
from tracker.domain import returns
from tracker.domain.finding import Provenance
from tracker.domain.incident import Command, Incident, State, Step

HELD = event("in_customs.documents_required", 5, problem="customs.documents_missing")
STORM = event("in_transit.delayed_by_carrier", 5, problem="weather.storm")
NOBODY = event("out_for_delivery.attempt_failed", 5, problem="delivery_attempt.nobody_home")


def steps(story: Story) -> list[str]:
    """Everything that happened to incidents, without mere looks, as "kind cause"."""
    return [
        f"{step.kind} {step.incident.category}.{step.incident.cause}"
        for outcome in story.outcomes
        for step in outcome.steps
        if step.kind != "reviewed"
    ]


def ordered(incident: Incident, **changes: Any) -> Step:
    """A step that a person takes."""
    return Step(incident=msgspec.structs.replace(incident, **changes), kind="started", actor="ana")


def resolved_by_staff(story: Story, cause: str, reason: str, now=None) -> None:
    now = now or story.now
    ended = incidents.resolve(story.incident(cause), reason, now, close_after=DAY)
    story.look(now, commanded=(Step(incident=ended, kind="resolved", actor="ana"),))


def reported(story: Story, cause: str, provenance: Provenance) -> None:
    """The incident as if a person had reported it."""
    (at_place,) = [at for at, one in enumerate(story.case.incidents) if f"{one.category}.{one.cause}" == cause]
    held = list(story.case.incidents)
    held[at_place] = msgspec.structs.replace(held[at_place], provenance=provenance, signal=held[at_place].signal)
    story.case = msgspec.structs.replace(story.case, incidents=tuple(held))


# ------------------------------------------------------------------------------------------ opened, cured, reopened


def test_a_trouble_opens_one_incident_and_is_cured_when_the_parcel_moves_on():
    story = Story()
    story.hear(HELD)
    story.hear(event("in_customs.import_released", 20))
    assert steps(story) == ["opened customs.documents_missing", "resolved customs.documents_missing"]
    story.live(at(days=3))
    assert story.incident("customs.documents_missing").state is State.CLOSED


def test_a_second_hold_of_the_same_cause_does_not_open_a_second_incident():
    story = Story()
    story.hear(HELD)
    story.hear(event("in_customs.documents_required", 9, problem="customs.documents_missing"))
    assert steps(story) == ["opened customs.documents_missing"]


def test_a_closed_incident_is_watched_and_comes_back():
    story = Story()
    story.hear(HELD)
    story.hear(event("in_transit", 20))
    story.live(at(60))
    story.hear(event("in_customs.documents_required", 61, problem="customs.documents_missing"))
    again = story.incident("customs.documents_missing")
    assert (again.state, again.reopened, again.closing_reason) == (State.OPEN, 1, None)
    assert story.notices.count("incident_opened") == 2


def test_a_warning_colours_the_health_and_opens_nothing():
    story = Story()
    story.hear(event("announced", 1))
    story.live(at(3, days=2))
    assert (story.outcomes[-1].health, story.case.incidents) == ("at_risk", ())


def test_damage_and_a_trouble_on_the_way_are_two_incidents():
    story = Story()
    story.hear(event("in_transit", 1, problem="damage.packaging_failed"), STORM)
    assert steps(story) == ["opened damage.packaging_failed", "opened weather.storm"]


# ---------------------------------------------------------------------------------------- one story whose cause changes


def test_the_carriers_word_explains_what_we_had_only_inferred():
    story = Story()
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    story.hear(event("in_transit", at(3, days=3), problem="weather.storm"))
    assert steps(story) == ["opened delay.unexplained", "changed weather.storm"]
    (one,) = story.case.incidents
    assert (one.provenance, one.rule, one.action) == (Provenance.CARRIER_STATED, "carrier_stated", "deliver_when_safe")


def test_one_stated_cause_gives_way_to_another_in_the_same_incident():
    story = Story()
    story.hear(event("in_customs.inspection", 4, problem="customs.inspection"))
    story.hear(HELD)
    assert steps(story) == ["opened customs.inspection", "changed customs.documents_missing"]
    assert story.notices == ["incident_opened", "incident_changed"]


def test_the_same_cause_on_better_evidence_is_no_news():
    story = Story(promised_at=at(days=4))
    story.hear(event("in_transit", 1))
    story.live(at(2, days=4))
    assert [kind for kind in steps(story) if "update" not in kind and "no_news" not in kind] == [
        "opened delay.unexplained",
        "restated delay.unexplained",
    ]
    assert "Promised" in story.incident("delay.unexplained").explanation


def test_an_explanation_that_no_longer_holds_is_replaced_by_a_weaker_one():
    story = Story(promised_at=at(6))
    story.hear(event("in_transit", 1, problem="delay.unexplained"))
    story.hear(event("in_transit.departed_hub", 30))
    story.live(at(days=6))
    one = story.incident("delay.unexplained")
    assert (one.state.is_open, one.provenance, one.rule) == (True, Provenance.INFERRED, "missed_promise")


def test_a_cause_that_is_ours_alone_does_not_take_over_what_the_customer_was_told():
    story = Story()
    story.hear(STORM)
    story.hear(event("in_transit.missorted", 9, problem="routing.missort"))
    (one,) = story.case.incidents
    assert (one.cause, present(one.promised_update_at) > story.now) == ("storm", True)
    story.hear(event("out_for_delivery", 20))
    assert sorted(story.notices) == ["incident_opened", "incident_resolved", "out_for_delivery"]


def test_routing_that_turns_out_to_be_weather_reaches_the_customer_then():
    story = Story()
    story.hear(event("in_transit.missorted", 1, problem="routing.missort"))
    assert story.notices == []
    story.hear(STORM)
    assert story.notices == ["incident_changed"]


# ------------------------------------------------------------------------------------ what leads to loss and to a return


def test_a_trouble_goes_on_in_the_return_it_led_to():
    story = Story()
    story.hear(NOBODY)
    story.hear(event("returning.unclaimed", 90))
    assert steps(story) == [
        "opened delivery_attempt.nobody_home",
        "opened return.unclaimed",
        "merged delivery_attempt.nobody_home",
    ]
    assert "incident_resolved" not in story.notices


def test_a_trouble_goes_on_in_the_loss_it_led_to():
    story = Story()
    story.hear(STORM)
    story.hear(event("ended.lost_declared", 90))
    assert steps(story) == ["opened weather.storm", "opened loss.declared_lost", "merged weather.storm"]


def test_a_return_that_is_lost_is_a_loss():
    story = Story()
    story.hear(event("returning.refused", 1))
    story.hear(event("ended.lost_declared", 90))
    assert steps(story) == ["opened return.refused", "opened loss.declared_lost", "merged return.refused"]


def test_a_parcel_that_waits_for_its_customer_is_no_return_yet():
    """The attempt is over; that nobody collects the parcel is another, quieter story."""
    story = Story()
    story.hear(NOBODY)
    story.hear(event("ready_for_collection", 24))
    story.live(at(25, days=8))
    assert steps(story) == [
        "opened delivery_attempt.nobody_home",
        "resolved delivery_attempt.nobody_home",
        "closed delivery_attempt.nobody_home",
        "opened return.unclaimed",
    ]
    assert story.notices.count("incident_opened") == 1


def test_a_lost_parcel_that_is_found_is_cured():
    story = Story()
    story.hear(event("ended.lost_declared", 1))
    story.hear(event("in_transit.arrived_hub", 90))
    assert steps(story) == ["opened loss.declared_lost", "resolved loss.declared_lost"]
    assert story.notices == ["incident_opened", "incident_resolved"]


def test_a_return_that_was_a_mistake_of_the_carrier_is_cured():
    story = Story()
    story.hear(event("in_transit", 1), event("returning", 2, key="wrong"))
    story.events = [one for one in story.events if one.key != "wrong"]
    story.hear(event("out_for_delivery", 20))
    assert steps(story) == ["opened return.undeliverable", "resolved return.undeliverable"]


def test_an_end_without_delivery_cures_nothing():
    story = Story()
    story.hear(event("announced", 0))
    story.live(at(days=5))
    story.hear(event("ended.cancelled", at(days=6)))
    assert story.incident("delay.unexplained").state.is_open
    assert story.case.ended_at is None
    resolved_by_staff(story, "delay.unexplained", "refunded")
    assert story.case.ended_at == story.now
    assert story.notices[-1] == "incident_resolved"


# ----------------------------------------------------------------------------------------------------- people's word


def test_what_staff_resolved_is_not_opened_again_by_what_stood_then():
    story = Story()
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    resolved_by_staff(story, "delay.unexplained", "false_positive")
    story.live(at(days=12))
    assert steps(story) == ["opened delay.unexplained", "resolved delay.unexplained", "closed delay.unexplained"]
    assert story.notices[-1] == "correction"


def test_a_new_reason_opens_it_again_all_the_same():
    story = Story(promised_at=at(days=8))
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    resolved_by_staff(story, "delay.unexplained", "cured_by_shop")
    story.live(at(1, days=8))
    assert steps(story)[-1] == "reopened delay.unexplained"


@pytest.mark.parametrize("provenance", [Provenance.STAFF, Provenance.CUSTOMER])
def test_what_people_reported_is_not_cured_by_silent_findings(provenance):
    story = Story()
    story.hear(STORM)
    reported(story, "weather.storm", provenance)
    story.hear(event("in_transit.departed_hub", 20))
    assert story.incident("weather.storm").state.is_open


def test_a_finding_beside_what_people_reported_opens_no_second_incident():
    story = Story(promised_at=at(30))
    story.hear(STORM)
    reported(story, "weather.storm", Provenance.CUSTOMER)
    story.hear(event("in_transit.departed_hub", 20))
    story.live(at(days=7))
    assert [one.cause for one in story.case.incidents] == ["storm"]


def test_a_second_look_does_not_cure_what_staff_reopened():
    story = Story()
    story.hear(HELD)
    story.hear(event("in_transit", 20))
    again = msgspec.structs.replace(
        incidents.reopen(story.incident("customs.documents_missing"), at(22)), provenance=Provenance.STAFF
    )
    story.look(at(22), commanded=(Step(incident=again, kind="reopened", actor="ana"),))
    story.live(at(days=20))
    assert story.incident("customs.documents_missing").state.is_open
    assert story.notices.count("incident_opened") == 2


def test_a_command_and_a_finding_in_one_decision_keep_the_promise():
    """People reopen it, and in the same moment the carrier's word changes what it stands on."""
    story = Story(promised_at=at(6))
    story.hear(event("in_transit", 1, problem="delay.unexplained"))
    resolved_by_staff(story, "delay.unexplained", "cured_by_shop", at(2))
    reopened = incidents.reopen(story.incident("delay.unexplained"), at(7))
    story.look(at(7), commanded=(Step(incident=reopened, kind="reopened", actor="ana"),))
    one = story.incident("delay.unexplained")
    assert (one.told_at, present(one.promised_update_at) > at(7)) == (at(7), True)


# ----------------------------------------------------------------------------------------------- until the very end


def returned(story: Story, settled_as: str) -> None:
    settled = returns.settle(present(story.case.returned), settled_as, None, story.now)
    story.look(settled=settled)


def test_a_delivery_is_final_and_ends_the_trouble_on_the_way_without_a_second_message():
    story = Story()
    story.hear(STORM)
    story.hear(event("delivered", 30))
    assert story.case.ended_at == at(30)
    assert story.notices == ["incident_opened", "delivered"]
    delivered = story.outcomes[-1].notices[0]
    assert delivered.facts.cause == "weather.storm"


def test_a_delivery_taken_back_is_not_final_and_is_corrected():
    story = Story()
    story.hear(event("delivered", 1))
    story.hear(event("in_transit", 5))
    assert story.case.ended_at is None
    assert story.notices == ["delivered", "correction"]
    story.hear(event("delivered", 30))
    assert story.notices == ["delivered", "correction", "delivered"]


def test_a_return_to_sender_is_followed_until_the_shop_settles_it():
    story = Story()
    story.hear(event("returning.refused", 1, problem="return.refused"))
    story.hear(event("in_transit", 5))
    story.hear(event("delivered", 9))
    assert (story.case.belief.milestone, story.case.ended_at) == (Milestone.RETURNED, None)
    assert [one.cause for one in story.case.incidents] == ["refused"]
    returned(story, "refunded")
    assert story.case.ended_at == story.now
    assert story.incident("return.refused").closing_reason == "returned_and_settled"
    assert story.notices == ["incident_opened", "return_received", "return_settled"]


def test_a_rejected_return_leaves_the_damage_open():
    story = Story()
    story.hear(event("returning", 1, problem="damage.packaging_failed"))
    story.hear(event("returned", 90))
    returned(story, "rejected")
    assert story.incident("damage.packaging_failed").state.is_open
    assert not story.incident("return.undeliverable").state.is_open


@pytest.mark.parametrize("reason", ["refunded", "reshipped"])
@pytest.mark.parametrize("detail", ["lost_declared", "lost_presumed", "destroyed"])
def test_lost_goods_are_final_once_they_are_made_good(detail, reason):
    story = Story()
    story.hear(event(f"ended.{detail}", 1))
    assert story.case.ended_at is None
    (lost,) = story.case.incidents
    resolved_by_staff(story, f"loss.{lost.cause}", reason)
    assert story.case.ended_at == story.now
    story.live(at(days=40))
    assert steps(story)[-1].startswith("closed")
    assert story.notices == ["incident_opened", "incident_resolved"]


def test_a_loss_that_the_carrier_never_calls_the_end_is_final_once_made_good():
    story = Story()
    story.hear(event("in_transit", 1, problem="loss.declared_lost"))
    resolved_by_staff(story, "loss.declared_lost", "refunded", at(9))
    assert (story.case.ended_at, story.case.belief.milestone) == (at(9), Milestone.ENDED)


def test_goods_refunded_for_their_damage_are_not_lost_besides():
    story = Story()
    story.hear(event("in_transit", 1, problem="damage.packaging_failed"))
    resolved_by_staff(story, "damage.packaging_failed", "refunded", at(2))
    story.hear(event("ended.destroyed", 40))
    assert [one.cause for one in story.case.incidents] == ["packaging_failed"]
    assert story.case.ended_at == at(40)


def test_a_cancelled_parcel_of_which_nobody_heard_a_word_is_simply_over():
    story = Story()
    story.hear(event("announced", 0))
    story.hear(event("ended.cancelled", 5))
    assert story.case.ended_at == at(5)


def test_a_return_that_the_customer_sends_ends_when_it_is_settled():
    story = Story(outbound=False)
    story.case = msgspec.structs.replace(
        story.case,
        returned=returns.ReturnCase(
            id=1, state=returns.ReturnState.LABEL_SENT, reason="customer_return", opened_at=MONDAY, changed_at=MONDAY
        ),
    )
    story.hear(event("accepted", 1))
    story.hear(event("delivered", 50))
    assert (present(story.case.returned).state, story.case.ended_at) == (returns.ReturnState.RECEIVED, None)
    story.live(at(days=20))
    assert story.incident("return.refund_due_late").state.is_open
    returned(story, "refunded")
    assert story.case.ended_at == story.now
    assert story.notices == ["return_under_way", "return_received", "return_settled"]


# ------------------------------------------------------------------------------------------------ promises are kept


@pytest.mark.parametrize(
    "trouble",
    [
        HELD,
        STORM,
        NOBODY,
        event("in_transit", 5, problem="address.wrong"),
        event("in_transit", 5, problem="damage.contents_missing"),
        event("ended.lost_declared", 5),
        event("returning.refused", 5, problem="return.refused"),
        event("in_transit", 5, problem="delay.public_holiday"),
    ],
    ids=lambda one: str(one.problem or one.milestone) if not isinstance(one.problem, Problem) else one.problem.cause,
)
@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/New_York"])
def test_before_every_promised_moment_a_word_is_said(trouble, zone):
    story = Story(customer_zone=zone)
    story.hear(trouble)
    story.live(at(days=25))
    planned = [one for outcome in story.outcomes for one in outcome.notices]
    assert len({one.key for one in planned}) == len(planned)
    first = [one for one in planned if one.promised_update_at and one.incident_id in (None, 1)]
    assert len(first) >= 4
    for one, following in pairwise(first):
        assert one.planned_at < following.planned_at <= present(one.promised_update_at) - HOUR
    assert present(first[-1].promised_update_at) > story.now


def test_two_updates_without_news_make_it_graver_and_news_begins_anew():
    story = Story()
    story.hear(NOBODY)
    grave = []
    while present(story.incident("delivery_attempt.nobody_home")).silent_updates < 2:
        grave.append(story.incident("delivery_attempt.nobody_home").severity)
        story.look(present(story.outcomes[-1].next_moment_at))
    assert story.incident("delivery_attempt.nobody_home").severity > grave[0] or grave[0] != "critical"
    assert story.incident("delivery_attempt.nobody_home").severity != grave[0]
    story.hear(event("in_transit", story.now + HOUR, problem="address.wrong"))
    assert story.incident("address.wrong").silent_updates == 0


def test_a_look_that_comes_late_keeps_the_promise_once_and_not_twice():
    story = Story()
    story.hear(HELD)
    story.look(at(days=9))
    assert story.notices == ["incident_opened", "incident_update"]


def test_news_in_the_minute_of_a_promised_update_says_both_and_looks_ahead():
    story = Story()
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    due = present(story.incident("delay.unexplained").promised_update_at) - HOUR
    story.case = msgspec.structs.replace(story.case, promised_at=due)
    outcome = story.look(due)
    assert [step.kind for step in outcome.steps] == ["restated", "no_news"]
    assert present(outcome.next_moment_at) > due


# ------------------------------------------------------------------------------------------------------ small things


def test_a_decision_without_news_decides_nothing():
    story = Story(promised_at=at(days=4))
    story.hear(HELD)
    again = story.look()
    assert (again.steps, again.notices, again.changes) == ((), (), ())


def test_the_feed_tells_what_changed_without_personal_data():
    story = Story()
    story.hear(event("in_transit", 1))
    assert story.outcomes[-1].changes[0] == (
        "shipment.moved",
        {"milestone": "in_transit", "status_detail": None, "was": "registered"},
    )
    story.hear(event("delivered", 9))
    assert [kind for kind, _ in story.outcomes[-1].changes] == ["shipment.moved", "shipment.ended"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((), "unknown"),
        ((event("in_transit", 1),), "on_track"),
        ((HELD,), "held"),
        ((STORM,), "late"),
        ((NOBODY,), "failed"),
        ((event("returning", 1),), "failed"),
        ((event("returned", 1),), "on_track"),
        ((event("ended.lost_declared", 1),), "failed"),
        ((event("in_transit", 1, problem="damage.packaging_failed"),), "failed"),
        ((event("delivered", 1, problem="damage.packaging_failed"),), "failed"),
        ((event("delivered", 1),), "on_track"),
    ],
)
def test_health_is_one_word_for_it_all(told, expected):
    story = Story()
    story.hear(*told) if told else story.look()
    assert story.outcomes[-1].health == expected


def test_silence_is_stalled_and_a_missed_promise_is_late():
    story = Story(promised_at=at(days=8))
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    assert story.outcomes[-1].health == "stalled"
    story.live(at(1, days=8))
    assert story.outcomes[-1].health == "late"


def test_a_parcel_of_which_nothing_is_expected_is_looked_at_now_and_then():
    """People said that its silence is nothing: it is not forgotten for that."""
    story = Story()
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    resolved_by_staff(story, "delay.unexplained", "insufficient_information")
    story.live(at(days=30))
    assert present(story.outcomes[-1].next_moment_at) - story.outcomes[-1].case.registered_at > 30 * DAY


def test_commands_follow_the_table():
    story = Story()
    story.hear(STORM)
    held = story.incident("weather.storm")
    story.look(at(6), commanded=(ordered(incidents.apply(held, Command.START, at(6))),))
    started = story.incident("weather.storm")
    assert (started.state, started.promised_update_at) == (State.IN_PROGRESS, held.promised_update_at)
    assert started.next_moment_at == present(held.promised_update_at) - timedelta(hours=1)
    assert started.category is Category.WEATHER
