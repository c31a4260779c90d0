"""`carillon terminal`: one simulated terminal on a real link, and a prompt from which it is told what to say.

It registers, logs in, beats and carries out what the platform orders by itself, as the terminals of `carillon simulate`
do (terminals.py, devices.py); every frame of the platform is shown as it comes, field by field. What is typed goes
through the declarations: `send 0x0702 state=1 …` is checked as the platform would check it.

Two threads: the network's, and the one that reads lines. What they share (the terminal, what was heard) is touched
under one lock. Lines that do not come from a keyboard are a script: each `send` waits for its answer, the first line
that cannot be done ends it, and the exit status says so.
"""

import argparse
import contextlib
import json
import math
import os
import re
import shlex
import socket
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import msgspec

from protocols.jt808 import wire
from protocols.jt808.codec import Header, decode_noting
from protocols.jt808.framing import ProtocolError, checksum, unwrap, wrap
from protocols.jt808.location import ALARM_BITS, Location, LocationHead
from protocols.jt808.messages import MESSAGES, RESULTS, PlatformGeneralReply, Unknown, answer_to, is_downlink
from protocols.jt808.parameters import PARAMETERS, ParameterValue
from protocols.jt808.plain import Invalid, from_plain, to_plain
from simulators.devices import rebuilt
from simulators.equipment import head_of
from simulators.terminals import (
    AUTHENTICATING,
    NEVER,
    OFFLINE,
    ONLINE,
    STATE_NAMES,
    STATUS_ACC,
    STATUS_FIXED,
    STATUS_SOUTH,
    STATUS_WEST,
    Fix,
    Identity,
    Ledger,
    Terminal,
    identity,
    of_edition,
)

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
"""Something was refused, or not answered, or the platform could not be reached."""
EXIT_USAGE: Final = 2
"""A line, or the command line, says nothing that can be done."""

DEFAULT_TCP: Final = "127.0.0.1:8808"
DEFAULT_PHONE: Final = "13909990001"
HEARD_MAX: Final = 1_000
"""Frames of the platform remembered, for `wait` and for the serial that a reply names."""
SHOWN_MAX: Final = 64
"""Digits of a frame or a field shown on a line; `show raw on` shows all."""
ANSWER_S: Final = 15.0
"""How long a script waits for the answer to what it sent, and for the login."""
WAIT_S: Final = 30.0
TURN_S: Final = 0.05
RECEIVE_BYTES: Final = 64 * 1024
FILE_BYTES_MAX: Final = 1_900_000
"""Of `fragment`: what a message in 2,048 fragments holds."""
GATHERED_MAX: Final = 8
LINE_CHARACTERS_MAX: Final = 64 * 1024
"""Of one line of a script: a frame has at most 8,192 digits, and the rest is room."""
SECONDS_MAX: Final = 86_400.0
"""Longest `wait` and `every`: a day."""

ALARMS: Final = {"sos": 0, "overspeed": 1, "fatigue": 2, "power": 8, "theft": 26, "collision": 29, "rollover": 30}
"""Short names of `alarm`; any other is a bit's number, or its name in the declaration."""
FORMATS: Final = {".jpg": (0, 0), ".jpeg": (0, 0), ".tif": (0, 1), ".mp3": (1, 2), ".wav": (1, 3), ".wmv": (2, 4)}
"""Kind and format of a file that is sent as 0x0801."""
QUIET: Final = frozenset({0x0002})
"""Sent and answered without a word, unless `show all` is on."""


class Fault(Exception):  # noqa: N818 - says what is wrong with a line, to whoever typed it
    """The line says nothing that can be done; the text says what is wrong, and where."""


class Failed(Exception):  # noqa: N818 - the platform's doing, not ours
    """The line was carried out, and the platform did not do what it should."""


class Heard(NamedTuple):
    """A frame of the platform."""

    number: int
    message: int
    serial: int
    body: msgspec.Struct


# --- what is typed ----------------------------------------------------------------------------------------------------


def message_of(word: str) -> int:
    """Return the message that a word names: 0x0702, 702, Driver.

    Raises:
        Fault: there is none.
    """
    for message, declared in MESSAGES.items():
        if word.lower() == declared.body.__name__.lower():
            return message
    try:
        message = int(word, 16)
    except ValueError:
        raise Fault(f"{word!r} is no message: an id as 0x0702, or a name as Driver; `help` lists them") from None
    if message not in MESSAGES:
        raise Fault(f"{message:#06x} is not declared; `send hex` sends any bytes")
    return message


def fields_from(message: int, version: int, words: list[str], text: str) -> dict[str, Any]:
    """Return the plain values of `name=value …`, or of one JSON object.

    Raises:
        Fault: no such field, or a value that is not of its type; the text names the field.
    """
    if text.startswith("{"):
        try:
            given = json.loads(text)
        except json.JSONDecodeError as error:
            raise Fault(f"the JSON is wrong at character {error.pos + 1}: {error.msg}") from None
        return dict(given)
    struct = MESSAGES[message].body
    wires = {field.name: field.wire for known in (*wire.VERSIONS, version) for field in wire.layout(struct, known)}
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Fault(f"{word!r} is no field: name=value, or one JSON object")
        if name not in wires:
            raise Fault(f"{name}: {message:#06x} has no such field; there are {', '.join(wires) or 'none'}")
        try:
            values[name] = value_from(wires[name], value)
        except ValueError as error:
            raise Fault(f"{name}: {error}") from None
    return values


