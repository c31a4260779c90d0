"""/api/v1/rules: the thresholds that each detector judges this group's cars by, and their history.

One row of PROBLEMS a refusal: a threshold that does not fit names itself and its bound (422), a version that is no
longer the present one says so (409). A change counts from the next reports on, without a restart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post, put
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guards import principal_of
from api.messages import MESSAGES, language_of, text
from api.parts import Parts, Trials
from api.problems import CHANGES, KEYED, Problem, answers
from core.limits import RULE_NOTE_CHARACTERS_MAX
from core.outcome import Trial, TrialBusyError
from core.rules import RULES
from core.thresholds import Threshold, ThresholdFaultError, Value, thresholds
from storage.rules import (
    RuleChangedError,
    RuleForeignError,
    RulesFullError,
    RuleStore,
    RuleUnknownError,
    RuleVersion,
)

Note = Annotated[str, msgspec.Meta(max_length=RULE_NOTE_CHARACTERS_MAX)]
Version = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class ThresholdShown(Threshold, frozen=True, kw_only=True):
    """A threshold with its present value, and what it is called."""

    value: Value
    title: str
    """In the language asked for."""
    what: str


class DetectorRules(msgspec.Struct, frozen=True, kw_only=True):
    """What one detector judges by."""

    detector: str
    title: str
    version: int
    """0: the defaults; every change is one more. Facts name it as `rule_version`."""
    changed_ms: int
    changed_by: str
    """`account:3`, `node`; empty for the defaults."""
    note: str
    thresholds: list[ThresholdShown]


class DetectorsRules(msgspec.Struct, frozen=True):
    """What every detector judges by."""

    items: list[DetectorRules]


class History(msgspec.Struct, frozen=True):
    """Versions, newest first, and where the next page starts."""

    items: list[RuleVersion]
    next: int | None
    """Hand it back as `before`; null on the last page."""


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some thresholds of one detector as they shall be."""

    values: dict[str, Value | None]
    """By name; null: its default. What is not named stays."""
    version: Version
    """The one you saw."""
    note: Note = ""
    """Why, for whoever reads the history."""


class Resetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All thresholds of one detector are to be the defaults again."""

    version: Version
    """The one you saw."""
    note: Note = ""


class Trying(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some thresholds of one detector as they might be."""

    values: dict[str, Value]
    """By name. What is not named is as it is in force; none: only what is in force is judged, and compared with the
    log."""


@get("/rules", opt={"right": "rules.read"}, summary="Thresholds of all detectors", responses=answers(*KEYED), raises=[])
async def list_rules(request: Request[Any, Any, Any]) -> DetectorsRules:
    """Return what your group's cars are judged by: each threshold with its unit, bounds and default."""
    language = language_for(request)
    versions = await sync_to_thread(_of(request).page, principal_of(request))
    return DetectorsRules([shown(one, language) for one in versions])


@get(
    "/rules/{detector:str}",
    opt={"right": "rules.read"},
    summary="Thresholds of a detector",
    responses=answers("rule_unknown", *KEYED),
)
async def read_rules(request: Request[Any, Any, Any], detector: FromPath[str]) -> DetectorRules:
    """Return what one detector judges your group's cars by."""
    with _problems(language_for(request)):
        version = await sync_to_thread(_of(request).one, principal_of(request), detector)
    return shown(version, language_for(request))


