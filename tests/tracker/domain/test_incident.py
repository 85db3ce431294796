from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.vocabulary import Category
from tests.tracker.domain.building import HOUR, MONDAY, at
from tracker.domain import incident as incidents
from tracker.domain.calendar import Calendar
from tracker.domain.cause import Reach
from tracker.domain.errors import RuleRefused
from tracker.domain.finding import Provenance, Signal
from tracker.domain.incident import LIFE, Command, Incident, State
from tracker.domain.severity import Severity
from tracker.domain.staff import ALLOWED, Role
from tracker.domain.thresholds import Thresholds

LIMITS = Thresholds()


def incident(**changes: Any) -> Incident:
    values: dict[str, Any] = {
        "id": 1,
        "category": Category.DELAY,
        "cause": "unexplained",
        "signal": Signal.STALLED,
        "provenance": Provenance.INFERRED,
        "rule": "stalled",
        "rule_version": 1,
        "explanation": "No scan.",
        "state": State.OPEN,
        "severity": Severity.MEDIUM,
        "responsible": "carrier",
        "reach": Reach.CUSTOMER,
        "action_owner": "carrier",
        "action": "find_and_move",
        "action_until": None,
        "action_otherwise": "enquiry_with_carrier",
        "opened_at": MONDAY,
        "changed_at": MONDAY,
        "next_moment_at": MONDAY,
    }
    return Incident(**values | changes)


# -------------------------------------------------------------------------------------------------------- the table


def test_every_state_has_its_row_and_can_be_reached():
    assert set(LIFE) == set(State)
    reached, frontier = {State.OPEN}, {State.OPEN}
    while frontier:
        frontier = {after for state in frontier for after in LIFE[state].values()} - reached
        reached |= frontier
    assert reached == set(State)


@pytest.mark.parametrize("state", [state for state in State if state.is_open])
def test_any_open_incident_can_be_cured_or_merged(state):
    assert LIFE[state][Command.RESOLVE] is State.RESOLVED
    assert LIFE[state][Command.MERGE] is State.MERGED


@pytest.mark.parametrize("state", [state for state in State if not state.is_open])
def test_whatever_is_over_can_come_back(state):
    assert LIFE[state][Command.REOPEN] is State.OPEN


def test_only_what_is_resolved_closes():
    assert [state for state in State if Command.CLOSE in LIFE[state]] == [State.RESOLVED]


WORKS, LEADS = {Role.AGENT, Role.SUPERVISOR, Role.ADMIN}, {Role.SUPERVISOR, Role.ADMIN}
WHO_MAY = {
    (state, command): LEADS if state in (State.CLOSED, State.MERGED) else WORKS
    for state, row in LIFE.items()
    for command in row
} | {(state, Command.NOTE): WORKS for state in State}
WHO_MAY |= {(state, command): WORKS for state in State if state.is_open for command in incidents.WITHIN}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("role", list(Role))
def test_who_may_do_what_is_this_table(state, role):
    """Agents work on what is open; what is over, or goes on elsewhere, comes back by those who lead."""
    at_hand = incidents.at_hand(state, ALLOWED[role])
    assert set(at_hand) == {command for command in Command if role in WHO_MAY.get((state, command), ())}


@pytest.mark.parametrize(
    ("its", "who", "is_anothers"), [(None, 3, False), (3, 3, False), (4, 3, True), (4, None, True), (None, None, False)]
)
def test_to_take_an_incident_from_somebody_is_known(its, who, is_anothers):
    assert incidents.takes_over(incident(assignee_id=its), who) is is_anothers


@pytest.mark.parametrize("state", [state for state in State if not state.is_open])
def test_what_is_over_is_given_to_nobody_and_weighed_no_more(state):
    held = incident(state=state)
    for decided in (
        lambda: incidents.assign(held, 3, at(1)),
        lambda: incidents.rate(held, Severity.LOW, at(1)),
        lambda: incidents.plan(held, "shop", None, at(1)),
    ):
        with pytest.raises(RuleRefused, match="it is over"):
            decided()


def test_an_undo_goes_back_to_all_that_was():
    held = incident(state=State.IN_PROGRESS, action_owner="carrier", action_until=at(5))
    moved = incident(state=State.WAITING, action_owner="recipient", action_until=at(50))
    back = incidents.undo(moved, incidents.before(held), at(2))
    assert (back.state, back.action_owner, back.action_until) == (held.state, held.action_owner, held.action_until)
    assert (back.changed_at, back.next_moment_at) == (at(2), at(2))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("command", list(Command))
def test_the_table_decides_and_says_what_is_allowed_instead(state, command):
    held = incident(state=state)
    if command in LIFE[state]:
        assert incidents.apply(held, command, at(1)).state is LIFE[state][command]
        return
    with pytest.raises(RuleRefused, match=f"is {state} cannot {command}") as refused:
        incidents.apply(held, command, at(1))
    assert all(allowed in str(refused.value) for allowed in LIFE[state])


