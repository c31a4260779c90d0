"""Which fields of which messages say who somebody is, and how they are shown to those who need not know.

PERSONAL at the foot is the whole of it: message -> field -> what is shown instead. A field is hidden wherever in the
message it stands.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

Hide = Callable[[str], str]


def name_hidden(text: str) -> str:
    """Return the family name's first character: 张三丰 is 张**."""
    return f"{text[0]}**" if text else ""


def number_hidden(text: str) -> str:
    """Return the last four signs of a licence or card; nothing of one that is shorter than eight."""
    shown = text[-4:] if len(text) >= 8 else ""
    return "*" * (len(text) - len(shown)) + shown


def withheld(_text: str) -> str:
    """Bytes of which nobody has said what they hold."""
    return ""


def raw_right(message: int) -> str:
    """Return the right that the raw frames of a message ask for beside those of every frame; empty for none."""
    if message in PERSONAL:
        return "drivers.read"
    return "media.read" if message in PICTURES else ""


def hide(message: int, plain: Any) -> tuple[Any, tuple[str, ...]]:
    """Return a message's plain values with what is personal hidden, and which fields these were."""
    rules = {**IN_ITEMS, **PERSONAL.get(message, {})}
    names: dict[str, None] = {}
    return _hidden(plain, rules, names), tuple(names)


def _hidden(value: Any, rules: Mapping[str, Hide], names: dict[str, None]) -> Any:
    if isinstance(value, list):
        return [_hidden(one, rules, names) for one in value]
    if not isinstance(value, dict):
        return value
    shown = {}
    for name, one in value.items():
        if name in rules and isinstance(one, str) and one:
            names[name] = None
            shown[name] = rules[name](one)
        else:
            shown[name] = _hidden(one, rules, names)
    return shown


PERSONAL: Final[Mapping[int, Mapping[str, Hide]]] = MappingProxyType(
    {
        # The drive recorder: whose licence was in it. A block that is not read is not shown.
        0x0700: {"licence": number_hidden, "block": withheld, "data": withheld},
        # The driver's card.
        0x0702: {
            "name": name_hidden,
            "certificate": number_hidden,
            "id_card": number_hidden,
            "id_card_2011": number_hidden,
            "face_id": number_hidden,
            "data": withheld,
        },
        # A whole body of any message, packed.
        0x0901: {"data": withheld, "inflated": withheld},
    }
)
"""Message -> its personal fields, and how each is hidden."""

IN_ITEMS: Final[Mapping[str, Hide]] = MappingProxyType({"driver_name": name_hidden, "driver_text": number_hidden})
"""Personal fields of makers' items, which stand in the locations of any message."""

PICTURES: Final = frozenset({0x0801})
"""Messages that are what a camera or a microphone took."""
