import pytest

from tests.tracker.domain.building import MONDAY, at, believed, event, present
from tracker.domain.errors import RuleRefused
from tracker.domain.returns import (
    RETURN_LIFE,
    SETTLEMENTS,
    ReturnCase,
    ReturnCommand,
    ReturnState,
    command,
    follow,
    settle,
)

FINAL = {ReturnState.REFUSED, ReturnState.SETTLED, ReturnState.EXPIRED}


def held(state: str) -> ReturnCase:
    return ReturnCase(id=1, state=ReturnState(state), reason="customer_return", opened_at=MONDAY, changed_at=MONDAY)


def test_every_state_has_its_row_and_can_be_reached():
    entries = {ReturnState.REQUESTED, ReturnState.LABEL_SENT, ReturnState.IN_TRANSIT}
    reached, frontier = set(entries), set(entries)
    while frontier:
        frontier = {after for state in frontier for after in RETURN_LIFE[state].values()} - reached
        reached |= frontier
    assert reached == set(RETURN_LIFE) == set(ReturnState)
    assert {state for state, row in RETURN_LIFE.items() if not row} == FINAL


@pytest.mark.parametrize("state", list(ReturnState))
@pytest.mark.parametrize("given", list(ReturnCommand))
def test_the_table_decides_and_says_what_is_allowed_instead(state, given):
    if given in RETURN_LIFE[state]:
        moved = command(held(state), given, at(1))
        assert (moved.state, moved.changed_at) == (RETURN_LIFE[state][given], at(1))
        return
    with pytest.raises(RuleRefused, match=f"is {state} cannot {given}") as refused:
        command(held(state), given, at(1))
    assert all(allowed in str(refused.value) for allowed in RETURN_LIFE[state])


@pytest.mark.parametrize("settled_as", sorted(SETTLEMENTS))
@pytest.mark.parametrize("state", ["in_transit", "received", "inspected"])
def test_a_shop_may_settle_as_soon_as_the_goods_are_on_their_way(state, settled_as):
    done = settle(held(state), settled_as, 12, at(1))
    assert (done.state, done.settled_as, done.settled_at, done.replacement_id) == ("settled", settled_as, at(1), 12)


def test_a_settlement_that_is_none_is_refused():
    with pytest.raises(RuleRefused, match="refunded, rejected, replaced"):
        settle(held("received"), "forgotten", None, at(1))


@pytest.mark.parametrize("state", ["requested", "settled", "expired"])
def test_nothing_is_settled_that_is_not_on_its_way_or_over(state):
    with pytest.raises(RuleRefused):
        settle(held(state), "refunded", None, at(1))


RETURNING = event("returning.refused", 1)


@pytest.mark.parametrize(
    ("before", "story", "after"),
    [
        (None, (event("in_transit", 1),), None),
        (None, (event("delivered", 1),), None),
        (None, (RETURNING,), "in_transit"),
        (None, (event("returned", 1),), "received"),
        (None, (RETURNING, event("delivered", 2)), "received"),
        ("in_transit", (RETURNING, event("in_transit", 2)), "in_transit"),
        ("in_transit", (RETURNING, event("returned", 2)), "received"),
        ("settled", (RETURNING, event("returned", 2)), "settled"),  # refunded before it arrived
        ("received", (RETURNING, event("returned", 2)), "received"),
    ],
)
def test_a_return_to_sender_follows_the_scans(before, story, after):
    found = follow(held(before) if before else None, believed(*story), outbound=True, now=at(9))
    assert (found.state.value if found else None) == after


def test_a_return_to_sender_keeps_the_carriers_reason():
    assert present(follow(None, believed(RETURNING), outbound=True, now=at(9))).reason == "refused"
    assert present(follow(None, believed(event("returning", 1)), outbound=True, now=at(9))).reason == "undeliverable"


@pytest.mark.parametrize(
    ("before", "story", "after"),
    [
        ("label_sent", (), "label_sent"),
        ("label_sent", (event("announced", 1),), "label_sent"),
        ("label_sent", (event("accepted", 1),), "in_transit"),
        ("label_sent", (event("accepted", 1), event("delivered", 2)), "received"),
        ("in_transit", (event("accepted", 1), event("delivered", 2)), "received"),
        ("expired", (event("accepted", 1),), "expired"),
    ],
)
def test_a_customers_return_follows_the_scans(before, story, after):
    assert present(follow(held(before), believed(*story), outbound=False, now=at(9))).state == after


def test_scans_that_say_nothing_new_change_nothing():
    before = held("in_transit")
    assert follow(before, believed(RETURNING), outbound=True, now=at(9)) is before
