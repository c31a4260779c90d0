"""Events in the words of the trade: an icon and a colour for each type, what happened in a sentence, fields by name.

Only what is known of a type stands in the tables at the foot; a type that is new to them is shown by its name and its
plain fields, so that nothing that happened is ever hidden.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from api.portal.garage_words import Garaged, garage_said, word_said
from api.portal.incident_words import incident_said, incident_word
from api.portal.render import Words
from api.portal.terms import choice_name, is_declared, message_name
from core.events import (
    AlarmSeen,
    CommandProgress,
    CommandRequested,
    CrashCleared,
    CrashEvidence,
    CrashJudged,
    DriverCard,
    DriverEventReported,
    Event,
    FenceCrossed,
    FenceMissed,
    InformationChosen,
    MediaAnnounced,
    MediaStored,
    MessageReceived,
    MessageRequested,
    OdometerAdvanced,
    OverspeedSeen,
    PassengersCounted,
    ProximityRisked,
    QuestionAnswered,
    RecorderReported,
    RecordingUploaded,
    RulesChanged,
    TheftSuspected,
    TripClosed,
    TripOpened,
    UpgradeFinished,
)
from protocols.jt808.control import UPGRADE_RESULTS
from protocols.jt808.media import CARD_RESULTS
from storage.reader import Names

DEGREE_1E7: Final = 10_000_000


class Look(NamedTuple):
    """How a type of event is shown."""

    icon: str
    kind: str
    """good, warn, bad, info or quiet."""


def look_of(event_type: str) -> Look:
    """Return how this type is shown: by its own row of LOOKS, else by that of its beginning."""
    while event_type:
        if event_type in LOOKS:
            return LOOKS[event_type]
        event_type = event_type.rpartition(".")[0]
    return Look("event", "quiet")


def title_of(event_type: str, words: Words) -> str:
    """Return what this type is called; its own name for one that has no words yet."""
    return words.or_text("event_type_" + event_type.replace(".", "_"), event_type)


def badge_of(event_type: str, words: Words) -> Markup:
    """Return the type as a badge with its icon."""
    look = look_of(event_type)
    badge: Markup = words.components.badge(title_of(event_type, words), look.kind, look.icon)
    return badge


def fields_of(event: Event) -> dict[str, Any]:
    """Return the payload as plain values."""
    if isinstance(event.payload, msgspec.Struct):
        return {name: getattr(event.payload, name) for name in event.payload.__struct_fields__}
    return dict(event.payload) if isinstance(event.payload, dict) else {}


def vehicle_of(event: Event) -> int:
    """Return the vehicle that the event is about or names, 0 for none."""
    # Of a message to a person it is what the message is about.
    subject = event.payload.about if isinstance(event.payload, MessageRequested) else event.subject
    kind, _, number = subject.partition(":")
    if kind == "vehicle" and number.isdigit():
        return int(number)
    found = fields_of(event).get("vehicle_id", 0)
    return found if isinstance(found, int) else 0


def wanted_names(events: Iterable[Event]) -> tuple[list[int], list[int]]:
    """Return the ids of vehicles and of geofences that these events speak of."""
    vehicles: set[int] = set()
    fences: set[int] = set()
    for event in events:
        fields = fields_of(event)
        vehicles |= {vehicle_of(event), *(fields.get(name) or 0 for name in _VEHICLES)}
        fences.add(fields.get("fence_id") or 0)
    return sorted(vehicles - {0}), sorted(fences - {0})


def car_link(vehicle_id: int, names: Names, words: Words) -> Markup:
    """Return a car by its plate, or its number where it has none that may be seen, linked to its page."""
    if not vehicle_id:
        return Markup('<span class="faint">–</span>')
    plate = names.plates.get(vehicle_id, "")
    shown = words.components.plate(plate) if plate else words.t("event_car_numbered", n=vehicle_id)
    return Markup('<a class="quiet-link" href="/vehicles/{}">{}</a>').format(vehicle_id, shown)


def sentence_of(event: Event, names: Names, words: Words) -> str:
    """Return in a few words what exactly happened; empty where the type says it all."""
    t = words.t
    fields = fields_of(event)
    if isinstance(event.payload, Garaged):
        return garage_said(event.payload, words)
    if said := incident_said(event.payload, words):
        return said
    match event.payload:
        case FenceCrossed(fence_id=fence, speed_kmh10=speed, stay_ms=stay_ms, reason=reason, inferred=inferred):
            name = names.fences.get(fence, t("event_fence_numbered", n=fence))
            if reason == "hours":
                return t("event_say_fence_hours", fence=name)
            if event.type == "fence.dwelled":
                return t("event_say_fence_stay", fence=name, minutes=words.number(round((stay_ms or 0) / 60_000)))
            text = t("event_say_fence", fence=name, speed=words.number(speed / 10))
            return f"{text} · {t('event_inferred')}" if inferred else text
        case FenceMissed(fence_id=fence):
            name = names.fences.get(fence, t("event_fence_numbered", n=fence))
            return t("event_say_fence_missed", fence=name)
        case AlarmSeen(evidence=evidence, speed_kmh10=speed, late=late):
            said = words.or_text("event_evidence_" + evidence.replace(".", "_"), evidence)
            text = t("event_say_alarm", evidence=said, speed=words.number(speed / 10))
            return f"{text} · {t('event_late')}" if late else text
        case TheftSuspected(kinds=kinds, confidence=sure, distance_m=away, silent_s=silent, late=late):
            text = t("theft_say", kinds=kinds_said(kinds, words), confidence=words.number(100 * sure))
            further = [t("theft_say_distance", n=words.number(away))] if away else []
            further += [t("theft_say_silent", n=words.number(silent // 60))] if silent else []
            return " · ".join([text, *further, *([t("event_late")] if late else [])])
        case CrashJudged() as crash:
            return crash_said(crash, words)
        case TripOpened(began_by=by):
            return t("event_say_trip_opened", by=t(f"trip_by_{by}"))
        case TripClosed(distance_m=metres, duration_ms=took_ms, max_kmh10=fastest):
            km, minutes = words.number(metres / 1000, 1), words.number(round(took_ms / 60_000))
            return t("event_say_trip_closed", km=km, minutes=minutes, speed=words.number(fastest / 10))
        case OdometerAdvanced(odometer_m=metres, advance_m=advance):
            km = words.number(metres / 1000, 1)
            return t("event_say_odometer", km=km, advance=words.number(advance / 1000, 1))
        case OverspeedSeen(max_kmh10=fastest, limit_kmh10=limit, duration_ms=took_ms, fence_id=fence):
            text = t(
                "event_say_overspeed",
                max=words.number(fastest / 10),
                limit=words.number(limit / 10),
                seconds=words.number(round(took_ms / 1000)),
            )
            zone = names.fences.get(fence, t("event_fence_numbered", n=fence)) if fence else ""
            return f"{zone} · {text}" if zone else text
        case ProximityRisked(other_vehicle_id=other, score=score, seconds10=seconds10, miss_m10=miss_m10):
            return t(
                "event_say_proximity",
                other=names.plates.get(other, t("event_car_numbered", n=other)),
                score=score,
                seconds=words.number(seconds10 / 10, 1),
                miss=words.number(miss_m10 / 10, 1),
            )
        case CommandRequested(message=message):
            return message_name(message, words)
        case CommandProgress(why=why, reason=reason):
            return words.or_text(f"event_reason_{why or reason.replace(' ', '_')}", reason) if reason else ""
        case MessageRequested(template=template):
            return title_of(template, words)
        case MediaStored(kind=kind):
            return t(f"media_kind_{kind}")
        case MediaAnnounced(kind=kind, code=code, channel=channel):
            return " · ".join((t(f"media_kind_{kind}"), reason_name(code, words), channel_name(channel, words)))
        case DriverCard(result=result):
            return choice_name("result", CARD_RESULTS.get(result, str(result)), words) if result else ""
        case UpgradeFinished(result=result):
            return choice_name("result", UPGRADE_RESULTS.get(result, str(result)), words)
        case RecordingUploaded(result=result):
            return t("event_say_upload_failed") if result else ""
        case DriverEventReported(event=number):
            return t("event_say_numbered", n=number)
        case QuestionAnswered(answer=number):
            return t("event_say_answer", n=number)
        case InformationChosen(information=number):
            return t("event_say_numbered", n=number)
        case RecorderReported(block=block):
            return t("event_say_block", block=f"{block:02X}")
        case RulesChanged(detector=detector, version=version, fields=changed):
            said = ("、" if words.language == "zh" else ", ").join(
                words.or_text(f"rules_{detector}_{name}", name) for name in changed
            )
            name = words.or_text(f"rules_{detector}", detector)
            return t("event_say_rules", detector=name, version=version, fields=said)
        case PassengersCounted(got_on=got_on, got_off=got_off):
            return t("event_say_passengers", on=got_on, off=got_off)
    if "reason" in fields:
        return words.or_text(f"event_reason_{fields['reason']}", str(fields["reason"]))
    if "fields" in fields and isinstance(fields["fields"], list | tuple):
        return ", ".join(words.or_text(f"event_field_{name}", str(name)) for name in fields["fields"])
    return " · ".join(str(fields[name]) for name in ("terminal_id", "model") if fields.get(name))


def kinds_said(kinds: Sequence[str], words: Words) -> str:
    """Return evidence of a theft in words, one after the other."""
    comma = ", " if words.language == "en" else "、"
    return comma.join(words.or_text(f"theft_kind_{kind}", kind) for kind in kinds)


def crash_said(crash: CrashJudged, words: Words) -> str:
    """Return how sure it is and by what; of one that was cleared, why."""
    t = words.t
    if isinstance(crash, CrashCleared):
        lasted = words.duration(crash.after_s)
        if crash.reason == "drove_on":
            return t("crash_say_drove_on", metres=words.number(crash.driven_m), time=lasted)
        return t("crash_say_alone", time=lasted)
    said = t(
        "crash_say",
        confidence=crash.confidence_percent,
        severity=t(f"crash_severity_{crash.severity}"),
        evidence=t("list_comma").join(evidence_said(one, words) for one in crash.evidence),
    )
    return f"{said} · {t('event_late')}" if crash.late else said


def evidence_said(one: CrashEvidence, words: Words) -> str:
    """Return one piece of evidence with its figure."""
    return f"{words.or_text('crash_evidence_' + one.kind, one.kind)} {evidence_figure(one, words)}".strip()


def evidence_figure(one: CrashEvidence, words: Words) -> str:
    """Return how much there was of it, in the unit of its kind."""
    t = words.t
    match one.kind:
        case "acceleration" | "deceleration":
            return t("crash_figure_g", n=words.number(one.value / 1000, 1))
        case "speed_change":
            return t("crash_figure_kmh", n=words.number(one.value / 10))
        case "stopped":
            return t("crash_figure_stopped", time=words.duration(one.value))
        case "stayed" | "silence":
            return t("crash_figure_for", time=words.duration(one.value))
    return ""


def reason_name(code: int, words: Words) -> str:
    """Return why a terminal took a picture, by its number (0x0800)."""
    return words.or_text(f"media_event_{code}", words.t("media_event_other", n=code))


def channel_name(channel: int, words: Words) -> str:
    """Return what a camera's or microphone's number stands for (JT/T 1076), with the number."""
    known = words.or_text(f"media_channel_{channel}", "")
    return " ".join(filter(None, (words.t("media_channel_numbered", n=channel), known)))


def pairs_of(event: Event, names: Names, words: Words, map_open: bool) -> list[tuple[str, Markup | str]]:
    """Return the payload as (name, value) pairs in trade words; coordinates are one place, with a link to the map."""
    fields = fields_of(event)
    pairs: list[tuple[str, Markup | str]] = []
    if "lat_1e7" in fields and "lon_1e7" in fields:
        lat, lon = fields.pop("lat_1e7") / DEGREE_1E7, fields.pop("lon_1e7") / DEGREE_1E7
        if fields.get("has_fix", True):
            place = f"{lat:.6f}, {lon:.6f}"
            link = Markup('<a href="/?at={},{},16">{}</a>').format(f"{lat:.6f}", f"{lon:.6f}", place)
            pairs.append((words.t("event_field_place"), link if map_open else place))
    if isinstance(event.payload, MessageReceived):
        # Where the message stands is one place with a link; what it says is for who may read it there.
        message = fields.pop("message")
        node, sequence = fields.pop("node"), fields.pop("sequence")
        where = Markup('<a href="/vehicles/{}/messages?node={}&amp;open={}#message">{} {}</a>')
        shown = where.format(vehicle_of(event), quote(node, safe=""), sequence, message_name(message, words), message)
        pairs.append((words.t("event_field_message"), shown))
    for name, value in fields.items():
        if name in _HIDDEN or (name in _ON_THE_CARD and isinstance(event.payload, CrashJudged)):
            continue
        word = word_said(event.payload, name, value, words) or incident_word(event.payload, name, value, words)
        word = word or _said(name, value, names, words)
        pairs.append((words.or_text(f"event_field_{name}", name), word))
    return pairs


def _said(name: str, value: Any, names: Names, words: Words) -> Markup | str:
    """Return one field's value as people read it; its unit is the end of its name."""
    if value is None or value in ("", (), [], {}):
        return Markup('<span class="faint">–</span>')
    if isinstance(value, bool):
        return words.t("yes" if value else "no")
    if name in _VEHICLES:
        return car_link(value, names, words)
    if name == "fence_id":
        shown = names.fences.get(value, words.t("event_fence_numbered", n=value))
        return Markup('<a href="/geofences?fence={}">{}</a>').format(value, shown)
    if name == "kinds":
        return kinds_said(value, words)
    if name == "kind" and isinstance(value, str):
        return words.or_text(f"theft_kind_{value}", value)
    if name == "confidence":
        return f"{words.number(100 * value)} %"
    if name == "stage":
        return words.or_text(f"theft_stage_{value}", str(value))
    if name.endswith("_minute") and isinstance(value, int):
        return f"{value // 60:02}:{value % 60:02}"
    if name in _SPANS:
        return words.t("event_seconds", n=words.number(round(value / 1000)))
    if name in _WAYS:
        return words.or_text(f"trip_{_WAYS[name]}_{value}", str(value))
    if name.endswith("_ms") and isinstance(value, int):
        # 0 is no time: nothing of the kind was set.
        return words.time(value) if value else Markup('<span class="faint">–</span>')
    if name.endswith("_m") and isinstance(value, int | float):
        return words.t("event_metres", n=words.number(value))
    if name.endswith("_s") and isinstance(value, int):
        return words.t("event_seconds", n=words.number(value))
    if name.endswith("_kmh10"):
        return words.t("event_kmh", n=words.number(value / 10, 1))
    if name.endswith("_mg") and isinstance(value, int):
        return words.t("crash_figure_g", n=words.number(value / 1000, 1))
    if name.endswith("_percent"):
        return f"{value} %"
    if name == "alarm":
        return Markup("<code>0x{}</code>").format(f"{value:08X}")
    if name == "reason":
        return words.or_text(f"event_reason_{str(value).replace(' ', '_')}", str(value))
    if name == "evidence":
        return words.or_text("event_evidence_" + str(value).replace(".", "_"), str(value))
    if name == "message":
        return f"{value} {message_name(str(value), words)}" if is_declared(str(value)) else str(value)
    if name == "media":
        return Markup('<a href="/media/{}">{}</a>').format(value, value)
    if name == "detector":
        return Markup('<a href="/rules/{}">{}</a>').format(value, words.or_text(f"rules_{value}", str(value)))
    if name in _CODES:
        return Markup('<code class="wrap">{}</code>').format(value)
    if isinstance(value, dict):
        return Markup('<code class="wrap">{}</code>').format(json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, list | tuple):
        return ", ".join(words.or_text(f"event_field_{one}", str(one)) for one in value)
    return str(value)


