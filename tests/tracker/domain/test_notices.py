import pytest

from carriers.contract import Estimate
from notifications.contract import Kind, Notice
from tests.tracker.domain.building import DAY, HOUR, MADRID, MONDAY, Story, at, believed, event, present
from tracker.domain.incident import Step, resolve
from tracker.domain.returns import settle
from tracker.domain.shipment import expect
from tracker.domain.thresholds import Thresholds


def told(story: Story) -> list[str]:
    return [notice.kind.value for notice in planned(story)]


def planned(story: Story) -> list[Notice]:
    return [notice for outcome in story.outcomes for notice in outcome.notices]


WAY = (
    event("announced", 0),
    event("accepted", 1),
    event("in_transit", 2),
    event("out_for_delivery", 24),
    event("delivered.to_neighbour", 28),
)


def test_each_milestone_is_told_once():
    story = Story()
    for one in WAY:
        story.hear(one)
        story.hear(event(one.milestone, present(one.occurred_at) + HOUR / 4, key=f"again {one.key}"))
    assert told(story) == ["shipped", "out_for_delivery", "delivered"]


def test_progress_waits_a_moment_in_which_corrections_may_settle_and_collection_does_not():
    story = Story()
    story.hear(*WAY)
    (delivered,) = planned(story)
    assert (delivered.kind, delivered.hold.total_seconds(), delivered.urgent) == (Kind.DELIVERED, 600, False)
    assert delivered.facts.delivered_to == "to_neighbour"
    ready = Story()
    ready.hear(event("ready_for_collection.at_point", 1))
    (one,) = planned(ready)
    assert (one.hold.total_seconds(), one.urgent, one.facts.collection_until) == (0, True, at(1, days=10))


def test_what_was_overtaken_before_we_heard_of_it_is_not_told():
    story = Story()
    story.hear(*WAY)
    assert told(story) == ["delivered"]


@pytest.mark.parametrize(
    ("happened_at", "heard_at", "expected"),
    [
        (MONDAY - 23 * HOUR, MONDAY, ["delivered"]),
        (MONDAY - 25 * HOUR, MONDAY, []),  # before we knew of the parcel
        (at(2), at(2) + 3 * DAY, ["delivered"]),
        (at(2), at(3) + 3 * DAY, []),  # so old that it would only confuse
    ],
)
def test_nothing_is_told_in_retrospect(happened_at, heard_at, expected):
    story = Story()
    story.hear(event("delivered", happened_at), now=heard_at)
    assert told(story) == expected


def test_whoever_was_told_of_a_trouble_hears_of_the_delivery_however_late_we_learn_of_it():
    story = Story()
    story.hear(event("in_transit", 1, problem="weather.storm"))
    story.hear(event("delivered", 5), now=at(days=9))
    assert told(story)[-1] == "delivered"


def test_a_delivery_without_a_time_ends_the_trouble_in_words_of_its_own():
    story = Story()
    story.hear(event("in_transit", 1, problem="weather.storm"))
    story.hear(event("delivered", None), now=at(9))
    assert told(story)[-1] == "incident_resolved"
    assert not planned(story)[-1].facts.date_owed


def test_a_delivery_says_which_trouble_it_ends_but_never_one_that_is_ours_alone():
    story = Story()
    story.hear(event("in_transit", 1, problem="routing.missort"))
    story.hear(event("delivered", 9))
    assert planned(story)[-1].facts.cause is None


@pytest.mark.parametrize(
    ("hour_utc", "expected"),
    [(8, ["out_for_delivery"]), (19, ["out_for_delivery"]), (20, [])],  # 21:00 in Madrid
)
def test_out_for_delivery_is_news_until_nine_in_the_evening(hour_utc, expected):
    story = Story()
    story.hear(event("out_for_delivery", MONDAY.replace(hour=7)), now=MONDAY.replace(hour=hour_utc))
    assert [kind for kind in told(story) if kind != "shipped"] == expected
    for notice in planned(story):
        assert notice.valid_until == MONDAY.replace(hour=20)


def test_a_failed_attempt_is_not_out_for_delivery():
    story = Story()
    story.hear(event("out_for_delivery", 1), event("out_for_delivery.attempt_failed", 2), now=at(2))
    assert "out_for_delivery" not in told(story)


def test_a_parcel_that_nobody_collects_is_remembered_once_at_half_of_its_time():
    story = Story()
    story.hear(event("ready_for_collection.at_locker", 1))
    story.live(at(days=9))
    assert told(story) == ["ready_for_collection", "ready_for_collection"]
    reminder = planned(story)[1]
    assert (reminder.planned_at, reminder.valid_until, reminder.urgent) == (at(1, days=5), at(1, days=10), True)
    story.hear(event("delivered.collected", at(days=9, hours=1)))
    assert told(story)[-1] == "delivered"


def test_nobody_is_reminded_of_what_they_collected():
    story = Story()
    story.hear(event("ready_for_collection", 1))
    story.hear(event("delivered.collected", 30))
    story.live(at(days=20))
    assert told(story) == ["ready_for_collection", "delivered"]


