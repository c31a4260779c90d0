"""storage/attributes.py: one spelling each, and what is wrong with one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from storage.attributes import KINDS, checked, id_number_of, name_of, phone_e164, resident_check_sign, vin_checked


@pytest.mark.parametrize(
    "text",
    [
        "13800138000", "138 0013 8000", "138/0013/8000", "+86 138 0013 8000", "0086 13800138000", "0086138-0013-8000",
        "(+86)13800138000", "１３８００１３８０００", "+8613800138000", " 138.0013.8000 ", "+86-138-0013-8000",
    ],
)  # fmt: skip
def test_a_number_is_the_same_however_it_is_written(text: str) -> None:
    assert phone_e164(text).value == "+8613800138000"
    assert phone_e164(text).check == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010/66554433", "+861066554433"),
        ("(021) 6391 1234", "+862163911234"),
        ("+49 30 901820", "+4930901820"),
        ("+852 2345 6789", "+85223456789"),
    ],
)
def test_landlines_and_other_countries_are_numbers_too(text: str, value: str) -> None:
    assert phone_e164(text).value == value


@pytest.mark.parametrize("text", ["12345", "1.38E+10", "hello", "138001380001", "+86 1"])
def test_what_is_no_number_is_kept_and_never_compared(text: str) -> None:
    found = phone_e164(text)
    assert found.check == "format"
    assert found.value
    assert not found.fits


# The example of GB 11643-1999, annex: 11010519491231002X, and 440524188001010014.
@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_the_standard_s_own_numbers_pass_and_no_neighbour_does(number: str) -> None:
    assert id_number_of(number).check == ""
    for place in range(17):
        for digit in "0123456789":
            if digit != number[place]:
                assert id_number_of(number[:place] + digit + number[place + 1 :]).check, (place, digit)


def test_fifteen_digits_become_eighteen() -> None:
    assert id_number_of("110105491231002").value == "11010519491231002X"


def test_a_day_that_is_none_is_said() -> None:
    first = "11010519490230002"
    assert id_number_of(first + resident_check_sign(first)).check == "date"


def test_a_passport_is_kept_as_it_is() -> None:
    assert id_number_of("e 12345678").value == "E12345678"
    assert id_number_of("E12345678").fits


# The two examples that the standard's check digit is usually explained with.
@pytest.mark.parametrize(("vin", "check"), [("1M8GDM9AXKP042788", ""), ("1M8GDM9A1KP042788", "unusual")])
def test_a_vin_s_ninth_sign_is_reckoned(vin: str, check: str) -> None:
    assert vin_checked(vin.lower()).check == check


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("王 小明 先生", "王小明"),
        ("王女士", "王"),
        ("Mr. Wang  Xiaoming", "wang xiaoming"),
        ("阿卜杜拉·买买提", "阿卜杜拉买买提"),
        ("ＬＩ Na", "li na"),
    ],
)
def test_a_name_has_no_title_and_one_width(text: str, value: str) -> None:
    assert name_of(text).value == value


def test_an_attribute_one_sign_past_the_bound_is_cut_and_said() -> None:
    assert checked("address", "路" * limits.ATTRIBUTE_CHARACTERS_MAX).check == ""
    found = checked("address", "路" * (limits.ATTRIBUTE_CHARACTERS_MAX + 1))
    assert found.check == "too_long"
    assert len(found.value) == limits.ATTRIBUTE_CHARACTERS_MAX
    assert not found.fits


@given(st.sampled_from(sorted(KINDS)), st.text(max_size=40))
def test_one_spelling_stays_what_it_is(kind: str, text: str) -> None:
    once = checked(kind, text)
    if once.fits:
        assert checked(kind, once.value).value == once.value
