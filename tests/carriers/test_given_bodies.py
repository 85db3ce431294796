"""The given raw bodies of the carriers that are here, against the outcomes that people judged (read in place)."""

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carriers import registry
from carriers.contract import Answer, CarrierFailure, FailureKind, Report
from carriers.vocabulary import Category, Milestone
from tracker.domain.shipment import Belief, fold

GIVEN = Path(__file__).parents[3] / "shared" / "data" / "carriers"
CASES = [path for code in registry.codes() for path in sorted((GIVEN / code).glob("*.expected.json"))]
SEQUENCES = [
    path
    for path in sorted(GIVEN.glob("_sequences/*/expected.json"))
    if msgspec.json.decode(path.read_bytes())["carrier"] in registry.codes()
]

pytestmark = pytest.mark.skipif(not GIVEN.exists(), reason="the given bodies are not beside this repository")

_M = Milestone
COARSE = {
    _M.REGISTERED: "unknown", _M.ANNOUNCED: "pre_transit", _M.ACCEPTED: "in_transit", _M.IN_TRANSIT: "in_transit",
    _M.IN_CUSTOMS: "in_transit", _M.OUT_FOR_DELIVERY: "out_for_delivery", _M.READY_FOR_COLLECTION: "available_for_pickup",
    _M.DELIVERED: "delivered", _M.RETURNING: "returning", _M.RETURNED: "returned", _M.ENDED: "exception", _M.UNKNOWN: "unknown",
}  # fmt: skip
NO_CATEGORY = {Category.DELIVERY_ATTEMPT, Category.ROUTING}


def coarse_states(belief: Belief) -> set[str]:
    """All coarse names that fit: an open problem may be told as exception, or as the state under it."""
    states = {COARSE[belief.milestone]}
    if belief.milestone is _M.OUT_FOR_DELIVERY and belief.status_detail in ("attempt_failed", "notice_left"):
        states = {"attempt_failed"}
    ended = belief.milestone in (_M.DELIVERED, _M.RETURNING, _M.RETURNED)
    if belief.open_problem is not None and not ended and coarse_category(belief) is not None:
        states.add("exception")
    return states


def coarse_category(belief: Belief) -> str | None:
    problem = belief.open_problem
    if problem is None or problem.category in NO_CATEGORY:
        return None
    if problem.category is Category.RETURN:
        return "refused" if problem.cause == "refused" else None
    known = {Category.CUSTOMS, Category.WEATHER, Category.DELAY, Category.ADDRESS, Category.DAMAGE, Category.LOSS}
    return str(problem.category) if problem.category in known else "other"


def accepted(expected: dict[str, Any], field: str) -> list[Any]:
    return [expected[field], *expected.get("also_acceptable", {}).get(field, [])]


def fits(values: Iterable[object], allowed: list[Any]) -> bool:
    return "*" in allowed or any(value in allowed for value in values)


@pytest.mark.parametrize(
    "path", CASES, ids=lambda path: f"{path.parent.name}-{path.name.removesuffix('.expected.json')}"
)
def test_a_given_body_is_read_as_judged(path: Path) -> None:
    expected = msgspec.json.decode(path.read_bytes())
    body = (path.parent / expected["body_file"]).read_bytes()
    answer = Answer(expected["http_status"], expected["content_type"], body)
    parse = registry.adapter(path.parent.name).parse
    if "error" in expected:
        with pytest.raises(CarrierFailure) as caught:
            parse(answer)
        assert fits([str(caught.value.kind)], accepted(expected, "error"))
        assert caught.value.retryable == expected["retryable"]
        return
    [report] = parse(answer)
    check(report, expected)


def check(report: Report, expected: dict[str, Any]) -> None:
    belief = fold(report.events)
    assert report.tracking_number == expected["tracking_number"]
    assert len(report.events) == expected["event_count"]
    assert fits(coarse_states(belief), accepted(expected, "milestone"))
    assert fits([coarse_category(belief)], accepted(expected, "exception_category"))
    times = [event for event in report.events if event.occurred_at is not None]
    assert told(times[-1].occurred_at, times[-1].occurred_local, expected["latest_event_time"])
    assert told(times[0].occurred_at, times[0].occurred_local, expected["earliest_event_time"])
    check_delivery(report, belief, expected)
    check_estimate(report, accepted(expected, "estimated_delivery"))


def told(instant: datetime | None, local: str | None, expected: str) -> bool:
    """An expected time with offset is an instant, one without is what stood on the wall."""
    judged = datetime.fromisoformat(expected)
    return instant == judged if judged.tzinfo else local == expected


def check_delivery(report: Report, belief: Belief, expected: dict[str, Any]) -> None:
    allowed = accepted(expected, "delivered_at")
    if "*" in allowed or belief.delivered_at is None:
        assert "*" in allowed or None in allowed
        return
    [delivery] = [event for event in report.events if event.occurred_at == belief.delivered_at]
    assert any(one and told(delivery.occurred_at, delivery.occurred_local, one) for one in allowed)


def check_estimate(report: Report, allowed: list[Any]) -> None:
    estimate = report.estimate
    if estimate is None:
        assert None in allowed
        return
    ends = (estimate.earliest, estimate.latest)
    assert any(one and any(same_day_or_instant(end, one) for end in ends) for one in allowed)


def same_day_or_instant(end: datetime | date | None, judged: str) -> bool:
    if not isinstance(end, datetime):
        return end is not None and end.isoformat() == judged
    moment = datetime.fromisoformat(judged)
    if moment.tzinfo:
        return end == moment
    return abs((end.replace(tzinfo=None) - moment).total_seconds()) <= 14 * 3600  # its zone is the destination's


@pytest.mark.parametrize("path", SEQUENCES, ids=lambda path: path.parent.name)
def test_a_given_sequence_of_polls_brings_only_what_is_new(path: Path) -> None:
    expected = msgspec.json.decode(path.read_bytes())
    parse = registry.adapter(expected["carrier"]).parse
    seen: dict[str, Any] = {}
    for step in expected["steps"]:
        [report] = parse(Answer(200, "application/json", (path.parent / step["body_file"]).read_bytes()))
        new = [event for event in report.events if event.key not in seen]
        seen |= {event.key: event for event in report.events}
        belief = fold(seen.values())
        assert fits([len(new)], accepted(step, "new_event_count"))
        assert fits([len(seen)], accepted(step, "total_distinct_events"))
        assert fits(coarse_states(belief), accepted(step, "milestone"))
        assert fits([coarse_category(belief)], accepted(step, "exception_category"))


def test_a_failure_kind_is_spelled_as_the_given_outcomes_spell_it() -> None:
    spelled = {msgspec.json.decode(path.read_bytes()).get("error") for path in GIVEN.glob("*/*.expected.json")} - {None}
    assert spelled <= {str(kind) for kind in FailureKind}
