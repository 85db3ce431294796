import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.phrases import NOTHING, Meaning, meaning_of, problem_of, read_text
from carriers.vocabulary import Category, Milestone

TEXTS = Path(__file__).parents[3] / "shared" / "data" / "texts" / "carrier_event_texts_given.csv"

SENTENCES = [
    # customs: a step, a hold, what is missing, released
    ("Processed for clearance at LEIPZIG - GERMANY", "in_customs.import_presented", None),
    ("En trámite aduanero", "in_customs.import_presented", None),
    ("Die Sendung befindet sich in der Zollabfertigung", "in_customs.import_presented", None),
    ("Clearance delay", "in_customs.inspection", "customs.inspection"),
    ("Envío retenido por la aduana", "in_customs.inspection", "customs.inspection"),
    ("Die Sendung wurde vom Zoll angehalten.", "in_customs.inspection", "customs.inspection"),
    ("Pending release from a government agency", "in_customs.inspection", "customs.inspection"),
    ("Held at customs: a commercial invoice is required", "in_customs.documents_required", "customs.documents_missing"),
    ("Retenido en Aduana pendiente de documentación", "in_customs.documents_required", "customs.documents_missing"),
    ("Vom Zoll angehalten. Es fehlen Unterlagen.", "in_customs.documents_required", "customs.documents_missing"),
    ("Payment of the duties and taxes is required.", "in_customs.duties_due", "customs.duties_unpaid"),
    ("The shipment is held until the duties and taxes have been paid.", "in_customs.duties_due", "customs.duties_unpaid"),
    ("Released by customs, import duties payment pending", "in_customs.duties_due", "customs.duties_unpaid"),
    ("Pendiente de pago de aranceles", "in_customs.duties_due", "customs.duties_unpaid"),
    ("Payment is received and recorded for shipment related fees", "in_customs.duties_paid", None),
    ("Broker notified to arrange for clearance", "in_customs.import_presented", None),
    ("Clearance processing complete at MIAMI - USA", "in_customs.import_released", None),
    ("El envío ha sido despachado de Aduana", "in_customs.import_released", None),
    ("Verzollung abgeschlossen", "in_customs.import_released", None),
    # weather, delay, routing
    ("A winter storm has delayed delivery", "in_transit.delayed_by_carrier", "weather.snow_ice"),
    ("Retraso por condiciones meteorológicas adversas", "in_transit.delayed_by_carrier", "weather.storm"),
    ("Zustellung wegen Hochwasser verzögert", "in_transit.delayed_by_carrier", "weather.flood"),
    ("A labor strike has prevented delivery", "in_transit.delayed_by_carrier", "delay.strike"),
    ("Retraso debido a huelga", "in_transit.delayed_by_carrier", "delay.strike"),
    ("A late UPS trailer arrival has caused a delay", "in_transit.delayed_by_carrier", "delay.vehicle_or_technical"),
    ("A missed flight has caused a delay", "in_transit.delayed_by_carrier", "delay.missed_connection_or_flight"),
    ("Die Sendung wurde zurückgestellt. Die Zustellung erfolgt vrs. am nächsten Werktag.", "in_transit.delayed_by_carrier", "delay.unexplained"),
    ("incorrectly sorted this package", "in_transit.missorted", "routing.missort"),
    ("Envío mal encaminado", "in_transit.missorted", "routing.missort"),
    # attempts and their causes
    ("Delivery attempted; recipient not home", "out_for_delivery.attempt_failed", "delivery_attempt.nobody_home"),
    ("Intento de entrega. Ausente", "out_for_delivery.attempt_failed", "delivery_attempt.nobody_home"),
    ("Die Sendung konnte heute nicht zugestellt werden.", "out_for_delivery.attempt_failed", "delivery_attempt.nobody_home"),
    ("Unable to deliver due to closed premises", "out_for_delivery.attempt_failed", "delivery_attempt.business_closed"),
    ("No entregado. Dirección incorrecta", "out_for_delivery.attempt_failed", "address.wrong"),
    ("We attempted delivery but severe weather stopped us", "out_for_delivery.attempt_failed", "weather.storm"),
    ("The street number is incorrect.", "in_transit.held_by_carrier", "address.wrong"),
    ("Recipient moved", "in_transit.held_by_carrier", "address.moved"),
    ("Recipient refused delivery", "out_for_delivery.attempt_failed", "return.refused"),
    ("Envío rehusado por el destinatario", "out_for_delivery.attempt_failed", "return.refused"),
    # waiting for the recipient
    ("Delivered to UPS Access Point™", "ready_for_collection.at_point", None),
    ("A disposición del destinatario", "ready_for_collection.at_point", None),
    ("Depositado en Citypaq", "ready_for_collection.at_locker", None),
    ("Die Sendung liegt in der Filiale zur Abholung bereit.", "ready_for_collection.at_point", None),
    ("Final Notice; Item will be returned to sender if not collected within 10 days", "ready_for_collection.about_to_expire", None),
    # delivered, to whom
    ("Delivered - Signed for by: LOPEZ", "delivered.to_recipient", None),
    ("Die Sendung wurde einem Nachbarn übergeben", "delivered.to_neighbour", None),
    ("The package was left at the front door", "delivered.to_safe_place", None),
    ("Envío entregado en oficina al destinatario", "delivered.collected", None),
    ("Delivered, package was damaged", "delivered.damaged_on_delivery", "damage.damaged_in_transit"),
    ("The parcel will be delivered tomorrow", "in_transit", None),
    # back
    ("Entregado al remitente", "returned.arrived_sender", None),
    ("Returned to shipper", "returned.arrived_sender", None),
    ("It will now be returned to the sender", "returning", None),
    ("En proceso de devolución", "returning", None),
    ("Finalizado plazo retirada", "returning.unclaimed", None),
    ("Refused. Returned to sender.", "returning.refused", "return.refused"),
    ("Incorrect address, being returned to sender", "returning", "address.wrong"),
    # loss and damage on the way
    ("The package was lost", "in_transit.held_by_carrier", "loss.declared_lost"),
    ("We've begun an investigation to locate the package.", "in_transit.held_by_carrier", "loss.presumed_lost"),
    ("El envío ha sufrido daños", "in_transit.held_by_carrier", "damage.damaged_in_transit"),
    # the ordinary way
    ("Shipment information received", "announced.data_received", None),
    ("Die Sendung wurde elektronisch angekündigt.", "announced.data_received", None),
    ("Shipment picked up", "accepted.picked_up", None),
    ("Arrived at DHL Sort Facility MADRID - SPAIN", "in_transit.arrived_hub", None),
    ("Arrived at DHL Delivery Facility MADRID - SPAIN", "in_transit.at_delivery_depot", None),
    ("Shipment is out with courier for delivery", "out_for_delivery.on_vehicle", None),
    ("Envío en reparto para su entrega", "out_for_delivery.on_vehicle", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "means", "problem"), SENTENCES)
