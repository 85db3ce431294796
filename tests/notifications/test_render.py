import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifications.contract import Kind
from notifications.languages import Unsayable, clean, speech
from notifications.letter import Writer
from notifications.render import Thread, email, sms
from tests.notifications.occasions import FULL, LINK, SENDER, occasion

THREAD = Thread(
    message_id="n.abc@papeleriasol.test", root="t.root@papeleriasol.test", earlier=("n.1@x.test", "n.2@x.test")
)
FACTS = msgspec.structs.replace(FULL, cause="weather.storm")
HEADERS = [
    "message-id", "date", "from", "to", "reply-to", "subject", "auto-submitted", "x-auto-response-suppress",
    "content-language", "in-reply-to", "references", "mime-version", "content-type",
]  # fmt: skip
ANYTHING = st.text(st.characters(), min_size=1, max_size=60)
HOSTILE = "Eve\r\nBcc: victim@x.test\r\n\r\n\u202e<script>alert(1)</script>{{7*7}}{order}%s\x00\ud800"


def read(body: bytes) -> EmailMessage:
    return message_from_bytes(body, policy=default)


def test_the_headers_are_those_of_a_transactional_mail() -> None:
    message = read(email(occasion(Kind.INCIDENT_OPENED, FACTS, "es"), THREAD).body)

    assert sorted(name.lower() for name in message.keys()) == sorted(HEADERS)  # noqa: SIM118 - repeated ones, too
    assert message["Message-ID"] == "<n.abc@papeleriasol.test>"
    assert message["In-Reply-To"] == "<n.2@x.test>"
    assert message["References"] == "<t.root@papeleriasol.test> <n.1@x.test> <n.2@x.test>"
    assert message["From"] == "Papelería Sol <envios@papeleriasol.test>"
    assert message["Reply-To"] == "Papelería Sol <ayuda@papeleriasol.test>"
    assert message["To"] == "María García <maria@home.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "es"
    assert message["Date"].datetime.isoformat() == "2026-11-24T10:00:00+00:00"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_the_bytes_pass_every_relay() -> None:
    body = email(occasion(Kind.INCIDENT_OPENED, FACTS, "es"), THREAD).body

    assert body.isascii()
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert max(len(line) for line in body.split(b"\r\n")) <= 78


def test_rendering_twice_gives_the_same_bytes() -> None:
    spoken = occasion(Kind.INCIDENT_OPENED, FACTS, "es")
    assert email(spoken, THREAD) == email(spoken, THREAD)


def test_a_conversation_keeps_its_first_subject_as_long_as_it_keeps_its_language() -> None:
    begun = msgspec.structs.replace(THREAD, subject="Pedido 1 – incidencia: aduana", language="es")

    assert email(occasion(Kind.INCIDENT_CHANGED, FACTS, "es"), begun).subject == "Pedido 1 – incidencia: aduana"
    assert (
        email(occasion(Kind.INCIDENT_CHANGED, FACTS, "en"), begun).subject
        == "Order PS-10482 – delivery problem: weather"
    )


def test_the_end_of_a_trouble_speaks_of_the_solution_and_stays_in_the_conversation() -> None:
    begun = msgspec.structs.replace(
        THREAD, subject="Pedido 1 – incidencia: aduana", language="es", earlier=("a@b.test",)
    )
    solved = msgspec.structs.replace(FACTS, cause="customs.inspection", resolution="cured_by_carrier")

    mail = email(occasion(Kind.INCIDENT_RESOLVED, solved, "es"), begun)

    assert mail.subject == "Pedido PS-10482 – Su pedido ha salido de la aduana"
    assert b"<a@b.test>" in mail.body