# ---------------------------------------------------------------------------------------------- resolved, and back


def test_a_resolved_incident_promises_nothing_and_closes_by_itself():
    resolved = incidents.resolve(incident(promised_update_at=at(9)), "refunded", at(1), close_after=24 * HOUR)
    assert (resolved.resolved_at, resolved.promised_update_at, resolved.next_moment_at) == (at(1), None, at(25))
    closed = incidents.close(resolved, at(25))
    assert (closed.state, closed.closed_at, closed.next_moment_at) == (State.CLOSED, at(25), None)


@pytest.mark.parametrize("reason", ["merged", "because", ""])
def test_a_reason_that_is_none_is_refused_with_those_there_are(reason):
    with pytest.raises(RuleRefused, match=r"cured_by_carrier.*returned_and_settled") as refused:
        incidents.resolve(incident(), reason, at(1), close_after=HOUR)
    assert ", merged" not in str(refused.value)


def test_a_reopened_incident_keeps_nothing_of_its_end():
    ended = incidents.close(incidents.resolve(incident(told_at=MONDAY), "refunded", at(1), close_after=HOUR), at(2))
    again = incidents.reopen(ended, at(3))
    fresh = incident(state=State.OPEN, changed_at=at(3), next_moment_at=at(3), reopened=1)
    assert again == fresh


# ------------------------------------------------------------------------------------------------------- promises


@given(
    st.integers(0, 2 * 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.integers(1, 30),
    st.sampled_from(["Europe/Madrid", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland", "UTC"]),
)
def test_a_promise_is_for_six_on_a_later_working_day_where_the_customer_is(now, days, zone):
    promised = incidents.promise_of_next_update(now, days, Calendar(zone), zone).astimezone(ZoneInfo(zone))
    today = now.astimezone(ZoneInfo(zone)).date()
    assert f"{promised:%H:%M:%S.%f}" == "18:00:00.000000"
    assert promised.date() >= today + timedelta(days=days)
    assert promised.isoweekday() <= 5


@pytest.mark.parametrize(
    ("now", "days", "expected"),
    [
        ("2026-03-02T09:00", 1, "2026-03-03T18:00"),
        ("2026-03-02T23:00", 2, "2026-03-04T18:00"),
        ("2026-03-06T17:00", 1, "2026-03-09T18:00"),  # not at the weekend
        ("2026-03-27T19:00", 1, "2026-03-30T18:00"),  # over the change of clocks
        ("2026-03-18T17:00", 1, "2026-03-20T18:00"),  # the nineteenth is a holiday
    ],
)
def test_a_promise_counts_working_days(now, days, expected):
    madrid = ZoneInfo("Europe/Madrid")
    calendar = Calendar("Europe/Madrid", frozenset({date(2026, 3, 19)}))
    moment = datetime.fromisoformat(now).replace(tzinfo=madrid).astimezone(UTC)
    promised = incidents.promise_of_next_update(moment, days, calendar, "Europe/Madrid")
    assert promised == datetime.fromisoformat(expected).replace(tzinfo=madrid)


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({"severity": Severity.CRITICAL}, [1, 2, 3, 5, 5]),
        ({"severity": Severity.HIGH}, [1, 2, 3, 5, 5]),
        ({"severity": Severity.MEDIUM}, [2, 3, 5, 5, 5]),
        ({"severity": Severity.LOW}, [3, 5, 5, 5, 5]),
        ({"category": Category.CUSTOMS, "severity": Severity.HIGH}, [1, 5, 5, 5, 5]),
        ({"category": Category.RETURN, "severity": Severity.MEDIUM}, [2, 5, 5, 5, 5]),
        ({"severity": Severity.LOW, "action_owner": "recipient"}, [1, 2, 3, 5, 5]),
    ],
)
def test_the_wait_for_our_next_word_stretches_with_every_silence(changes, days):
    waits = [incidents.days_until_next_word(incident(**changes, silent_updates=n), LIMITS) for n in range(5)]
    assert waits == days


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"promised_update_at": at(9)}, at(8)),  # an hour to arrive
        ({"promised_update_at": at(9), "action_until": at(2)}, at(8)),
        ({"action_until": at(30)}, at(30)),
        ({"action_until": MONDAY}, at(25)),
        ({}, at(25)),
        ({"state": State.RESOLVED, "next_moment_at": at(40)}, at(40)),
        ({"state": State.CLOSED}, None),
        ({"state": State.MERGED}, None),
    ],
)
def test_when_the_clock_looks_again(changes, expected):
    assert incidents.next_moment(incident(**changes), at(1)) == expected


@pytest.mark.parametrize("name", ["close_after_hours", "stalled_domestic_days"])
def test_a_setting_that_would_make_the_clock_spin_is_refused(name):
    assert msgspec.json.decode(b"{}", type=Thresholds) == LIMITS
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.json.decode(f'{{"{name}": -1}}'.encode(), type=Thresholds)