def value_from(kind: wire.Wire, given: str) -> Any:
    """Return the plain value that a word means for one wire type. Raises ValueError."""
    if given == "none":
        return None
    if isinstance(kind, wire.Gbk | wire.Digits):
        return given
    if isinstance(kind, wire.Raw):
        return re.sub(r"[\s:]", "", given)
    if isinstance(kind, wire.Time):
        return time_from(given)
    if isinstance(kind, wire.Unsigned | wire.Signed) and not given.startswith(("{", "[")):
        names = getattr(kind, "names", None) or {}
        for value, name in names.items():
            if given.lower() == name.lower():
                return value
        try:
            return int(given, 0)
        except ValueError:
            words = f", or one of {', '.join(sorted(names.values()))}" if names else ""
            raise ValueError(f"{given!r} is no number{words}") from None
    try:
        return json.loads(given)
    except json.JSONDecodeError as error:
        raise ValueError(f"lists and objects are JSON; wrong at character {error.pos + 1}: {error.msg}") from None


def time_from(given: str) -> int:
    """Return UTC epoch ms of `now`, of ms as they are, or of 2026-01-01T12:00:00 in GMT+8. Raises ValueError."""
    if given == "now":
        return time.time_ns() // 1_000_000_000 * 1000
    if re.fullmatch(r"\d{10,14}", given):
        return int(given)
    found = re.fullmatch(r"20(\d\d)-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)", given)
    time_ms = wire.bcd_time_ms(bytes.fromhex("".join(found.groups()))) if found else None
    if time_ms is None:
        raise ValueError(f"{given!r} is no time: now, 2026-01-01T12:00:00 (GMT+8), or UTC epoch milliseconds")
    return time_ms


# --- what is shown ----------------------------------------------------------------------------------------------------


