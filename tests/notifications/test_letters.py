import re
import string
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser

import msgspec
import pytest
from typing_extensions import override

from notifications import sms_text
from notifications.contract import Facts, Kind
from notifications.languages import Unsayable, available, place_name, speech
from notifications.letter import Letter, Writer, entries
from notifications.render import LAYOUTS, Thread, email, sms
from tests.notifications.occasions import (
    DAY,
    FULL,
    LINK,
    NOW,
    PLAIN,
    SENDER,
    TOLD_CAUSES,
    every_notice,
    occasion,
)

THREAD = Thread(message_id="n.1@sol.test", root="t.1@sol.test")
LANGUAGES = sorted(available())
UNFILLED = re.compile(r"[{}]|None|\bcause\.|\b[a-z]+_[a-z]+\b|  ")
OF_WORDING = ("pattern.", "window.", "place", "moment")  # filled in before a letter is begun
SHOUTING_OR_BLAME = re.compile(
    r"[!¡]|\b(culpa|fault|lamentablemente|unfortunately|paciencia|patience)\b", re.IGNORECASE
)


class Visible(HTMLParser):
    """The text that a reader of the HTML sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._mute = 0
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._mute += tag in {"style", "title"}

    @override
    def handle_endtag(self, tag: str) -> None:
        self._mute -= tag in {"style", "title"}

    @override
    def handle_data(self, data: str) -> None:
        if not self._mute and data.strip():
            self.lines.append(data.strip())


def written(letter: Letter) -> Iterator[str]:
    yield from (letter.subject, letter.title, letter.greeting, letter.reason, letter.signature)
    for section in letter.sections:
        yield from section.paragraphs
    for label, value in letter.details:
        yield f"{label}: {value}"


def parts_of(body: bytes) -> tuple[EmailMessage, str, str]:
    message = message_from_bytes(body, policy=default)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return message, text.get_content(), html.get_content()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_notice_can_be_said_with_nothing_unfilled_and_in_our_voice(language: str) -> None:
    for kind, facts in every_notice():
        letter = Writer(occasion(kind, facts, language)).letter()
        said = "\n".join(written(letter))
        assert letter.language == language
        assert not UNFILLED.search(said), (kind, facts.cause, UNFILLED.search(said))
        assert not SHOUTING_OR_BLAME.search(said), (kind, facts.cause, said)
        assert len(letter.subject) <= 78, letter.subject
        assert letter.sections[0].name in {"happened", "opening"}
        assert len(re.findall(r"[Ss]entimos|[Ss]orry", said)) <= 1, (kind, facts.cause)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sms_is_one_part_and_begins_with_the_shop(language: str) -> None:
    for kind, facts in every_notice():
        text = sms(occasion(kind, facts, language), THREAD).body.decode()
        assert text.startswith("Papeleria Sol: ")
        assert text.endswith(f" {LINK}")
        assert sms_text.is_gsm7(text), text
        assert len(sms_text.parts(text)) == 1, (sms_text.length(text), text)
        assert not UNFILLED.search(text.removesuffix(LINK)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_catalogue_says_the_same_with_the_same_gaps(language: str) -> None:
    def gaps(phrase: str) -> set[str]:
        return {field for _, field, _, _ in string.Formatter().parse(phrase) if field}

    spanish, other = speech("es", "es").phrases, speech(language, "es").phrases
    assert set(other) == set(spanish)
    assert {key: gaps(phrase) for key, phrase in other.items()} == {
        key: gaps(phrase) for key, phrase in spanish.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrase_is_left_over(language: str) -> None:
    """Every phrase of a catalogue is used by some notice; what nobody says is dead text."""
    known = speech(language, "es")
    used: set[str] = set()

    class Listening(dict[str, str]):
        @override
        def __getitem__(self, key: str) -> str:
            used.add(key)
            return super().__getitem__(key)

    listening = type(known)(known.language, known.locale, Listening(known.phrases))
    for kind, facts in every_notice():
        for name, sender in (("María", SENDER), (None, msgspec.structs.replace(SENDER, phone=None, website=None))):
            for changed in variations(facts):
                spoken = occasion(kind, changed, language, sender=sender)
                writer = Writer(
                    msgspec.structs.replace(spoken, recipient=msgspec.structs.replace(spoken.recipient, name=name))
                )
                writer.speech = listening
                writer.letter()
                writer.say("sms")
    assert {key for key in known.phrases if not key.startswith(OF_WORDING)} - used == set()


def variations(facts: Facts) -> Iterator[Facts]:
    yield facts
    yield msgspec.structs.replace(facts, happened_at=NOW, city=None)
    yield msgspec.structs.replace(facts, promised_at=None, expected_from=None, expected_until=None)
    yield msgspec.structs.replace(facts, promised_at=NOW + DAY, expected_from=None, expected_until=None)
    yield msgspec.structs.replace(facts, promised_at=NOW - DAY, expected_from=None, expected_until=None)
    yield msgspec.structs.replace(facts, promised_at=NOW + 9 * DAY, expected_until=NOW + 2 * DAY)


@pytest.mark.parametrize("cause", [cause for cause in TOLD_CAUSES if cause.startswith("customs.")])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_customs_letter_says_what_to_do_by_when_and_what_follows_otherwise(language: str, cause: str) -> None:
    letter = Writer(occasion(Kind.INCIDENT_OPENED, msgspec.structs.replace(FULL, cause=cause), language)).letter()
    sections = {section.name: section.paragraphs for section in letter.sections}

    assert list(sections) == ["happened", "date", "doing", "can_do", "next"]
    advice = " ".join(sections["can_do"])
    deadline = {"es": "a más tardar el sábado 28 de noviembre", "en": "by Saturday 28 November"}[language]
    nothing = {"es": "No tiene que hacer nada", "en": "There is nothing you need to do"}[language]
    assert deadline in advice or advice.startswith(nothing), advice


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"expected_from": NOW + 2 * DAY, "expected_until": NOW + 2 * DAY},
            "Esperamos que llegue el jueves 26 de noviembre.",
        ),
        (
            {"expected_from": NOW + DAY, "expected_until": NOW + 4 * DAY},
            "Esperamos que llegue entre el miércoles 25 de noviembre y el sábado 28 de noviembre.",
        ),
        ({"expected_until": NOW + 2 * DAY}, "Esperamos que llegue a más tardar el jueves 26 de noviembre."),
        ({"expected_from": NOW + 2 * DAY}, "Esperamos que llegue no antes del jueves 26 de noviembre."),
        (
            {"expected_until": NOW + 2 * DAY, "promised_at": NOW + DAY},
            (
                "Llegará más tarde de lo que le prometimos: lo esperamos a más tardar el jueves 26 de noviembre, en lugar del "
                "miércoles 25 de noviembre."
            ),
        ),
        (
            {"promised_at": NOW - DAY},
            "Debía llegar el lunes 23 de noviembre y no ha sido así. Todavía no podemos darle una nueva fecha segura.",
        ),
        (
            {"expected_until": NOW - DAY, "promised_at": NOW + DAY},  # an estimate that has passed is none
            (
                "Es posible que no llegue el miércoles 25 de noviembre, como estaba previsto. En cuanto tengamos una fecha segura "
                "se la diremos."
            ),
        ),
    ],
)
def test_what_it_means_for_the_date(facts: dict[str, object], said: str) -> None:
    told = msgspec.structs.replace(PLAIN, cause="delay.strike", **facts)

    letter = Writer(occasion(Kind.INCIDENT_OPENED, told, "es")).letter()

    assert letter.preheader == said


def test_a_promise_that_ends_at_midnight_names_the_day_that_ends() -> None:
    midnight = NOW.replace(hour=23)  # of the 25th in Madrid
    told = msgspec.structs.replace(PLAIN, cause="delay.strike", expected_until=midnight)

    assert "martes 24 de noviembre" in Writer(occasion(Kind.INCIDENT_OPENED, told, "es")).letter().preheader


def test_the_next_word_is_promised_in_the_customers_own_time() -> None:
    told = msgspec.structs.replace(PLAIN, cause="delay.strike", next_update_at=NOW.replace(hour=23))
    there = occasion(Kind.INCIDENT_OPENED, told, "en")
    away = msgspec.structs.replace(there.recipient, time_zone="America/New_York")

    letter = Writer(msgspec.structs.replace(there, recipient=away)).letter()

    assert "by Tuesday 24 November at 18:00 at the latest" in letter.sections[-1].paragraphs[0]


def test_repeated_updates_vary_their_words() -> None:
    def opening(sequel: int) -> str:
        told = msgspec.structs.replace(PLAIN, cause="delay.strike", sequel=sequel)
        return Writer(occasion(Kind.INCIDENT_UPDATE, told, "es")).letter().sections[0].paragraphs[0]

    assert len({opening(1), opening(2), opening(3)}) == 3
    assert all(opening(sequel) != opening(sequel + 1) for sequel in range(1, 8))


def test_a_refund_says_nothing_of_the_parcels_journey() -> None:
    told = msgspec.structs.replace(FULL, cause="loss.presumed_lost", resolution="refunded")

    letter = Writer(occasion(Kind.INCIDENT_RESOLVED, told, "es")).letter()

    assert letter.title == "Le hemos devuelto el importe"
    assert "date" not in {section.name for section in letter.sections}


@pytest.mark.parametrize("kind", [Kind.INCIDENT_OPENED, Kind.INCIDENT_CHANGED, Kind.INCIDENT_UPDATE])
@pytest.mark.parametrize("missing", ["cause", "next_update_at"])
def test_a_letter_without_what_it_needs_is_not_written(kind: Kind, missing: str) -> None:
    facts = msgspec.structs.replace(FULL, **{"cause": "delay.strike"} | {missing: None})

    with pytest.raises(Unsayable, match=missing):
        Writer(occasion(kind, facts, "es"))


@pytest.mark.parametrize("cause", ["routing.missort", "data.push_gap", "nonsense"])
def test_a_cause_that_is_not_for_customers_is_never_put_into_words(cause: str) -> None:
    with pytest.raises(Unsayable):
        Writer(occasion(Kind.INCIDENT_OPENED, msgspec.structs.replace(FULL, cause=cause), "es")).letter()


def test_every_kind_has_its_entry() -> None:
    assert set(entries()) == set(Kind)


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_and_html_say_the_same(language: str) -> None:
    one_of_each = {
        (kind, facts.cause and facts.cause.partition(".")[0]): (kind, facts) for kind, facts in every_notice()
    }
    for kind, facts in one_of_each.values():
        _, text, html = parts_of(email(occasion(kind, facts, language), THREAD).body)
        said, page = " ".join(text.split()), Visible(html)
        seen = " ".join(" ".join(page.lines).split())
        letter = Writer(occasion(kind, facts, language)).letter()
        for line in (letter.title, letter.greeting, *(p for s in letter.sections for p in s.paragraphs), letter.reason):
            assert line in said, line
            assert line in seen, line
        assert LINK in text
        assert ("a", LINK) in [(tag, attributes.get("href")) for tag, attributes in page.tags]


def test_the_html_stands_alone_and_can_be_read_by_everybody() -> None:
    body = email(
        occasion(Kind.INCIDENT_OPENED, msgspec.structs.replace(FULL, cause="customs.duties_unpaid"), "es"), THREAD
    ).body
    _, _, html = parts_of(body)
    page = Visible(html)

    assert len(body) < 20_000
    assert ("html", {"lang": "es", "dir": "ltr"}) in page.tags
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert not {"img", "script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import|src=", html)
    assert {attributes.get("role") for tag, attributes in page.tags if tag == "table"} == {"presentation"}
    assert min(int(size) for size in re.findall(r"font-size: (\d+)px", html)) >= 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_can_be_told_apart(scheme: str) -> None:
    layout = (LAYOUTS / "email.html").read_text(encoding="utf-8")
    style = layout[layout.index("prefers-color-scheme: dark") : layout.index("</style>")]

    def colour(of: str, what: str) -> str:
        if scheme == "dark":
            block = re.search(rf"\.{of}[ ,][^{{]*{{([^}}]*)}}", style)
            assert block is not None
            found = re.search(rf"(?<![-\w]){what}: (#\w{{6}})", block[1])
        else:
            element = re.search(rf'class="{of}"[^>]*style="([^"]*)"', layout)
            assert element is not None
            found = re.search(rf"(?<![-\w]){what}: (#\w{{6}})", element[1])
        assert found is not None
        return found[1]

    card = colour("card", "background")
    assert contrast(colour("ink", "color"), card) >= 7
    assert contrast(colour("soft", "color"), card) >= 4.5
    assert contrast(colour("button", "color"), colour("button", "background")) >= 4.5
    assert contrast(colour("button", "background"), card) >= 3


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: the contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_scan_is_dated_by_the_clocks_of_its_place() -> None:
    told = msgspec.structs.replace(FULL, happened_offset=0)

    said = "\n".join(written(Writer(occasion(Kind.DELIVERED, told, "en")).letter()))

    assert "Monday 23 November at 10:00, Madrid (Spain)" in said


@pytest.mark.parametrize("owed", [True, False])
def test_a_solution_says_of_the_date_what_can_be_said_where_one_was_promised(owed: bool) -> None:
    told = msgspec.structs.replace(PLAIN, cause="customs.inspection", resolution="cured_by_carrier", date_owed=owed)

    said = "\n".join(written(Writer(occasion(Kind.INCIDENT_RESOLVED, told, "en")).letter()))

    assert ("reliable delivery date yet" in said) is owed


@pytest.mark.parametrize(
    ("shouted", "written_as"),
    [
        ("SANTA CRUZ DE TENERIFE", "Santa Cruz de Tenerife"),
        ("LAS PALMAS DE GRAN CANARIA", "Las Palmas de Gran Canaria"),
        ("A CORUÑA", "A Coruña"),
        ("AIX-EN-PROVENCE", "Aix-en-Provence"),
        ("FRANKFURT AM MAIN", "Frankfurt am Main"),
        ("VILA NOVA DE GAIA", "Vila Nova de Gaia"),
        ("L'HOSPITALET", "L'Hospitalet"),
        ("Palma De Mallorca", "Palma De Mallorca"),  # as it was written
    ],
)
def test_places_that_carriers_shout_are_written_as_names(shouted: str, written_as: str) -> None:
    assert place_name(shouted) == written_as