def test_a_sentence_says_where_the_parcel_is_and_what_is_wrong(text: str, means: str, problem: str | None) -> None:
    read = read_text(text)
    said = f"{read.milestone}.{read.status_detail}" if read.status_detail else str(read.milestone)
    assert (said, read.problem) == (means, problem_of(problem))
    assert not read.informational


@pytest.mark.parametrize(
    "text",
    [
        "E-mail sent to the recipient: your parcel is delayed",
        "Customs clearance status updated. Note - The Customs clearance process may start while in transit.",
        "Clearance event",
        "Proof of delivery is now available",
        "Shipment is on schedule",
        "Enviado SMS al destinatario",
        "UPS has received your delivery change request",
    ],
)
def test_a_notice_or_a_forecast_moves_nothing(text: str) -> None:
    read = read_text(text)
    assert read.informational
    assert read.problem is None


@pytest.mark.parametrize("text", ["", "Xzzq blorf", "JESSICA", "4711", "¿?"])
def test_what_is_not_recognised_says_nothing(text: str) -> None:
    assert read_text(text) == NOTHING


def test_words_of_a_table_must_be_of_the_vocabulary() -> None:
    assert meaning_of("in_customs.duties_due", "customs.duties_unpaid").problem == problem_of("customs.duties_unpaid")
    for wrong in ("in_customs.lost", "nowhere"):
        with pytest.raises(ValueError, match=wrong.rpartition(".")[2]):
            meaning_of(wrong)
    with pytest.raises(ValueError, match="is no cause of customs"):
        problem_of("customs.storm")


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read_text(text), Meaning)


def label(read: Meaning) -> str:
    """The reading in the labels of the given texts."""
    category = read.problem.category if read.problem else None
    if read.problem is not None and read.problem.cause == "refused":
        return "refused"
    if category is Category.CUSTOMS and read.problem is not None:
        return {"duties_unpaid": "duties_due", "documents_missing": "customs_docs_required"}.get(
            read.problem.cause, "customs_hold"
        )
    by_category = {
        Category.WEATHER: "weather", Category.ADDRESS: "address_problem", Category.DAMAGE: "damaged", Category.LOSS: "lost",
        Category.DELAY: "delay_other", Category.ROUTING: "delay_other", Category.DELIVERY_ATTEMPT: "failed_attempt",
    }  # fmt: skip
    if category is not None and read.milestone is not Milestone.RETURNING:
        return by_category[category]
    by_detail = {"import_released": "customs_cleared", "held_by_carrier": "delay_other"}
    by_milestone = {
        Milestone.ANNOUNCED: "info_received", Milestone.ACCEPTED: "in_transit", Milestone.IN_TRANSIT: "in_transit",
        Milestone.IN_CUSTOMS: "in_transit", Milestone.OUT_FOR_DELIVERY: "out_for_delivery",
        Milestone.READY_FOR_COLLECTION: "available_for_pickup", Milestone.DELIVERED: "delivered",
        Milestone.RETURNING: "returning", Milestone.RETURNED: "returned_to_sender",
    }  # fmt: skip
    return by_detail.get(read.status_detail or "", by_milestone.get(read.milestone, "nothing"))


@pytest.mark.skipif(not TEXTS.exists(), reason="the given event texts are not beside this repository")
def test_most_of_the_given_texts_are_read_as_people_labelled_them() -> None:
    rows = [
        row
        for row in csv.DictReader(TEXTS.read_text(encoding="utf-8").splitlines())
        if row["lang"] in ("en", "es", "de")
    ]
    right = [row for row in rows if label(read_text(row["text"])) in (row["label"], *row["also"].split("|"))]
    assert len(right) / len(rows) > 0.95
