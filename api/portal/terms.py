"""JT/T 808 in a reader's words: what a message, a field, a choice, a bit and a unit of the declarations are called.

The words stand in api/messages/jt808.py; how their keys are made of the declarations, too. What has no word (a
vendor's message, a text of a terminal) is said as it is.
"""

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from api.messages import MESSAGES
from api.messages.jt808 import SAME, key_of
from api.portal.render import Words
from protocols.jt808.messages import MESSAGES as DECLARED
from protocols.jt808.vendors import LISTED
from protocols.jt808.wire import ROW_OF, VERSIONS, Joined, Many, Nested, Wire, layout


def message_name(message: int | str, words: Words) -> str:
    """Return what a message is called; its id where it is not declared. `message` as a number or as 0x…."""
    number = message if isinstance(message, int) else _number(message)
    return words.or_text(f"message_{number:#06x}", f"0x{number:04X}")


def is_declared(message: str) -> bool:
    """Tell whether a message id, 0x…, is one of a declared message."""
    return _number(message) in DECLARED


def field_name(struct: str, name: str, words: Words) -> str:
    """Return what a field of a declared Struct is called."""
    for key in (f"struct_{struct.lower()}_{name}", f"field_{name}"):
        if key in MESSAGES:
            return words.t(key)
    if numbered := _COLLECTION.fullmatch(name):
        return words.t("struct_parameter_can_collection_n", n=f"0x{numbered[1].upper()}")
    return name


_COLLECTION: Final = re.compile(r"can_collection_([0-9a-f]{4})")


def choice_name(field: str, english: str, words: Words) -> str:
    """Return what a choice or a bit is called that the declaration of this field names in English."""
    if levelled := _LEVELLED.fullmatch(english):
        return f"{choice_name(field, levelled[1], words)} {words.t('word_level_n', n=levelled[2])}"
    key = choice_key(field, english)
    if key is None:
        return english
    numbered = _NUMBERED.fullmatch(english)
    return words.t(key, n=numbered[2]) if numbered and key.endswith("_n") else words.t(key)


def choice_key(field: str, english: str) -> str | None:
    """Return the key of a choice's words; None where it has none."""
    if levelled := _LEVELLED.fullmatch(english):
        return choice_key(field, levelled[1])
    for key in (f"choice_{field}_{key_of(english)}", f"word_{key_of(english)}"):
        if key in MESSAGES:
            return key
    numbered = _NUMBERED.fullmatch(english)
    if numbered and f"word_{key_of(numbered[1])}_n" in MESSAGES:
        return f"word_{key_of(numbered[1])}_n"
    return None


_NUMBERED: Final = re.compile(r"(.+) (\d+)")
_LEVELLED: Final = re.compile(r"(.+), level (\d)")


def unit_name(unit: str, words: Words) -> str:
    """Return a unit as it is written behind a number; one with its scale in front (`0.1 km`) keeps that."""
    scale, _, last = unit.rpartition(" ")
    return f"{scale} {words.or_text(f'unit_{key_of(last)}', last)}".strip() if unit else ""


def meaning_of(field: str, meaning: str, words: Words) -> str:
    """Return what the explainer says of a value (Wire.meaning), in the reader's words.

    Choices, bits (apart by commas) and units are said; a time and whatever else is no declared word stays as it is.
    """
    if not meaning or words.language == "en":
        return meaning
    if choice_key(field, meaning) is not None:
        return choice_name(field, meaning, words)
    if scaled := _SCALED.fullmatch(meaning):
        return f"{scaled[1]} {unit_name(scaled[2], words)}"
    return "、".join(choice_name(field, part, words) for part in meaning.split(", "))


_SCALED: Final = re.compile(r"(-?[\d.]+(?:e-?\d+)?) (\S+)")


def same_everywhere(english: str) -> bool:
    """Tell whether a text of the declarations needs no word: H.264, 352x288, GPS."""
    return SAME.fullmatch(english) is not None


def path_name(message: int | str, path: str, words: Words) -> str:
    """Return what the field at a path of an explained frame is called: `circles[0].radius_m`, `header.phone`.

    The last field alone is named, with the place of the list's item that it stands in: `Radius [1]`.
    """
    struct, name, place = placed(message if isinstance(message, int) else _number(message), path)
    said = field_name(struct, name, words)
    return f"{said} [{place}]" if place else said


@lru_cache(maxsize=4096)
def placed(message: int, path: str) -> tuple[str, str, str]:
    """Return (Struct, field, place) of the last field of a path; Struct is empty where the path leaves the declared."""
    steps = [(step.partition("[")[0], step.partition("[")[2].rstrip("]")) for step in path.split(".")]
    declared = DECLARED.get(message)
    struct: type[msgspec.Struct] | None = declared.body if declared else None
    named = "header" if steps[0][0] == "header" else struct.__name__ if struct else ""
    place = ""
    for (name, index), (following, _) in zip(steps, [*steps[1:], ("", "")], strict=True):
        if index:
            place = str(int(index) + 1)
        if not following or name == "header":
            continue
        if following[:1].isupper() and following in _ITEMS:
            # An item of a location: the step behind the list is the Struct itself.
            struct = None
        elif name in _ITEMS:
            struct = _ITEMS[name]
        else:
            struct = nested(struct, name) if struct else None
        named = struct.__name__ if struct else following if following in _ITEMS else ""
    return named, steps[-1][0], place


_ITEMS: Final[dict[str, type[msgspec.Struct]]] = {struct.__name__: struct for struct in (*ROW_OF, *LISTED)}


@lru_cache(maxsize=512)
def nested(struct: type[msgspec.Struct], name: str) -> type[msgspec.Struct] | None:
    """Return the Struct that stands in a field, alone or in a list; None where it holds none."""
    for version in VERSIONS:
        for field in layout(struct, version):
            if field.name == name:
                wire: Wire | Any = field.wire
                while isinstance(wire, Many):
                    wire = wire.of
                return wire.struct if isinstance(wire, Nested | Joined) else None
    return None


def _number(message: str) -> int:
    try:
        return int(message, 16)
    except ValueError:
        return 0
