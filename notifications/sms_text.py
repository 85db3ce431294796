"""Text as an SMS carries it: the GSM 03.38 alphabet, what a text costs in parts, and how it is made to fit (pure)."""

from __future__ import annotations

import unicodedata

SINGLE_GSM7, PART_GSM7 = 160, 153  # septets
SINGLE_UCS2, PART_UCS2 = 70, 67  # UTF-16 units
MOST_PARTS = 3

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a septet each
_STAND_INS = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "´": "'", "`": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
        "‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-", "…": "...", "·": ".", "•": "-", "º": "o", "ª": "a",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " ", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L",
        "đ": "d", "Đ": "D", "ð": "d", "þ": "th", "ı": "i", "©": "(c)", "®": "(R)", "™": "(TM)", "×": "x",
    }
)  # fmt: skip


def is_gsm7(text: str) -> bool:
    return all(character in _BASIC or character in _EXTENDED for character in text)


def transliterate(text: str) -> str:
    """The text in GSM 03.38 wherever that loses no letter, else as it is.

    An accent that the alphabet lacks falls off (á becomes a, ñ stays); signs without a stand-in are left out. A letter
    of another script cannot be replaced: then the whole text stays, and travels in UCS-2.
    """
    written = "".join(_stand_in(character) for character in unicodedata.normalize("NFC", text).translate(_STAND_INS))
    return written if is_gsm7(written) else text


def parts(text: str) -> list[str]:
    """The text as it is cut for sending; never inside an escaped sign or a surrogate pair."""
    single, part = (SINGLE_GSM7, PART_GSM7) if is_gsm7(text) else (SINGLE_UCS2, PART_UCS2)
    if length(text) <= single:
        return [text]
    cut, room = [""], part
    for character in text:
        cost = _cost(character, gsm7=single == SINGLE_GSM7)
        if cost > room:
            cut.append("")
            room = part
        cut[-1] += character
        room -= cost
    return cut


def length(text: str) -> int:
    """Septets in GSM 03.38, else UTF-16 units."""
    gsm7 = is_gsm7(text)
    return sum(_cost(character, gsm7=gsm7) for character in text)


def compose(brand: str, fact: str, link: str) -> str:
    """One SMS: the brand first, one fact, one link; the fact is shortened where it would need more than three parts."""
    text = _assemble(brand, fact, link)
    while len(parts(text)) > MOST_PARTS and fact:
        fact = fact[:-1].rstrip()
        text = _assemble(brand, f"{fact}...", link)
    return text


def _assemble(brand: str, fact: str, link: str) -> str:
    return transliterate(f"{brand}: {fact} {link}")


def _cost(character: str, *, gsm7: bool) -> int:
    if gsm7:
        return 2 if character in _EXTENDED else 1
    return 2 if ord(character) > 0xFFFF else 1


def _stand_in(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    base = "".join(part for part in unicodedata.normalize("NFD", character) if not unicodedata.combining(part))
    if base and is_gsm7(base):
        return base
    return character if unicodedata.category(character).startswith("L") else ""