@get(
    "/rules/{detector:str}/history",
    opt={"right": "rules.read"},
    summary="Versions of a detector's thresholds",
    responses=answers("bad_request", "rule_unknown", *KEYED),
)
async def read_rule_history(
    request: Request[Any, Any, Any],
    detector: FromPath[str],
    before: Annotated[int, QueryParameter(ge=0, lt=2**31, description="Version to go on below; 0: the newest")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Most versions")] = 50,
) -> History:
    """Return what the thresholds were, newest first: who changed which of them when, and why. The last is version 0,
    the defaults."""
    with _problems(language_for(request)):
        items = await sync_to_thread(_of(request).history, principal_of(request), detector, before, limit)
    return History(items, items[-1].version if items and items[-1].version else None)


@put(
    "/rules/{detector:str}",
    opt={"right": "rules.write"},
    summary="Change thresholds of a detector",
    responses=answers(*CHANGES, "rule_unknown", "rule_foreign", "rule_changed", "rules_full", "rule_invalid"),
)
async def change_rules(
    request: Request[Any, Any, Any], detector: FromPath[str], data: JSONBody[Setting]
) -> DetectorRules:
    """Set some thresholds for your whole group. They count from the next reports on; what was found stays found.

    422 `rule_invalid` names the threshold and its bound; 409 `rule_changed` if `version` is no longer the present one.
    """
    language = language_for(request)
    with _problems(language):
        version = await sync_to_thread(
            _of(request).change, principal_of(request), detector, data.values, data.version, data.note
        )
    return shown(version, language)


@post(
    "/rules/{detector:str}/reset",
    opt={"right": "rules.write"},
    status_code=200,
    summary="Set a detector's thresholds back",
    responses=answers(*CHANGES, "rule_unknown", "rule_foreign", "rule_changed", "rules_full"),
)
async def reset_rules(
    request: Request[Any, Any, Any], detector: FromPath[str], data: JSONBody[Resetting]
) -> DetectorRules:
    """Set every threshold of a detector back to its default. That is a version of its own."""
    language = language_for(request)
    with _problems(language):
        version = await sync_to_thread(_of(request).reset, principal_of(request), detector, data.version, data.note)
    return shown(version, language)


@post(
    "/rules/{detector:str}/trials",
    opt={"right": "rules.write"},
    status_code=202,
    summary="Try thresholds on the last day",
    responses=answers(*CHANGES, "rule_unknown", "rule_foreign", "rule_invalid", "trial_busy", "trials_elsewhere"),
)
async def begin_trial(request: Request[Any, Any, Any], detector: FromPath[str], data: JSONBody[Trying]) -> Trial:
    """Judge the reports of the last 24 hours again with these thresholds and with those in force, and find what would
    have differed: the last two million reports, in the background, one trial at a time. Nothing is changed by it."""
    trials, principal = _trials(request), principal_of(request)
    with _problems(language_for(request)):
        if detector not in RULES:
            raise RuleUnknownError(f"no detector {detector} with thresholds")
        if principal.scope.stores is not None:
            raise RuleForeignError("thresholds are the whole group's")
        return await sync_to_thread(trials.start, principal, detector, data.values)


@get(
    "/rules/{detector:str}/trials/{name:str}",
    opt={"right": "rules.write"},
    summary="How far a trial has come",
    responses=answers("trial_unknown", "trials_elsewhere", *KEYED),
)
async def read_trial(request: Request[Any, Any, Any], detector: FromPath[str], name: FromPath[str]) -> Trial:
    """Return how far a trial of yours has come, and once it is done, what would have differed."""
    return _found(detector, _trials(request).state(principal_of(request), name))


@delete(
    "/rules/{detector:str}/trials/{name:str}",
    opt={"right": "rules.write"},
    status_code=200,
    summary="End a trial",
    responses=answers(*CHANGES, "trial_unknown", "trials_elsewhere"),
)
async def cancel_trial(request: Request[Any, Any, Any], detector: FromPath[str], name: FromPath[str]) -> Trial:
    """End a trial of yours; one that is done stays as it is."""
    return _found(detector, _trials(request).cancel(principal_of(request), name))


def _trials(request: Request[Any, Any, Any]) -> Trials:
    parts: Parts = request.app.state.parts
    if parts.trials is None:
        raise Problem("trials_elsewhere")
    return parts.trials


def _found(detector: str, trial: Trial | None) -> Trial:
    if trial is None or trial.detector != detector:
        raise Problem("trial_unknown")
    return trial


def shown(version: RuleVersion, language: str) -> DetectorRules:
    """Return a version as the API shows it, in a language."""
    return DetectorRules(
        detector=version.detector,
        title=said(f"rules_{version.detector}", language, version.detector),
        version=version.version,
        changed_ms=version.changed_ms,
        changed_by=version.changed_by,
        note=version.note,
        thresholds=[
            ThresholdShown(
                **msgspec.structs.asdict(one),
                value=version.values[one.name],
                title=said(title_key(version.detector, one.name), language, one.name),
                what=said(what_key(version.detector, one.name), language),
            )
            for one in thresholds(version.detector)
        ],
    )


def said(key: str, language: str, otherwise: str = "") -> str:
    """Return a text of the catalogue, or this where there is none."""
    return text(key, language) if key in MESSAGES else otherwise


def title_key(detector: str, name: str) -> str:
    """Return the catalogue's key of what a threshold is called."""
    return f"rules_{detector}_{name}"


def what_key(detector: str, name: str) -> str:
    """Return the catalogue's key of what a threshold does; not every one needs a sentence."""
    return f"{title_key(detector, name)}_what"


def language_for(request: Request[Any, Any, Any]) -> str:
    """Return the language that thresholds and refusals are said in."""
    return language_of(principal_of(request).language, request.headers.get("accept-language", ""))


def _of(request: Request[Any, Any, Any]) -> RuleStore:
    parts: Parts = request.app.state.parts
    return parts.registry.rules


@contextmanager
def _problems(language: str) -> Iterator[None]:
    try:
        yield
    except RuleUnknownError as error:
        raise Problem("rule_unknown", str(error)) from error
    except RuleForeignError as error:
        raise Problem("rule_foreign") from error
    except RuleChangedError as error:
        raise Problem("rule_changed", str(error), field="version") from error
    except RulesFullError as error:
        raise Problem("rules_full", str(error)) from error
    except TrialBusyError as error:
        raise Problem("trial_busy") from error
    except ThresholdFaultError as fault:
        raise Problem("rule_invalid", fault_text(fault, language), field=fault.field) from fault


def fault_text(fault: ThresholdFaultError, language: str) -> str:
    """Return why a threshold does not fit, for people."""
    bound = f"{fault.bound:g}" if fault.bound is not None else ""
    return text(f"rules_fault_{fault.why}", language, name=fault.field, bound=bound, fault=str(fault))


RESOURCES: Final = (
    list_rules,
    read_rules,
    read_rule_history,
    change_rules,
    reset_rules,
    begin_trial,
    read_trial,
    cancel_trial,
)
