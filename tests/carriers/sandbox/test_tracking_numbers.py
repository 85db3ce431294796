import re

import pytest

from carriers.sandbox.tracking_numbers import (
    correos_check_letter,
    is_ups_number,
    s10_check_digit,
    tracking_number,
    ups_check_digit,
)


@pytest.mark.parametrize("number", ["1Z999AA10123456784", "1Z5R89390357567127", "1Z023E2X0214323462"])
def test_published_ups_numbers_have_the_check_digit_that_we_compute(number):
    assert str(ups_check_digit(number[2:17])) == number[-1]
    assert is_ups_number(number)
    assert not is_ups_number(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize(
    "number", ["", "1Z", "1Z999AA1012345678", "1z999aa10123456784", "1Z999AA1012345678é", "9Z999AA10123456784"]
)
def test_what_is_no_ups_number_is_told_apart(number):
    assert not is_ups_number(number)


@pytest.mark.parametrize(
    "number",
    ["PQ5HG70200028570115706M", "PQ5HG7020002857V", "PY43B40720207850128042X", "DQ43B404AA015110128042M"],
)
def test_published_correos_numbers_have_the_check_letter_that_we_compute(number):
    assert correos_check_letter(number[:-1]) == number[-1]


@pytest.mark.parametrize(("serial", "digit"), [("47312482", 9), ("12345678", 5), ("00000000", 5), ("00000001", 4)])
def test_postal_numbers_follow_s10(serial, digit):
    assert s10_check_digit(serial) == digit


def test_a_dhl_number_has_ten_digits_of_which_the_last_is_the_rest_by_seven():
    number = tracking_number("dhl_unified", "FR", "75011", 1234567)
    assert re.fullmatch(r"\d{10}", number)
    assert int(number[:9]) % 7 == int(number[9])


def test_a_domestic_correos_number_carries_the_postcode_and_an_international_one_is_s10():
    assert re.fullmatch(r"PQ\w{6}\d{7}0141010[A-Z]", tracking_number("correos", "ES", "41010", 1234567))
    assert re.fullmatch(r"CX\d{9}ES", tracking_number("correos", "US", "33130", 1234567))
