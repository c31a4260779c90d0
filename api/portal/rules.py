"""/rules: what each detector judges the group's cars by, each threshold in words, with its history; changed here."""

from typing import Annotated, Any, Final, NamedTuple

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.portal.render import Words, render, words_of
from api.problems import Problem
from api.rules import said, title_key, what_key
from core.limits import RULE_NOTE_CHARACTERS_MAX
from core.outcome import Difference, Trial
from core.rights import Principal
from core.rules import RULES
from core.thresholds import Threshold, Value, thresholds
from storage.rules import RuleUnknownError, RuleVersion

SCALES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "ms": (("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)),
    "s": (("h", 3_600), ("min", 60), ("s", 1)),
    "min": (("h", 60), ("min", 1)),
    "kmh10": (("kmh", 10),),
    "mg": (("g", 1_000), ("mg", 1)),
    "m": (("km", 1_000), ("m", 1)),
}
"""Unit of a threshold -> how people say it: (unit, how many of ours are one of theirs), the largest first."""
HISTORY_SHOWN: Final = 20
LISTED: Final = 50
"""Differences that the page lists of a trial; all are counted."""


Number = Annotated[str, QueryParameter(name="number", max_length=32, description="Of the trial")]


class Field(NamedTuple):
    """One threshold as the page shows it."""

    name: str
    kind: str
    title: str
    what: str
    unit: str
    scale: float
    """How many of the API's units are one of the page's."""
    value: str
    default: str
    least: str
    most: str
    raw: Value
    raw_default: Value
    step: str


class Detector(NamedTuple):
    """One detector as the list shows it."""

    name: str
    title: str
    what: str
    version: RuleVersion
    who: str
    fields: list[Field]
    own: int
    """Thresholds that differ from their defaults."""


class Step(NamedTuple):
    """One version of the history."""

    version: RuleVersion
    who: str
    changes: list[tuple[Field, str, str]]
    """Threshold, what it was, what it became."""


def scale_of(one: Threshold) -> tuple[str, float]:
    """Return the unit in which a threshold is shown: the largest in which default and bounds are round numbers."""
    scales = SCALES.get(one.unit, ((one.unit, 1.0),))
    seen = one.default or one.most or 1
    for unit, scale in scales:
        if abs(seen) >= scale and all(2 * value % scale == 0 for value in (one.default, one.least or 0)):
            return unit, scale
    return scales[-1]


def field_of(detector: str, one: Threshold, value: Value, words: Words) -> Field:
    """Return a threshold with a value as the page shows it."""
    unit, scale = scale_of(one)
    return Field(
        name=one.name,
        kind=one.kind,
        title=said(title_key(detector, one.name), words.language, one.name),
        what=said(what_key(detector, one.name), words.language),
        unit=words.t(f"rules_unit_{unit}") if unit else "",
        scale=scale,
        value=shown_in(one, value, words),
        default=shown_in(one, one.default, words),
        least="" if one.least is None else number_text(one.least / scale),
        most="" if one.most is None else number_text(one.most / scale),
        raw=value,
        raw_default=one.default,
        step="1" if one.kind == "integer" and scale == 1 else "any",
    )


def shown_in(one: Threshold, value: Value, words: Words) -> str:
    """Return a value as the page writes it, without its unit."""
    if one.kind == "switch":
        return words.t("rules_on" if value else "rules_off")
    return number_text(value / scale_of(one)[1])


def number_text(value: float) -> str:
    """Return a number as a field of a form takes it."""
    return f"{value:.10g}"


def detectors(parts: Parts, principal: Principal, words: Words) -> list[Detector]:
    """Return every detector with what is in force. Blocks."""
    versions = parts.registry.rules.page(principal)
    names = people(parts, principal, versions)
    return [_detector(version, names, words) for version in versions]


def people(parts: Parts, principal: Principal, versions: list[RuleVersion]) -> dict[str, str]:
    """Return how whoever changed these is called, by `account:3`. Blocks."""
    accounts = {one.changed_by for one in versions if one.changed_by.startswith("account:")}
    names = parts.people.names(principal, [int(actor.partition(":")[2]) for actor in accounts])
    return {actor: names.get(int(actor.partition(":")[2]), actor) for actor in accounts}


def _who(version: RuleVersion, names: dict[str, str], words: Words) -> str:
    return names.get(version.changed_by) or (words.t("event_actor_node") if version.changed_by else "")


def _detector(version: RuleVersion, names: dict[str, str], words: Words) -> Detector:
    name = version.detector
    return Detector(
        name=name,
        title=said(f"rules_{name}", words.language, name),
        what=said(f"rules_{name}_what", words.language),
        version=version,
        who=_who(version, names, words),
        fields=[field_of(name, one, version.values[one.name], words) for one in thresholds(name)],
        own=sum(version.values[one.name] != one.default for one in thresholds(name)),
    )


def history(parts: Parts, principal: Principal, detector: str, words: Words) -> list[Step]:
    """Return the newest versions of a detector's thresholds with what each changed. Blocks."""
    versions = parts.registry.rules.history(principal, detector, limit=HISTORY_SHOWN + 1)
    names = people(parts, principal, versions)
    declared = {one.name: one for one in thresholds(detector)}
    steps = []
    for at, version in enumerate(versions[:HISTORY_SHOWN]):
        changes = []
        for name in version.changed:
            before = shown_in(declared[name], versions[at + 1].values[name], words)
            field = field_of(detector, declared[name], version.values[name], words)
            changes.append((field, before, field.value))
        steps.append(Step(version, _who(version, names, words), changes))
    return steps


@get("/rules", include_in_schema=False, opt={"right": "rules.read"})
async def rules_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show every detector: what it finds, which version of its thresholds is in force, and how it came about."""
    parts: Parts = request.app.state.parts
    found = await sync_to_thread(detectors, parts, principal_of(request), words_of(request))
    return render(request, "rules.html", detectors=found)


@get("/rules/{detector:str}", include_in_schema=False, opt={"right": "rules.read"})
async def rule_page(request: Request[Any, Any, Any], detector: FromPath[str]) -> Response[Any]:
    """Show one detector's thresholds and their history, for who may: to be changed."""
    parts: Parts = request.app.state.parts
    principal, words = principal_of(request), words_of(request)

    def read() -> tuple[Detector, list[Step]]:
        version = parts.registry.rules.one(principal, detector)
        one = _detector(version, people(parts, principal, [version]), words)
        return one, history(parts, principal, detector, words)

    try:
        one, steps = await sync_to_thread(read)
    except RuleUnknownError as error:
        raise Problem("rule_unknown", str(error)) from error
    return render(
        request,
        "rule.html",
        one=one,
        steps=steps,
        others=[(f"/rules/{name}", said(f"rules_{name}", words.language, name), None) for name in RULES],
        changes=principal.may("rules.write") and principal.scope.stores is None,
        tries=parts.trials is not None,
        note_max=RULE_NOTE_CHARACTERS_MAX,
    )


class Told(NamedTuple):
    """A difference as the page tells it."""

    difference: Difference
    type: str
    plate: str


@get("/rules/{detector:str}/trial", include_in_schema=False, opt={"right": "rules.write"})
async def trial_part(
    request: Request[Any, Any, Any],
    detector: FromPath[str],
    number: Number = "",
) -> Response[Any]:
    """Show how far a trial has come, or what it found."""
    parts: Parts = request.app.state.parts
    principal, words = principal_of(request), words_of(request)
    trial = None if parts.trials is None else parts.trials.state(principal, number)
    if trial is None or trial.detector != detector:
        raise Problem("trial_unknown")
    told = await sync_to_thread(_told, parts, principal, trial, words)
    counts = []
    if trial.outcome is not None:
        for type_, count in trial.outcome.counts.items():
            counts.append((words.or_text(f"event_type_{type_.replace('.', '_')}", type_), count))
    return render(request, "rule_trial.html", trial=trial, told=told, counts=counts)


def _told(parts: Parts, principal: Principal, trial: Trial, words: Words) -> list[Told]:
    if trial.outcome is None:
        return []
    names = parts.registry.names(principal.scope)
    plates = dict(zip(names.vehicles, names.plates, strict=True))
    return [
        Told(one, words.or_text(f"event_type_{one.type.replace('.', '_')}", one.type), plates.get(one.vehicle_id, ""))
        for one in trial.outcome.differences[:LISTED]
    ]


PAGES: Final = (rules_page, rule_page, trial_part)