def test_a_delivery_that_was_never_told_is_not_corrected():
    story = Story()
    story.hear(event("delivered", -200))
    story.hear(event("in_transit", 3))
    assert "correction" not in told(story)


def test_goods_that_go_back_after_a_delivery_are_a_return_and_no_correction():
    story = Story()
    story.hear(event("delivered", 1))
    story.hear(event("returning.refused", 50))
    assert told(story) == ["delivered", "incident_opened"]


def test_a_return_parcel_has_no_progress_for_the_customer_who_sent_it():
    story = Story(outbound=False)
    story.hear(*WAY)
    assert "delivered" not in told(story)
    assert "shipped" not in told(story)


def test_an_incident_speaks_as_data_and_says_who_must_do_what_until_when():
    story = Story()
    story.hear(event("in_transit", 0))
    estimated = expect(story.case.expectation, Estimate(at(days=2).date(), None), story.case.belief, "Europe/Madrid")
    story.look(expectation=estimated)
    story.hear(event("in_customs", 5, problem="customs.duties_unpaid", place=("Lyon", "FR")))
    (one,) = [notice for notice in planned(story) if notice.kind is Kind.INCIDENT_OPENED]
    assert (one.facts.cause, one.facts.action_owner, one.facts.action) == (
        "customs.duties_unpaid",
        "recipient",
        "pay_duties",
    )
    assert one.facts.action_until == at(5, days=3)
    assert (one.facts.city, one.facts.country, one.facts.happened_at) == ("Lyon", "FR", at(5))
    assert one.facts.next_update_at == one.promised_update_at
    assert one.because == {
        "rule": "carrier_stated",
        "rule_version": 2,
        "step": "opened",
        "finding": "carrier_stated:customs.duties_unpaid:in_customs:2026-03-02 14:00:00+00:00:customs.duties_unpaid",
    }


def test_an_estimate_that_is_past_is_not_repeated():
    story = Story()
    story.hear(event("in_transit", 0))
    story.look(expectation=expect(story.case.expectation, Estimate(None, at(2)), story.case.belief, "Europe/Madrid"))
    story.hear(event("in_transit", 5, problem="weather.storm"))
    assert planned(story)[-1].facts.expected_until is None


@pytest.mark.parametrize(
    ("problem", "urgent"),
    [("customs.duties_unpaid", True), ("delivery_attempt.nobody_home", True), ("weather.storm", False)],
)
def test_what_the_recipient_must_do_is_urgent(problem, urgent):
    story = Story()
    story.hear(event("in_transit", 5, problem=problem))
    assert planned(story)[-1].urgent is urgent
    story.live(at(days=3))
    updates = [notice for notice in planned(story) if notice.kind is Kind.INCIDENT_UPDATE]
    assert updates
    assert not any(notice.urgent for notice in updates)


@pytest.mark.parametrize("problem", ["routing.missort", "routing.wrong_partner", "data.unmapped_code"])
def test_what_is_ours_alone_never_reaches_customers(problem):
    story = Story()
    story.hear(event("in_transit", 5, problem=problem))
    story.live(at(days=2))
    story.hear(event("out_for_delivery", at(days=2)))
    assert story.case.incidents
    assert [kind for kind in told(story) if kind.startswith("incident")] == []


def test_all_turns_of_one_incident_have_one_subject_and_each_its_own_key():
    story = Story()
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    story.hear(event("in_transit", at(3, days=3), problem="weather.storm"))
    story.live(at(days=7))
    story.hear(event("in_transit.departed_hub", at(days=7)))
    incident = [notice for notice in planned(story) if notice.subject.startswith("incident:")]
    assert [notice.kind.value for notice in incident][:2] == ["incident_opened", "incident_changed"]
    assert incident[-1].kind is Kind.INCIDENT_RESOLVED
    assert len({notice.subject for notice in incident}) == 1
    assert len({notice.key for notice in incident}) == len(incident)


def test_a_later_incident_of_a_cause_that_changed_meanwhile_is_told_too():
    """Stalled, then held, released, stalled again: the second silence is a new incident with the first one's cause."""
    story = Story()
    story.hear(event("in_transit", 1))
    story.live(at(2, days=3))
    story.hear(event("in_customs.inspection", at(3, days=3), problem="customs.inspection"))
    story.hear(event("in_transit.departed_hub", at(5, days=3)))
    story.live(at(6, days=8))
    assert [kind for kind in told(story) if kind != "shipped"][:4] == [
        "incident_opened",
        "incident_changed",
        "incident_resolved",
        "incident_opened",
    ]
    assert len({notice.key for notice in planned(story)}) == len(planned(story))


def test_the_reminder_follows_the_settings_of_the_shop():
    story = Story(thresholds=Thresholds(collection_calendar_days=4, collection_reminder=0.75), lane=MADRID)
    story.hear(event("ready_for_collection", 1))
    story.live(at(days=4))
    assert planned(story)[1].planned_at == at(1, days=3)


