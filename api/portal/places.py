"""Where a user sees what a message carried: a page of the portal for each, and nothing that is not there.

A downlink that people send has its form and what became of it on the car's page of commands; what it is answered with
stands there too. Whatever else a terminal says is on the car's page of messages. SEEN names the rest.
docs/jt808.md is made of this, and a test looks that each place is a page.
"""

from typing import Final

from protocols.jt808.forms import sendable
from protocols.jt808.messages import answer_to, is_downlink

PLACES: Final[dict[str, tuple[str, str, str]]] = {
    "commands": ("/vehicles/{vehicle_id:int}/commands", "commands of a car", "车辆：下发指令"),
    "messages": ("/vehicles/{vehicle_id:int}/messages", "messages of a car", "车辆：消息"),
    "media": ("/vehicles/{vehicle_id:int}/media", "media of a car", "车辆：多媒体"),
    "track": ("/vehicles/{vehicle_id:int}", "track of a car", "车辆：轨迹"),
    "events": ("/vehicles/{vehicle_id:int}/events", "events of a car", "车辆：事件"),
    "frames": ("/vehicles/{vehicle_id:int}/frames", "raw frames of a car", "车辆：原始报文"),
    "map": ("/", "live map", "实时地图"),
    "vehicles": ("/vehicles", "vehicles", "车辆"),
    "terminals": ("/terminals/{terminal:int}", "terminals", "终端"),
    "geofences": ("/geofences", "geofences", "电子围栏"),
    "approvals": ("/approvals", "approvals", "审批"),
    "explain": ("/explain", "explainer", "报文解析"),
}
"""Place -> the page's path as declared, its name in English and Chinese."""

AREAS: Final = (0x8600, 0x8601, 0x8602, 0x8603, 0x8604, 0x8605, 0x8606, 0x8607, 0x8608)

SEEN: Final[dict[int, tuple[str, ...]]] = {
    0x0001: ("commands",),
    0x0002: ("vehicles", "terminals"),
    0x0003: ("events",),
    0x0100: ("terminals", "events"),
    0x0102: ("terminals", "events"),
    0x0200: ("map", "track", "frames"),
    0x0704: ("track", "frames"),
    0x0201: ("commands", "track"),
    0x0500: ("commands", "track"),
    0x0608: ("commands", "geofences"),
    0x0800: ("media", "messages"),
    0x0801: ("media",),
    0x8500: ("commands", "approvals"),
    0x8105: ("commands", "approvals"),
    0x8103: ("commands", "approvals"),
    **dict.fromkeys(AREAS, ("commands", "geofences")),
    # What the platform answers of itself: shown by what it answers.
    0x8001: ("commands", "explain"),
    0x8003: ("media", "explain"),
    0x8004: ("explain",),
    0x8100: ("terminals", "events"),
    0x8109: ("explain",),
    0x8800: ("media",),
    0x9212: ("explain",),
}
"""Message -> where it is seen, where that is not what places_of says of its kind."""

_ANSWERS: Final = frozenset(answer_to(message) for message in sendable()) - {0, 0x0001}


def places_of(message: int) -> tuple[str, ...]:
    """Return the places (keys of PLACES) where a user sees what a message carried, the first the one to look at."""
    if message in SEEN:
        return SEEN[message]
    if is_downlink(message):
        return ("commands",)
    return ("commands", "messages") if message in _ANSWERS else ("messages",)
