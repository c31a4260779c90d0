"""How incidents are said: their events in timelines, their steps, their words."""

from typing import Final, NamedTuple

import msgspec
from markupsafe import Markup

from api.portal.render import Words
from core.events.incident import EVENTS, SEVERITIES
from storage.incidents import IncidentView, StepView

KIND_ICONS: Final = {"crash": "crash", "sos": "sos", "theft": "lock"}
SEVERITY_KINDS: Final = {"low": "quiet", "medium": "info", "high": "warn", "critical": "bad"}
"""Severity -> the colour of its badge."""

_LOOKS: Final = {
    "joined": ("plus", "warn"),
    "rated": ("alert", "warn"),
    "merged": ("link", "quiet"),
    "escalated": ("bell", "bad"),
    "acknowledged": ("user", "good"),
    "contacted": ("sound", "good"),
    "no_answer": ("offline", "warn"),
    "assessed": ("target", "info"),
    "acting": ("car", "info"),
    "stabilised": ("shield", "good"),
    "caring": ("people", "info"),
    "closed": ("check", "good"),
    "reopened": ("undo", "warn"),
}
"""Step -> its icon and its colour."""


class Knot(NamedTuple):
    """A step as the time line shows it."""

    icon: str
    kind: str
    what: str
    more: str
    time_ms: int
    seq: int


def knot_of(step: StepView, names: dict[str, str], words: Words) -> Knot:
    """Return a step in words.

    Args:
        names: who the actors of the story are.
    """
    t = words.t
    icon, kind = _LOOKS.get(step.what, (KIND_ICONS.get(step.kind, "alert"), "bad"))
    more: list[str] = [names.get(step.by, step.by)] if step.by else []
    match step.what:
        case "joined" if step.reason in ("confirmed", "cleared"):
            what = f"{t('incident_kind_' + step.kind)}: {t('incident_stage_' + step.reason)}"
            more += [t("incident_late")] if step.late else []
        case "opened" | "joined":
            what = f"{t('incident_step_' + step.what)}: {t('incident_kind_' + step.kind)}"
            more.append(t(f"incident_stage_{step.reason}"))
            more += [t("incident_late")] if step.late else []
        case "rated":
            what = t("incident_step_rated", severity=t(f"incident_severity_{SEVERITIES[step.severity - 1]}"))
            more.append(words.or_text(f"incident_reason_{step.reason}", step.reason))
        case "merged":
            what = t("incident_step_merged", n=step.reason)
        case "escalated":
            what = t("incident_step_escalated", to=t(f"incident_level_{step.reason}"))
        case "acknowledged":
            what = t("incident_step_acknowledged")
        case "reopened":
            what = t("incident_step_reopened")
            more.append(words.or_text(f"incident_reason_{step.reason}", step.reason))
        case _:
            what = t(f"incident_state_{step.what}")
            more.append(words.or_text(f"incident_reason_{step.reason}", step.reason))
    return Knot(icon, kind, what, " · ".join(filter(None, more)), step.time_ms, step.seq)


def incident_badge(view: IncidentView, words: Words) -> Markup:
    """Return an open incident as a badge that leads to it, for whatever shows its car."""
    kind = SEVERITY_KINDS[SEVERITIES[view.severity - 1]]
    badge = words.components.badge(words.t("incident_of_car"), kind, KIND_ICONS[view.kind])
    return Markup('<a class="quiet-link" href="/incidents/{}">{}</a>').format(view.incident, badge)


_FAMILIES: Final = {
    "severity": "incident_severity_",
    "kind": "incident_kind_",
    "stage": "incident_stage_",
    "step": "incident_state_",
    "to": "incident_level_",
    "why": "incident_reason_",
    "reason": "incident_reason_",
}
_PAYLOADS: Final = tuple(EVENTS.values())


def incident_word(payload: object, name: str, value: object, words: Words) -> str:
    """Return a word of an event of an incident as people say it; empty where it is none."""
    if not isinstance(payload, _PAYLOADS) or not isinstance(value, str) or not value:
        return ""
    family = _FAMILIES.get(name, "")
    if name == "before":
        family = "incident_severity_" if value in SEVERITIES else "incident_state_"
    return words.or_text(f"{family}{value}", value) if family else ""


def incident_said(payload: object, words: Words) -> str:
    """Return in a few words what an event of an incident says; empty for another one."""
    if not isinstance(payload, _PAYLOADS):
        return ""
    fields = msgspec.structs.asdict(payload)
    said = [words.t("incident_numbered", n=fields["incident"])]
    for name in ("severity", "kind", "stage", "step", "to", "why", "reason"):
        said.append(incident_word(payload, name, fields.get(name, ""), words))
    if fields.get("late"):
        said.append(words.t("event_late"))
    return " · ".join(filter(None, said))
