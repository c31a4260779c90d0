"""The catalogue of events: every type with its fields and units, who says it and who hears it. Made from declarations.

Nothing here is written by hand twice: types and payloads are core.events.EVENTS, what the business says, hears and
decides are its rules, and the rest are voices (actors.voices), which declare their own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, get_args

import msgspec

from core.business import BusinessActor
from core.events import EVENTS

Kind = Literal["fact", "intent", "decision"]


class Voice(NamedTuple):
    """Who speaks on the log, or listens to it, beside the business."""

    name: str
    """As events have it: the part of `actor` before the colon."""
    kind: str
    """detection, node, adapter, people or clock."""
    says: Mapping[str, str]
    """Type -> purpose; empty where it is that of whatever caused it."""
    hears: tuple[str, ...] = ()
    """Beginnings of types."""


class Field(msgspec.Struct, frozen=True):
    """A field of a payload."""

    name: str
    takes: str
    """integer, text, true or false, number, list or object; `… or null`."""
    unit: str
    """A key of UNITS' texts, empty for none."""
    required: bool


class EventType(msgspec.Struct, frozen=True):
    """One type of event, in its newest version."""

    type: str
    version: int
    versions: tuple[int, ...]
    kind: Kind
    says: str
    """What it says, in English."""
    fields: tuple[Field, ...]
    said_by: tuple[str, ...]
    heard_by: tuple[str, ...]
    decided_by: str
    """Who answers it; empty unless it is an intent of the business."""
    purposes: tuple[str, ...]
    """What it may be used for, where whoever says it declares that."""


UNITS: Final = (
    # (end of a field's name or the whole of it, unit): the first that fits.
    (r"(duration|idle|stay|gap|window)_ms", "ms"),
    (r"_ms", "moment"),
    (r"_1e7", "degree_1e7"),
    (r"kmh10", "kmh_10"),
    (r"_kmh", "kmh"),
    (r"_m10", "m_10"),
    (r"(odometer|distance|advance|radius|precision)_m|metres", "m"),
    (r"_m", "m"),
    (r"seconds10", "s_10"),
    (r"_s", "s"),
    (r"_h", "h"),
    (r"_days?", "day"),
    (r"_minutes?", "minute_of_day"),
    (r"_mg", "mg"),
    (r"_g100", "g_100"),
    (r"_deg", "degree"),
    (r"_percent|_share", "percent"),
    (r"_bytes", "byte"),
    (r"_fen", "fen"),
)


def unit_of(name: str, takes: str) -> str:
    """Return the unit of a field by the end of its name, as names here are made; empty for none."""
    if takes.startswith(("integer", "number")):
        for pattern, unit in UNITS:
            if re.search(f"(?:{pattern})$", name):
                return unit
    return ""


def takes_of(hint: Any) -> str:
    """Return what a field takes, as a reader of JSON knows it."""
    members = [one for one in get_args(hint) if one is not NoneType]
    if len(members) != len(get_args(hint)) and members:
        return f"{takes_of(members[0])} or null"
    known = {int: "integer", str: "text", bool: "true or false", float: "number"}
    if hint in known:
        return known[hint]
    origin = getattr(hint, "__origin__", None)
    return "list" if origin in (tuple, list, frozenset, set) else "text" if origin is Literal else "object"


def kind_of(type_: str, payload: type[msgspec.Struct]) -> Kind:
    """Return what an event of this type is: the first word of its payload's docstring says it, or its name."""
    said = (payload.__doc__ or "").strip()
    if type_.endswith(".requested") or said.startswith("Intent:"):
        return "intent"
    return "decision" if said.startswith("Decision:") or type_.endswith((".refused", ".decided")) else "fact"


def fields_of(payload: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return the fields of a payload, in order."""
    found = []
    for field in msgspec.structs.fields(payload):
        takes = takes_of(field.type)
        found.append(Field(field.name, takes, unit_of(field.name, takes), field.required))
    return tuple(found)


def catalogue(actors: Sequence[BusinessActor], voices: Iterable[Voice]) -> dict[str, EventType]:
    """Return every type that is declared, by name, in alphabetical order."""
    versions: dict[str, list[int]] = {}
    for type_, version in EVENTS:
        versions.setdefault(type_, []).append(version)
    voices = tuple(voices)
    found: dict[str, EventType] = {}
    for type_, all_versions in sorted(versions.items()):
        payload = EVENTS[type_, max(all_versions)]
        meaning = " ".join((payload.__doc__ or "").strip().partition("\n\n")[0].split())
        says = re.sub(r"^(?:Intent|Decision|[a-z_., ]+): ", "", meaning)
        found[type_] = EventType(
            type=type_,
            version=max(all_versions),
            versions=tuple(sorted(all_versions)),
            kind=kind_of(type_, payload),
            says=says[:1].upper() + says[1:],
            fields=fields_of(payload),
            said_by=(
                *(voice.name for voice in voices if type_ in voice.says),
                *(actor.name for actor in actors if type_ in says_of(actor)),
            ),
            heard_by=(
                *(voice.name for voice in voices if type_.startswith(voice.hears)),
                *(actor.name for actor in actors if type_ in hears_of(actor)),
            ),
            decided_by=next((actor.name for actor in actors if type_ in actor.decides), ""),
            purposes=tuple(dict.fromkeys(voice.says[type_] for voice in voices if voice.says.get(type_))),
        )
    return found


def says_of(actor: BusinessActor) -> tuple[str, ...]:
    """Return the types that an actor says: a refusal too where it decides."""
    return (*actor.emits, *(("intent.refused",) if actor.decides else ()))


def hears_of(actor: BusinessActor) -> tuple[str, ...]:
    """Return the types that an actor's rules hear, each once."""
    return tuple(dict.fromkeys(type_ for rule in actor.rules for type_ in rule.types))
