"""The adapters read what the sandbox tells: two readings of the carriers' formats that do not know each other."""

import importlib
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import pytest

from carriers.contract import Parse, Report, TrackingEvent
from carriers.sandbox.journey import Fact
from carriers.sandbox.parcel import Parcel, truth, visible
from carriers.sandbox.wire import correos, correos_trackpub, dhl_unified, ups
from carriers.sandbox.wire.form import Form
from carriers.sandbox.words import CARRIERS, moments
from tests.carriers.sandbox.parcels import every_parcel

FORMS: dict[str, list[Form]] = {"dhl_unified": [dhl_unified], "ups": [ups], "correos": [correos, correos_trackpub]}

# Where both readings can be defended: (carrier, moment). Each milestone and category elsewhere must be the same.
BOTH_RIGHT = {
    ("ups", "lost"): "068 is the lost and found: nothing but a person ends a shipment there",
    ("ups", "searching"): "046 is a delay, only the text speaks of a search",
    ("ups", "refused"): "a refusal at the door is an attempt until the parcel turns back",
    ("dhl_unified", "refused"): "the same",
    (
        "dhl_unified",
        "customs_duties_paid",
    ): "a payment was recorded: whether the parcel is still in customs is not said",
    ("dhl_unified", "unclaimed"): "on its way back; that nobody collected it is not a problem of its own",
    ("correos", "unclaimed"): "the same",
}


class Reading(NamedTuple):
    parcel: Parcel
    fact: Fact
    event: TrackingEvent


def reports(subject: Parcel) -> Iterator[Report]:
    parse: Parse = importlib.import_module(f"carriers.adapters.{subject.carrier}.parse").parse
    for form in FORMS[subject.carrier]:
        [report] = parse(form.found(visible(subject, subject.journey.ends_at)))
        yield report


def readings(carrier: str) -> Iterator[Reading]:
    for subject in every_parcel():
        if subject.carrier == carrier:
            for report in reports(subject):
                for fact, event in zip(subject.journey.facts, report.events, strict=True):
                    yield Reading(subject, fact, event)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_each_event_is_read_at_its_instant(carrier):
    for _, fact, event in readings(carrier):
        assert event.occurred_at is not None
        assert 0 <= (fact.happened_at - event.occurred_at).total_seconds() < 60, fact


@pytest.mark.parametrize("carrier", CARRIERS)
def test_each_event_is_read_with_its_milestone_and_the_category_of_its_problem(carrier):
    different = set()
    for _, fact, event in readings(carrier):
        moment = moments()[fact.moment]
        told = moment.milestone, moment.problem[0] if moment.problem else None
        read = event.milestone, event.problem.category if event.problem else None
        if told != read and (carrier, fact.moment) not in BOTH_RIGHT:
            different.add((fact.moment, told, read, event.text))
    assert different == set()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_each_journey_is_read_to_its_end(carrier):
    for subject in every_parcel():
        ended = carrier, subject.journey.facts[-1].moment
        if subject.carrier == carrier and ended not in BOTH_RIGHT:
            for report in reports(subject):
                assert report.tracking_number == subject.number
                assert report.events[-1].milestone is truth(subject, subject.journey.ends_at).milestone, (
                    subject.scenario
                )


@pytest.mark.parametrize("carrier", ["dhl_unified", "ups"])
def test_the_day_that_a_carrier_names_is_read_as_that_day_at_the_destination(carrier):
    parse: Parse = importlib.import_module(f"carriers.adapters.{carrier}.parse").parse
    views = [visible(each, fact.known_at) for each in every_parcel() for fact in each.journey.facts]
    for view in views:
        if view.parcel.carrier == carrier and view.estimate is not None:
            [report] = parse(FORMS[carrier][0].found(view))
            latest = report.estimate.latest if report.estimate else None
            day = view.parcel.destination.local(latest).date() if isinstance(latest, datetime) else latest
            assert day == view.estimate.day