def cut(text: str, whole: bool) -> str:
    """Return a text as it stands on a line."""
    return text if whole or len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}… ({len(text) // 2} bytes)"


def words_of(frame: bytes, version: int, whole: bool = False) -> tuple[Header, msgspec.Struct, list[str]]:
    """Read a frame and say its fields in words, a line each. Raises ProtocolError when its header cannot be read."""
    notes: list[wire.Note] = []
    decoded = decode_noting(frame, version if version == 2011 else None, notes)
    lines: list[str] = []
    for note in notes:
        if note.name.startswith("header."):
            continue
        value = note.value.hex() if isinstance(note.value, bytes) else "" if note.value is None else str(note.value)
        meaning = note.wire.meaning(note.value)
        if not meaning and note.wire.unit and note.wire.unit != "bytes":
            meaning = note.wire.unit
        shown = cut(value, whole) if isinstance(note.value, bytes) else value
        lines.append(f"    {note.name} = {shown}{f'  ({meaning})' if meaning else ''}")
    lines += [f"    fault: {fault}" for fault in decoded.faults]
    return decoded.header, decoded.body, lines


def help_of(message: int, version: int) -> list[str]:
    """Return what may be put into a message, from its declaration."""
    declared = MESSAGES[message]
    known = declared.since <= version <= declared.until
    answer = answer_to(message)
    told = f"answered with {answer:#06x} {MESSAGES[answer].name}" if answer else "not answered"
    lines = [
        f"{message:#06x} {declared.body.__name__}: {declared.name}, {told}"
        + ("" if known else f" (JT/T 808-{version} does not know it)")
    ]
    lines += fields_help(declared.body, declared.layouts(version, -1)[0], "  ")
    if len(lines) == 1:
        lines.append("  nothing to fill in")
    return lines


def fields_help(struct: type[msgspec.Struct], version: int, indent: str) -> list[str]:
    lines: list[str] = []
    for name, kind, conditions in wire.layout(struct, version):
        if isinstance(kind, wire.Count):
            continue
        when = "".join(
            f", if {one.field} has bit {one.bit}"
            if isinstance(one, wire.IfBit)
            else f", if {one.field} is {' or '.join(map(str, one.values))}"
            if isinstance(one, wire.IfEqual)
            else ", may be left out"
            for one in conditions
        )
        lines.append(f"{indent}{name}: {kind_help(kind)}{when}")
        of = kind.of if isinstance(kind, wire.Many) else kind
        if isinstance(of, wire.Nested | wire.Packed) and of.struct not in (Location, LocationHead):
            lines += fields_help(of.struct, version, indent + "  ")
    return lines


def kind_help(kind: wire.Wire) -> str:
    """Say in a few words what a wire type takes."""
    if isinstance(kind, wire.Many):
        return f"list (JSON) of {kind_help(kind.of)}"
    if isinstance(kind, ParameterValue):
        return 'parameters, {"name": "heartbeat_interval_s", "value": 60}; `help parameters` lists them'
    if isinstance(kind, wire.Nested | wire.Packed):
        return f"object (JSON): {kind.struct.__name__}"
    if isinstance(kind, wire.Time):
        return "time: now, 2026-01-01T12:00:00 or UTC epoch ms"
    if isinstance(kind, wire.Gbk):
        return f"text, at most {kind.size} bytes" if kind.size else "text"
    if isinstance(kind, wire.Digits):
        return f"{2 * (kind.size or 0)} digits"
    if isinstance(kind, wire.Raw):
        return f"{kind.size} bytes in hexadecimal" if kind.size else "bytes in hexadecimal"
    if isinstance(kind, wire.Unsigned | wire.Signed):
        words = getattr(kind, "names", None) or getattr(kind, "bits", None) or {}
        told = ", ".join(f"{value} {name}" for value, name in sorted(words.items()))
        bits = "bits " if getattr(kind, "bits", None) else ""
        step = (
            f", in {kind.scale:g} {kind.unit}"
            if kind.unit and kind.scale != 1.0
            else f", {kind.unit}" * bool(kind.unit)
        )
        return f"{kind.size}-byte number{step}{f' ({bits}{told})' if told else ''}"
    return type(kind).__name__.lower()


# --- the terminal on its link -----------------------------------------------------------------------------------------


class Station:
    """One terminal on one TCP link, in a thread of its own, and what it heard."""

    def __init__(self, who: Identity, address: tuple[str, int], say: Callable[[str], None]) -> None:
        self.lock = threading.Condition()
        now_ms = clock_ms()
        self.fix = Fix(
            0, STATUS_ACC | STATUS_FIXED, 30_000_000, 150_000_000, 20, 0, 0, now_ms // 1000 * 1000, 0, 400, 25, 12
        )
        self.terminal = Terminal(who, self.locate, Ledger(), now_ms, 0.5)
        self.terminal.report_due_ms = NEVER
        self.heard: deque[Heard] = deque(maxlen=HEARD_MAX)
        self.count = 0
        self.auto = True
        self.all = False
        self.raw = False
        self.every_ms = 0
        self.lose: set[int] = set()
        """Indexes of fragments that the next long message goes out without."""
        self.miss: set[int] = set()
        """And of those that it does not hear of the platform's next."""
        self.fault = ""
        """Why there is no link."""
        self._lost: tuple[int, set[int]] | None = None
        self._report_ms = NEVER
        self._address = address
        self._say = say
        self._socket: socket.socket | None = None
        self._rest = b""
        self._parts: OrderedDict[tuple[int, int, int], dict[int, bytes]] = OrderedDict()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    @property
    def version(self) -> int:
        return self.terminal.identity.model.version

    def locate(self) -> Fix:
        """Return where the car is now."""
        return self.fix._replace(time_ms=clock_ms() // 1000 * 1000)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the link and end the thread."""
        self._ended.set()
        self._thread.join(5)
        if self._socket is not None:
            self._socket.close()

    def report(self) -> int:
        """Say where the car is (0x0200); return the serial."""
        return self.send(0x0200, self.terminal.place())

    def send(self, message: int, body: msgspec.Struct) -> int:
        """Send a message; return its first serial. Raises ValueError."""
        if message in (0x0200, 0x0704) or isinstance(body, Unknown):
            # What stands in the terminal's own memory of reports is for the simulator's fleet.
            serial, _ = self.terminal.speak(message, body, clock_ms())
        else:
            serial, _ = self.terminal.device.speak(message, body, clock_ms())
        self.carry()
        return serial

    def carry(self) -> None:
        """Send what the terminal has to say, less what is to be lost. Under the lock."""
        for frame in self.terminal.take():
            if self._is_lost(frame):
                continue
            self._show_sent(frame)
            self.push(frame)
        if self.terminal.hang_up:
            self._hang_up("the terminal hangs up")

    def push(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        if self._socket is None:
            return
        try:
            self._socket.sendall(data)
        except OSError as error:
            self._hang_up(f"the link broke: {error}")

    def _is_lost(self, frame: bytes) -> bool:
        header = header_of(unwrap(frame))
        if not header.total or not (self.lose or self._lost):
            return False
        first = (header.serial - header.index + 1) & 0xFFFF
        if self.lose:
            self._lost, self.lose = (first, self.lose), set()
        if self._lost is None or self._lost[0] != first or header.index not in self._lost[1]:
            return False
        self._lost[1].discard(header.index)
        self._say(f"▷ {header.message:#06x} fragment {header.index} of {header.total} is lost")
        return True

    def _show_sent(self, frame: bytes) -> None:
        header = header_of(unwrap(frame))
        if header.message in QUIET and not self.all:
            return
        part = f" fragment {header.index} of {header.total}" if header.total else ""
        declared = MESSAGES.get(header.message)
        name = declared.name if declared else "not declared"
        self._say(f"▶ {header.message:#06x} {name}{part}, serial {header.serial}  {cut(frame.hex(), self.raw)}")

    # --- the thread

    def _run(self) -> None:
        while not self._ended.is_set():
            with self.lock:
                self._dial()
                opened = self._socket
            if opened is None:
                self._ended.wait(TURN_S)
            else:
                try:
                    data = opened.recv(RECEIVE_BYTES)
                except TimeoutError:
                    data = None
                except OSError as error:
                    data, self.fault = b"", str(error)
                with self.lock:
                    if data == b"" and self._socket is opened:
                        self._hang_up("the platform closed the link")
                    elif data:
                        self._take(data)
            with self.lock:
                now_ms = clock_ms()
                if self.every_ms and self.terminal.state == ONLINE and now_ms >= self._report_ms:
                    self._report_ms = now_ms + self.every_ms
                    self.report()
                if self.terminal.state != OFFLINE and self.terminal.due_ms <= now_ms:
                    self.terminal.tick(now_ms)
                self.carry()

    def again(self, every_ms: int) -> None:
        """Report by itself every so often; 0: never."""
        self.every_ms, self._report_ms = every_ms, clock_ms()

    def _dial(self) -> None:
        now_ms = clock_ms()
        if self._socket is not None or self.terminal.dial_ms > now_ms:
            return
        try:
            self._socket = socket.create_connection(self._address, timeout=5)
        except OSError as error:
            self.fault = f"cannot reach {self._address[0]}:{self._address[1]}: {error}"
            self._say(f"! {self.fault}")
            self.terminal.lost(now_ms)
            self.lock.notify_all()
            return
        self._socket.settimeout(TURN_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fault = ""
        self._rest = b""
        self.terminal.connected(now_ms)
        self.carry()

    def _hang_up(self, why: str) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.fault = why
        self.terminal.lost(clock_ms())
        back_s = (self.terminal.dial_ms - clock_ms()) / 1000
        self._say(f"! {why}" + (f"; dials again in {back_s:.0f} s" if self.terminal.dial_ms < NEVER else ""))
        self.lock.notify_all()

    def part(self) -> None:
        """Hang up and stay away until `dial`."""
        self._hang_up("hung up")
        self.terminal.dial_ms = NEVER

    def dial(self) -> None:
        """Dial now."""
        if self.terminal.state == OFFLINE:
            self.terminal.dial_ms = clock_ms()

    def _take(self, data: bytes) -> None:
        """Show each frame of the platform, then let the terminal act on it."""
        pieces = (self._rest + data).split(b"\x7e")
        self._rest = pieces.pop()[-RECEIVE_BYTES:]
        for piece in pieces:
            if not piece:
                continue
            framed = b"\x7e" + piece + b"\x7e"
            try:
                frame = unwrap(framed)
                header, body, lines = words_of(frame, self.version, self.raw)
            except ProtocolError as error:
                self._say(f"◀ a frame that cannot be read: {error}  {framed.hex()}")
                continue
            if header.total and header.index in self.miss:
                self.miss.discard(header.index)
                self._say(f"▷ {header.message:#06x} fragment {header.index} of {header.total} is not heard")
                continue
            self._hear(header, body)
            self._show_heard(header, body, lines, framed)
            session = header.message in (0x8001, 0x8100)
            if self.auto or session:
                self.terminal.receive(framed, clock_ms())
                self.carry()
            if session and self.terminal.state == ONLINE and getattr(body, "reply_message", 0) == 0x0102:
                self._say(f"! logged in as {self.terminal.identity.phone}")
            self.lock.notify_all()

    def _hear(self, header: Header, body: msgspec.Struct) -> None:
        self.count += 1
        self.heard.append(Heard(self.count, header.message, header.serial, body))

    def _show_heard(self, header: Header, body: msgspec.Struct, lines: list[str], framed: bytes) -> None:
        declared = MESSAGES.get(header.message)
        name = declared.name if declared else "not declared"
        raw = cut(framed.hex(), self.raw)
        if isinstance(body, PlatformGeneralReply):
            if body.reply_message in QUIET and not self.all:
                return
            result = RESULTS.get(body.result, f"result {body.result}")
            self._say(f"◀ 0x8001 {result}: {body.reply_message:#06x}, serial {body.reply_serial}  {raw}")
            return
        if not header.total:
            self._say("\n".join([f"◀ {header.message:#06x} {name}, serial {header.serial}  {raw}", *lines]))
            return
        self._say(f"◀ {header.message:#06x} {name}, fragment {header.index} of {header.total}  {raw}")
        assert isinstance(body, Unknown)
        key = (header.message, header.total, (header.serial - header.index + 1) & 0xFFFF)
        parts = self._parts.setdefault(key, {})
        parts[header.index] = body.data
        while len(self._parts) > GATHERED_MAX:
            self._parts.popitem(last=False)
        if len(parts) == header.total:
            del self._parts[key]
            whole = rebuilt(header, b"".join(parts[index] for index in sorted(parts)))
            _, made, lines = words_of(whole, self.version, self.raw)
            self._hear(header, made)
            self._say("\n".join([f"◀ {header.message:#06x} {name}, put together of {header.total} fragments", *lines]))


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def header_of(frame: bytes) -> Header:
    """Return the header of a frame of our own."""
    return decode_noting(frame, None, None).header


# --- the prompt -------------------------------------------------------------------------------------------------------


class Console:
    """Lines in, deeds out. `do` carries out one line; `script` says whether lines come from a keyboard."""

    def __init__(self, station: Station, say: Callable[[str], None], *, script: bool) -> None:
        self.station = station
        self.say = say
        self.script = script
        self._waited: dict[int, int] = {}
        """By message: which of those heard was waited for last."""

    def do(self, line: str) -> bool:
        """Carry out one line; False when it was the last.

        Raises:
            Fault: it says nothing that can be done.
            Failed: the platform did not answer, or said no.
        """
        line = line.strip()
        if not line or line.startswith("#"):
            return True
        word, _, rest = line.partition(" ")
        command = COMMANDS.get(word.lower())
        if command is None:
            raise Fault(f"{word!r}: no such command; there are {', '.join(COMMANDS)}")
        return command.run(self, rest.strip()) is not True

    # --- waiting

    def online(self) -> None:
        """Wait for the login. Raises Failed."""
        station = self.station
        with station.lock:
            if not station.lock.wait_for(lambda: station.terminal.state == ONLINE, ANSWER_S):
                state = STATE_NAMES[station.terminal.state]
                hint = "; is it known there? see docs/terminals.md" if station.terminal.state < AUTHENTICATING else ""
                raise Failed(f"not logged in after {ANSWER_S:.0f} s ({state}): {station.fault or 'no answer'}{hint}")

    def _answered(self, message: int, serial: int, since: int) -> None:
        """In a script, wait for the answer to what was sent. Raises Failed."""
        answer = answer_to(message)
        if not self.script or not answer or not self.station.auto:
            return

        def found() -> Heard | None:
            for heard in self.station.heard:
                if heard.number <= since:
                    continue
                body: Any = heard.body
                if heard.message == 0x8001 and (body.reply_message, body.reply_serial) == (message, serial):
                    return heard
                if heard.message == answer != 0x8001:
                    return heard
            return None

        with self.station.lock:
            if not self.station.lock.wait_for(lambda: found() is not None, ANSWER_S):
                raise Failed(f"{message:#06x} was not answered within {ANSWER_S:.0f} s")
            heard = found()
        assert heard is not None
        result = getattr(heard.body, "result", 0)
        if heard.message == 0x8001 and result:
            raise Failed(f"{message:#06x}: the platform says {RESULTS.get(result, result)!s}")

    # --- commands

    def send(self, rest: str) -> None:
        """Send a message."""
        words = split(rest)
        if not words:
            raise Fault("send what? send 0x0702 state=1 …, send 0x0702 {…}, send hex 7E…")
        if words[0].lower() == "hex":
            self._send_hex("".join(words[1:]))
            return
        message = message_of(words[0])
        text = rest.partition(" ")[2].strip()
        self._send(message, fields_from(message, self.station.version, words[1:], text))

    def _send(self, message: int, fields: dict[str, Any]) -> None:
        if is_downlink(message):
            raise Fault(f"{message:#06x} is sent by the platform, not by a terminal")
        station = self.station
        with station.lock:
            # What is wrong with a line is said before anything is waited for.
            self._body(message, fields)
        self._ready()
        with station.lock:
            since = station.count
            body = self._body(message, fields)
            try:
                serial = station.send(message, body)
            except ValueError as error:
                raise Fault(str(error)) from None
        self._answered(message, serial, since)

    def _ready(self) -> None:
        if self.station.terminal.state != ONLINE:
            if not self.script:
                raise Fault(f"the terminal is {STATE_NAMES[self.station.terminal.state]}; `dial` when it hung up")
            self.online()

    def _body(self, message: int, fields: dict[str, Any]) -> msgspec.Struct:
        """Return the body, filled up with what the terminal knows: where it is, and which order it answers."""
        station, declared = self.station, MESSAGES[message]
        first: Invalid | None = None
        for version in declared.layouts(station.version, -1):
            filled = dict(fields)
            known = {field.name: field.wire for field in wire.layout(declared.body, version)}
            if "reply_serial" in known and "reply_serial" not in filled:
                serial = self._asked(message)
                if serial is not None:
                    filled["reply_serial"] = serial
            place = station.terminal.place()
            if declared.body is Location:
                filled = {**to_plain(place), **filled}
                for derived in ("lat_1e7", "lon_1e7", "fixed"):
                    filled.pop(derived, None)
            for name, kind in known.items():
                if isinstance(kind, wire.Nested) and kind.struct in (Location, LocationHead) and name not in filled:
                    filled[name] = to_plain(place if kind.struct is Location else head_of(place))
            try:
                body: msgspec.Struct = from_plain(declared.body, filled, version)
                return body
            except Invalid as error:
                first = first or error
        raise Fault(f"{message:#06x}: {first}")

    def _asked(self, reply: int) -> int | None:
        """Return the serial of the last order that a message answers."""
        for heard in reversed(self.station.heard):
            if heard.message in MESSAGES and is_downlink(heard.message):
                if answer_to(heard.message) == reply or (reply == 0x0302 and heard.message == 0x8302):
                    return heard.serial
                if reply == 0x1206 and heard.message == 0x9206:
                    return heard.serial
        return None

    def _send_hex(self, digits: str) -> None:
        digits = re.sub(r"[\s:]", "", digits)
        if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
            wrong = next((place for place, one in enumerate(digits) if one not in "0123456789abcdefABCDEF"), None)
            where = f"{digits[wrong]!r} at {wrong + 1} is no hexadecimal digit" if wrong is not None else "half a byte"
            raise Fault(f"{where}: send hex 7E0002…7E")
        data = bytes.fromhex(digits)
        if not data.startswith(b"\x7e"):
            self.say("! without flags: checksum, escapes and flags are put around it")
            data = wrap(data)
        elif len(data) > 2 and checksum_wrong(data):
            self.say("! the checksum is wrong; sent as it is")
        with self.station.lock:
            self.station.push(data)
        self.say(f"▶ {len(data)} bytes as they are")

    def fragment(self, rest: str) -> None:
        """Send a file inside a message, in fragments where it is long."""
        words = split(rest)
        if len(words) < 2:
            raise Fault("fragment what? fragment 0x0801 FILE [name=value …]")
        message, path = message_of(words[0]), Path(words[1]).expanduser()
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Fault(f"{path}: {error.strerror}") from None
        if not data or len(data) > FILE_BYTES_MAX:
            raise Fault(f"{path}: {len(data)} bytes; a message holds 1 to {FILE_BYTES_MAX}")
        fields = fields_from(message, self.station.version, words[2:], "")
        if message == 0x0801:
            self._send_file(path, data, fields)
            return
        holders = [
            field.name
            for field in wire.layout(MESSAGES[message].body, self.station.version)
            if type(field.wire) is wire.Raw and field.wire.size is None
        ]
        if not holders:
            raise Fault(f"{message:#06x} has no field for a file's bytes")
        self._send(message, {**fields, holders[-1]: data.hex()})

    def _send_file(self, path: Path, data: bytes, fields: dict[str, Any]) -> None:
        kind, format = FORMATS.get(path.suffix.lower(), (0, 0))
        unknown = set(fields) - {"kind", "format", "event", "channel"}
        if unknown:
            raise Fault(f"{unknown.pop()}: of a file only kind, format, event and channel are chosen")
        self._ready()
        station = self.station
        with station.lock:
            device = station.terminal.device
            medium = device.keep_file(
                data,
                fields.get("kind", kind),
                fields.get("format", format),
                fields.get("event", 0),
                fields.get("channel", 1),
            )
            if device.send_medium(medium, clock_ms()):
                raise Fault("too many files wait to be sent already")
            station.carry()
        if self.script:
            with station.lock:
                arrived = station.lock.wait_for(lambda: not device.sending(medium), 2 * ANSWER_S)
            if not arrived:
                raise Failed(f"0x8800 did not come for medium {medium} within {2 * ANSWER_S:.0f} s")
        self.say(f"! {path.name} is medium {medium}, {len(data)} bytes")

    def lose(self, rest: str) -> None:
        """Leave fragments out of the next long message."""
        with self.station.lock:
            self.station.lose = indexes_of(rest, "lose")

    def miss(self, rest: str) -> None:
        """Do not hear fragments of the platform's next long message."""
        with self.station.lock:
            self.station.miss = indexes_of(rest, "miss")

    def drive(self, rest: str) -> None:
        """Be somewhere, and say so."""
        words = split(rest)
        if not 2 <= len(words) <= 4:
            raise Fault("drive where? drive LATITUDE LONGITUDE [KM/H [COURSE]], in degrees: drive 30.1 150.2 60 90")
        names = ("latitude", "longitude", "speed", "course")
        numbers = [number(word, name) for word, name in zip(words, names, strict=False)]
        latitude, longitude, speed, course = (numbers + [0.0, 0.0])[:4]
        for name, value, most in (("latitude", latitude, 90), ("longitude", longitude, 180)):
            if abs(value) > most:
                raise Fault(f"{name}: {value:g} is not between -{most} and {most}")
        if not 0 <= speed <= 500 or not 0 <= course < 360:
            raise Fault("a speed is 0 to 500 km/h, a course 0 to 359 degrees")
        station = self.station
        with station.lock:
            fix = station.fix
            hemisphere = (STATUS_SOUTH if latitude < 0 else 0) | (STATUS_WEST if longitude < 0 else 0)
            moved_km = apart_km(fix, latitude, longitude) if fix.odometer_km10 else 0
            station.fix = fix._replace(
                status=fix.status & ~(STATUS_SOUTH | STATUS_WEST) | hemisphere,
                latitude=round(abs(latitude) * 1e6),
                longitude=round(abs(longitude) * 1e6),
                speed_kmh10=round(speed * 10),
                course_deg=round(course) % 360,
                odometer_km10=max(1, fix.odometer_km10 + round(moved_km * 10)),
            )
        self._report()

    def _report(self) -> None:
        self._ready()
        with self.station.lock:
            since = self.station.count
            serial = self.station.report()
        self._answered(0x0200, serial, since)

    def alarm(self, rest: str) -> None:
        """Raise alarms, and say so."""
        bits = 0
        names = {name: bit for bit, name in ALARM_BITS.items()} | ALARMS
        for word in (one.strip().lower() for one in re.split(r"[,;]", rest)):
            if word in names:
                bits |= 1 << names[word]
            elif word.isdecimal() and int(word) < 32:
                bits |= 1 << int(word)
            elif word not in ("off", ""):
                raise Fault(f"{word!r} is no alarm: {', '.join(ALARMS)}, a bit 0 to 31, or off")
        if not rest:
            raise Fault("which alarm? alarm sos; alarm collision, rollover; alarm 5; alarm off")
        with self.station.lock:
            self.station.fix = self.station.fix._replace(alarm=bits)
        self._report()

    def ignition(self, rest: str) -> None:
        """Turn the key; a terminal with a card says who drives."""
        station, on = self.station, switch(rest, "ignition")
        with station.lock:
            status = station.fix.status | STATUS_ACC if on else station.fix.status & ~STATUS_ACC
            station.fix = station.fix._replace(status=status, speed_kmh10=station.fix.speed_kmh10 if on else 0)
        self._report()

    def every(self, rest: str) -> None:
        """Report by itself."""
        seconds = 0.0 if rest == "off" else number(rest, "seconds")
        if not 0 <= seconds <= SECONDS_MAX:
            raise Fault(f"every how many seconds? 1 to {SECONDS_MAX:.0f}, or off")
        with self.station.lock:
            self.station.again(round(seconds * 1000))

    def auto(self, rest: str) -> None:
        """Carry out and answer what the platform orders, or leave it to whoever types."""
        self.station.auto = switch(rest, "auto")

    def show(self, rest: str) -> None:
        """Show what the terminal keeps, or choose what is shown."""
        words = rest.split()
        if words[:1] in (["all"], ["raw"]):
            setattr(self.station, words[0], switch(" ".join(words[1:]) or "on", f"show {words[0]}"))
            return
        with self.station.lock:
            lines = list(self._state(words[0] if words else ""))
        self.say("\n".join(lines))

    def _state(self, what: str) -> Iterator[str]:
        terminal = self.station.terminal
        device = terminal.device
        if what not in ("", "parameters", "areas", "media", "texts"):
            raise Fault(f"show what? parameters, areas, media, texts, all on|off, raw on|off; got {what!r}")
        if not what:
            who = terminal.identity
            fix = self.station.fix
            yield f"{who.phone}, JT/T 808-{who.model.version}, {who.model.name}: {STATE_NAMES[terminal.state]}"
            yield f"at {fix.latitude / 1e6} {fix.longitude / 1e6}, {fix.speed_kmh10 / 10} km/h"
            counts = {"parameters": device.parameters, "texts": device.texts, "media": device.media}
            kept = ", ".join(f"{len(kept)} {name}" for name, kept in counts.items())
            yield f"keeps {kept}, {sum(map(len, device.areas.values()))} areas; firmware {device.firmware}"
        if what == "parameters":
            for one in device.parameters.values():
                declared = PARAMETERS.get(one.id)
                value = one.value.hex() if isinstance(one.value, bytes) else one.value
                yield f"{one.id:#06x} {declared.name if declared else 'not declared'} = {value}"
        if what == "areas":
            for areas in device.areas.values():
                for area in areas.values():
                    yield f"{type(area).__name__} {json.dumps(to_plain(area), ensure_ascii=False)}"
        if what == "media":
            for medium in device.media.values():
                yield f"{medium.id}: kind {medium.kind}, event {medium.event}, channel {medium.channel}"
        if what == "texts":
            yield from device.texts

    def wait(self, rest: str) -> None:
        """Wait for a time, or for a message of the platform."""
        words = rest.split()
        if words and not words[0].lower().startswith("0x"):
            seconds = number(words[0], "seconds")
            if not 0 <= seconds <= SECONDS_MAX:
                raise Fault(f"seconds: {seconds:g} is not between 0 and {SECONDS_MAX:.0f}")
            time.sleep(seconds)
            return
        if not words:
            raise Fault("wait for what? wait 5, or wait 0x8300 [SECONDS]")
        message = message_of(words[0])
        seconds = number(words[1], "seconds") if len(words) > 1 else WAIT_S
        station = self.station
        with station.lock:
            since = self._waited.get(message, 0)

            def came() -> int:
                return next((one.number for one in station.heard if one.message == message and one.number > since), 0)

            if not station.lock.wait_for(lambda: came() > 0, min(seconds, SECONDS_MAX)):
                raise Failed(f"{message:#06x} did not come within {seconds:g} s")
            self._waited[message] = came()

    def part(self, rest: str) -> None:
        """Hang up."""
        with self.station.lock:
            self.station.part()

    def dial(self, rest: str) -> None:
        """Dial again."""
        with self.station.lock:
            self.station.dial()
        self.online()

    def help(self, rest: str) -> None:
        """Say what there is."""
        if rest == "parameters":
            self.say("\n".join(f"{id:#06x} {row.name}" for id, row in PARAMETERS.items() if not 0x110 <= id < 0x200))
        elif rest:
            self.say("\n".join(help_of(message_of(rest), self.station.version)))
        else:
            lines = [f"{command.usage:<42} {command.about}" for command in COMMANDS.values()]
            said = [one for one in MESSAGES if not is_downlink(one)]
            lines += ["", "messages (help 0x0702 shows the fields):"]
            lines += [f"  {one:#06x} {MESSAGES[one].body.__name__:<20} {MESSAGES[one].name}" for one in said]
            self.say("\n".join(lines))

    def quit(self, rest: str) -> bool:
        """End."""
        return True


class Command(NamedTuple):
    """A word of the prompt."""

    run: Callable[[Console, str], bool | None]
    usage: str
    about: str


COMMANDS: Final[dict[str, Command]] = {
    "send": Command(Console.send, "send MESSAGE name=value … | {JSON}", "send a message; `send hex 7E…` any bytes"),
    "fragment": Command(Console.fragment, "fragment MESSAGE FILE [name=value …]", "send a file, in fragments if long"),
    "lose": Command(Console.lose, "lose 3,5", "leave these fragments out of the next long message"),
    "miss": Command(Console.miss, "miss 3,5", "do not hear these of the platform's next long message"),
    "drive": Command(Console.drive, "drive LATITUDE LONGITUDE [KM/H [COURSE]]", "be somewhere, and report it"),
    "alarm": Command(Console.alarm, "alarm sos | collision | BIT | off", "raise alarms, and report it"),
    "ignition": Command(Console.ignition, "ignition on|off", "turn the key, and report it"),
    "every": Command(Console.every, "every SECONDS|off", "report by itself"),
    "auto": Command(Console.auto, "auto on|off", "answer orders by itself, or by hand"),
    "show": Command(Console.show, "show [parameters|areas|media|texts]", "what it keeps; `show raw on`, `show all on`"),
    "wait": Command(Console.wait, "wait SECONDS | MESSAGE [SECONDS]", "wait, or wait for a message"),
    "hangup": Command(Console.part, "hangup", "close the link, and stay away"),
    "dial": Command(Console.dial, "dial", "dial and log in again"),
    "help": Command(Console.help, "help [MESSAGE|parameters]", "this, or the fields of a message"),
    "quit": Command(Console.quit, "quit", "end"),
}
"""What may be typed."""


def split(text: str) -> list[str]:
    """Return the words of a line as a shell has them; JSON keeps its quotes. Raises Fault."""
    if "{" in text.split("=")[0]:
        return text.split()
    pattern = re.compile(r"""(\w+=)?((?:\[.*\])|(?:\{.*\}))(?=\s|$)|\S*"[^"]*"|\S*'[^']*'|\S+""")
    words = [found.group(0) for found in pattern.finditer(text)]
    try:
        return [
            one if re.match(r"(\w+=)?[\[{]", one) else "".join(shlex.split(one, comments=False)) or one for one in words
        ]
    except ValueError as error:
        raise Fault(f"{text!r}: {str(error).lower()}") from None


def indexes_of(text: str, word: str) -> set[int]:
    """Raises Fault."""
    try:
        indexes = {int(one) for one in re.split(r"[,\s]+", text) if one}
    except ValueError:
        raise Fault(f"{text!r}: numbers of fragments, as 3,5") from None
    if not indexes or min(indexes) < 1:
        raise Fault(f"{word} which? {word} 3,5: the third and the fifth fragment of the next long message")
    return indexes


def number(word: str, name: str) -> float:
    """Raises Fault."""
    try:
        value = float(word)
    except ValueError:
        raise Fault(f"{name}: {word!r} is no number") from None
    if not math.isfinite(value):
        raise Fault(f"{name}: {word!r} is no number")
    return value


def switch(word: str, name: str) -> bool:
    """Raises Fault."""
    if word not in ("on", "off"):
        raise Fault(f"{name} is on or off, not {word!r}")
    return word == "on"


def apart_km(fix: Fix, latitude: float, longitude: float) -> float:
    """Return how far the car has moved, flat."""
    north = latitude - (-1 if fix.status & STATUS_SOUTH else 1) * fix.latitude / 1e6
    east = longitude - (-1 if fix.status & STATUS_WEST else 1) * fix.longitude / 1e6
    return min(1000.0, 111.2 * math.hypot(north, east * math.cos(math.radians(latitude))))


def checksum_wrong(data: bytes) -> bool:
    content = data.strip(b"\x7e").replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    return checksum(content) != 0


# --- lines and their end ----------------------------------------------------------------------------------------------


class Screen:
    """Where lines are shown. With a keyboard, what is being typed stays below what comes in meanwhile."""

    def __init__(self, out: TextIO, prompt: str) -> None:
        self._out = out
        self._prompt = prompt
        self._lock = threading.Lock()
        self.typing = False

    def say(self, text: str) -> None:
        with self._lock:
            if self.typing:
                typed = ""
                with contextlib.suppress(ImportError):
                    import readline

                    typed = readline.get_line_buffer()
                self._out.write(f"\r\x1b[K{text}\n{self._prompt}{typed}")
            else:
                self._out.write(f"{text}\n")
            self._out.flush()


def complete(version: int) -> Callable[[str, int], str | None]:
    """Return readline's completer: commands, then message ids and names, then the names of fields."""
    import readline

    def candidates(text: str) -> list[str]:
        words = readline.get_line_buffer()[: readline.get_begidx()].split()
        if not words:
            return [f"{one} " for one in COMMANDS if one.startswith(text)]
        if len(words) == 1 and words[0] in ("send", "help", "fragment", "wait"):
            ids = [f"{message:#06x} " for message in MESSAGES]
            names = [f"{declared.body.__name__} " for declared in MESSAGES.values()]
            return sorted({one for one in ids + names if one.lower().startswith(text.lower())})
        if len(words) > 1 and words[0] in ("send", "fragment"):
            with contextlib.suppress(Fault):
                declared = MESSAGES[message_of(words[1])]
                return [f"{one.name}=" for one in wire.layout(declared.body, version) if one.name.startswith(text)]
        return []

    def completer(text: str, state: int) -> str | None:
        found = candidates(text)
        return found[state] if state < len(found) else None

    return completer


def keyboard(prompt: str, screen: Screen, version: int) -> Iterator[str]:
    """Yield lines as they are typed, with history and completion where readline is there, until the end of input."""
    hooked = False
    with contextlib.suppress(ImportError):
        import readline

        readline.set_completer_delims(" \t\n")
        readline.set_completer(complete(version))
        readline.parse_and_bind("tab: complete")
        # When the prompt stands: whatever came before it would have it printed twice.
        readline.set_pre_input_hook(lambda: setattr(screen, "typing", True))
        hooked = True
    while True:
        screen.typing = not hooked
        try:
            line = input(prompt)
        except EOFError:
            return
        finally:
            screen.typing = False
        yield line


def run(lines: Iterable[str], station: Station, screen: Screen, *, script: bool, where: str = "line") -> int:
    """Carry out lines until they end, or until the first of a script that cannot be done; return the exit status."""
    console = Console(station, screen.say, script=script)
    station.start()
    status = EXIT_OK
    try:
        for count, line in enumerate(lines, 1):
            if script:
                screen.say(f"> {line.rstrip()}")
            try:
                if len(line) > LINE_CHARACTERS_MAX:
                    raise Fault(f"more than {LINE_CHARACTERS_MAX} characters")
                if not console.do(line):
                    break
            except (Fault, Failed) as error:
                status = EXIT_USAGE if isinstance(error, Fault) else EXIT_FAILED
                screen.say(f"! {f'{where} {count}: ' if script else ''}{error}")
                if script:
                    break
        else:
            if script:
                console.online()
    except Failed as error:
        status = EXIT_FAILED
        screen.say(f"! {error}")
    except KeyboardInterrupt:
        screen.say("")
    finally:
        station.stop()
    return status if script else EXIT_OK


def identity_of(options: argparse.Namespace) -> Identity:
    """Return who the terminal is. Raises Fault."""
    if not re.fullmatch(r"[0-9A-Fa-f]{1,20}", options.phone):
        raise Fault(f"--phone: {options.phone!r} is not 1 to 20 digits")
    phone = options.phone.upper().lstrip("0") or "0"
    if len(phone) > (20 if options.edition == 2019 else 12):
        raise Fault(f"--phone: {options.phone!r} has {len(phone)} digits, the header of {options.edition} takes 12")
    number = int("".join(one for one in phone if one.isdecimal())[-7:] or "0")
    who = of_edition(identity(number), options.edition)._replace(phone=phone)
    if options.terminal_id:
        if len(options.terminal_id.encode("gb18030")) > 7:
            raise Fault(f"--terminal-id: {options.terminal_id!r} has more than 7 bytes")
        who = who._replace(terminal_id=options.terminal_id)
    if options.plate:
        if len(options.plate.encode("gb18030")) > 11:
            raise Fault(f"--plate: {options.plate!r} has more than 11 bytes in GBK")
        who = who._replace(plate=options.plate)
    return who


def main(options: argparse.Namespace, out: TextIO | None = None) -> int:
    """Run `carillon terminal`; return the exit status."""
    out = out or sys.stdout
    host, colon, port = options.tcp.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
        print(f"carillon: terminal: an address is HOST:PORT, got {options.tcp!r}", file=sys.stderr)
        return EXIT_USAGE
    try:
        who = identity_of(options)
    except Fault as error:
        print(f"carillon: terminal: {error}", file=sys.stderr)
        return EXIT_USAGE
    prompt = f"{who.phone}> "
    screen = Screen(out, prompt)
    station = Station(who, (host.strip("[]"), int(port)), screen.say)
    with contextlib.ExitStack() as stack:
        if options.script and options.script != "-":
            try:
                file = stack.enter_context(open(options.script, encoding="utf-8"))
            except OSError as error:
                print(f"carillon: terminal: {options.script}: {error.strerror}", file=sys.stderr)
                return EXIT_USAGE
            return run(file, station, screen, script=True, where=os.path.basename(options.script) + ":")
        if options.script == "-" or not sys.stdin.isatty():
            return run(sys.stdin, station, screen, script=True)
        screen.say(f"! {who.phone}, JT/T 808-{options.edition}, to {options.tcp}; `help` says what may be typed")
        return run(keyboard(prompt, screen, options.edition), station, screen, script=False)
