"""The text of a message: what happened, to which car, when, in the language of who reads it."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from core.events import CrashCleared, CrashJudged, Event
from storage import outbox
from storage.eventlog import events_by_id
from storage.outbox import Message

TEXTS: Final = {
    "crash.suspected": {
        "zh": ("碰撞疑似：{car}", "{time}，{car}{at}疑似发生碰撞{sure}。请尽快联系车主并核实情况。"),
        "en": ("Crash suspected: {car}", "{time}: {car}{at} may have crashed{sure}. Call the driver and find out."),
    },
    "crash.confirmed": {
        "zh": ("碰撞确认：{car}", "{time}，{car}{at}发生碰撞{sure}。请立即联系车主，必要时组织救援。"),
        "en": ("Crash confirmed: {car}", "{time}: {car}{at} has crashed{sure}. Call the driver now, and send help."),
    },
    "crash.cleared": {
        "zh": ("碰撞排除：{car}", "{time}，{car}{at}的碰撞疑似已排除：{why}。"),
        "en": ("Crash cleared: {car}", "{time}: no crash of {car}{at} after all: {why}."),
    },
    "sos.pressed": {
        "zh": ("紧急报警：{car}", "{time}，{car}{at}按下紧急报警按钮。请立即联系车主。"),
        "en": ("SOS: {car}", "{time}: the emergency button of {car}{at} was pressed. Call the driver now."),
    },
    "fence.entered": {
        "zh": ("驶入围栏：{car}", "{time}，{car}{at}驶入电子围栏“{fence}”。"),
        "en": ("Fence entered: {car}", "{time}: {car}{at} entered the geofence “{fence}”."),
    },
    "fence.exited": {
        "zh": ("驶出围栏：{car}", "{time}，{car}{at}驶出电子围栏“{fence}”。"),
        "en": ("Fence left: {car}", "{time}: {car}{at} left the geofence “{fence}”."),
    },
    "theft.suspected": {
        "zh": ("疑似盗抢：{car}", "{time}，{car}{at}疑似被盗或被拖走。请立即联系车主核实，必要时报警。"),
        "en": ("Theft suspected: {car}", "{time}: {car}{at} may be being stolen or towed. Call its owner now."),
    },
    "device.online": {
        "zh": ("设备上线：{car}", "{time}，{car}{at}的终端已上线。"),
        "en": ("Device online: {car}", "{time}: the terminal of {car}{at} is online."),
    },
    "device.offline": {
        "zh": ("设备离线：{car}", "{time}，{car}{at}的终端已离线。"),
        "en": ("Device offline: {car}", "{time}: the terminal of {car}{at} is offline."),
    },
    "device.silent": {
        "zh": ("设备静默：{car}", "{time}，{car}{at}的终端在线但已停止上报定位。"),
        "en": ("Device silent: {car}", "{time}: the terminal of {car}{at} is logged in and no longer reports."),
    },
    "device.unplugged": {
        "zh": ("设备断电：{car}", "{time}，{car}{at}的终端主电源被切断。"),
        "en": ("Device cut from power: {car}", "{time}: the terminal of {car}{at} was cut from the car's power."),
    },
    "device.plugged": {
        "zh": ("设备恢复供电：{car}", "{time}，{car}{at}的终端已恢复供电。"),
        "en": ("Device has power again: {car}", "{time}: the terminal of {car}{at} is on the car's power again."),
    },
}
"""Template -> language -> subject and body."""

SURE: Final = {"zh": "（可信度 {percent}%）", "en": " ({percent} % sure)"}
CLEARED: Final = {
    "drove_on": {"zh": "车辆已继续行驶 {metres} 米", "en": "it drove on for {metres} m"},
    "alone": {"zh": "未出现其他佐证", "en": "nothing came in addition"},
}
"""Reason of a crash.cleared -> language -> why."""


def write(connection: Connection, sign: str, intent: Event) -> Message | None:
    """Return the row of a message: text and address as they are now; None where the person or the event is gone."""
    wanted = intent.payload
    about = events_by_id(connection, sign, [wanted.event]).get(wanted.event)
    person = next(iter(outbox.recipients(connection, wanted.account)), None)
    if about is None or person is None or wanted.template not in TEXTS:
        return None
    language = "en" if person.language == "en" else "zh"
    subject, body = text(connection, about, wanted.template, language)
    return Message(
        id=intent.id,
        adapter="shown",
        group=intent.group,
        store=intent.store,
        channel="portal",
        account=person.account,
        address=person.login,
        subject=subject,
        body=body,
        about=about.subject,
        cause=about.id,
        state="requested",
        requested_ms=intent.time_ms,
        changed_ms=intent.time_ms,
    )


def text(connection: Connection, about: Event, template: str, language: str) -> tuple[str, str]:
    """Return subject and body of a message about an event."""
    payload: Any = about.payload
    vehicle_id = payload.vehicle_id
    known = outbox.circumstances(connection, about, vehicle_id, getattr(payload, "fence_id", 0))
    zone = ZoneInfo(known.time_zone)
    store = known.store_zh if language == "zh" else known.store_en
    values = {
        "car": known.plate or (f"车辆{vehicle_id}" if language == "zh" else f"car {vehicle_id}"),
        "at": (f"（{store}）" if language == "zh" else f" ({store})") if store else "",
        "time": datetime.fromtimestamp(about.time_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S"),
        "fence": known.fence,
        "sure": "",
        "why": "",
    }
    if isinstance(payload, CrashJudged):
        values["sure"] = SURE[language].format(percent=payload.confidence_percent)
    if isinstance(payload, CrashCleared):
        values["why"] = CLEARED[payload.reason][language].format(metres=payload.driven_m)
    subject, body = TEXTS[template][language]
    return subject.format(**values), body.format(**values)
