"""What every field of every event says about a person, what each purpose may hold of it, and how exactly.

An event is delivered for a purpose. Safety, theft, contract service and billing need no consent: law and contract are
their ground, and nobody can withdraw from them. Care, marketing, research and partners hold only what the person
allows, never more than HOLDS says, and positions no more exactly than both say. storage/permits.py applies it in the
one reader.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from core.events import EVENTS, PURPOSES

CONSENTED: Final = ("care", "marketing", "research", "partner")
"""Purposes that need the person's consent. Without one the answer is no."""
OPERATIONAL: Final = tuple(purpose for purpose in PURPOSES if purpose not in CONSENTED)
"""Purposes that rest on law and contract: the safety floor is among them."""

LADDER: Final = ("none", "area", "city", "district", "block", "street", "exact")
"""How exactly a place is told, from not at all: whether it lies in the service area of a store, then to 11 km, to
1.1 km, to 550 m, to 110 m, as it was measured (core.rights.PRECISION_1E7). A consent names any rung but `street`, which
is a grade of staff; other data than places have two rungs, none and exact."""
CONSENT_RUNGS: Final = ("area", "city", "district", "block", "exact")

CHANNELS: Final = ("data", "phone", "sms", "wechat", "app", "email", "post", "visit")
"""What a consent is for: using data, or getting in touch in one of the other ways."""


class DataClass(NamedTuple):
    """A kind of data about people."""

    name: str
    personal: bool = True
    """False: it says nothing about an owner or a driver; no consent is asked for it."""
    of_driver: bool = False
    """It tells of whoever drove: known drivers must allow it as the owner does."""


DATA_CLASSES: Final[Mapping[str, DataClass]] = MappingProxyType(
    {
        one.name: one
        for one in (
            DataClass("position", of_driver=True),  # where a car is or was
            DataClass("movement", of_driver=True),  # trips: when, how far, how long
            DataClass("place", of_driver=True),  # which fence was entered: a place by its name
            DataClass("driving", of_driver=True),  # speed, speeding, coming too close
            DataClass("mileage"),  # the odometer
            DataClass("incident"),  # crashes, emergency key
            DataClass("security"),  # thefts suspected, arming
            DataClass("device"),  # whether a terminal is reached, and has power
            DataClass("terminal"),  # conversation with terminals: logins, commands, answers
            DataClass("vehicle"),  # plate, VIN, a terminal's phone: what names a car to anybody
            DataClass("media", of_driver=True),  # pictures, sounds, films
            DataClass("talk", of_driver=True),  # messages, questions, cards of drivers
            DataClass("identity"),  # who somebody is, which records are one person
            DataClass("relation"),  # who owns, drives and pays for a car
            DataClass("contact"),  # getting in touch
            DataClass("due"),  # what a car will need, derived: service in 500 km
            DataClass("health"),  # record of a car's mileage, repairs and accidents
            DataClass("consent"),  # what was allowed, and looks by break-glass
            DataClass("staff", personal=False),  # users, skills, rosters, stores
            DataClass("system", personal=False),  # thresholds, fences drawn, timers, audit
        )
    }
)

_EVERYTHING: Final = MappingProxyType(dict.fromkeys(DATA_CLASSES, "exact"))


def _of(*classes: str, **rungs: str) -> Mapping[str, str]:
    return MappingProxyType({**dict.fromkeys(classes, "exact"), **rungs})


HOLDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "safety": _EVERYTHING,
        "theft": _EVERYTHING,
        "service": _EVERYTHING,
        "billing": _of("movement", "mileage", "device", "vehicle", "relation", "due", "consent", "staff", "system"),
        "care": _of(
            "movement", "place", "mileage", "incident", "device", "relation", "contact", "due", "health",
            position="district",
        ),
        # Derived facts only: that a service is due in 500 km, never the road that led there.
        "marketing": _of("relation", "contact", "due", position="area"),
        # Nothing that names anybody.
        "research": _of(
            "movement", "driving", "mileage", "incident", "security", "device", "due", "health", position="district"
        ),
        "partner": _of("place", "mileage", "incident", "vehicle", "contact", "due", "health", position="block"),
    }
)  # fmt: skip
"""Purpose -> data class -> the finest rung that it may hold; a class that is not named it may not hold at all, whatever
anybody consents to."""