DAMAGED = event("in_transit", 1, problem="damage.damaged_in_transit")
DESTROYED = event("ended.destroyed", 5)


def incidents_told(story: Story) -> list[str | None]:
    return [notice.facts.cause for notice in planned(story) if notice.kind in INCIDENT_KINDS]


INCIDENT_KINDS = (Kind.INCIDENT_OPENED, Kind.INCIDENT_CHANGED, Kind.INCIDENT_UPDATE)


@pytest.mark.parametrize("heard", [[(DAMAGED, DESTROYED)], [(DAMAGED,), (DESTROYED,)], [(DESTROYED,), (DAMAGED,)]])
def test_of_goods_that_are_gone_nothing_is_said_of_their_damage(heard):
    story = Story()
    for events in heard:
        story.hear(*events, now=at(6))
    said = len(planned(story))
    story.live(at(days=20))
    assert {notice.facts.cause for notice in planned(story)[said:]} == {"loss.declared_lost"}
    assert [one.cause for one in story.case.incidents if one.state.is_open] == ["declared_lost"]


def test_damaged_goods_that_go_back_are_told_as_a_return_and_stay_a_case_for_staff():
    story = Story()
    story.hear(DAMAGED)
    story.hear(event("returning", 5))
    said = len(planned(story))
    story.live(at(days=9))
    assert {notice.facts.cause for notice in planned(story)[said:]} == {"return.undeliverable"}
    damage = story.incident("damage.damaged_in_transit")
    assert (damage.state.is_open, damage.promised_update_at) == (True, None)


def test_a_refund_is_told_once_whatever_ends_with_it():
    story = Story()
    story.hear(DAMAGED)
    story.hear(event("returning", 5))
    for cause in ("damage.damaged_in_transit", "return.undeliverable"):
        ended = resolve(story.incident(cause), "refunded", story.now, close_after=DAY)
        story.look(story.now + HOUR, commanded=(Step(incident=ended, kind="resolved", actor="person:1"),))
    settled = settle(present(story.case.returned), "refunded", None, story.now)
    story.look(story.now + HOUR, settled=settled)
    ends = [(one.facts.resolution, one.facts.settled_as) for one in planned(story)]
    assert [end for end in ends if end != (None, None)] == [("refunded", None)]


def test_damage_is_told_after_all_where_the_scans_of_the_return_are_taken_back():
    story = Story()
    story.hear(event("returning", 1, problem="damage.damaged_in_transit", key="one"))
    story.look(story.now + HOUR, belief=believed(event("in_transit", 1, problem="damage.damaged_in_transit")))
    assert planned(story)[-1].facts.cause == "damage.damaged_in_transit"
    assert present(story.incident("damage.damaged_in_transit").promised_update_at) > story.now


@pytest.mark.parametrize(
    ("problem", "days", "is_told"),
    [
        ("customs.documents_missing", 9, False),  # waits for the recipient
        ("customs.inspection", 9, False),  # waits for the authority
        ("address.incomplete", 9, False),
        ("weather.storm", 0, False),  # nobody should wait at home for it today
        ("weather.storm", 1, True),
    ],
)
def test_the_carriers_date_is_told_only_where_nobody_else_must_act_first(problem, days, is_told):
    story = Story()
    story.hear(event("in_transit", 0))
    estimate = Estimate(at(days=days).date(), None)
    estimated = expect(story.case.expectation, estimate, story.case.belief, "Europe/Madrid")
    story.look(expectation=estimated)
    story.hear(event("in_transit", 5, problem=problem))
    told_until = planned(story)[-1].facts.expected_until
    assert told_until == (estimated.latest if is_told else None)
    story.hear(event("in_transit.departed_hub", 6))
    assert planned(story)[-1].facts.expected_until == estimated.latest


def test_a_scan_is_told_in_the_time_of_its_place_and_what_is_no_scan_in_the_customers():
    story = Story()
    there = "2026-03-02T13:00:00"  # its clock; by UTC it is ten and eleven
    story.hear(event("in_customs", 1, problem="customs.inspection", occurred_local=there))
    story.hear(event("in_transit.departed_hub", 2, occurred_local=there))
    held, released = planned(story)
    assert (held.facts.happened_at, held.facts.happened_offset) == (at(1), 180)
    assert (released.facts.happened_offset, released.facts.date_owed) == (120, True)


@pytest.mark.parametrize("problem", ["damage.damaged_in_transit", "loss.presumed_lost", "delivery_attempt.nobody_home"])
def test_words_without_news_grow_rarer_and_none_comes_at_the_weekend(problem):
    story = Story()
    story.hear(event("in_transit", 5, problem=problem))
    story.live(at(days=16))
    days = [one.planned_at.date() for one in planned(story) if one.facts.cause == problem]
    assert [day.day for day in days] == [2, 3, 5, 10, 17]
    promised = [present(one.promised_update_at).date() for one in planned(story) if one.facts.cause == problem]
    assert promised[:-1] == days[1:]