@given(name=ANYTHING, order=ANYTHING, city=ANYTHING, shop=ANYTHING)
@example(name=HOSTILE, order=HOSTILE, city=HOSTILE, shop=HOSTILE)
def test_no_text_from_outside_becomes_a_header_or_markup(name: str, order: str, city: str, shop: str) -> None:
    facts = msgspec.structs.replace(FACTS, order_reference=order, city=city)
    spoken = occasion(Kind.INCIDENT_OPENED, facts, "es", sender=msgspec.structs.replace(SENDER, name=shop))
    spoken = msgspec.structs.replace(spoken, recipient=msgspec.structs.replace(spoken.recipient, name=name))
    try:
        body = email(spoken, THREAD).body
    except Unsayable:
        assert not clean(order, 40) or not clean(shop, 60)
        return

    message = read(body)
    assert {header.lower() for header in message} <= set(HEADERS)
    assert len(message["To"].addresses) == len(message["From"].addresses) == 1
    assert message["To"].addresses[0].addr_spec == "maria@home.test"
    html = message.get_body(("html",))
    assert html is not None
    tags = set(re.findall(r"<(\w+)", html.get_content()))
    assert tags == {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "div",
        "table",
        "tr",
        "td",
        "h1",
        "h2",
        "p",
        "a",
        "br",
        "span",
    }


def test_what_is_hostile_arrives_as_text() -> None:
    facts = msgspec.structs.replace(FACTS, order_reference="<b>1</b>&{{7*7}}", city="{order}")

    message = read(email(occasion(Kind.INCIDENT_OPENED, facts, "es"), THREAD).body)

    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "<b>1</b>&{{7*7}}" in text.get_content()
    assert "&lt;b&gt;1&lt;/b&gt;&amp;{{7*7}}" in html.get_content()
    assert "{order} (España)" in text.get_content()


@given(st.text(max_size=300), st.integers(1, 100))
@example(HOSTILE, 50)
def test_cleaned_text_is_one_visible_line(text: str, cap: int) -> None:
    line = clean(text, cap)

    assert len(line) <= cap
    assert line.isprintable() or set(line) & {"\u200c", "\u200d"}
    line.encode()  # half a surrogate pair would raise
    assert line == line.strip()


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [("maria@correos.españa.test", "maria@correos.xn--espaa-rta.test"), ("a.b+c@x.test", "a.b+c@x.test")],
)
def test_addresses_are_written_in_ascii(address: str, sent_to: str) -> None:
    spoken = occasion(Kind.SHIPPED, FACTS, "es")
    spoken = msgspec.structs.replace(spoken, recipient=msgspec.structs.replace(spoken.recipient, email=address))

    assert read(email(spoken, THREAD).body)["To"].addresses[0].addr_spec == sent_to


@pytest.mark.parametrize(
    "address", ["", "maria", "@x.test", "maría@x.test", "a@x.test\r\nBcc: b@x.test", "a b@x.test", None]
)
def test_what_is_no_address_is_not_written_to(address: str | None) -> None:
    spoken = occasion(Kind.SHIPPED, FACTS, "es")
    spoken = msgspec.structs.replace(spoken, recipient=msgspec.structs.replace(spoken.recipient, email=address))

    with pytest.raises(Unsayable):
        email(spoken, THREAD)


@pytest.mark.parametrize(
    ("language", "shops", "spoken"),
    [
        ("es", "en", "es"),
        ("ES-mx", "en", "es"),
        ("en_GB", "es", "en"),
        ("pt-BR", "es", "es"),
        ("pt", "de-AT", "en"),
        ("", "es", "es"),
        ("zh-Hant-TW", "en", "en"),
    ],
)
def test_who_speaks_no_language_of_ours_is_written_to_in_the_shops_then_in_english(
    language: str, shops: str, spoken: str
) -> None:
    assert speech(language, shops).language == spoken


def test_a_link_is_whole_in_text_html_and_sms() -> None:
    spoken = occasion(Kind.SHIPPED, FACTS, "es")
    message = read(email(spoken, THREAD).body)
    html, text = message.get_body(("html",)), message.get_body(("plain",))

    assert html is not None
    assert text is not None
    assert f'href="{LINK}"' in html.get_content()
    assert LINK in text.get_content()
    assert LINK in sms(spoken, THREAD).body.decode()


def test_a_shop_whose_name_no_sms_can_spell_keeps_it() -> None:
    spoken = occasion(Kind.SHIPPED, FACTS, "es", sender=msgspec.structs.replace(SENDER, name="Χαρτί"))

    assert sms(spoken, THREAD).body.decode().startswith("Χαρτί: su pedido PS-10482 ya está en camino.")


def test_nothing_is_known_of_a_recipient_by_looking_at_it() -> None:
    spoken = occasion(Kind.SHIPPED, FACTS, "es")
    assert "maria" not in repr(spoken.recipient).lower()
    assert Writer(spoken).letter().greeting == "Hola, María García:"
