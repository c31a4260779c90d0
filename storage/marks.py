"""Marks: phones, plates and VINs as people write them: one spelling each, and what is wrong with one.

A refusal has a code that pages and programs decide by; a warning is kept with what it warns of. Nothing here is SQL.
"""

import re
from typing import Final

import msgspec

from protocols.report import phone_key, phone_text

PLATE_COLOURS: Final = (0, 1, 2, 3, 4, 5, 9, 91, 92, 93, 94)
"""Codes of JT/T 697.7-2014, 5.6: none, blue, yellow, black, white, green, other, farm yellow, farm green,
yellow-green, gradient green."""
ROLES: Final = ("main", "camera", "spare")
"""What a terminal is to its car: the one that speaks for it, a dash camera beside it, another device beside it."""

TERMINAL_ID_CHARACTERS_MAX: Final = 30
"""Bytes of the terminal id in a 0x0100 of 2019; 2011 and 2013 have 7."""
NAME_CHARACTERS_MAX: Final = 40
"""Maker and model. The wire of 2019 carries 11 and 30 bytes; people write the maker's name in full."""
PLATE_CHARACTERS_MAX: Final = 12
"""A mainland plate has 7 or 8 characters, 粤Z1234港 as well."""

# A province, its letter, then five or six of which the last may say what the car is for (GA 36).
_PLATE: Final = re.compile(
    "^[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领][A-Z]"
    "[A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9挂学警港澳使领]$"
)
_VIN: Final = re.compile(r"^[A-HJ-NPR-Z0-9]{17}$")
_VIN_VALUES: Final = dict(
    zip(
        "0123456789ABCDEFGHJKLMNPRSTUVWXYZ", (*range(10), *range(1, 9), 1, 2, 3, 4, 5, 7, 9, *range(2, 10)), strict=True
    )
)
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
# What a spreadsheet makes of a long number: the digits are lost, and must not be guessed.
_SPREADSHEET: Final = re.compile(r"^\d(?:[.,]\d+)?E\+?\d+$", re.IGNORECASE)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is not written, and at which field."""

    field: str
    code: str
    detail: str = ""
    """What stands in the way, for people: a value, a bound, whose it is. English; pages say it by code."""


class RefusedError(ValueError):
    """What was asked for is not written. `refusals` says why, field by field."""

    def __init__(self, *refusals: Refusal) -> None:
        self.refusals = refusals
        super().__init__("; ".join(f"{one.field}: {one.code} {one.detail}".rstrip() for one in refusals))


def refuse(field: str, code: str, detail: str = "") -> RefusedError:
    """Return the error of one refusal, to be raised."""
    return RefusedError(Refusal(field=field, code=code, detail=detail))


def phone_of(text: str) -> str:
    """Return a phone in its one spelling: no spaces, dashes or leading zeros.

    Raises:
        RefusedError: phone_missing; phone_rounded (a spreadsheet wrote 1.39E+10); phone_wrong.
    """
    bare = re.sub(r"[\s\-\u2010-\u2015]", "", text).removeprefix("'")
    if not bare:
        raise refuse("phone", "phone_missing")
    if _SPREADSHEET.match(bare):
        raise refuse("phone", "phone_rounded", bare)
    try:
        phone = phone_text(*phone_key(bare))
    except ValueError:
        raise refuse("phone", "phone_wrong", bare[:40]) from None
    if phone == "0":
        raise refuse("phone", "phone_wrong", bare)
    return phone


def plate_of(text: str) -> str:
    """Return a plate in its one spelling: capitals, without spaces and the dot behind the letter.

    Raises:
        RefusedError: plate_wrong: longer than any plate, or with signs that none has.
    """
    plate = re.sub(r"[\s·•.\-]", "", text).upper()
    if len(plate) > PLATE_CHARACTERS_MAX or not all(sign.isalnum() for sign in plate):
        raise refuse("plate", "plate_wrong", text[:40])
    return plate


def plate_warning(plate: str) -> str:
    """Return plate_unusual for a plate that is not of the mainland's form, else nothing."""
    return "" if not plate or _PLATE.match(plate) else "plate_unusual"


def vin_of(text: str) -> str:
    """Return a VIN in capitals.

    Raises:
        RefusedError: vin_wrong: not 17 of A-Z and 0-9 without I, O and Q (GB 16735).
    """
    vin = re.sub(r"[\s\-]", "", text).upper()
    if vin and not _VIN.match(vin):
        raise refuse("vin", "vin_wrong", text[:40])
    return vin


def vin_warning(vin: str) -> str:
    """Return vin_check_digit when the ninth character is not what GB 16735 reckons from the others, else nothing.

    A warning only: cars that were not built for China or North America need not have one.
    """
    if not vin:
        return ""
    rest = sum(_VIN_VALUES[sign] * weight for sign, weight in zip(vin, _VIN_WEIGHTS, strict=True)) % 11
    return "" if vin[8] == "0123456789X"[rest] else "vin_check_digit"


def text_of(field: str, text: str, characters_max: int) -> str:
    """Return a short text without the spaces around it.

    Raises:
        RefusedError: too_long; unprintable.
    """
    short = text.strip()
    if len(short) > characters_max:
        raise refuse(field, "too_long", f"{len(short)} characters, at most {characters_max}")
    if not short.isprintable():
        raise refuse(field, "unprintable")
    return short
