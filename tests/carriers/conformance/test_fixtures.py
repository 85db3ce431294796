"""Every carrier's own fixtures, found by walking: what is read in a body, and in which words it says no."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carriers import registry
from carriers.contract import Answer, CarrierFailure, Estimate, Report, TrackingEvent
from tracker.domain.shipment import fold

FIXTURES = Path(__file__).parents[1] / "fixtures"


def fixtures() -> list[Any]:
    paths = sorted(FIXTURES.glob("*/*.json"))
    return [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in paths]


def answer_of(fixture: dict[str, Any]) -> Answer:
    body = fixture["text"].encode() if "text" in fixture else msgspec.json.encode(fixture["body"])
    return Answer(fixture["status"], fixture["content_type"], body)


def read(path: Path) -> tuple[dict[str, Any], Answer]:
    fixture: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return fixture, answer_of(fixture)


def test_every_carrier_has_fixtures_of_parcels_and_of_refusals() -> None:
    for code in registry.codes():
        kinds = ["failure" in read(path)[0] for path in (FIXTURES / code).glob("*.json")]
        assert kinds.count(False) >= 3, f"{code} needs fixtures of shipments"
        assert kinds.count(True) >= 3, f"{code} needs fixtures of refusals"


@pytest.mark.parametrize("path", fixtures())
def test_a_body_is_read_as_its_fixture_says(path: Path) -> None:
    fixture, answer = read(path)
    parse = registry.adapter(path.parent.name).parse
    if "failure" in fixture:
        with pytest.raises(CarrierFailure) as caught:
            parse(answer)
        assert {"kind": caught.value.kind, "retryable": caught.value.retryable} == fixture["failure"]
        assert caught.value.detail
        return
    reports = parse(answer)
    assert [report.tracking_number for report in reports] == [one["tracking_number"] for one in fixture["reports"]]
    for report, expected in zip(reports, fixture["reports"], strict=True):
        assert report.failure == expected.get("failure")
        assert [spoken(event) for event in report.events] == [heard(one) for one in expected["events"]]
        assert estimated(report.estimate) == expected.get("estimate")
        check_state(report, expected)


def spoken(event: TrackingEvent) -> tuple[object, ...]:
    means = f"{event.milestone}.{event.status_detail}" if event.status_detail else str(event.milestone)
    problem = f"{event.problem.category}.{event.problem.cause}" if event.problem else None
    return event.occurred_at, means, problem, event.code, event.informational, event.tz_certainty


def heard(expected: dict[str, Any]) -> tuple[object, ...]:
    at = datetime.fromisoformat(expected["at"]).astimezone(UTC) if expected["at"] else None
    aside = expected.get("aside", False)
    return at, expected["means"], expected.get("problem"), expected["code"], aside, expected["zone"]


def estimated(estimate: Estimate | None) -> list[str] | None:
    if estimate is None:
        return None
    ends: tuple[datetime | date | None, ...] = (estimate.earliest, estimate.latest)
    return [end.isoformat() for end in ends if end is not None]


def check_state(report: Report, expected: dict[str, Any]) -> None:
    if "state" not in expected:
        return
    belief = fold(report.events)
    assert belief.milestone == expected["state"]
    if "open_problem" in expected:
        still = belief.open_problem
        assert (f"{still.category}.{still.cause}" if still else None) == expected["open_problem"]
    if "detail" in expected:
        assert report.detail == expected["detail"]
