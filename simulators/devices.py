"""What a terminal carries out: the device behind the link, which keeps what the platform sets and answers what it asks.

State in, frames out, as in terminals.py: no socket and no clock. What takes time (a door that locks, a picture that is
taken, a driver who thinks about a question) stands on an agenda and happens at `tick`. The same calls give the same
bytes: names, pictures, recordings and recorder blocks are functions of the terminal's number and of its drive.

A device answers as a terminal of its edition does. Which edition knows a message, and what answers it, are read from
the declarations (messages.py): what an edition does not know is answered with "unsupported" (0x0001, result 3), what it
cannot read with "message wrong" (2), what it cannot do with "failure" (1).

Everything it keeps is bounded; at a bound the oldest goes, or the order is answered with "failure".
"""

import functools
import hashlib
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from protocols.jt808 import control, media, safety, video
from protocols.jt808.codec import Decoded, Header, ProtocolError, decode
from protocols.jt808.location import STATUS_SOUTH, STATUS_WEST, Odometer
from protocols.jt808.messages import MESSAGES, ResendRequest, TerminalGeneralReply, Text, Unknown
from protocols.jt808.parameters import Parameter
from protocols.jt808.recorder import COLLECT_FAILED, SET_FAILED, RecorderAnswer
from simulators.equipment import (
    CAMERAS,
    Medium,
    camera,
    driver_of,
    head_of,
    holds,
    in_time,
    medium_bytes,
    number_in,
    number_of,
    parameters_of,
    recordings_of,
)
from simulators.recorders import Recorder

if TYPE_CHECKING:
    from simulators.terminals import Fix, Terminal

OK: Final = 0
FAILURE: Final = 1
WRONG: Final = 2
UNSUPPORTED: Final = 3

ALARM_PICTURE_BYTES: Final = 20_480
TEXTS_MAX: Final = 16
MENU_MAX: Final = 32
CONTACTS_MAX: Final = 64
AREAS_MAX: Final = 64
"""Areas of each kind. Terminals of the trade hold 24 to 100."""
PARAMETERS_MAX: Final = 192
"""Parameters kept beside those that every terminal has."""
MEDIA_MAX: Final = 32
"""Pictures and sounds kept; the oldest goes. What is kept is what they were made from, some 200 bytes each."""
AGENDA_MAX: Final = 64
"""Things to do later."""
QUEUE_MAX: Final = 16
"""Media that wait to be sent."""
SENT_MAX: Final = 4
"""Long messages whose fragments are kept, to be sent again byte for byte."""
GATHERING_MAX: Final = 4
"""Long messages of the platform half received, each of GATHERING_BYTES_MAX at most."""
GATHERING_BYTES_MAX: Final = 2 * 1024 * 1024


LOCK_MS: Final = 300
SHOT_MS: Final = 200
"""A camera's first picture."""
THINK_MS: Final = 2_000
"""How long a driver reads before he answers."""
UPGRADE_MS: Final = 3_000
UPLOAD_MS: Final = 3_000
"""An upload to somebody else's server, of which this link hears the end only."""
REST_MS: Final = {2: 60_000, 3: 300_000, 4: 15_000, 5: 20_000, 6: 60_000, 7: 300_000}
"""How long a terminal is away after each terminal control (0x8105): it visits another server, is off, starts anew."""
GOODBYE_MS: Final = 500
"""The answer to what ends the link goes out before it ends."""
CONFIRM_MS: Final = 30_000
"""How long a medium that was sent waits for the platform's word (0x8800) before it is sent once more."""
ASK_MS: Final = 3_000
"""How long a half-received message waits for its next fragment before the missing ones are asked for (0x0005)."""
ASKS_MAX: Final = 3
AUDIO_S_MAX: Final = 3
SHOTS_MAX: Final = 10
CHANNELS: Final = frozenset({1, 2, 3, 4, 0x64, 0x65})
"""Cameras: driver, road, cabin, door; and those of ADAS and DSM."""

ALARM_OVERSPEED: Final = 1 << 1
ALARM_AREA: Final = 1 << 20
ALARM_ROUTE: Final = 1 << 21
STATUS_ACC: Final = 1 << 0
STATUS_LOCKED: Final = 1 << 12
MEDIA_BY_ORDER: Final = 0
NEVER: Final = 1 << 62
PIECE_2011_BYTES: Final = 900
"""Of a file, in each 0x0801 of 2011."""


class Sent(NamedTuple):
    """A long message that went out."""

    message: int
    wires: list[bytes]


class Gathering:
    """A long message of the platform half received."""

    __slots__ = ("asked", "bytes", "due_ms", "parts")

    def __init__(self, due_ms: int) -> None:
        self.parts: dict[int, bytes] = {}
        self.bytes = 0
        self.asked = 0
        self.due_ms = due_ms


