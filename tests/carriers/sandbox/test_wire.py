import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from carriers.contract import Answer
from carriers.sandbox.parcel import Parcel, View, visible
from carriers.sandbox.wire import correos, correos_trackpub, dhl_unified, ups
from carriers.sandbox.wire.form import Form
from tests.carriers.sandbox.parcels import BODIES, NO_BODIES, every_parcel, moments_of_interest, parcel

FORMS: dict[str, list[Form]] = {"dhl_unified": [dhl_unified], "ups": [ups], "correos": [correos, correos_trackpub]}
needs_bodies = pytest.mark.skipif(not BODIES.exists(), reason=NO_BODIES)


def answers(subject: Parcel) -> Iterator[tuple[Form, View, Any]]:
    for now in moments_of_interest(subject):
        view = visible(subject, now)
        if view.facts:
            for form in FORMS[subject.carrier]:
                answer = form.found(view)
                assert (answer.status, answer.content_type) == (200, "application/json")
                yield form, view, json.loads(answer.body)


def events_of(form: Form, body: Any) -> list[dict[str, Any]]:
    """The records of a body, oldest first."""
    events: list[dict[str, Any]]
    if form is dhl_unified:
        events = body["shipments"][0]["events"][::-1]
    elif form is ups:
        events = body["trackResponse"]["shipment"][0]["package"][0]["activity"][::-1]
    else:
        events = body[0]["eventos"] if form is correos else body["events"]
    return events


def local_time(form: Form, event: dict[str, Any]) -> datetime:
    """What the clock at the place showed, as the record says it: without a zone."""
    if form is dhl_unified:
        return naive(event["timestamp"], "%Y-%m-%dT%H:%M:%S")
    if form is ups:
        return naive(event["date"] + event["time"], "%Y%m%d%H%M%S")
    if form is correos:
        return naive(f"{event['fecEvento']} {event['horEvento']}", "%d/%m/%Y %H:%M:%S")
    return naive(f"{event['eventDate']} {event['eventHours']}", "%d/%m/%Y %H:%M")


def naive(text: str, form: str) -> datetime:
    return datetime.strptime(f"{text}+0000", f"{form}%z").replace(tzinfo=None)


def paths(value: Any, path: str = "") -> set[str]:
    """All keys of a JSON document with their way from the root; positions in lists do not count."""
    if isinstance(value, dict):
        return {deeper for key, inner in value.items() for deeper in {f"{path}.{key}", *paths(inner, f"{path}.{key}")}}
    if isinstance(value, list):
        return {deeper for inner in value for deeper in paths(inner, f"{path}[]")}
    return set()


def bodies(carrier: str) -> list[Any]:
    files = [path for path in (BODIES / carrier).glob("*.json") if not path.name.endswith(".expected.json")]
    return [json.loads(path.read_text()) for path in files]


@pytest.mark.parametrize("subject", every_parcel(), ids=lambda p: f"{p.carrier}-{p.scenario}-{p.destination.city}")
def test_every_journey_can_be_asked_for_at_every_moment(subject: Parcel):
    for form, view, body in answers(subject):
        events = events_of(form, body)
        assert len(events) == len(view.facts)
        for fact, event in zip(view.facts, events, strict=True):
            zone = ZoneInfo("Europe/Madrid" if subject.carrier == "correos" else fact.spot.zone)
            real = fact.happened_at.astimezone(zone).replace(tzinfo=None)
            assert timedelta() <= real - local_time(form, event) < timedelta(minutes=1)


@needs_bodies
@pytest.mark.parametrize("carrier", FORMS)
def test_no_key_is_ours_alone(carrier):
    published = bodies(carrier)
    for subject in every_parcel():
        if subject.carrier == carrier:
            for form, _, body in answers(subject):
                alike = [paths(sample) for sample in published if type(sample) is type(body)]
                assert paths(body) - set().union(*alike) == set(), form


@needs_bodies
def test_refusals_have_the_shape_of_published_ones():
    assert json.loads(ups.not_found("").body) == published("ups/not_found_inside_200.json")
    assert json.loads(ups.invalid_number().body) == published("ups/invalid_number.json")
    assert json.loads(dhl_unified.too_many_requests(None).body) == published("dhl_unified/rate_limited.json")
    assert json.loads(dhl_unified.not_found("8264715546").body) == published("dhl_unified/not_found.json")
    assert paths(json.loads(correos.not_found("PQ").body)) == paths(published("correos/not_found_cod_error.json"))


@needs_bodies
def test_ups_says_what_ups_says():
    for name, scenario, city in [
        ("clearance_information_required", "customs_documents", "Manchester"),
        ("delay_strike", "strike_delay", "Paris"),
        ("severe_weather", "weather_delay", "Miami"),
    ]:
        published_status = published(f"ups/{name}.json")["trackResponse"]["shipment"][0]["package"][0]["activity"][0][
            "status"
        ]
        assert published_status in [event["status"] for event in final_events("ups", scenario, city)]


