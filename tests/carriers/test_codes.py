from pathlib import Path

import pytest

from carriers import registry
from carriers.codes import Codes, load_codes, milestone_of, read_words
from carriers.phrases import meaning_of, problem_of
from carriers.vocabulary import STATUS_DETAILS, Milestone

PAGE = """
sources.list = "the carrier's list"
codes = [
    { code = "T", means = "in_transit", refine = true, source = "list", confirmed = true },
    { code = "D", means = "delivered", refine = true, source = "list", confirmed = true },
    { code = "P", means = "ready_for_collection.at_point", source = "list", confirmed = true },
    { code = "X", means = "in_transit.delayed_by_carrier", problem = "delay.unexplained", source = "list", confirmed = true },
    { code = "C", means = "in_customs.duties_due", problem = "customs.duties_unpaid", source = "list", confirmed = true },
    { code = "M", means = "in_transit", informational = true, source = "list", confirmed = true },
]
texts = [
    { text = "Devuelto.", means = "returned.arrived_sender", source = "list", confirmed = true },
    { text = "Entregado", means = "delivered.to_recipient", source = "list", confirmed = true },
]
reasons = [
    { code = "7V", problem = "weather.storm", source = "list", confirmed = true },
    { code = "A6", problem = "address.wrong", source = "list", confirmed = true },
]
"""


@pytest.fixture
def codes(tmp_path: Path) -> Codes:
    path = tmp_path / "codes.toml"
    path.write_text(PAGE)
    return load_codes(path)


@pytest.mark.parametrize(
    ("code", "text", "means", "problem"),
    [
        # a known code
        ("P", "Delivered", "ready_for_collection.at_point", None),
        ("T", None, "in_transit", None),
        # a code that says little, and the text
        ("T", "Held by customs, invoice missing", "in_customs.documents_required", "customs.documents_missing"),
        ("T", "Delivered to the recipient", "in_transit", None),
        ("T", "Returned to sender", "returning", None),
        ("T", "The package was lost", "in_transit.held_by_carrier", "loss.declared_lost"),
        ("D", "Left with a neighbour", "delivered.to_neighbour", None),
        ("D", "Delivered to a parcel shop", "ready_for_collection.at_point", None),
        ("D", "Entregado al remitente", "returned.arrived_sender", None),
        ("D", "Delivered in a damaged box", "delivered.damaged_on_delivery", "damage.damaged_in_transit"),
        ("D", "Held by customs", "delivered", None),
        # an unexplained problem takes its cause from the text, an explained one does not
        ("X", "Delayed by a strike", "in_transit.delayed_by_carrier", "delay.strike"),
        ("X", "Heavy snow", "in_transit.delayed_by_carrier", "weather.snow_ice"),
        ("C", "Delayed by a strike", "in_customs.duties_due", "customs.duties_unpaid"),
        # unknown codes: a text may say anything but an end
        ("?", "Out for delivery", "out_for_delivery.on_vehicle", None),
        ("?", "Delivered to the recipient", "unknown", None),
        ("?", "Returned to shipper by post", "returning", None),
        ("?", "Xzzq", "unknown", None),
        (None, None, "unknown", None),
        # texts that are listed word for word count as codes
        ("?", "entregado", "delivered.to_recipient", None),
        ("?", "DEVUELTO", "returned.arrived_sender", None),
        ("T", "Devuelto", "returned.arrived_sender", None),
        ("T", "Entregado", "in_transit", None),
        ("P", "Devuelto", "ready_for_collection.at_point", None),
    ],
)
def test_code_and_text_together_mean(
    codes: Codes, code: str | None, text: str | None, means: str, problem: str | None
) -> None:
    read = codes.understand(code, text)
    assert (read.milestone, read.status_detail) == (meaning_of(means).milestone, meaning_of(means).status_detail)
    assert read.problem == problem_of(problem)


