import re
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest

from carriers.vocabulary import STATUS_DETAILS, Milestone
from notifications.languages import speech
from tracker.domain.cause import TABLE, Reach
from tracker.domain.returns import SETTLEMENTS, ReturnState
from tracker.domain.shipment import Belief, Expectation
from tracker.store.customer_page import Linked, Step, Trouble
from tracker.web import words
from tracker.web.customer import story

NOW = datetime(2026, 11, 23, 9, 20, tzinfo=UTC)
LANGUAGES = sorted(words.available())
TOLD = [key for key, cause in TABLE.items() if cause.reach is Reach.CUSTOMER and key[0] not in ("order", "shop")]
SPEAKS_OF_A_MAIL = re.compile(r"este correo|this email|this mail|this message", re.IGNORECASE)


def linked(milestone: Milestone = Milestone.IN_TRANSIT, detail: str | None = None, **given: Any) -> Linked:
    values: dict[str, Any] = {
        "id": 1, "order_id": 1, "carrier": "correos", "tracking_number": "PK1", "direction": "outbound",
        "belief": Belief(milestone=milestone, status_detail=detail, city="Zaragoza", country="ES"),
        "expectation": Expectation(), "promised_at": None, "origin_country": "ES", "destination_country": "ES",
        "order_reference": "1042", "language": "es", "zone": "Europe/Madrid", "shop": "Casa Alameda", "phone": None,
        "reply_email": "a@b.example", "website": None, "sender_email": "p@b.example", "shop_language": "es",
        "return_state": None, "settled_as": None, "made_good": None,
    }  # fmt: skip
    return Linked(milestone=milestone, **values | given)


def trouble(category: str = "customs", cause: str = "documents_missing", **given: Any) -> Trouble:
    held = TABLE[category, cause]  # type: ignore[index]
    values: dict[str, Any] = {
        "severity": "high", "action_owner": held.owner, "action": held.action, "action_until": NOW + timedelta(days=2),
        "opened_at": NOW, "promised_update_at": NOW + timedelta(days=1), "silent_updates": 0,
    }  # fmt: skip
    return Trouble(category=category, cause=cause, **values | given)


def step(milestone: str, detail: str | None = None, **given: Any) -> Step:
    values: dict[str, Any] = {
        "occurred_at": NOW,
        "occurred_local": None,
        "category": None,
        "city": None,
        "country": None,
    }
    return Step(**{"key": f"{milestone}{detail}", "milestone": milestone, "status_detail": detail} | values | given)


def tell(
    parcel: Linked, *troubles: Trouble, steps: list[Step] | None = None, code: str = "es", **given: Any
) -> story.Story:
    return story.tell(parcel, "Correos", steps or [], troubles, words.language(code), NOW, **given)


def everything(told: story.Story) -> str:
    return msgspec.json.encode(told).decode()


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_place_and_detail_has_a_first_line_that_names_the_order(code):
    for milestone, details in STATUS_DETAILS.items():
        for detail in (None, *details):
            told = tell(linked(milestone, detail), code=code)
            assert "1042" in told.headline
            assert "{" not in everything(told).replace('{"', "")
            assert sum(one.place == "current" for one in told.progress) <= 1


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_cause_that_customers_are_told_of_says_all_that_they_ask(code):
    assert len(TOLD) > 40
    for category, cause in TOLD:
        told = tell(linked(), trouble(category, cause), code=code)
        assert told.tone == "trouble", (category, cause)
        assert all((told.happened, told.expected, told.doing, told.can_do, told.next_word)), (category, cause)
        assert not SPEAKS_OF_A_MAIL.search(everything(told)), (category, cause, everything(told))


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_customers_can_do_is_as_particular_on_the_page_as_in_the_letter(code):
    letters, page = speech(code, code), words.language(code)

    for category, cause in TOLD:
        for key in (f"cause.{category}.{cause}", f"category.{category}"):
            if letters.knows(f"{key}.can_do"):
                assert page.knows("can_do", key.partition(".")[2]), key


def test_the_weightiest_incident_speaks():
    told = tell(linked(), trouble("loss", "declared_lost"), trouble())

    assert told.headline == "Su paquete se ha perdido"


def test_a_recipient_who_must_act_is_told_by_when_and_what_happens_otherwise():
    must, need_not = tell(linked(), trouble()), tell(linked(), trouble("weather", "storm"))

    assert "25 de noviembre" in must.can_do[1]
    assert len(need_not.can_do) == 1
    assert "No tiene que hacer nada" in need_not.can_do[0]


def test_an_incident_without_words_of_its_own_leaves_the_plain_truth():
    told = tell(linked(), msgspec.structs.replace(trouble(), category="customs", cause="not_yet_known"))

    assert told.headline == "Su pedido 1042 está en camino."
    assert told.doing is None


@pytest.mark.parametrize(
    ("parcel", "says"),
    [
        ({"expectation": Expectation(latest=NOW + timedelta(days=1))}, "martes 24 de noviembre"),
        ({"promised_at": NOW + timedelta(days=3)}, "a más tardar el jueves 26 de noviembre"),
        ({"promised_at": NOW - timedelta(days=3)}, "no ha sido así"),
        (
            {"promised_at": NOW, "expectation": Expectation(latest=NOW + timedelta(days=2))},
            "en lugar del lunes 23 de noviembre",
        ),
    ],
)
def test_the_date_is_said_in_words_where_the_customer_is(parcel, says):
    assert says in (tell(linked(**parcel)).expected or "")


