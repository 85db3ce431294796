"""A parcel's story told at random: whatever news, people and time do, the rules of the house hold after each decision."""

from datetime import timedelta

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from carriers.contract import Estimate
from carriers.vocabulary import CAUSES, STATUS_DETAILS, Milestone
from notifications.contract import Kind, Notice
from tests.tracker.domain.building import DAY, HOUR, MONDAY, Story, event, present
from tracker.domain import incident as incidents
from tracker.domain import returns
from tracker.domain.cause import Reach
from tracker.domain.decision import Outcome
from tracker.domain.detectors import ON_THE_WAY
from tracker.domain.errors import RuleRefused
from tracker.domain.finding import Provenance
from tracker.domain.incident import LIFE, Command, Incident, State, Step, leaves_the_word
from tracker.domain.returns import RETURN_LIFE
from tracker.domain.shipment import expect

MEANINGS = [
    f"{milestone}.{detail}" if detail else milestone.value
    for milestone in Milestone
    for detail in ("", *sorted(STATUS_DETAILS[milestone]))
    if milestone is not Milestone.UNKNOWN
]
# Beside what carriers usually say, everything that they could say.
USUAL = [
    ("accepted", None),
    ("in_transit.departed_hub", None),
    ("in_customs.inspection", "customs.inspection"),
    ("in_customs.documents_required", "customs.documents_missing"),
    ("in_customs.import_released", None),
    ("in_transit.delayed_by_carrier", "weather.storm"),
    ("in_transit.missorted", "routing.missort"),
    ("out_for_delivery", None),
    ("out_for_delivery.attempt_failed", "delivery_attempt.nobody_home"),
    ("ready_for_collection.at_point", None),
    ("delivered", None),
    ("delivered", "damage.packaging_failed"),
    ("returning.refused", "return.refused"),
    ("returned", None),
    ("ended.lost_declared", None),
    ("ended.cancelled", None),
]
PROBLEMS = [None, *(f"{category}.{cause}" for category, causes in CAUSES.items() for cause in causes)]
SAID = st.sampled_from(USUAL) | st.tuples(st.sampled_from(MEANINGS), st.sampled_from(PROBLEMS))
STAYS_UNSAID = {"duplicate"}  # people's word that the customer hears of it elsewhere


