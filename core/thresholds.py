"""Thresholds one by one: what a rule's Struct says of its fields, and whether what people set of them fits.

A Struct of core/rules.py says everything there is to know: the annotation has the bounds, the name ends in the unit. So
the API, the page, the command line and the docs know a new detector's thresholds without a line of their own.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from core.rules import RULES

Value = float | bool
"""Of a threshold; whole numbers are floats to a reader of JSON and to a kernel alike."""

UNITS: Final = (
    # As long as one is the end of another, the longer stands first.
    "kmh10", "kmh", "mg", "ms", "percent", "deg", "km", "cm", "min", "fixes", "reports", "g", "s", "m", "h",
)  # fmt: skip
"""Ends of names that say a unit. A bound may stand behind it: margin_m_min."""


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a rule."""

    name: str
    kind: Literal["integer", "number", "switch"]
    unit: str
    """One of UNITS; empty for a plain number."""
    default: Value
    least: float | None
    most: float | None


class ThresholdFaultError(Exception):
    """What was set for a detector does not fit.

    Attributes:
        field: which threshold; empty where all together do not fit.
        why: unknown, kind, least, most or together.
        bound: what would fit, where there is one.
    """

    def __init__(self, field: str, why: str, message: str, bound: float | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.why = why
        self.bound = bound


def thresholds(detector: str) -> tuple[Threshold, ...]:
    """Return the thresholds of one detector of RULES, in their order."""
    return tuple(_threshold(field) for field in _fields(detector))


def threshold(detector: str, name: str) -> Threshold:
    """Return one threshold. Raises ThresholdFaultError if the detector has none of this name."""
    known = {one.name: one for one in thresholds(detector)}
    if name not in known:
        raise ThresholdFaultError(name, "unknown", f"{name}: {detector} has {', '.join(known) or 'no thresholds'}")
    return known[name]


def _fields(detector: str) -> tuple[Any, ...]:
    info = msgspec.inspect.type_info(RULES[detector])
    assert isinstance(info, msgspec.inspect.StructType)
    return info.fields


def _threshold(field: Any) -> Threshold:
    kind: Literal["integer", "number", "switch"]
    bounds: tuple[float | None, float | None]
    match field.type:
        case msgspec.inspect.BoolType():
            kind, bounds = "switch", (None, None)
        case msgspec.inspect.IntType(ge=least, le=most):
            kind, bounds = "integer", (least, most)
        case msgspec.inspect.FloatType(ge=least, le=most):
            kind, bounds = "number", (least, most)
        case other:
            raise TypeError(f"threshold {field.name} is a {other}, not a number or a boolean")
    return Threshold(
        name=field.name,
        kind=kind,
        unit=unit_of(field.name),
        default=field.default,
        least=bounds[0],
        most=bounds[1],
    )


def unit_of(name: str) -> str:
    """Return the unit that a threshold's name ends in, empty for none."""
    words = name.split("_")
    if words[-1] in ("min", "max") and len(words) > 1:
        words.pop()
    return words[-1] if words[-1] in UNITS else ""


def rule_with(detector: str, values: Mapping[str, object]) -> msgspec.Struct:
    """Return a detector's rule with these values; what is not named has its default.

    Raises:
        KeyError: RULES has no such detector.
        ThresholdFaultError: the first value that does not fit, or all together do not.
    """
    fitting = {name: _fitting(threshold(detector, name), value) for name, value in values.items()}
    try:
        return msgspec.convert(fitting, RULES[detector])
    except msgspec.ValidationError as error:
        # Each by itself fits: a Struct may compare its fields (__post_init__).
        raise ThresholdFaultError("", "together", str(error)) from error


def _fitting(one: Threshold, value: object) -> Value:
    """Return a value as its field holds it. Raises ThresholdFaultError."""
    if one.kind == "switch":
        if not isinstance(value, bool):
            raise ThresholdFaultError(one.name, "kind", f"{one.name} is true or false, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ThresholdFaultError(one.name, "kind", f"{one.name} is a number, not {value!r}")
    if not math.isfinite(value):
        raise ThresholdFaultError(one.name, "kind", f"{one.name} is a number, not {value!r}")
    if one.kind == "integer" and value != int(value):
        raise ThresholdFaultError(one.name, "kind", f"{one.name} is a whole number, not {value!r}")
    if one.least is not None and value < one.least:
        raise ThresholdFaultError(one.name, "least", f"{one.name} is {value}, at least {one.least}", one.least)
    if one.most is not None and value > one.most:
        raise ThresholdFaultError(one.name, "most", f"{one.name} is {value}, at most {one.most}", one.most)
    return int(value) if one.kind == "integer" else float(value)


def told(rule: msgspec.Struct) -> dict[str, Value]:
    """Return what a rule says beyond the defaults of its type, by name."""
    defaults = type(rule)()
    values = msgspec.structs.asdict(rule)
    return {name: value for name, value in values.items() if value != getattr(defaults, name)}


def read_value(detector: str, text: str) -> tuple[str, Value]:
    """Return the name and value of `name=value`, as a command line gives it.

    Raises:
        ThresholdFaultError: it is not of this form, or not a threshold's name, or not its kind of value.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise ThresholdFaultError(name, "kind", f"{text!r} is not name=value")
    one = threshold(detector, name)
    try:
        given = msgspec.json.decode(value.strip())
    except msgspec.DecodeError:
        raise ThresholdFaultError(name, "kind", f"{name} is a number, true or false, not {value.strip()!r}") from None
    return name, _fitting(one, given)