class Device:
    """The orders' half of one terminal.

    `terminal` calls `obey` with what came, `look` with what its sensors say before it is reported, `tick` at `due_ms`,
    and `welcome` after each login. What a person in the car does are the methods of the last part: `card`, `waybill`,
    `can`, `passengers`, `photograph`.
    """

    __slots__ = (
        "_agenda",
        "_agenda_count",
        "_clear_status",
        "_current",
        "_current_due_ms",
        "_current_tries",
        "_gathered",
        "_gathering",
        "_inside",
        "_media_id",
        "_queue",
        "_sent",
        "_set_status",
        "_speeding_ms",
        "_terminal",
        "_upgraded",
        "_uploads",
        "_watching",
        "areas",
        "calls",
        "card_in",
        "contacts",
        "counts",
        "events",
        "firmware",
        "infos",
        "live",
        "media",
        "parameters",
        "recorder",
        "texts",
    )

    def __init__(self, terminal: "Terminal") -> None:
        self._terminal = terminal
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._agenda_count = 0
        self._gathering: OrderedDict[tuple[int, int, int], Gathering] = OrderedDict()
        self._gathered: deque[tuple[int, int, int]] = deque(maxlen=GATHERING_MAX)
        self._sent: OrderedDict[int, Sent] = OrderedDict()
        self._queue: deque[tuple[int, bool]] = deque()
        self._current: tuple[int, bool, list[bytes]] | None = None
        self._current_due_ms = NEVER
        self._current_tries = 0
        self._media_id = 0
        self._set_status = self._clear_status = 0
        self._inside: dict[tuple[int, int], bool] = {}
        self._speeding_ms: dict[tuple[int, int], int] = {}
        self._watching = False
        self._uploads: dict[int, bool] = {}
        self._upgraded = 0
        self.parameters: dict[int, Parameter] = {one.id: one for one in parameters_of(terminal.identity)}
        self.areas: dict[int, dict[int, Any]] = {1: {}, 2: {}, 3: {}, 4: {}}
        """By kind (1 circle, 2 rectangle, 3 polygon, 4 route) and id, as they were set."""
        self.texts: deque[str] = deque(maxlen=TEXTS_MAX)
        self.calls: deque[tuple[int, str]] = deque(maxlen=TEXTS_MAX)
        self.events: dict[int, str] = {}
        self.infos: dict[int, str] = {}
        self.contacts: dict[str, control.Contact] = {}
        self.media: OrderedDict[int, Medium] = OrderedDict()
        self.recorder = Recorder(terminal.identity) if terminal.identity.model.recorder else None
        self.live: set[int] = set()
        """Channels that were asked to send pictures live."""
        self.card_in = False
        self.firmware = "1.4.2"
        self.counts = {"orders": 0, "unsupported": 0, "wrong": 0, "failures": 0, "fragments_again": 0, "dropped": 0}

    # --- what the terminal calls

    @property
    def due_ms(self) -> int:
        """When `tick` has something to do, at the earliest."""
        due = self._agenda[0][0] if self._agenda else NEVER
        due = min(due, self._current_due_ms)
        for gathering in self._gathering.values():
            due = min(due, gathering.due_ms)
        return due

    def tick(self, now_ms: int) -> None:
        """Do what is due."""
        while self._agenda and self._agenda[0][0] <= now_ms:
            heapq.heappop(self._agenda)[2](now_ms)
        if self._current_due_ms <= now_ms:
            self._unconfirmed(now_ms)
        for key, gathering in list(self._gathering.items()):
            if gathering.due_ms <= now_ms:
                self._ask(key, gathering, now_ms)

    def welcome(self, now_ms: int) -> None:
        """Logged in again: what was being sent when the link broke is sent once more."""
        if self._current is not None:
            self._terminal.send_again(self._current[2], now_ms)
            self._current_due_ms = now_ms + CONFIRM_MS

    def obey(self, decoded: Decoded, now_ms: int) -> None:
        """Carry out a frame of the platform, and answer it."""
        header = decoded.header
        if header.total:
            self._gather(header, decoded.body, now_ms)
            return
        message, version = header.message, self._terminal.identity.model.version
        declared, handler = MESSAGES.get(message), HANDLERS.get(message)
        self.counts["orders"] += 1
        result: int | None
        if message in SILENT and (handler is None or isinstance(decoded.body, Unknown)):
            return
        if declared is None or handler is None or not declared.since <= version <= declared.until:
            result = UNSUPPORTED
            self.counts["unsupported"] += 1
        elif isinstance(decoded.body, Unknown) or any(not fault.endswith("is no time") for fault in decoded.faults):
            # A time of no day is how daily periods are written (00-00-00 08:00:00).
            result = WRONG
            self.counts["wrong"] += 1
        else:
            result = handler(self, header, decoded.body, now_ms)
        if result is not None:
            self.counts["failures"] += result == FAILURE
            self._speak(0x0001, TerminalGeneralReply(header.serial, message, result), now_ms)

    # --- long messages

    def _speak(self, message: int, body: msgspec.Struct, now_ms: int) -> list[bytes]:
        return self.speak(message, body, now_ms)[1]

    def speak(self, message: int, body: msgspec.Struct, now_ms: int) -> tuple[int, list[bytes]]:
        """Send a message and keep its fragments if it has any. Returns and raises as Terminal.speak."""
        serial, wires = self._terminal.speak(message, body, now_ms)
        if len(wires) > 1:
            self._sent.pop(serial, None)
            self._sent[serial] = Sent(message, wires)
            while len(self._sent) > SENT_MAX:
                self._sent.popitem(last=False)
        return serial, wires

    def _gather(self, header: Header, body: msgspec.Struct, now_ms: int) -> None:
        """Take one fragment of a message of the platform, and say so; the last one is answered with what came of it."""
        assert isinstance(body, Unknown)
        key = (header.message, header.total, (header.serial - header.index + 1) & 0xFFFF)
        received = TerminalGeneralReply(header.serial, header.message, OK)
        if key in self._gathered:
            self._speak(0x0001, received, now_ms)
            return
        gathering = self._gathering.get(key)
        if gathering is None:
            while len(self._gathering) >= GATHERING_MAX:
                self._gathering.popitem(last=False)
                self.counts["dropped"] += 1
            gathering = self._gathering[key] = Gathering(now_ms + ASK_MS)
        gathering.due_ms = now_ms + ASK_MS
        if header.index not in gathering.parts:
            gathering.parts[header.index] = body.data
            gathering.bytes += len(body.data)
        if gathering.bytes > GATHERING_BYTES_MAX:
            del self._gathering[key]
            self.counts["dropped"] += 1
            self._speak(0x0001, TerminalGeneralReply(header.serial, header.message, FAILURE), now_ms)
            return
        if len(gathering.parts) < header.total:
            self._speak(0x0001, received, now_ms)
            return
        del self._gathering[key]
        self._gathered.append(key)
        whole = b"".join(gathering.parts[index] for index in range(1, header.total + 1))
        try:
            decoded = decode(rebuilt(header, whole), header.version)
        except ProtocolError:
            self.counts["wrong"] += 1
            return
        self.obey(decoded, now_ms)

    def _ask(self, key: tuple[int, int, int], gathering: Gathering, now_ms: int) -> None:
        """Ask for the fragments that are missing; editions before 2019 can only wait for the whole to come again."""
        if self._terminal.identity.model.version < 2019 or gathering.asked >= ASKS_MAX:
            del self._gathering[key]
            self.counts["dropped"] += 1
            return
        gathering.asked += 1
        gathering.due_ms = now_ms + ASK_MS * (gathering.asked + 1)
        missing = [index for index in range(1, key[1] + 1) if index not in gathering.parts]
        self._speak(0x0005, ResendRequest(key[2], tuple(missing[:255])), now_ms)

    def _resend(self, header: Header, body: ResendRequest, now_ms: int) -> int | None:
        """0x8003: the same fragments again, byte for byte."""
        sent = self._sent.get(body.first_serial)
        if sent is None:
            return FAILURE
        wires = [sent.wires[index - 1] for index in body.indexes if 1 <= index <= len(sent.wires)]
        self.counts["fragments_again"] += len(wires)
        self._terminal.send_again(wires, now_ms)
        return None

    # --- later

    def _later(self, after_ms: int, do: Callable[[int], None], now_ms: int) -> int:
        """Put something on the agenda; FAILURE when it is full."""
        if len(self._agenda) >= AGENDA_MAX:
            return FAILURE
        self._agenda_count += 1
        heapq.heappush(self._agenda, (now_ms + after_ms, self._agenda_count, do))
        return OK

    # --- parameters, attributes, control, upgrade

    def _set_parameters(self, header: Header, body: control.SetParameters, now_ms: int) -> int:
        for one in body.parameters:
            if one.id not in self.parameters and len(self.parameters) >= PARAMETERS_MAX:
                return FAILURE
            self.parameters[one.id] = one
            self._apply(one)
        return OK

    def _apply(self, parameter: Parameter) -> None:
        """Let a parameter take effect that this device lives by."""
        value = number_of(parameter)
        if not value:
            return
        if parameter.id == 0x0001:
            self._terminal.heartbeat_ms = max(1, min(value, 86_400)) * 1000
        elif parameter.id == 0x0029:
            self._terminal.interval_ms = max(1, min(value, 86_400)) * 1000
        elif parameter.id == 0x0055:
            self._watching = True

    def _all_parameters(self, header: Header, body: control.QueryAllParameters, now_ms: int) -> None:
        self._report_parameters(header.serial, tuple(self.parameters.values()), now_ms)

    def _some_parameters(self, header: Header, body: control.QueryParameters, now_ms: int) -> None:
        found = tuple(self.parameters[id] for id in dict.fromkeys(body.ids) if id in self.parameters)
        self._report_parameters(header.serial, found, now_ms)

    def _report_parameters(self, serial: int, parameters: tuple[Parameter, ...], now_ms: int) -> None:
        # Their number has one byte, as a value's length has.
        self._speak(0x0104, control.ParametersReply(reply_serial=serial, parameters=parameters[:255]), now_ms)

    def _attributes(self, header: Header, body: control.QueryAttributes, now_ms: int) -> None:
        who = self._terminal.identity
        reply = control.AttributesReply(
            kind=1 << 2 | 1 << 6,
            maker=who.model.maker,
            model=who.model.name,
            terminal_id=who.terminal_id,
            iccid=f"898600{int(who.terminal_id) if who.terminal_id.isdecimal() else 0:014d}",
            hardware="CT-2.1",
            firmware=self.firmware,
            gnss=0b11,
            radio=1 << 5,
        )
        self._speak(0x0107, reply, now_ms)

    def _control(self, header: Header, body: control.TerminalControl, now_ms: int) -> int:
        if body.command == 1:
            release = (body.upgrade.firmware if body.upgrade else None) or "1.5.0"
            return self._later(UPGRADE_MS, functools.partial(self._upgrade_done, 0, release), now_ms)
        if body.command not in REST_MS:
            return UNSUPPORTED
        if body.command == 2 and body.server is not None and body.server.connection == 1:
            # Return to the home platform: that is where it is.
            return OK
        return self._later(GOODBYE_MS, functools.partial(self._leave, body.command), now_ms)

    def _leave(self, command: int, now_ms: int) -> None:
        if command == 5:
            self.parameters = {one.id: one for one in parameters_of(self._terminal.identity)}
            for areas in self.areas.values():
                areas.clear()
            self._terminal.heartbeat_ms = self._terminal.identity.model.heartbeat_s * 1000
            self._terminal.forget_login()
        self._terminal.go_away(REST_MS[command], now_ms)

    def _upgrade(self, header: Header, body: control.Upgrade, now_ms: int) -> int:
        return self._later(UPGRADE_MS, functools.partial(self._upgrade_done, body.target, body.release), now_ms)

    def _upgrade_done(self, target: int, release: str, now_ms: int) -> None:
        if target not in safety.UPGRADE_TARGETS:
            result = 0x10
        elif target == 0 and release == self.firmware:
            result = 0x12
        else:
            result = 0
            if target == 0:
                self.firmware = release
        self._speak(0x0108, control.UpgradeResult(target, result), now_ms)

    # --- position, alarms, the driver's screen

    def _track(self, header: Header, body: control.TrackTemporarily, now_ms: int) -> int:
        self._terminal.track(body.interval_s, body.valid_s or 0, now_ms)
        return OK

    def _confirm_alarm(self, header: Header, body: control.ConfirmAlarm, now_ms: int) -> int:
        if body.kinds & 1:
            self._terminal.hush_alarm()
        return OK

    def _check_link(self, header: Header, body: control.CheckLink, now_ms: int) -> int:
        return OK

    def _text(self, header: Header, body: Text, now_ms: int) -> int:
        self.texts.append(body.text)
        return OK

    def _set_events(self, header: Header, body: control.SetEvents, now_ms: int) -> int:
        result = changed(self.events, body.kind, [(one.id, one.text) for one in body.events], MENU_MAX)
        if result == OK and self.events:
            first = next(iter(self.events))
            return self._later(THINK_MS, functools.partial(self._say_event, first), now_ms)
        return result

    def _say_event(self, event_id: int, now_ms: int) -> None:
        if event_id in self.events:
            self._speak(0x0301, control.EventReport(event_id), now_ms)

    def _question(self, header: Header, body: control.Question, now_ms: int) -> int:
        self.texts.append(body.text)
        if not body.answers:
            return OK
        # Drivers say yes, as a rule the first.
        reply = control.QuestionReply(header.serial, body.answers[0].id)
        return self._later(THINK_MS, functools.partial(self._tell, 0x0302, reply), now_ms)

    def _tell(self, message: int, body: msgspec.Struct, now_ms: int) -> None:
        self._speak(message, body, now_ms)

    def _set_infos(self, header: Header, body: control.SetInfoMenu, now_ms: int) -> int:
        result = changed(self.infos, body.kind, [(one.id, one.name) for one in body.items], MENU_MAX)
        if result == OK and self.infos:
            order = control.InfoOrder(next(iter(self.infos)), 1)
            return self._later(THINK_MS, functools.partial(self._tell, 0x0303, order), now_ms)
        return result

    def _info(self, header: Header, body: control.Info, now_ms: int) -> int:
        self.texts.append(body.text)
        return OK

    def _call(self, header: Header, body: control.CallBack, now_ms: int) -> int:
        self.calls.append((body.kind, body.number))
        return OK

    def _set_contacts(self, header: Header, body: control.SetPhonebook, now_ms: int) -> int:
        if body.kind == 3:
            # Modify goes by the contact's name.
            for one in body.contacts:
                for number, known in list(self.contacts.items()):
                    if known.name == one.name:
                        del self.contacts[number]
        return changed(self.contacts, body.kind, [(one.number, one) for one in body.contacts], CONTACTS_MAX)

    def _control_vehicle(self, header: Header, body: control.ControlVehicle, now_ms: int) -> int:
        """The general reply at once; the state in 0x0500 when the doors have moved."""
        wants: list[tuple[int, bool]] = []
        if body.flags is not None:
            wants.append((STATUS_LOCKED, bool(body.flags & 1)))
        for one in body.controls or ():
            if one.kind == 1:
                # The reverse of 2013: 0 locks, 1 unlocks.
                wants.append((STATUS_LOCKED, one.value == 0))
        if not wants:
            return UNSUPPORTED
        return self._later(LOCK_MS, functools.partial(self._moved, header.serial, wants), now_ms)

    def _moved(self, serial: int, wants: list[tuple[int, bool]], now_ms: int) -> None:
        for bit, on in wants:
            self._set_status = self._set_status | bit if on else self._set_status & ~bit
            self._clear_status = self._clear_status & ~bit if on else self._clear_status | bit
        self._speak(0x0500, control.ControlReply(reply_serial=serial, location=self._terminal.place()), now_ms)

    # --- areas

    def _set_areas(self, kind: int, setting: int, areas: tuple[Any, ...]) -> int:
        known = self.areas[kind]
        after = {} if setting == 0 else dict(known)
        after.update((one.id, one) for one in areas)
        if len(after) > AREAS_MAX:
            return FAILURE
        known.clear()
        known.update(after)
        self._watching = True
        self._inside = {key: inside for key, inside in self._inside.items() if key[1] in self.areas[key[0]]}
        return OK

    def _set_circles(self, header: Header, body: control.SetCircles, now_ms: int) -> int:
        return self._set_areas(1, body.setting, body.circles)

    def _set_rectangles(self, header: Header, body: control.SetRectangles, now_ms: int) -> int:
        return self._set_areas(2, body.setting, body.rectangles)

    def _set_polygon(self, header: Header, body: control.SetPolygon, now_ms: int) -> int:
        return self._set_areas(3, 1, (body,))

    def _set_route(self, header: Header, body: control.SetRoute, now_ms: int) -> int:
        return self._set_areas(4, 1, (body,))

    def _delete_areas(self, header: Header, body: control.DeleteAreas, now_ms: int) -> int:
        known = self.areas[(header.message - 0x8601) // 2 + 1]
        if body.ids:
            for id in body.ids:
                known.pop(id, None)
        else:
            known.clear()
        return OK

    def _query_areas(self, header: Header, body: control.QueryAreas, now_ms: int) -> int | None:
        known = self.areas.get(body.kind)
        if known is None:
            return FAILURE
        found = tuple(known[id] for id in body.ids if id in known) if body.ids else tuple(known.values())
        field = {1: "circles", 2: "rectangles", 3: "polygons", 4: "routes"}[body.kind]
        self._speak(0x0608, control.AreasReply(kind=body.kind, **{field: found}), now_ms)
        return None

    def look(self, fix: "Fix") -> tuple["Fix", bytes]:
        """See what the sensors say as this device reports it: doors as ordered, crossings of areas, speed over a limit.

        Returns:
            The fix, and items to add to its report.
        """
        if self.recorder is not None:
            self.recorder.see(fix)
        status = (fix.status | self._set_status) & ~self._clear_status
        if not self._watching:
            return (fix if status == fix.status else fix._replace(status=status)), b""
        alarm, more = fix.alarm, b""
        limit_kmh = number_of(self.parameters.get(0x0055))
        if limit_kmh and fix.speed_kmh10 > limit_kmh * 10:
            lasting_s = number_of(self.parameters.get(0x0056))
            since_ms = self._speeding_ms.setdefault((0, 0), fix.time_ms)
            if fix.time_ms - since_ms >= lasting_s * 1000:
                alarm |= ALARM_OVERSPEED
                more += b"\x11\x01\x00"
        else:
            self._speeding_ms.pop((0, 0), None)
        latitude = -fix.latitude if fix.status & STATUS_SOUTH else fix.latitude
        longitude = -fix.longitude if fix.status & STATUS_WEST else fix.longitude
        for kind, areas in self.areas.items():
            for id, area in areas.items():
                inside = holds(kind, area, latitude, longitude) and in_time(area, fix.time_ms)
                was = self._inside.get((kind, id))
                self._inside[(kind, id)] = inside
                # The first look finds where the car is already: that is no crossing.
                if was is not None and was != inside and area.attributes >> (3 if inside else 5) & 1:
                    alarm |= ALARM_ROUTE if kind == 4 else ALARM_AREA
                    more += bytes((0x12, 6, kind)) + id.to_bytes(4, "big") + bytes((0 if inside else 1,))
                limit_kmh = getattr(area, "speed_kmh", None) or 0
                if inside and limit_kmh and fix.speed_kmh10 > limit_kmh * 10:
                    since_ms = self._speeding_ms.setdefault((kind, id), fix.time_ms)
                    if fix.time_ms - since_ms >= (area.overspeed_s or 0) * 1000 and not alarm & ALARM_OVERSPEED:
                        alarm |= ALARM_OVERSPEED
                        more += bytes((0x11, 5, kind)) + id.to_bytes(4, "big")
                else:
                    self._speeding_ms.pop((kind, id), None)
        return fix._replace(status=status, alarm=alarm), more

    # --- the driver, data

    def _query_driver(self, header: Header, body: media.QueryDriver, now_ms: int) -> None:
        self._speak(0x0702, self._driver(True, now_ms), now_ms)

    def _driver(self, inserted: bool, now_ms: int) -> media.Driver:
        who = self._terminal.identity
        card = driver_of(number_in(who))
        time_ms = now_ms // 1000 * 1000
        if who.model.version == 2011:
            return media.Driver(
                name=card.name, id_card_2011=card.id_card, certificate=card.certificate, issuer=card.issuer
            )
        if not inserted:
            return media.Driver(state=2, time_ms=time_ms)
        return media.Driver(
            state=1,
            time_ms=time_ms,
            result=0,
            name=card.name,
            certificate=card.certificate,
            issuer=card.issuer,
            valid_until=card.valid_until,
            id_card=card.id_card if who.model.version == 2019 else None,
        )

    def _transparent(self, header: Header, body: media.TransparentOrder, now_ms: int) -> int:
        """What stands behind a serial port answers there; peripherals say how and what they are."""
        reply = self._behind(body)
        if reply is None:
            return UNSUPPORTED
        return self._later(SHOT_MS, functools.partial(self._tell, 0x0900, reply), now_ms)

    def _behind(self, body: media.TransparentOrder) -> media.Transparent | None:
        asked = body.peripherals or ()
        if body.kind == 0xF7:
            working = safety.PeripheralStatus(1, 0)
            states = tuple(safety.PeripheralState(one, working) for one in asked if one in CAMERAS)
            return media.Transparent(kind=0xF7, states=states)
        if body.kind == 0xF8:
            return media.Transparent(kind=0xF8, details=tuple(camera(one) for one in asked if one in CAMERAS))
        data = body.data or b""
        if body.kind == 0x0B:
            return media.Transparent(kind=0x0B, data=hashlib.sha512(b"card" + data).digest())
        if body.kind in (0x41, 0x42) or body.kind >= 0xF0:
            return media.Transparent(kind=body.kind, data=data[:512])
        return None

    def _order_files(self, header: Header, body: safety.OrderFiles, now_ms: int) -> int:
        """0x9208: the files of an alarm are announced; their data would go to a server of their own."""
        name = f"00_64_6401_0_{body.platform_number}.jpg"
        for after_ms, message, told in (
            (
                SHOT_MS,
                0x1210,
                safety.AlarmFiles(
                    terminal_id=body.alarm_id.terminal_id,
                    alarm_id=body.alarm_id,
                    platform_number=body.platform_number,
                    kind=0,
                    files=(safety.AlarmFile(name, ALARM_PICTURE_BYTES),),
                ),
            ),
            (2 * SHOT_MS, 0x1211, safety.FileInfo(name, 0, ALARM_PICTURE_BYTES)),
            (3 * SHOT_MS, 0x1212, safety.FileInfo(name, 0, ALARM_PICTURE_BYTES)),
        ):
            if self._later(after_ms, functools.partial(self._tell, message, told), now_ms) == FAILURE:
                return FAILURE
        return OK

    def _rsa(self, header: Header, body: media.RsaKey, now_ms: int) -> None:
        """A number of the form of a key, not a key: nothing is ever encrypted with it here."""
        digest = b"".join(hashlib.sha256(f"{self._terminal.identity.phone}:{n}".encode()).digest() for n in range(4))
        modulus = bytes((digest[0] | 0x80,)) + digest[1:-1] + bytes((digest[-1] | 1,))
        self._speak(0x0A00, media.RsaKey(65_537, modulus), now_ms)

    # --- the drive recorder

    def _recorder(self, header: Header, body: media.RecorderCollect | media.RecorderSet, now_ms: int) -> None:
        """0x8700 and 0x8701: what the recorder of the car says to a block of GB/T 19056."""
        odometer = self._terminal.place().item(Odometer)
        distance_km10 = odometer.distance_km10 if odometer else 0
        if self.recorder is None:
            # No recorder is built in: nothing comes back over the serial line.
            block = RecorderAnswer(command=SET_FAILED if body.asked >= 0x80 else COLLECT_FAILED)
        else:
            block = self.recorder.answer(body.asked, body.block, distance_km10, now_ms)
        self._speak(0x0700, media.RecorderData(reply_serial=header.serial, block=block), now_ms)

    # --- camera and stored media

    def _shoot(self, header: Header, body: media.Shoot, now_ms: int) -> int | None:
        result, ids = self._take_pictures(body, now_ms)
        if self._terminal.identity.model.version == 2011:
            return OK if result == 0 else FAILURE
        self._speak(0x0805, media.ShootReply(header.serial, result, ids if result == 0 else None), now_ms)
        return None

    def _take_pictures(self, body: media.Shoot, now_ms: int) -> tuple[int, tuple[int, ...]]:
        """Return what 0x0805 says, and the pictures' ids."""
        if body.channel not in CHANNELS:
            return 2, ()
        if body.command == 0xFFFF:
            # No video over this link: JT/T 1078 took it over.
            return 1, ()
        ids: list[int] = []
        for n in range(min(body.command, SHOTS_MAX)):
            medium = self._new_medium(0, 0, MEDIA_BY_ORDER, body.channel, body.resolution, 0)
            ids.append(medium.id)
            after_ms = SHOT_MS + n * body.interval_s * 1000
            if body.store == 0 and self._later(after_ms, functools.partial(self._upload, medium.id, 0), now_ms) != OK:
                return 1, ()
        return 0, tuple(ids)

    def _new_medium(self, kind: int, format: int, event: int, channel: int, resolution: int, seconds: int) -> Medium:
        self._media_id += 1
        place = self._terminal.place()
        medium = Medium(self._media_id, kind, format, event, channel, resolution, seconds, head_of(place))
        self.media[medium.id] = medium
        while len(self.media) > MEDIA_MAX:
            self.media.popitem(last=False)
        return medium

    def keep_file(self, data: bytes, kind: int, format: int, event: int, channel: int) -> int:
        """Keep a file that somebody hands in as if it had been taken here; return its id."""
        medium = self._new_medium(kind, format, event, channel, 0, 0)
        self.media[medium.id] = medium._replace(data=data)
        return medium.id

    def sending(self, id: int) -> bool:
        """Tell whether a medium is on its way, or waits for those before it."""
        current = self._current is not None and self._current[0] == id
        return current or any(waiting == id for waiting, _ in self._queue)

    def send_medium(self, id: int, now_ms: int, delete: bool = False) -> int:
        """Announce a medium (0x0800) and send it (0x0801) when those before it have arrived."""
        if id not in self.media or len(self._queue) >= QUEUE_MAX:
            return FAILURE
        self._queue.append((id, delete))
        self._send_next(now_ms)
        return OK

    def _send_next(self, now_ms: int) -> None:
        while self._current is None and self._queue:
            id, delete = self._queue.popleft()
            medium = self.media.get(id)
            if medium is None:
                continue
            event = media.MediaEvent(medium.id, medium.kind, medium.format, medium.event, medium.channel)
            self._speak(0x0800, event, now_ms)
            data = medium_bytes(self._terminal.identity, medium)
            self._current = (id, delete, self._send_data(medium, data, now_ms))
            self._current_tries = 1
            self._current_due_ms = now_ms + CONFIRM_MS

    def _send_data(self, medium: Medium, data: bytes, now_ms: int) -> list[bytes]:
        fields: dict[str, Any] = {
            "media_id": medium.id,
            "kind": medium.kind,
            "format": medium.format,
            "event": medium.event,
            "channel": medium.channel,
        }
        if self._terminal.identity.model.version != 2011:
            return self._speak(0x0801, media.MediaData(**fields, location=medium.place, data=data), now_ms)
        # 2011 cuts the file itself: whole messages, each with its number.
        pieces = [data[at : at + PIECE_2011_BYTES] for at in range(0, len(data), PIECE_2011_BYTES)]
        wires: list[bytes] = []
        for number, piece in enumerate(pieces, 1):
            body = media.MediaData(**fields, total=len(pieces), number=number, data=piece)
            wires += self._speak(0x0801, body, now_ms)
        return wires

    def _media_reply(self, header: Header, body: media.MediaReply, now_ms: int) -> None:
        """0x8800: all is there, or these fragments are wanted again."""
        if self._current is None or self._current[0] != body.media_id:
            return
        id, delete, wires = self._current
        if body.missing:
            again = [wires[index - 1] for index in body.missing if 1 <= index <= len(wires)]
            self.counts["fragments_again"] += len(again)
            self._terminal.send_again(again, now_ms)
            self._current_due_ms = now_ms + CONFIRM_MS
            return
        if delete:
            self.media.pop(id, None)
        self._current, self._current_due_ms = None, NEVER
        self._send_next(now_ms)

    def _unconfirmed(self, now_ms: int) -> None:
        """No word of the platform: send it once more, then leave it stored."""
        assert self._current is not None
        if self._current_tries < 2:
            self._current_tries += 1
            self._current_due_ms = now_ms + CONFIRM_MS
            self._terminal.send_again(self._current[2], now_ms)
            return
        self._current, self._current_due_ms = None, NEVER
        self._send_next(now_ms)

    def _matching(self, body: media.SearchMedia | media.UploadMedia) -> list[Medium]:
        return [
            one
            for one in self.media.values()
            if one.kind == body.kind
            and body.channel in (0, one.channel)
            and body.event == one.event
            and (body.start_ms is None or (one.place.time_ms or 0) >= body.start_ms)
            and (body.end_ms is None or (one.place.time_ms or 0) <= body.end_ms)
        ]

    def _search_media(self, header: Header, body: media.SearchMedia, now_ms: int) -> None:
        old = self._terminal.identity.model.version == 2011
        items = tuple(
            media.StoredMedia(
                media_id=None if old else one.id,
                kind=one.kind,
                channel=one.channel,
                event=one.event,
                location=one.place,
            )
            for one in self._matching(body)
        )
        self._speak(0x0802, media.MediaFound(reply_serial=header.serial, total=len(items), items=items), now_ms)

    def _upload_media(self, header: Header, body: media.UploadMedia, now_ms: int) -> int:
        found = self._matching(body)
        for one in found:
            if self._later(SHOT_MS, functools.partial(self._upload, one.id, body.delete), now_ms) != OK:
                return FAILURE
        return OK

    def _upload(self, id: int, delete: int, now_ms: int) -> None:
        self.send_medium(id, now_ms, delete == 1)

    def _record_audio(self, header: Header, body: media.RecordAudio, now_ms: int) -> int:
        if body.command == 0:
            return OK
        seconds = min(body.time_s or AUDIO_S_MAX, AUDIO_S_MAX)
        return self._later(seconds * 1000, functools.partial(self._recorded, seconds, body.store == 0), now_ms)

    def _recorded(self, seconds: int, upload: bool, now_ms: int) -> None:
        medium = self._new_medium(1, 3, MEDIA_BY_ORDER, 1, 0, seconds)
        if upload:
            self.send_medium(medium.id, now_ms)

    def _upload_one(self, header: Header, body: media.UploadOneMedia, now_ms: int) -> int:
        if body.media_id not in self.media:
            return FAILURE
        return self._later(SHOT_MS, functools.partial(self._upload, body.media_id, body.delete), now_ms)

    # --- JT/T 1078 and T/JSATL 12 signalling; the streams and files themselves go elsewhere and are not made here

    def _video_attributes(self, header: Header, body: video.QueryVideoAttributes, now_ms: int) -> None:
        self._speak(0x1003, video.VideoAttributes(6, 1, 0, 1, 320, 1, 98, 4, 4), now_ms)

    def _open_live(self, header: Header, body: video.OpenLive, now_ms: int) -> int:
        if body.channel not in CHANNELS:
            return FAILURE
        self.live.add(body.channel)
        return OK

    def _control_live(self, header: Header, body: video.ControlLive, now_ms: int) -> int:
        if body.channel not in self.live:
            return FAILURE
        if body.command in (0, 4):
            self.live.discard(body.channel)
        return OK

    def _live_state(self, header: Header, body: video.LiveState, now_ms: int) -> None:
        return None

    def _find_recordings(self, header: Header, body: Any, now_ms: int) -> None:
        found = recordings_of(number_in(self._terminal.identity), body, now_ms)
        self._speak(0x1205, video.RecordingsFound(reply_serial=header.serial, recordings=found), now_ms)

    def _yes(self, header: Header, body: msgspec.Struct, now_ms: int) -> int:
        return OK

    def _upload_recording(self, header: Header, body: video.UploadRecording, now_ms: int) -> int:
        if len(self._uploads) >= SENT_MAX:
            return FAILURE
        self._uploads[header.serial] = True
        return self._later(UPLOAD_MS, functools.partial(self._uploaded, header.serial), now_ms)

    def _uploaded(self, serial: int, now_ms: int) -> None:
        if serial in self._uploads:
            result = 0 if self._uploads.pop(serial) else 1
            self._speak(0x1206, video.UploadDone(serial, result), now_ms)

    def _control_upload(self, header: Header, body: video.ControlUpload, now_ms: int) -> int:
        if body.upload_serial not in self._uploads:
            return FAILURE
        # A paused one goes on by itself in a while: nobody in the car would think of it.
        self._uploads[body.upload_serial] = body.control != 2
        return OK

    # --- what happens in the car by itself

    def card(self, inserted: bool, now_ms: int) -> None:
        """The driver's card goes in, or comes out (0x0702)."""
        self.card_in = inserted
        if self.recorder is not None:
            self.recorder.card(inserted, now_ms)
        if inserted or self._terminal.identity.model.version > 2011:
            self._speak(0x0702, self._driver(inserted, now_ms), now_ms)

    def waybill(self, now_ms: int) -> None:
        """The papers of a load (0x0701)."""
        number = number_in(self._terminal.identity)
        plate = self._terminal.identity.plate
        text = f"运单号:CR{now_ms // 1000 % 10**8:08d};车辆:{plate};货物:整车配件;件数:{1 + number % 40}"
        self._speak(0x0701, media.Waybill(text.encode("gbk", "replace")), now_ms)

    def can(self, now_ms: int) -> None:
        """What the engine says (0x0705): SAE J1939 engine speed, wheel speed, coolant temperature."""
        if self._terminal.identity.model.version < 2013:
            return
        place = self._terminal.place()
        speed_kmh = place.speed_kmh10 / 10
        rpm = 780 + int(speed_kmh * 26) if place.status & STATUS_ACC else 0
        frames = (
            media.CanFrame(1 << 30 | 0x0CF00400, b"\xff\xff\xff" + (rpm * 8).to_bytes(2, "little") + b"\xff\xff\xff"),
            media.CanFrame(
                1 << 30 | 0x18FEF100, b"\xff" + int(speed_kmh * 256).to_bytes(2, "little") + b"\xff\xff\xff\xff\xff"
            ),
            media.CanFrame(1 << 30 | 0x18FEEE00, bytes((40 + 86,)) + b"\xff" * 7),
        )
        of_day_ms = (now_ms + 8 * 3_600_000) % 86_400_000
        seconds, milliseconds = divmod(of_day_ms, 1000)
        time = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}{milliseconds:04d}"
        self._speak(0x0705, media.CanData(time=time, frames=frames), now_ms)

    def passengers(self, start_ms: int, end_ms: int, on: int, off: int, now_ms: int) -> None:
        """Who got on and off between two moments (0x1005)."""
        self._speak(0x1005, video.Passengers(start_ms, end_ms, on, off), now_ms)

    def photograph(self, event: int, channel: int, now_ms: int) -> None:
        """A picture that nobody ordered, of a crash as a rule: kept and sent."""
        self.send_medium(self._new_medium(0, 0, event, channel, 1, 0).id, now_ms)