class Parcel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.story = Story(promised_at=MONDAY + 4 * DAY)
        self.story.look()
        self.number = 0

    # ------------------------------------------------------------------------------------------- what can happen

    @rule(said=SAID, hours_ago=st.integers(0, 30))
    def a_scan_is_heard_of(self, said: tuple[str, str | None], hours_ago: int) -> None:
        self.number += 1
        at = self.story.now - timedelta(hours=hours_ago)
        self.decide(
            lambda: self.story.hear(event(said[0], at, problem=said[1], key=f"k{self.number}"), now=self.story.now)
        )

    @precondition(lambda self: self.story.events)
    @rule(data=st.data())
    def the_carrier_withdraws_an_event(self, data: st.DataObject) -> None:
        self.story.events.remove(data.draw(st.sampled_from(self.story.events)))
        self.decide(lambda: self.story.hear(now=self.story.now))

    @rule(days=st.integers(0, 9))
    def the_carrier_estimates(self, days: int) -> None:
        case = self.story.case
        day = (self.story.now + days * DAY).date()
        estimated = expect(case.expectation, Estimate(day, day), case.belief, "Europe/Madrid")
        self.decide(lambda: self.story.look(expectation=estimated))

    @rule(hours=st.integers(1, 200))
    def time_goes_by(self, hours: int) -> None:
        until = self.story.now + hours * HOUR
        for _ in range(200):
            due = self.story.outcomes[-1].next_moment_at
            if due is None or due > until:
                self.story.now = until
                return
            self.decide(lambda due=due: self.story.look(max(due, self.story.now)))
        raise AssertionError("the clock spins")

    @precondition(lambda self: self.story.case.incidents)
    @rule(data=st.data(), command=st.sampled_from(Command), reason=st.sampled_from(sorted(incidents.REASONS)))
    def staff_work_on_an_incident(self, data: st.DataObject, command: Command, reason: str) -> None:
        held = data.draw(st.sampled_from(self.story.case.incidents))
        others = [
            one
            for one in self.story.case.incidents
            if one.id != held.id and one.state.is_open and (held.told_at is None or one.reach is Reach.CUSTOMER)
        ]
        if command is Command.MERGE and not others:
            return
        try:
            moved = self.moved(held, command, reason, others)
        except RuleRefused:
            assert command not in LIFE[held.state]
            return
        word = {
            Command.RESOLVE: "resolved",
            Command.CLOSE: "closed",
            Command.REOPEN: "reopened",
            Command.MERGE: "merged",
        }
        step = Step(incident=moved, kind=word.get(command, command.value), actor="ana")
        self.decide(lambda: self.story.look(commanded=(step,)))

    def moved(self, held: Incident, command: Command, reason: str, others: list[Incident]) -> Incident:
        now = self.story.now
        match command:
            case Command.RESOLVE:
                return incidents.resolve(held, reason, now, close_after=DAY)
            case Command.CLOSE:
                return incidents.close(held, now)
            case Command.REOPEN:
                return msgspec.structs.replace(incidents.reopen(held, now), provenance=Provenance.STAFF)
            case Command.MERGE:
                return incidents.merge(held, others[0].id, now)
            case _:
                return incidents.apply(held, command, now)

    @precondition(lambda self: self.story.case.returned is not None)
    @rule(settled_as=st.sampled_from(sorted(returns.SETTLEMENTS)))
    def the_shop_settles_the_return(self, settled_as: str) -> None:
        try:
            settled = returns.settle(present(self.story.case.returned), settled_as, None, self.story.now)
        except RuleRefused:
            return
        self.decide(lambda: self.story.look(settled=settled))

    # -------------------------------------------------------------------------------------------- what must hold

    def decide(self, act) -> None:
        before = self.story.case.incidents
        returned = self.story.case.returned
        self.story.now += timedelta(seconds=1)
        act()
        outcome = self.story.outcomes[-1]
        self.check_steps(before, outcome)
        if returned is not None and outcome.returned is not None:
            moved = outcome.returned.state
            assert moved is returned.state or moved in _reachable(returned.state)
        self.check_ends_are_told(before, outcome)

    def check_steps(self, before: tuple[Incident, ...], outcome: Outcome) -> None:
        states = {one.id: one.state for one in before}
        for step in outcome.steps:
            held = states.get(step.incident.id, State.OPEN) if step.incident.id else State.OPEN
            assert step.incident.state is held or step.incident.state in LIFE[held].values(), step.kind
            if step.incident.id:
                states[step.incident.id] = step.incident.state

    def check_ends_are_told(self, before: tuple[Incident, ...], outcome: Outcome) -> None:
        """Whoever was told of a trouble that ends now hears so now: in one message or another."""
        after = {one.id: one for one in self.story.case.incidents}
        for held in before:
            now = after[held.id]
            told = held.told_at is not None and held.reach is Reach.CUSTOMER
            if told and held.state.is_open and not now.state.is_open and now.closing_reason not in STAYS_UNSAID:
                goes_on = now.state is State.MERGED and any(one.told_at and one.id != now.id for one in after.values())
                assert outcome.notices or goes_on, f"{held.cause} ended as {now.closing_reason} in silence"

    @invariant()
    def every_incident_has_its_next_moment(self) -> None:
        for held in self.story.case.incidents:
            if held.state in (State.CLOSED, State.MERGED):
                assert held.next_moment_at is None
            else:
                assert present(held.next_moment_at) > self.story.looked_at

    @invariant()
    def the_clock_never_spins(self) -> None:
        outcome = self.story.outcomes[-1]
        assert outcome.next_moment_at is None or outcome.next_moment_at > self.story.looked_at
        assert outcome.next_moment_at is not None or outcome.ended_at is not None

    @invariant()
    def one_story_is_told_of_the_way(self) -> None:
        on_the_way = [
            one
            for one in self.story.case.incidents
            if one.state.is_open
            and one.category in ON_THE_WAY
            and one.provenance not in (Provenance.STAFF, Provenance.CUSTOMER)
        ]
        assert len(on_the_way) <= 1

    @invariant()
    def whoever_was_told_has_a_promise_that_is_still_to_come(self) -> None:
        for held in self.story.case.incidents:
            is_silent = leaves_the_word(held, self.story.case.belief)
            if held.state.is_open and held.reach is Reach.CUSTOMER and not is_silent:
                assert held.told_at is not None
                assert present(held.promised_update_at) > self.story.now
            if not held.state.is_open:
                assert held.promised_update_at is None

    @invariant()
    def nothing_is_said_twice_and_nothing_that_is_ours_alone(self) -> None:
        said: list[Notice] = [notice for outcome in self.story.outcomes for notice in outcome.notices]
        # A delivery that comes and goes several times on one day is told once: their keys name the day.
        keys = [notice.key for notice in said if notice.kind not in (Kind.DELIVERED, Kind.CORRECTION)]
        assert len(set(keys)) == len(keys)
        for notice in said:
            assert not (notice.facts.cause or "").startswith(("data.", "routing."))
            if notice.kind in (Kind.INCIDENT_OPENED, Kind.INCIDENT_CHANGED, Kind.INCIDENT_UPDATE):
                assert present(notice.promised_update_at) > notice.planned_at
        for kind in (Kind.SHIPPED, Kind.OUT_FOR_DELIVERY):
            assert sum(notice.kind is kind for notice in said) <= 1

    @invariant()
    def a_second_decision_at_once_decides_nothing(self) -> None:
        if self.story.looked_at == self.story.now:
            again = self.story.peek()
            assert (again.steps, again.notices) == ((), ())
            assert all(kind == "shipment.health" for kind, _ in again.changes)
            assert again.next_moment_at is None or again.next_moment_at > self.story.now


def _reachable(state: returns.ReturnState) -> set[returns.ReturnState]:
    """What one decision can make of a return: a scan moves it, and a settlement ends it."""
    first = set(RETURN_LIFE[state].values())
    return first | {after for one in first for after in RETURN_LIFE[one].values()}


Parcel.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, report_multiple_bugs=False)
TestParcel = Parcel.TestCase
