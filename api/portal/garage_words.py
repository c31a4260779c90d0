"""How the garage is said: its events in timelines, entries of health records, kilometres."""

from typing import Any, Final

from api.portal.render import Words
from core.events.garage import (
    HealthRecorded,
    OdometerCorrected,
    OdometerCorrectionRequested,
    OdometerHeld,
    OdometerRead,
    OdometerReadingRequested,
    OdometerReviewRequested,
    VehiclePersonEnded,
    VehiclePersonLinked,
    VehiclePersonRequested,
    VehiclePersonVerified,
    VehicleStateChanged,
    VehicleStateRequested,
)

Garaged = (
    VehicleStateChanged
    | VehiclePersonLinked
    | VehiclePersonVerified
    | VehiclePersonEnded
    | OdometerHeld
    | OdometerRead
    | OdometerCorrected
    | HealthRecorded
)


def km_said(metres: int, words: Words) -> str:
    """Return a distance in whole kilometres."""
    return words.t("garage_km", km=words.number(metres // 1000))


def garage_said(payload: Garaged, words: Words) -> str:
    """Return in a few words what an event of the garage says."""
    t = words.t
    match payload:
        case VehicleStateChanged(state=state, before=before, reason=reason):
            return t(
                "garage_say_state",
                before=t(f"garage_state_{before}"),
                state=t(f"garage_state_{state}"),
                reason=t(f"garage_reason_{reason}"),
            )
        case VehiclePersonEnded(role=role, reason=reason):
            return t("garage_say_person", role=t(f"garage_role_{role}"), source=t(f"garage_end_{reason}"))
        case VehiclePersonLinked(role=role, source=source) | VehiclePersonVerified(role=role, source=source):
            return t("garage_say_person", role=t(f"garage_role_{role}"), source=t(f"garage_source_{source}"))
        case OdometerHeld(reading_m=reading_m, stands_m=stands_m):
            return t("garage_say_held", reading=km_said(reading_m, words), stands=km_said(stands_m, words))
        case (
            OdometerRead(before_m=before_m, odometer_m=after_m)
            | OdometerCorrected(before_m=before_m, odometer_m=after_m)
        ):
            return t("garage_say_odometer", before=km_said(before_m, words), after=km_said(after_m, words))
        case HealthRecorded(number=number, kind=kind):
            return t("garage_say_entry", n=number, kind=t(f"garage_entry_{kind}"))
    return ""


_FAMILIES: Final[dict[tuple[type, str], str]] = {
    (VehicleStateRequested, "reason"): "garage_reason_",
    (VehicleStateRequested, "state"): "garage_state_",
    (VehicleStateChanged, "reason"): "garage_reason_",
    (VehicleStateChanged, "state"): "garage_state_",
    (VehicleStateChanged, "before"): "garage_state_",
    (VehiclePersonRequested, "reason"): "garage_end_",
    (VehiclePersonRequested, "source"): "garage_source_",
    (VehiclePersonLinked, "source"): "garage_source_",
    (VehiclePersonVerified, "source"): "garage_source_",
    (VehiclePersonEnded, "source"): "garage_source_",
    (VehiclePersonEnded, "reason"): "garage_end_",
    (OdometerReadingRequested, "source"): "garage_reading_",
    (OdometerRead, "source"): "garage_reading_",
    (OdometerHeld, "source"): "garage_reading_",
    (OdometerReviewRequested, "reason"): "garage_correct_",
    (OdometerCorrectionRequested, "reason"): "garage_correct_",
    (OdometerCorrected, "reason"): "garage_correct_",
    (HealthRecorded, "kind"): "garage_entry_",
    **{
        (payload, "role"): "garage_role_"
        for payload in (VehiclePersonRequested, VehiclePersonLinked, VehiclePersonVerified, VehiclePersonEnded)
    },
}
"""(payload, field) -> beginning of the texts for its words."""


def word_said(payload: object, name: str, value: object, words: Words) -> str:
    """Return a word of an event of the garage as people say it; empty where it is none of its words."""
    family = _FAMILIES.get((type(payload), name))
    return words.or_text(f"{family}{value}", str(value)) if family and value else ""


def entry_said(kind: str, detail: dict[str, Any], words: Words) -> str:
    """Return what an entry of a health record says beside its kind."""
    t = words.t
    match kind:
        case "state":
            return t(
                "garage_say_state",
                before=t(f"garage_state_{detail['before']}"),
                state=t(f"garage_state_{detail['state']}"),
                reason=t(f"garage_reason_{detail['reason']}"),
            )
        case "odometer":
            return f"{km_said(detail['odometer_m'], words)} · {t('garage_reading_' + detail['source'])}"
        case "odometer_held":
            stands, reading = km_said(detail["stands_m"], words), km_said(detail["reading_m"], words)
            return t("garage_say_held", reading=reading, stands=stands)
        case "odometer_corrected":
            before, after = km_said(detail["before_m"], words), km_said(detail["odometer_m"], words)
            said = t("garage_say_odometer", before=before, after=after)
            return f"{said} · {t('garage_correct_' + detail['reason'])}"
    return ""