@pytest.mark.parametrize(
    ("code", "reason", "problem"),
    [
        ("X", "7V", "weather.storm"),
        ("C", "A6", "customs.duties_unpaid"),
        ("?", "A6", "address.wrong"),
        ("T", "7V", None),
        ("M", "7V", None),
    ],
)
def test_a_reason_gives_a_cause_where_one_is_open(codes: Codes, code: str, reason: str, problem: str | None) -> None:
    assert codes.understand(code, None, reason=reason).problem == problem_of(problem)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            '{ code = "A", means = "in_transit.lost", source = "list", confirmed = true }',
            "A: 'lost' is no status detail",
        ),
        (
            '{ code = "A", means = "nowhere", source = "list", confirmed = true }',
            "A: 'nowhere' is not a valid Milestone",
        ),
        (
            '{ code = "A", problem = "customs.storm", source = "list", confirmed = true }',
            "A: 'storm' is no cause of customs",
        ),
        ('{ code = "A", action_owner = "me", source = "list", confirmed = true }', "A: 'me' is no owner"),
        ('{ code = "A", source = "hearsay", confirmed = true }', "A: the source 'hearsay' is not listed"),
        ('{ code = "A", source = "list", confirmed = true, moves = 1 }', "moves"),
        ('{ code = "A", source = "list" }', "confirmed"),
        ('{ source = "list", confirmed = true }', "neither code nor text"),
        (
            '{ code = "A", source = "list", confirmed = true }, { code = "A", source = "list", confirmed = true }',
            "A is listed twice",
        ),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    path = tmp_path / "codes.toml"
    path.write_text(f'sources.list = "x"\ncodes = [{row}]')
    with pytest.raises(ValueError, match=r"codes\.toml") as caught:
        load_codes(path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("milestone", "detail", "text", "problem"),
    [
        (Milestone.IN_TRANSIT, None, "Delayed by snow", "weather.snow_ice"),
        (Milestone.IN_TRANSIT, "delayed_by_carrier", None, "delay.unexplained"),
        (Milestone.IN_TRANSIT, "delayed_by_carrier", "strike", "delay.strike"),
        (Milestone.IN_CUSTOMS, "documents_required", "Delayed by snow", "customs.documents_missing"),
        (Milestone.OUT_FOR_DELIVERY, "attempt_failed", "wrong address", "address.wrong"),
        (Milestone.DELIVERED, None, "Delayed by snow", None),
        (Milestone.DELIVERED, "to_recipient", "the box was damaged", "damage.damaged_in_transit"),
        (Milestone.ANNOUNCED, None, "Delayed by snow", None),
        (Milestone.RETURNING, "refused", None, "return.refused"),
    ],
)
def test_our_own_words_stand_and_the_text_only_explains(
    milestone: Milestone, detail: str | None, text: str | None, problem: str | None
) -> None:
    read = read_words(milestone, detail, text)
    assert (read.milestone, read.status_detail) == (milestone, detail)
    assert read.problem == problem_of(problem)


def test_a_status_detail_belongs_to_one_milestone() -> None:
    for milestone, details in STATUS_DETAILS.items():
        assert {milestone_of(detail) for detail in details} <= {milestone}
    assert milestone_of("nothing of ours") is None


def test_a_coarse_reason_does_not_replace_the_cause_that_a_code_names() -> None:
    """UPS 126 is a hold by the authorities; its reason 40 speaks of papers in general."""
    ups = registry.code_table("ups")
    meaning = ups.understand("126", "Your package is being held for inspection by a government agency.", reason="40")
    assert (meaning.problem, meaning.action_owner) == (problem_of("customs.inspection"), "authority")


def test_who_acts_follows_the_cause() -> None:
    """Where another cause takes the place of the code's own, so does whoever has to act on it."""
    for carrier in registry.codes():
        table = registry.code_table(carrier)
        for code, known in table.codes.items():
            for reason, problem in table.reasons.items():
                meaning = table.understand(code, None, reason=reason)
                if meaning.problem == problem != known.meaning.problem:
                    assert meaning.action_owner is None, (carrier, code, reason)