def rebuilt(header: Header, body: bytes) -> bytes:
    """Return the frame that a long message would have been: a header without packet item, and the whole body."""
    attributes = (len(body) & 0x3FF) | (0x4000 if header.version == 2019 else 0)
    version = bytes((header.protocol_version,)) if header.version == 2019 else b""
    phone = bytes.fromhex(header.phone.zfill(20 if header.version == 2019 else 12))
    return (
        header.message.to_bytes(2, "big")
        + attributes.to_bytes(2, "big")
        + version
        + phone
        + header.serial.to_bytes(2, "big")
        + body
    )


def changed(menu: dict[Any, Any], kind: int, entries: list[tuple[Any, Any]], most: int) -> int:
    """Change a menu as 0x8301, 0x8303, 0x8401 say: 0 delete all, 1 replace, 2 append, 3 modify, 4 delete these."""
    if kind == 4:
        for id, _ in entries:
            menu.pop(id, None)
        return OK
    if kind not in (0, 1, 2, 3):
        return WRONG
    after = {} if kind in (0, 1) else dict(menu)
    if kind:
        after.update(entries)
    if len(after) > most:
        return FAILURE
    menu.clear()
    menu.update(after)
    return OK


HANDLERS: Final[dict[int, Callable[..., int | None]]] = {
    0x8003: Device._resend,
    0x8103: Device._set_parameters,
    0x8104: Device._all_parameters,
    0x8105: Device._control,
    0x8106: Device._some_parameters,
    0x8107: Device._attributes,
    0x8108: Device._upgrade,
    0x8202: Device._track,
    0x8203: Device._confirm_alarm,
    0x8204: Device._check_link,
    0x8300: Device._text,
    0x8301: Device._set_events,
    0x8302: Device._question,
    0x8303: Device._set_infos,
    0x8304: Device._info,
    0x8400: Device._call,
    0x8401: Device._set_contacts,
    0x8500: Device._control_vehicle,
    0x8600: Device._set_circles,
    0x8601: Device._delete_areas,
    0x8602: Device._set_rectangles,
    0x8603: Device._delete_areas,
    0x8604: Device._set_polygon,
    0x8605: Device._delete_areas,
    0x8606: Device._set_route,
    0x8607: Device._delete_areas,
    0x8608: Device._query_areas,
    0x8700: Device._recorder,
    0x8701: Device._recorder,
    0x8702: Device._query_driver,
    0x8800: Device._media_reply,
    0x8801: Device._shoot,
    0x8802: Device._search_media,
    0x8803: Device._upload_media,
    0x8804: Device._record_audio,
    0x8805: Device._upload_one,
    0x8900: Device._transparent,
    0x8A00: Device._rsa,
    0x9003: Device._video_attributes,
    0x9101: Device._open_live,
    0x9102: Device._control_live,
    0x9105: Device._live_state,
    0x9201: Device._find_recordings,
    0x9202: Device._yes,
    0x9205: Device._find_recordings,
    0x9206: Device._upload_recording,
    0x9207: Device._control_upload,
    0x9208: Device._order_files,
    0x9301: Device._yes,
    0x9302: Device._yes,
    0x9303: Device._yes,
    0x9304: Device._yes,
    0x9305: Device._yes,
    0x9306: Device._yes,
}
"""What is done with which message: the result for 0x0001, or None where the answer is another or none."""

SILENT: Final = frozenset({0x8001, 0x8004, 0x8100, 0x8109, 0x8800, 0x9212})
"""Answers of the platform: nobody answers them, in no edition."""
