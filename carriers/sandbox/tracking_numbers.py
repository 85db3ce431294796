"""Tracking numbers as the carriers form them, with valid check digits.

The check letter of a Correos parcel number is the one of the Spanish identity card over the sum of the characters'
codes; it holds for every published number that was tried.
"""

from __future__ import annotations

from string import ascii_uppercase, digits

SERIALS = 10_000_000

_NIF_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_UPS_SHIPPER = "47A92E"
_UPS_SAVER = "04"
_DHL_RANGE = "58"
_S10_RANGE = "7"
_CORREOS_CLIENT = "4K7R02"


def tracking_number(carrier: str, country: str, postcode: str, serial: int) -> str:
    """The number of the shop's `serial`-th parcel (below SERIALS) with that carrier to that address."""
    digits_of_serial = f"{serial:07d}"
    if carrier == "ups":
        body = f"{_UPS_SHIPPER}{_UPS_SAVER}{digits_of_serial}"
        return f"1Z{body}{ups_check_digit(body)}"
    if carrier == "dhl_unified":
        express = f"{_DHL_RANGE}{digits_of_serial}"
        return f"{express}{int(express) % 7}"
    if country == "ES":
        body = f"PQ{_CORREOS_CLIENT}{digits_of_serial}01{postcode}"
        return f"{body}{correos_check_letter(body)}"
    postal = f"{_S10_RANGE}{digits_of_serial}"
    return f"CX{postal}{s10_check_digit(postal)}ES"


def ups_check_digit(body: str) -> int:
    """Of the 15 characters between 1Z and the check digit: letters count from A = 2, every second one doubly."""
    values = [int(char) if char in digits else (ascii_uppercase.index(char) + 2) % 10 for char in body]
    total = sum(values[0::2]) + 2 * sum(values[1::2])
    return -total % 10


def correos_check_letter(body: str) -> str:
    """Of all characters before it: parcel numbers (23 characters) and consignment numbers (16) alike."""
    return _NIF_LETTERS[sum(map(ord, body)) % len(_NIF_LETTERS)]


def s10_check_digit(serial: str) -> int:
    """Of the 8 digits of an international postal number (UPU S10)."""
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(serial, _S10_WEIGHTS, strict=True)) % 11
    return {10: 0, 11: 5}.get(rest, rest)


def is_ups_number(number: str) -> bool:
    well_formed = len(number) == 18 and number.startswith("1Z") and number.isascii() and number[2:].isalnum()
    return well_formed and number.upper() == number and number[-1] == str(ups_check_digit(number[2:17]))