@needs_bodies
def test_dhl_says_what_dhl_says():
    held = published("dhl_unified/customs_documents_missing.json")["shipments"][0]["events"][0]
    ours = [event for event in final_events("dhl_unified", "customs_documents", "Guadalajara") if "remark" in event]
    assert [without(event, "timestamp", "location") for event in ours] == [without(held, "timestamp", "location")]


@needs_bodies
def test_correos_says_what_correos_says():
    told = ("codEvento", "fase", "color", "desTextoResumen", "desTextoAmpliado")
    delivered = published("correos/delivered_localizador_v1.json")[0]["eventos"]
    held = published("correos/held_at_customs.json")[0]["eventos"]
    home = [tuple(event[key] for key in told) for event in final_events("correos", "on_time", "A Coruña")]
    abroad = [tuple(event[key] for key in told) for event in final_events("correos", "customs_documents", "Miami")]
    assert set(home) == {tuple(event[key] for key in told) for event in delivered}
    assert {tuple(event[key] for key in told) for event in held} <= set(abroad)


def published(name: str) -> Any:
    return json.loads((BODIES / name).read_text())


def final_events(carrier: str, scenario: str, city: str) -> list[dict[str, Any]]:
    subject = parcel(carrier, scenario, city)
    form = FORMS[carrier][0]
    return events_of(form, json.loads(form.found(visible(subject, subject.journey.ends_at)).body))


def without(event: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in keys}


def test_dhl_is_newest_first_naive_but_for_the_proof_of_delivery():
    subject = parcel("dhl_unified", "on_time", "Miami")
    shipment = json.loads(dhl_unified.found(visible(subject, subject.journey.ends_at)).body)["shipments"][0]
    assert [event["statusCode"] for event in shipment["events"]][:: len(shipment["events"]) - 1] == [
        "delivered",
        "pre-transit",
    ]
    assert shipment["status"] == shipment["events"][0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00", shipment["status"]["timestamp"])
    proof = shipment["details"]["proofOfDelivery"]
    assert proof["timestamp"].endswith("Z")
    assert proof["timestamp"][:16] != shipment["status"]["timestamp"][:16]
    assert proof["signed"]["name"] == "PRIETO"


def test_ups_names_a_scheduled_a_revised_and_an_actual_day():
    subject = parcel("ups", "weather_delay", "Lyon")
    kinds = []
    for _, _, body in answers(subject):
        kinds += [entry["type"] for entry in body["trackResponse"]["shipment"][0]["package"][0].get("deliveryDate", [])]
    assert list(dict.fromkeys(kinds)) == ["SDD", "RDD", "DEL"]


def test_some_ups_accounts_get_gmt_times_and_they_agree_with_the_local_ones():
    with_gmt = next(
        each for each in (parcel("ups", "on_time", "Miami", seed=str(seed)) for seed in range(50)) if has_gmt(each)
    )
    for event in final_of(with_gmt):
        gmt = datetime.strptime(f"{event['gmtDate']}{event['gmtTime']}+0000", "%Y%m%d%H%M%S%z")
        local = datetime.strptime(f"{event['date']}{event['time']}{event['gmtOffset']}", "%Y%m%d%H%M%S%z")
        assert gmt == local
    assert not all(has_gmt(parcel("ups", seed=str(seed))) for seed in range(50))


def final_of(subject: Parcel) -> list[dict[str, Any]]:
    return events_of(ups, json.loads(ups.found(visible(subject, subject.journey.ends_at)).body))


def has_gmt(subject: Parcel) -> bool:
    return "gmtDate" in final_of(subject)[0]


def test_correos_stamps_spanish_time_also_on_the_islands_and_abroad():
    for city, behind in [("Santa Cruz de Tenerife", 1), ("Miami", 6)]:
        subject = parcel("correos", "on_time", city)
        delivered = subject.journey.facts[-1]
        stamped = local_time(correos, final_events("correos", "on_time", city)[-1])
        there = delivered.spot.local(delivered.happened_at).replace(tzinfo=None)
        assert stamped - there == timedelta(hours=behind)


def test_an_answer_of_correos_names_the_consignment_of_the_parcel():
    assert correos.consignment("PQ5HG70200028570115706M") == "PQ5HG7020002857V"
    assert correos.consignment("CX123456785ES") == ""


@pytest.mark.parametrize(("form", "status"), [(dhl_unified, 401), (ups, 401), (correos, 401), (correos_trackpub, 401)])
def test_every_form_has_all_refusals(form: Form, status: int):
    assert form.unauthorised().status == status
    assert form.server_error().status == 500
    limited: Answer = form.too_many_requests(17)
    assert (limited.status, limited.retry_after) == (429, 17)