_VEHICLES: Final = frozenset({"vehicle_id", "vehicle_before", "other_vehicle_id"})
_CODES: Final = frozenset(
    {
        "report_id",
        "first_report_id",
        "other_report_id",
        "trip_id",
        "suspicion",
        "command",
        "terminal_id",
        "phone",
        "sha256",
    }
)
_WAYS: Final = {
    "began_by": "by",
    "ended_by": "by",
    "distance_from": "from",
    "source": "from",
    "rebased": "rebased",
}
_HIDDEN: Final = frozenset({"has_fix", "rule_version"})
_ON_THE_CARD: Final = frozenset({"evidence", "against", "blind", "confidence_percent", "severity"})
"""Of a crash: its card shows them better."""
_SPANS: Final = frozenset({"stay_ms", "duration_ms", "idle_ms"})
"""Times that something took, not moments."""

LOOKS: Final[dict[str, Look]] = {
    "crash": Look("crash", "bad"),
    "crash.cleared": Look("check", "good"),
    "sos": Look("sos", "bad"),
    "incident": Look("sos", "info"),
    "incident.opened": Look("sos", "bad"),
    "incident.joined": Look("plus", "warn"),
    "incident.escalated": Look("bell", "bad"),
    "incident.acknowledged": Look("user", "good"),
    "incident.closed": Look("check", "good"),
    "incident.reopened": Look("undo", "warn"),
    "theft": Look("lock", "bad"),
    "theft.cleared": Look("check", "good"),
    "device": Look("terminal", "quiet"),
    "device.online": Look("online", "good"),
    "device.offline": Look("offline", "warn"),
    "device.silent": Look("clock", "warn"),
    "device.unplugged": Look("alert", "bad"),
    "device.plugged": Look("check", "good"),
    "fence": Look("fence", "info"),
    "fence.entered": Look("enter", "info"),
    "fence.exited": Look("exit", "info"),
    "fence.dwelled": Look("clock", "warn"),
    "fence.missed": Look("alert", "warn"),
    "route": Look("route", "info"),
    "route.left": Look("route", "warn"),
    "command": Look("command", "quiet"),
    "command.requested": Look("command", "info"),
    "command.approved": Look("check", "info"),
    "command.rejected": Look("alert", "warn"),
    "command.queued": Look("clock", "quiet"),
    "command.effective": Look("check", "good"),
    "command.acked": Look("check", "quiet"),
    "command.failed": Look("alert", "warn"),
    "command.expired": Look("clock", "warn"),
    "command.unknown": Look("alert", "warn"),
    "terminal": Look("terminal", "quiet"),
    "terminal.identity.disputed": Look("shield", "bad"),
    "terminal.session.opened": Look("online", "good"),
    "terminal.session.closed": Look("offline", "quiet"),
    "terminal.retired": Look("terminal", "warn"),
    "vehicle": Look("car", "quiet"),
    "vehicle.armed": Look("shield", "info"),
    "vehicle.disarmed": Look("key", "quiet"),
    "geofence": Look("polygon", "quiet"),
    "rules": Look("sliders", "info"),
    "media": Look("camera", "quiet"),
    "media.stored": Look("camera", "info"),
    "message": Look("outbox", "quiet"),
    "trip": Look("route", "quiet"),
    "odometer": Look("speed", "quiet"),
    "odometer.held": Look("speed", "warn"),
    "odometer.corrected": Look("speed", "warn"),
    "health": Look("shield", "quiet"),
    "capture": Look("user", "quiet"),
    "capture.quarantined": Look("shield", "warn"),
    "person": Look("user", "info"),
    "person.match": Look("people", "warn"),
    "person.match.decided": Look("check", "good"),
    "person.merged": Look("people", "info"),
    "person.unmerged": Look("undo", "warn"),
    "person.verified": Look("check", "good"),
    "person.unreachable": Look("offline", "quiet"),
    "person.attribute": Look("alert", "warn"),
    "person.erased": Look("trash", "warn"),
    "household": Look("people", "quiet"),
    "vehicle.person": Look("user", "info"),
    "vehicle.person.ended": Look("user", "quiet"),
    "vehicle.state": Look("car", "info"),
    "overspeed": Look("speed", "warn"),
    "overspeed.ended": Look("speed", "quiet"),
    "proximity": Look("target", "quiet"),
    "key": Look("key", "info"),
    "driver": Look("user", "info"),
    "driver.card.removed": Look("user", "quiet"),
    "question": Look("check", "info"),
    "information": Look("list", "quiet"),
    "waybill": Look("outbox", "info"),
    "passengers": Look("people", "quiet"),
    "recorder": Look("history", "quiet"),
    "recording": Look("upload", "quiet"),
    "upgrade": Look("upload", "info"),
    "alarm": Look("alert", "warn"),
    "consent": Look("shield", "quiet"),
    "consent.given": Look("check", "good"),
    "consent.withdrawn": Look("close", "warn"),
    "consent.cascaded": Look("close", "warn"),
    "consent.expired": Look("clock", "warn"),
    "consent.contact.barred": Look("close", "warn"),
    "breakglass": Look("alert", "warn"),
    "breakglass.overdue": Look("alert", "bad"),
    "breakglass.closed": Look("check", "good"),
}
"""Type, or its beginning -> how it looks. The longest that fits counts."""

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "crash": ("crash.",),
    "sos": ("sos.", "key."),
    "theft": ("theft.", "vehicle.armed", "vehicle.disarmed"),
    "fence": ("fence.", "route."),
    "trip": ("trip.", "odometer."),
    "overspeed": ("overspeed.", "proximity."),
    "command": ("command.",),
    "media": ("media.",),
    "session": ("terminal.session.",),
    "terminal": ("terminal.",),
    "vehicle": ("vehicle.", "health."),
    "geofence": ("geofence.",),
    "rules": ("rules.",),
    "driver": ("driver.", "waybill.", "question.", "information.", "passengers."),
    "reach": ("device.",),
    "device": ("upgrade.", "recorder.", "recording.", "alarm."),
    "consent": ("consent.", "breakglass."),
}
"""What one can filter by: a word of messages (event_group_…) -> beginnings of types."""