EVENT_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "trip.": "movement",
        "odometer.": "mileage",
        "overspeed.": "driving",
        "proximity.": "driving",
        "crash.": "incident",
        "sos.": "incident",
        "incident.": "incident",
        "key.": "incident",
        "theft.": "security",
        "vehicle.armed": "security",
        "vehicle.disarmed": "security",
        "vehicle.changed": "vehicle",
        "vehicle.person.": "relation",
        "vehicle.": "vehicle",
        "fence.": "place",
        "route.": "place",
        "device.": "device",
        "terminal.": "terminal",
        "command.": "terminal",
        "tracking.": "terminal",
        "area.": "terminal",
        "upgrade.": "terminal",
        "recorder.": "terminal",
        "recording.": "media",
        "alarm.files.": "media",
        "media.": "media",
        "message.": "talk",
        "driver.": "talk",
        "question.": "talk",
        "information.": "talk",
        "waybill.": "talk",
        "passengers.": "talk",
        "person.": "identity",
        "capture.": "identity",
        "household.": "identity",
        "company.": "identity",
        "vhr.": "health",
        "health.": "health",
        "consent.": "consent",
        "breakglass.": "consent",
        "node.": "staff",
        "store.": "staff",
        "user.": "staff",
        "skill.": "staff",
        "roster.": "staff",
        "duty.": "staff",
        "supplier.": "system",
        "calendar.": "staff",
        "brand.": "staff",
        "geofence.": "system",
        "rules.": "system",
        "rule.": "system",
        "module.": "system",
        "actor.": "system",
        "timer.": "system",
        "intent.": "system",
        "ops.": "system",
        "audit.": "system",
        "export.": "system",
        "access.": "system",
    }
)
"""Beginning of an event's type -> what its mere occurrence tells; the longest that fits. A type that none fits is held
by no purpose that needs consent."""

SAME: Final = "same"
"""A field of the event's own class."""
REFERENCE: Final = "reference"
"""A number that leads to something: shown whenever the event is. It names nobody by itself."""

FIELD_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "vehicle_id", "vehicle_before", "other_vehicle_id", "terminal", "report_id", "first_report_id",
                "other_report_id", "trip_id", "fence_id", "suspicion", "command", "media", "media_id", "event",
                "message", "rule_version", "revision", "version", "person", "into", "account", "store", "store_before",
                "by", "capture", "captures", "candidates", "from_person", "household", "members", "other", "persons",
                "glass", "hash",
            ),
            REFERENCE,
        ),
        **dict.fromkeys(
            (
                "lat_1e7", "lon_1e7", "start_lat_1e7", "start_lon_1e7", "other_lat_1e7", "other_lon_1e7",
                "place_lat_1e7", "place_lon_1e7", "has_fix",
            ),
            "position",
        ),
        **dict.fromkeys(
            (
                "speed_kmh10", "speed_before_kmh10", "max_kmh10", "mean_kmh10", "closing_kmh10", "limit_kmh10",
                "peak_mg",
            ),
            "driving",
        ),
        **dict.fromkeys(("odometer_m", "advance_m", "before_m", "reading_m", "stands_m"), "mileage"),
        **dict.fromkeys(
            ("phone", "plate", "plate_colour", "vin", "terminal_id", "terminal_id_known", "terminal_id_claimed"),
            "vehicle"
        ),
        **dict.fromkeys(("satellites", "satellites_before", "cell_signal", "cell_signal_before"), "device"),
        **dict.fromkeys(("fields", "reply"), "terminal"),
        **dict.fromkeys(
            (
                "about", "active", "actor", "adapter", "after_s", "against", "alarm", "answer", "armed", "armed_ms",
                "attempt", "base", "began_by", "began_ms", "blind", "block", "by_silence", "channel", "city", "code",
                "confidence", "confidence_percent", "days", "detail", "detector", "distance_from", "distance_m",
                "driven_m", "due_ms", "duration_ms", "ended_by", "epoch", "evidence", "expires_ms", "files",
                "from_minute", "from_ms", "got_off", "got_on", "idle_ms", "impact_ms", "inferred", "information",
                "inside_ms", "intent", "key", "kind", "kinds", "late", "link", "maker", "metres", "miss_m10",
                "model", "name", "node", "parts",
                "parts_sent", "province", "purpose", "radius_m", "reason", "rebased", "reports", "result", "role",
                "rule", "scheduled", "score", "seconds10", "sequence", "serial", "severity", "sha256", "silent_s",
                "since_ms", "skip", "skipped", "source", "stage", "started_ms", "stay_ms", "stores", "suspended_ms",
                "target", "template", "to_minute", "to_ms", "type", "usual_s", "version_before", "why",
                # Of cars: states, links, odometers, the health record.
                "action", "before", "held", "how", "number", "of", "state", "verdict", "verified",
                # Of persons: records, their comparison, what was found of them.
                "attribute", "basis", "bits", "checks", "items", "level", "levels", "match", "matches", "method",
                "posterior", "shared", "times", "until_ms", "value", "verified_ms", "weight",
                # Of incidents.
                "alert", "alerts", "open_s", "step", "to", "waited_s",
                # Of consents and looks.
                "barred", "cars", "cells", "channels", "data_class", "finding", "given", "incident", "minutes",
                "precision", "purposes", "renew", "text", "timers", "used", "valid_days", "vehicles", "what",
                "withdrawn", "title_zh", "title_en", "body_zh", "body_en",
            ),
            SAME,
        ),
    }
)  # fmt: skip
"""Name of a field -> what it tells: a data class, SAME or REFERENCE. FIELDS_OF holds where one name tells two things.
Fields of events that are about no owner or driver (staff, thresholds) need no row: they are SAME."""