def test_of_a_parcel_without_any_date_none_is_said():
    assert tell(linked()).expected is None
    assert tell(linked(Milestone.DELIVERED, promised_at=NOW - timedelta(days=1))).expected is None


@pytest.mark.parametrize("code", LANGUAGES)
def test_returns_are_told_in_every_state(code):
    for direction, state in product(("outbound", "return"), ReturnState):
        for settled_as in sorted(SETTLEMENTS) if state is ReturnState.SETTLED else (None,):
            parcel = linked(Milestone.RETURNED, direction=direction, return_state=state.value, settled_as=settled_as)
            assert "1042" in tell(parcel, code=code).headline


def test_a_settled_return_says_how_it_ended():
    told = tell(linked(Milestone.RETURNED, return_state="settled", settled_as="refunded"))

    assert told.headline == "Le hemos devuelto el importe de su pedido 1042."


def test_of_an_order_in_several_parcels_only_this_one_is_said_to_have_arrived():
    told = tell(linked(Milestone.DELIVERED), is_alone=False)

    assert told.headline == "Este paquete de su pedido 1042 está entregado."


def places(told: story.Story) -> list[tuple[str, str]]:
    return [(one.milestone, one.place) for one in told.progress]


def test_progress_shows_customs_while_it_lasts_and_once_it_is_far_behind():
    steps = [step("in_customs"), step("in_transit")]
    inside = places(tell(linked(Milestone.IN_CUSTOMS), steps=steps))
    released = places(tell(linked(Milestone.IN_TRANSIT), steps=steps))
    later = places(tell(linked(Milestone.OUT_FOR_DELIVERY), steps=steps))

    assert inside[2] == ("in_customs", "current")
    assert ("in_customs", "done") not in released
    assert released[1] == ("in_transit", "current")
    assert later[2:4] == [("in_customs", "done"), ("out_for_delivery", "current")]


def test_progress_of_a_return_ends_at_the_shop():
    assert places(tell(linked(Milestone.RETURNING)))[-2:] == [("returning", "current"), ("returned", "ahead")]
    assert places(tell(linked(Milestone.RETURNED)))[-1] == ("returned", "done")


def test_history_is_in_our_words_in_local_time_and_says_nothing_twice():
    steps = [
        step("in_transit", "arrived_hub", key="3", city="ZARAGOZA", occurred_local="2026-11-22T23:05:00"),
        step("in_transit", "arrived_hub", key="2", city="ZARAGOZA", occurred_local="2026-11-22T22:55:00"),
        step("accepted", key="1", city="Madrid"),
        step("accepted", key="1", city="Toledo"),
    ]

    told = tell(linked(), steps=steps).history

    assert [(one.day, one.hour, one.words, one.city) for one in told] == [
        ("domingo, 22 de noviembre", "22:55", "Su paquete ha llegado a un centro de clasificación", "Zaragoza"),
        ("lunes, 23 de noviembre", "10:20", "El transportista tiene su paquete", "Madrid"),
    ]


def test_a_scan_without_a_time_is_told_without_one():
    told = tell(linked(), steps=[step("delivered", occurred_at=None, occurred_local="yesterday")]).history

    assert (told[0].day, told[0].hour, told[0].moment) == ("", "", None)


def test_a_delivery_is_told_once_in_the_time_of_its_place_above_and_in_the_history():
    at = datetime(2026, 11, 23, 12, 51, tzinfo=UTC)
    scan = step("delivered", occurred_at=at, occurred_local="2026-11-23T12:51:00", city="LAS PALMAS")
    parcel = linked(Milestone.DELIVERED, belief=Belief(milestone=Milestone.DELIVERED, delivered_at=at))
    told = tell(parcel, steps=[scan])
    assert told.delivered is not None
    assert (told.delivered.hour, told.history[0].hour) == ("12:51", "12:51")


@pytest.mark.parametrize(("made_good", "tone"), [(None, "trouble"), ("refunded", "good"), ("reshipped", "good")])
def test_a_parcel_that_is_gone_is_no_success_until_it_is_made_good_and_then_says_how(made_good, tone):
    told = tell(linked(Milestone.ENDED, "destroyed", made_good=made_good))
    assert told.tone == tone
    assert told.progress[-1].place == "current"
    assert ("no llegará" in told.headline) is (made_good is None)
    if made_good is not None:
        assert told.happened == "Este paquete se ha destruido."
    refunded = tell(linked(Milestone.ENDED, "destroyed", made_good="refunded"), code="en")
    assert refunded.headline == "We have refunded your order 1042."


def test_a_scan_that_states_damage_says_so():
    told = tell(linked(), steps=[step("in_transit", "held_by_carrier", category="damage")], code="en")
    assert told.history[0].words == "Your parcel was damaged on its way"


@pytest.mark.parametrize(("code", "last_year"), [("es", "31 de diciembre de 2025"), ("en", "31 December 2025")])
def test_a_day_of_another_year_says_which(code, last_year):
    old = datetime(2025, 12, 31, 12, tzinfo=UTC)
    this, other = tell(linked(), steps=[step("in_transit"), step("accepted", occurred_at=old)], code=code).history
    assert last_year in other.day
    assert "2026" not in this.day
