"""Attributes of people as they are written down: one spelling each, and what is wrong with one. Nothing here is SQL.

An attribute that does not pass its check is kept as it came, with what was wrong: an advisor must see what the form
said. It is never compared, so it never links anybody.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

import msgspec
import phonenumbers

from core import limits
from storage.marks import RefusedError, plate_of, plate_warning, vin_of, vin_warning

REGION: Final = "CN"
"""Numbers without a country are read as this one's."""


class Checked(msgspec.Struct, frozen=True):
    """An attribute in its one spelling, and what its check says."""

    value: str
    check: str = ""
    """Empty: in order. `format`, `check_digit`, `date`, `too_long`, `unusual`: why not."""

    @property
    def fits(self) -> bool:
        """Tell whether it may be compared with others: an unusual plate may, a wrong number may not."""
        return bool(self.value) and self.check in ("", "unusual")


# --- telephone numbers ------------------------------------------------------------------------------------------------

_MOBILE: Final = re.compile(r"^(?:\+86|0086)?(1[3-9]\d{9})$")
_SPREADSHEET: Final = re.compile(r"^\d(?:[.,]\d+)?E\+?\d+$", re.IGNORECASE)


def phone_e164(text: str, region: str = REGION) -> Checked:
    """Return a telephone number in E.164: `138 0013/8000`, `+86 138…` and `0086138…` are all `+8613800138000`."""
    # Full-width digits and signs, as Chinese keyboards write them.
    plain = unicodedata.normalize("NFKC", text).strip()
    bare = re.sub(r"[\s\-‐-―./()·]", "", plain)
    if found := _MOBILE.match(bare):
        return Checked(f"+86{found.group(1)}")
    if _SPREADSHEET.match(bare):
        return Checked(plain, "format")
    try:
        number = phonenumbers.parse(plain.replace("/", " "), region)
    except phonenumbers.NumberParseException:
        return Checked(plain, "format")
    if not phonenumbers.is_valid_number(number):
        return Checked(plain, "format")
    return Checked(str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)))


# --- identity numbers -------------------------------------------------------------------------------------------------

_RESIDENT: Final = re.compile(r"^\d{17}[\dX]$")
_RESIDENT_OLD: Final = re.compile(r"^\d{15}$")
_RESIDENT_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
"""2 ** (17 - i) mod 11 for i from 0: GB 11643-1999 after ISO 7064:1983, MOD 11-2."""


def resident_check_sign(first: str) -> str:
    """Return the 18th sign of a resident identity number from its first 17 digits (GB 11643-1999)."""
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(first, _RESIDENT_WEIGHTS, strict=True)) % 11]


def id_number_of(text: str) -> Checked:
    """Return a resident identity number: 17 digits and a check sign, with a day of birth that exists.

    The 15 digits of before 1999 become 18: everybody who had one was born in the 1900s. A passport, or another
    country's card, is `unusual`: kept and compared as it is.
    """
    number = re.sub(r"[\s\-·]", "", unicodedata.normalize("NFKC", text)).upper()
    if _RESIDENT_OLD.match(number):
        number = f"{number[:6]}19{number[6:]}"
        number += resident_check_sign(number)
    if not _RESIDENT.match(number):
        fits = 5 <= len(number) <= 20 and number.isascii() and number.isalnum() and not number.isdigit()
        return Checked(number, "unusual" if fits else "format")
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return Checked(number, "date")
    return Checked(number, "" if number[17] == resident_check_sign(number[:17]) else "check_digit")


def vin_checked(text: str) -> Checked:
    """Return a VIN in capitals; `check_digit` where GB 16735 reckons another ninth sign."""
    try:
        vin = vin_of(unicodedata.normalize("NFKC", text))
    except RefusedError:
        return Checked(text.strip(), "format")
    # Cars built for Europe have no check digit: what does not add up may still be right, and is compared.
    return Checked(vin, "unusual" if vin_warning(vin) else "")


def plate_checked(text: str) -> Checked:
    """Return a plate in capitals without spaces and dot."""
    try:
        plate = plate_of(unicodedata.normalize("NFKC", text))
    except RefusedError:
        return Checked(text.strip(), "format")
    return Checked(plate, "unusual" if plate_warning(plate) else "")


# --- names and the rest -----------------------------------------------------------------------------------------------

_TITLE: Final = re.compile(r"(先生|女士|小姐|太太|师傅|老板|经理)+$")
_LATIN_TITLE: Final = re.compile(r"^((mr|mrs|ms|miss|dr)\.?\s+)+", re.IGNORECASE)


def name_of(text: str) -> Checked:
    """Return a name without title, spaces within Chinese, and differences of width and case: 王 先生 -> 王."""
    name = " ".join(unicodedata.normalize("NFKC", text).replace("·", "").replace("•", "").split())
    name = _LATIN_TITLE.sub("", _TITLE.sub("", name)).strip()
    if any("\u3400" <= sign <= "\u9fff" for sign in name):
        name = name.replace(" ", "")
    return Checked(name.casefold() if name.isascii() else name, "" if any(map(str.isalpha, name)) else "format")


def address_of(text: str) -> Checked:
    """Return an address without spaces and punctuation."""
    address = re.sub(r"[\s,,。.、;;()#\-]", "", unicodedata.normalize("NFKC", text)).casefold()
    return Checked(address, "" if address else "format")


def email_of(text: str) -> Checked:
    """Return a mail address in small letters."""
    email = unicodedata.normalize("NFKC", text).strip().casefold()
    return Checked(email, "" if re.match(r"^[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+$", email) else "format")


def social_of(text: str) -> Checked:
    """Return the id of somebody in a social medium, as `medium:id`."""
    social = text.strip()
    return Checked(social, "" if re.match(r"^[a-z]+:\S+$", social) else "format")


KINDS: Final[Mapping[str, Callable[[str], Checked]]] = {
    "phone": phone_e164,
    "name": name_of,
    "id_number": id_number_of,
    "vin": vin_checked,
    "plate": plate_checked,
    "address": address_of,
    "email": email_of,
    "social": social_of,
}
"""What may be known of a person; the same names as the fields of core/linkage.py."""


def checked(kind: str, text: str) -> Checked:
    """Return the attribute of this kind in its one spelling. Empty in, empty out, with no fault.

    Raises:
        KeyError: there is no such kind.
    """
    read = KINDS[kind]
    if not text.strip():
        return Checked("")
    if len(text) > limits.ATTRIBUTE_CHARACTERS_MAX:
        return Checked(text[: limits.ATTRIBUTE_CHARACTERS_MAX], "too_long")
    return read(text)