FIELDS_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FenceCrossed.fence_id": "place",
        "FenceMissed.fence_id": "place",
        "OverspeedSeen.fence_id": "place",
        # How far from where it stood: a place, told in another way.
        "TheftSuspected.distance_m": "security",
        "CrashEvidence.value": "incident",
        # When somebody drove where.
        "PersonErased.ranges": "movement",
        "ConsentCascaded.asked": "consent",
        # The whole alarm word and what a terminal answered tell more than the event does.
        "AlarmSeen.alarm": "terminal",
    }
)
"""Struct.field -> what it tells, in place of what FIELD_CLASSES says."""

PERSON_SUBJECTS: Final = ("vehicle:", "person:")
"""Subjects whose people are known: owner and drivers of a car at that time, or the person."""


@lru_cache(maxsize=1024)
def class_of(type_: str) -> str:
    """Return the data class of an event's type; empty where none is declared."""
    fits = [beginning for beginning in EVENT_CLASSES if type_.startswith(beginning)]
    return EVENT_CLASSES[max(fits, key=len)] if fits else ""


def is_personal(type_: str) -> bool:
    """Tell whether events of this type are about an owner or a driver; one that nobody knows is taken for one."""
    class_ = class_of(type_)
    return class_ == "" or DATA_CLASSES[class_].personal


def field_class(struct: type[msgspec.Struct], name: str, event_class: str) -> str:
    """Return what a field tells: a data class, REFERENCE, or empty where nobody has said it."""
    for base in struct.__mro__:
        if f"{base.__name__}.{name}" in FIELDS_OF:
            return FIELDS_OF[f"{base.__name__}.{name}"]
    impersonal = event_class in DATA_CLASSES and not DATA_CLASSES[event_class].personal
    found = FIELD_CLASSES.get(name, SAME if impersonal else "")
    return event_class if found == SAME else found


@lru_cache(maxsize=4096)
def fields_of(type_: str, version: int) -> Mapping[str, str]:
    """Return field -> what it tells, of the payload of a type; empty for a type that this program does not know."""
    struct = EVENTS.get((type_, version))
    if struct is None:
        return MappingProxyType({})
    event_class = class_of(type_)
    return MappingProxyType({name: field_class(struct, name, event_class) for name in struct.__struct_fields__})


def lesser(one: str, other: str) -> str:
    """Return the lower of two rungs of LADDER."""
    return LADDER[min(LADDER.index(one), LADDER.index(other))]


def greater(one: str, other: str) -> str:
    """Return the higher of two rungs of LADDER."""
    return LADDER[max(LADDER.index(one), LADDER.index(other))]


@lru_cache(maxsize=256)
def types_held(purposes: frozenset[str]) -> tuple[str, ...]:
    """Return the types of events about people that one of these purposes may hold, by name."""
    held = {class_ for purpose in purposes for class_ in HOLDS[purpose]}
    return tuple(sorted({type_ for type_, _ in EVENTS if is_personal(type_) and class_of(type_) in held}))


def consents_askable(purpose: str) -> Mapping[str, str]:
    """Return data class -> finest rung, of what a person can be asked to allow for a purpose; empty for none."""
    return HOLDS[purpose] if purpose in CONSENTED else MappingProxyType({})
