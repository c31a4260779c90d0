"""A terminal as a state machine: it logs in, reports, keeps what was not acknowledged, answers what it is asked.

No socket and no clock in here. The caller says what time it is (UTC epoch ms, which may run as it likes), hands over
what the link brought (`receive`) and takes away what is to be sent (`take`). The same calls give the same bytes.

A terminal keeps every report until the platform has acknowledged it. What was sent and not answered is sent again, byte
for byte: after T, T and 2 T (JT/T 808: T(n+1) = T(n) * (n+1)), and after the next login. What could not be sent at all
waits and goes out in blind-zone batches (0x0704) behind the live reports.

A terminal that hurries lives through the past: it keeps what it reports and sends it in full batches, as one that comes
back from a long way without coverage does, and its timers stand still, since no answer can come at that speed.

What the platform asks of a terminal beside its position is carried out by its device (devices.py), which is made when
it is first needed: most of ten thousand simulated terminals never have one, and pay nothing for it.
"""

import functools
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from protocols.jt808.codec import BODY_BYTES_MAX, Header, ProtocolError, decode, encode, encode_body
from protocols.jt808.framing import checksum, wrap
from protocols.jt808.messages import (
    Authenticate,
    Fuel,
    Item,
    Location,
    LocationReply,
    Odometer,
    PlatformGeneralReply,
    QueryLocation,
    RecorderSpeed,
    Register,
    RegisterReply,
    Satellites,
    SignalStrength,
    answer_to,
)
from simulators.devices import Device

ALARM_SOS: Final = 1 << 0
ALARM_POWER_CUT: Final = 1 << 8
ALARM_COLLISION: Final = 1 << 29
STATUS_ACC: Final = 1 << 0
STATUS_FIXED: Final = 1 << 1
STATUS_SOUTH: Final = 1 << 2
STATUS_WEST: Final = 1 << 3
STATUS_LOCKED: Final = 1 << 12
STATUS_GPS: Final = 1 << 18
STATUS_BEIDOU: Final = 1 << 19
STATUS_MOVING: Final = 1 << 22

OFFLINE: Final = 0
REGISTERING: Final = 1
AUTHENTICATING: Final = 2
ONLINE: Final = 3
STATE_NAMES: Final = ("offline", "registering", "authenticating", "online")

ANSWER_TIMEOUT_MS: Final = 15_000
"""First wait for an answer. The platform answers within its commit window; a mobile network takes seconds at times."""
TRIES_MAX: Final = 4
"""A frame sent four times and left alone for 15 + 15 + 30 + 90 s: the link is dead, whatever TCP says."""
PENDING_MAX: Final = 64
"""Frames sent and not answered. At the bound new reports wait unsent, and so end up in a batch."""
STORED_MAX: Final = 4096
"""Reports waiting to be sent: 11 hours at one in ten seconds. At the bound the oldest is given up, counted."""
BACK_OFF_MS: Final = 1_000
BACK_OFF_MS_MAX: Final = 60_000
REST_BYTES_MAX: Final = 4096
HURRY_SPAN_MS: Final = 120_000
"""Time that one batch of a past lived through spans at most. A parked car's twenty reports would span twenty minutes,
and the platform would hear of one car's noon before another's morning."""

SINGLE_MAX: Final = 16
"""Kept reports that a terminal of 2011, which knows no batches, sends at a time."""
FRAGMENT_BYTES: Final = 960
"""Body bytes of one fragment: what a frame holds, less some that modems of the trade keep for themselves."""
FRAGMENTS_MAX: Final = 2048
"""Fragments of one message at most: 2 MB, the largest recording that a terminal sends on this link."""


class Model(NamedTuple):
    """A make of terminal: what it calls itself, which edition it speaks, what its reports hold."""

    maker: str
    name: str
    version: int
    recorder: bool
    """Has a tachograph: item 0x03 in every report."""
    heartbeat_s: int


MODELS: Final = (
    Model("CRLON", "CT-100", 2013, False, 60),
    Model("CRLON", "CT-120R", 2013, True, 45),
    Model("CARILLON", "CT-200", 2019, False, 60),
    Model("CARILLON", "CT-220R", 2019, True, 90),
    Model("CRLON", "CT-80R", 2011, True, 60),
)
OLD_EVERY: Final = 20
"""Every so many-th car still has a terminal of 2011, the last of MODELS; the others share the rest."""


def model_of(number: int) -> Model:
    """Return the model of terminal `number`."""
    return MODELS[-1] if number % OLD_EVERY == OLD_EVERY - 1 else MODELS[(number * 7) % (len(MODELS) - 1)]


def of_edition(identity: "Identity", version: int, maker: str = "") -> "Identity":
    """Return the same terminal with the best model of another edition of JT/T 808.

    Raises:
        ValueError: no model speaks it.
    """
    for model in reversed(MODELS):
        if model.version == version:
            return identity._replace(model=model._replace(maker=maker or model.maker))
    raise ValueError(f"no model speaks the edition of {version}; there are 2011, 2013 and 2019")


class Identity(NamedTuple):
    """Who a terminal says it is. A function of its number alone: a second run is the same terminal coming back."""

    phone: str
    model: Model
    terminal_id: str
    plate: str
    plate_colour: int
    imei: str


SENSOR_RANGE_MG: Final = 16_000
"""What most accelerometers of terminals measure at most."""
PHONE_FIRST: Final = 13_900_000_000


def identity(number: int) -> Identity:
    """Return the identity of terminal `number`, 0 to 9,999,999. Plates start with 测 (test), which no province uses."""
    if not 0 <= number < 10_000_000:
        raise ValueError(f"a terminal's number is 0 to 9,999,999, got {number}")
    model = model_of(number)
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    plate = f"测{letters[number // 100_000 % 24]}{number % 100_000:05d}"
    green = number % 3 == 0
    # Electric cars have a longer, green plate.
    return Identity(
        str(PHONE_FIRST + number),
        model,
        f"{number:07d}",
        plate.replace("测", "测D", 1) if green else plate,
        5 if green and model.version == 2019 else 1,
        f"86000000{number:07d}",
    )


class Fix(NamedTuple):
    """What the car's sensors say at one moment, in the units of the wire."""

    alarm: int
    status: int
    latitude: int
    """1e-6 degree, without sign; the hemisphere is in the status."""
    longitude: int
    altitude_m: int
    speed_kmh10: int
    course_deg: int
    time_ms: int
    """A whole second."""
    odometer_km10: int
    fuel_l10: int
    signal: int
    satellites: int
    acceleration_mg: int = 0
    """Largest since the report before, gravity included; 0: the terminal has no accelerometer."""


def location(fix: Fix, recorder: bool) -> Location:
    """Return a report as the declared message. `body` gives the same bytes faster."""
    items: list[Item | Odometer | Fuel | RecorderSpeed | SignalStrength | Satellites] = [
        Odometer(fix.odometer_km10),
        Fuel(fix.fuel_l10),
    ]
    if recorder:
        items.append(RecorderSpeed(fix.speed_kmh10))
    items += [SignalStrength(fix.signal), Satellites(fix.satellites)]
    if fix.acceleration_mg:
        items.append(Item(0xF6, sensors(fix.acceleration_mg)))
    return Location(
        alarm=fix.alarm,
        status=fix.status,
        latitude=fix.latitude,
        longitude=fix.longitude,
        altitude_m=fix.altitude_m,
        speed_kmh10=fix.speed_kmh10,
        course_deg=fix.course_deg,
        time_ms=fix.time_ms,
        items=tuple(items),
    )


def sensors(acceleration_mg: int) -> bytes:
    """Return item 0xF6 with a temperature and an acceleration of this size (protocols.jt808.vendors.AovxSensors).

    Three signed words in mg: gravity upwards, and what is beyond it along the car. The temperature is there because
    eight bytes without it would be an IMEI to other makers.
    """
    size = min(acceleration_mg, SENSOR_RANGE_MG)
    along = int((max(0, size * size - 1_000_000)) ** 0.5)
    return struct.pack(">BBhhhh", 0, 0x0A, 214, -along, 0, min(size, 1_000))


@functools.lru_cache(maxsize=64)
def _bcd_time(time_ms: int) -> bytes:
    """Return BCD YY MM DD hh mm ss in GMT+8. Few seconds are asked for, by very many terminals."""
    seconds = time_ms // 1000 + 8 * 3600
    days, second = divmod(seconds, 86_400)
    # Days since 1970 to a date: Howard Hinnant, chrono-compatible low-level date algorithms, civil_from_days.
    days += 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_of_year = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_of_year + 2) // 5 + 1
    month = month_of_year + 3 if month_of_year < 10 else month_of_year - 9
    year = year_of_era + era * 400 + (month <= 2)
    return bytes.fromhex(
        f"{year % 100:02d}{month:02d}{day:02d}{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
    )


_HEAD_AND_FUEL: Final = struct.Struct(">IIIIhHH6sBBIBBH")
_SIGNAL: Final = struct.Struct(">BBBBBB")
_RECORDER: Final = struct.Struct(">BBH")
_SENSORS_HEAD: Final = bytes((0xF6, 10))
_REPLY: Final = struct.Struct(">HHB")
_WORD: Final = struct.Struct(">H")


def body(fix: Fix, recorder: bool) -> bytes:
    """Return the body of a 0x0200, as codec.encode_body(location(fix, recorder), …) does, in a tenth of the time."""
    head = _HEAD_AND_FUEL.pack(
        fix.alarm,
        fix.status,
        fix.latitude,
        fix.longitude,
        fix.altitude_m,
        fix.speed_kmh10,
        fix.course_deg,
        _bcd_time(fix.time_ms),
        0x01,
        4,
        fix.odometer_km10,
        0x02,
        2,
        fix.fuel_l10,
    )
    tail = _SIGNAL.pack(0x30, 1, fix.signal, 0x31, 1, fix.satellites)
    if fix.acceleration_mg:
        tail += _SENSORS_HEAD + sensors(fix.acceleration_mg)
    return head + _RECORDER.pack(0x03, 2, fix.speed_kmh10) + tail if recorder else head + tail


class Ledger:
    """What terminals have sent and what was acknowledged: counted here; a subclass may write it down."""

    def __init__(self) -> None:
        self.sent = self.acknowledged = self.sent_again = self.batches = self.given_up = self.refused = 0
        self.registered = self.logins = self.answers = self.heartbeats = self.bad_frames = 0
        self.waited_ms: list[int] = []
        """How long acknowledged reports waited for it, the last LATENCIES_MAX of them."""

    LATENCIES_MAX: Final = 200_000

    def report_sent(self, phone: str, serial: int, times_ms: tuple[int, ...]) -> None:
        """Reports leave for the first time, in the frame with this serial."""
        self.sent += len(times_ms)

    def report_acknowledged(self, phone: str, serial: int, times_ms: tuple[int, ...], waited_ms: int) -> None:
        """The platform has acknowledged that frame."""
        self.acknowledged += len(times_ms)
        if len(self.waited_ms) < self.LATENCIES_MAX:
            self.waited_ms.append(waited_ms)


class Pending:
    """A frame that waits for its answer."""

    __slots__ = ("due_ms", "first_ms", "message", "serial", "times_ms", "tries", "wait_ms", "wire", "with_sos")

    def __init__(
        self, message: int, serial: int, wire: bytes, now_ms: int, times_ms: tuple[int, ...], with_sos: bool
    ) -> None:
        self.message = message
        self.serial = serial
        self.wire = wire
        self.first_ms = now_ms
        self.wait_ms = ANSWER_TIMEOUT_MS
        self.due_ms = now_ms + ANSWER_TIMEOUT_MS
        self.tries = 1
        self.times_ms = times_ms
        self.with_sos = with_sos


NEVER: Final = 1 << 62


class Terminal:
    """One terminal. Times are UTC epoch ms of the simulation.

    The caller calls `connected` and `lost` when its link comes and goes, `receive` with what came, `report` when a
    position is due (`report_due_ms`), `tick` at `due_ms`, and after any of these takes `take()` away and looks at
    `hang_up` (the terminal wants its link closed) and `dial_ms` (when it wants one; NEVER while it has one).

    Args:
        locate: the car's sensors now, for the answer to 0x8201.
        spread: a number in [0, 1) of this terminal's own, so that not all do everything at once.
        interval_ms: between two reports while the ignition is on.
    """

    __slots__ = (
        "_away_until_ms",
        "_code",
        "_device",
        "_failures",
        "_header",
        "_last_sent_ms",
        "_ledger",
        "_locate",
        "_out",
        "_pending",
        "_rest",
        "_serial",
        "_sos",
        "_stored",
        "_stored_bytes",
        "_tracking_ms",
        "_tracking_until_ms",
        "dial_ms",
        "hang_up",
        "heartbeat_ms",
        "hurrying",
        "identity",
        "interval_ms",
        "report_due_ms",
        "spread",
        "state",
    )

    def __init__(
        self,
        identity: Identity,
        locate: Callable[[], Fix],
        ledger: Ledger,
        now_ms: int,
        spread: float,
        interval_ms: int = 10_000,
    ) -> None:
        self.identity = identity
        self.spread = spread
        self.interval_ms = interval_ms
        self.state = OFFLINE
        self.dial_ms = now_ms
        self.hang_up = False
        self.heartbeat_ms = identity.model.heartbeat_s * 1000
        """Parameter 0x0001."""
        self.hurrying = False
        """Set by the caller while time runs faster than answers come; `arrive` ends it."""
        self.report_due_ms = now_ms + int(spread * interval_ms)
        self._device: Device | None = None
        self._away_until_ms = 0
        self._ledger = ledger
        self._locate = locate
        self._serial = 0
        self._code: str | None = None
        self._failures = 0
        self._sos = False
        self._pending: dict[int, Pending] = {}
        self._stored: deque[tuple[int, bytes, bool]] = deque()
        self._stored_bytes = 0
        self._out: list[bytes] = []
        self._rest = b""
        self._last_sent_ms = now_ms
        self._tracking_ms = 0
        self._tracking_until_ms = 0
        # Everything of a 0x0200's header before the serial, the length left out.
        phone = identity.phone
        if identity.model.version == 2019:
            self._header = b"\x01" + bytes.fromhex(phone.zfill(20))
        else:
            self._header = bytes.fromhex(phone.zfill(12))

    # --- what the caller reads

    @property
    def due_ms(self) -> int:
        """When `tick` has something to do, at the earliest."""
        if self.state == OFFLINE:
            return self.dial_ms
        if self.hurrying:
            return NEVER
        due = NEVER
        if self.state == ONLINE:
            due = self._last_sent_ms + self.heartbeat_ms
            if self._device is not None and self._device.due_ms < due:
                due = self._device.due_ms
        for pending in self._pending.values():
            if pending.due_ms < due:
                due = pending.due_ms
        return due

    @property
    def unacknowledged(self) -> int:
        """Reports the platform has not acknowledged: sent, or still waiting to be."""
        return sum(len(pending.times_ms) for pending in self._pending.values()) + len(self._stored)

    def take(self) -> list[bytes]:
        """Return the frames to send now, each whole, and forget them."""
        out, self._out = self._out, []
        return out

    @property
    def device(self) -> Device:
        """What carries out the platform's orders; made when it is first asked for."""
        if self._device is None:
            self._device = Device(self)
        return self._device

    @property
    def has_device(self) -> bool:
        """Tell whether it was ever needed."""
        return self._device is not None

    def place(self) -> Location:
        """Return where the car is now, as the answer to 0x8201 says it."""
        fix = self._locate()
        if self._device is not None:
            fix, _ = self._device.look(fix)
        return location(fix, self.identity.model.recorder)

    # --- the link

    def connected(self, now_ms: int) -> None:
        """The link is up: log in."""
        self._rest = b""
        self._out.clear()
        self.hang_up = False
        self.dial_ms = NEVER
        if self._code is None:
            self._register(now_ms)
        else:
            self._authenticate(now_ms)

    def lost(self, now_ms: int, back_ms: int | None = None) -> None:
        """The link is gone, or could not be had. Dial again after a while that doubles (1 s to 60 s).

        Args:
            back_ms: when to dial instead; NEVER without coverage.
        """
        self.state = OFFLINE
        self.hang_up = False
        self._out.clear()
        self._rest = b""
        # Logins and heartbeats belong to their connection; reports do not.
        self._pending = {serial: pending for serial, pending in self._pending.items() if pending.times_ms}
        if back_ms is None and self._away_until_ms > now_ms:
            back_ms = self._away_until_ms
        if back_ms is None:
            wait_ms = min(BACK_OFF_MS << min(self._failures, 6), BACK_OFF_MS_MAX)
            back_ms = now_ms + int(wait_ms * (0.5 + self.spread))
            self._failures += 1
        self.dial_ms = back_ms

    def receive(self, data: bytes, now_ms: int) -> None:
        """Take in bytes of the platform, cut anywhere."""
        pieces = (self._rest + data).split(b"\x7e")
        self._rest = pieces.pop()
        if len(self._rest) > REST_BYTES_MAX:
            self._rest = b""
            self._ledger.bad_frames += 1
        for piece in pieces:
            if not piece:
                continue
            if b"\x7d" in piece:
                piece = piece.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
            if len(piece) < 13 or checksum(piece):
                self._ledger.bad_frames += 1
                continue
            if piece[:2] == b"\x80\x01" and not piece[2] & 0x20:
                offset = 17 if piece[2] & 0x40 else 12
                if len(piece) >= offset + 6:
                    serial, message, result = _REPLY.unpack_from(piece, offset)
                    self._answered(serial, message, result, now_ms)
                    continue
            self._obey(piece[:-1], now_ms)

    # --- reporting

    def report(self, fix: Fix, now_ms: int, next_ms: int | None = None) -> None:
        """Take a report: send it, or keep it while there is no link or too much waits for answers.

        Args:
            next_ms: how long until the next; the terminal's interval if None. The platform's temporary tracking
                (0x8202) goes before both.
        """
        if now_ms < self._tracking_until_ms:
            next_ms = self._tracking_ms
        self.report_due_ms = now_ms + (self.interval_ms if next_ms is None else next_ms)
        if self._sos:
            fix = fix._replace(alarm=fix.alarm | ALARM_SOS)
        if self._device is None:
            data = body(fix, self.identity.model.recorder)
        else:
            fix, more = self._device.look(fix)
            data = body(fix, self.identity.model.recorder) + more
        if self.state == ONLINE and len(self._pending) < PENDING_MAX and not self.hurrying:
            self._send(0x0200, data, now_ms, (fix.time_ms,), self._sos)
            return
        if len(self._stored) >= STORED_MAX:
            self._stored_bytes -= 2 + len(self._stored.popleft()[1])
            self._ledger.given_up += 1
        self._stored.append((fix.time_ms, data, self._sos))
        self._stored_bytes += 2 + len(data)
        if self.hurrying:
            # At its time it would have been acknowledged before the next.
            self._sos = False
            self._send_stored(now_ms)

    def arrive(self, now_ms: int) -> None:
        """Hurry no more: send what is kept, full batch or not, and let the timers run from now."""
        self.hurrying = False
        self._last_sent_ms = now_ms
        for pending in self._pending.values():
            pending.tries, pending.wait_ms, pending.first_ms = 1, ANSWER_TIMEOUT_MS, now_ms
            pending.due_ms = now_ms + ANSWER_TIMEOUT_MS
        while self._stored and self.state == ONLINE:
            self._send_batch(now_ms)

    def press_sos(self) -> None:
        """The driver pressed the emergency button: every report says so until one of them is acknowledged."""
        self._sos = True

    def tick(self, now_ms: int) -> None:
        """Send again what has waited too long; send a heartbeat when nothing else was sent."""
        if self.state == OFFLINE or self.hurrying:
            return
        for pending in list(self._pending.values()):
            if pending.due_ms > now_ms:
                continue
            if pending.tries >= TRIES_MAX:
                self.hang_up = True
                return
            pending.wait_ms *= pending.tries
            pending.tries += 1
            pending.due_ms = now_ms + pending.wait_ms
            self._out.append(pending.wire)
            self._last_sent_ms = now_ms
            self._ledger.sent_again += len(pending.times_ms)
        if self.state != ONLINE:
            return
        if self._device is not None:
            self._device.tick(now_ms)
        if now_ms - self._last_sent_ms >= self.heartbeat_ms:
            self._ledger.heartbeats += 1
            self._send(0x0002, b"", now_ms)

    # --- for the device

    def speak(self, message: int, struct_: Any, now_ms: int) -> tuple[int, list[bytes]]:
        """Send a message that is no report, in fragments where it is too long for one frame.

        One that the platform answers with its general reply is sent again until it has done so, as reports are; the
        fragments of a long one and what has a reply of its own are the device's to send again.

        Returns:
            The serial of its first frame, and its frames.

        Raises:
            ValueError: the body does not belong to the message, a value does not fit, or over FRAGMENTS_MAX fragments.
        """
        version = self.identity.model.version
        data = encode_body(struct_, Header(message, self.identity.phone, 0, version))
        self._ledger.answers += 1
        if len(data) <= BODY_BYTES_MAX:
            serial = self._serial
            if answer_to(message) == 0x8001 and len(self._pending) < PENDING_MAX:
                self._send(message, data, now_ms)
            else:
                self._out.append(self._frame(message, data, self._take_serial()))
                self._last_sent_ms = now_ms
            return serial, [self._out[-1]]
        total = -(-len(data) // FRAGMENT_BYTES)
        if total > FRAGMENTS_MAX:
            raise ValueError(f"{len(data)} bytes are {total} fragments, there may be {FRAGMENTS_MAX}")
        serial = self._serial
        head = _WORD.pack(message)
        long_form = 0x4000 if version == 2019 else 0
        wires = []
        for index in range(total):
            piece = data[index * FRAGMENT_BYTES : (index + 1) * FRAGMENT_BYTES]
            attributes = _WORD.pack(len(piece) | 0x2000 | long_form)
            packet = _WORD.pack(self._take_serial()) + _WORD.pack(total) + _WORD.pack(index + 1)
            wires.append(wrap(head + attributes + self._header + packet + piece))
        self.send_again(wires, now_ms)
        return serial, wires

    def send_again(self, wires: list[bytes], now_ms: int) -> None:
        """Send frames byte for byte as they are."""
        self._out += wires
        self._last_sent_ms = now_ms

    def go_away(self, for_ms: int, now_ms: int) -> None:
        """Hang up, and dial again after a while."""
        self._away_until_ms = now_ms + for_ms
        self.hang_up = True

    def forget_login(self) -> None:
        """Forget the code: register anew the next time (factory reset)."""
        self._code = None

    def hush_alarm(self) -> None:
        """The platform confirmed the emergency by hand (0x8203)."""
        self._sos = False

    def track(self, interval_s: int, valid_s: int, now_ms: int) -> None:
        """0x8202: report more often for a while; interval 0 ends it."""
        if not interval_s:
            valid_s = 0
        self._tracking_ms, self._tracking_until_ms = interval_s * 1000, now_ms + valid_s * 1000
        if valid_s:
            self.report_due_ms = min(self.report_due_ms, now_ms + self._tracking_ms)

    # --- inside

    def _frame(self, message: int, data: bytes, serial: int) -> bytes:
        attributes = len(data) | (0x4000 if self.identity.model.version == 2019 else 0)
        return wrap(_WORD.pack(message) + _WORD.pack(attributes) + self._header + _WORD.pack(serial) + data)

    def _send(
        self, message: int, data: bytes, now_ms: int, times_ms: tuple[int, ...] = (), with_sos: bool = False
    ) -> None:
        """Send a frame that expects an answer."""
        serial = self._take_serial()
        wire = self._frame(message, data, serial)
        self._pending[serial] = Pending(message, serial, wire, now_ms, times_ms, with_sos)
        self._out.append(wire)
        self._last_sent_ms = now_ms
        if times_ms:
            self._ledger.report_sent(self.identity.phone, serial, times_ms)

    def _take_serial(self) -> int:
        serial = self._serial
        self._serial = (serial + 1) & 0xFFFF
        return serial

    def _login(self, message: int, struct_: object, now_ms: int) -> None:
        serial = self._take_serial()
        wire = encode(struct_, Header(message, self.identity.phone, serial, self.identity.model.version))  # type: ignore[arg-type]
        self._pending[serial] = Pending(message, serial, wire, now_ms, (), False)
        self._out.append(wire)
        self._last_sent_ms = now_ms

    def _register(self, now_ms: int) -> None:
        who = self.identity
        self.state = REGISTERING
        register = Register(
            province=0,
            city=0,
            maker=who.model.maker,
            model=who.model.name,
            terminal_id=who.terminal_id,
            plate_colour=who.plate_colour,
            plate=who.plate,
        )
        self._login(0x0100, register, now_ms)

    def _authenticate(self, now_ms: int) -> None:
        assert self._code is not None
        self.state = AUTHENTICATING
        imei, software = (self.identity.imei, "1.4.2") if self.identity.model.version == 2019 else (None, None)
        self._login(0x0102, Authenticate(self._code, imei, software), now_ms)

    def _answered(self, serial: int, message: int, result: int, now_ms: int) -> None:
        """0x8001 came."""
        pending = self._pending.get(serial)
        if pending is None or pending.message != message:
            return
        if result == 1 and pending.times_ms:
            # Not logged in, it says: keep the report and log in again.
            if self.state == ONLINE:
                self._authenticate(now_ms)
            return
        del self._pending[serial]
        if message == 0x0102:
            if result == 0:
                self._welcome(now_ms)
            else:
                self._code = None
                self.hang_up = True
            return
        if not pending.times_ms:
            return
        if result in (0, 4):
            self._ledger.report_acknowledged(self.identity.phone, serial, pending.times_ms, now_ms - pending.first_ms)
            if pending.with_sos:
                self._sos = False
        else:
            self._ledger.refused += len(pending.times_ms)
        if message == 0x0704 or (self._stored and self.identity.model.version == 2011):
            self._send_stored(now_ms)

    def _welcome(self, now_ms: int) -> None:
        """Logged in: first what was sent before and never answered, then what was never sent."""
        self.state = ONLINE
        self._failures = 0
        self._ledger.logins += 1
        for pending in self._pending.values():
            pending.tries, pending.wait_ms = 1, ANSWER_TIMEOUT_MS
            pending.due_ms = now_ms + ANSWER_TIMEOUT_MS
            self._out.append(pending.wire)
            self._last_sent_ms = now_ms
            self._ledger.sent_again += len(pending.times_ms)
        if self._device is not None:
            self._device.welcome(now_ms)
        self._send_stored(now_ms)

    def _send_stored(self, now_ms: int) -> None:
        """Send one batch of what was kept, as full as a frame can be; its answer brings the next.

        While hurrying only one that another report ends: so where batches are cut does not depend on when answers come.
        """
        stored = self._stored
        if not stored or self.state != ONLINE:
            return
        if self.hurrying and 3 + self._stored_bytes <= BODY_BYTES_MAX and stored[-1][0] - stored[0][0] < HURRY_SPAN_MS:
            return
        if self.identity.model.version == 2011:
            if len(self._pending) > SINGLE_MAX:
                return
        elif any(pending.message == 0x0704 for pending in self._pending.values()):
            return
        self._send_batch(now_ms)

    def _send_batch(self, now_ms: int) -> None:
        """Send as many of the kept reports as one frame holds, oldest first."""
        if self.identity.model.version == 2011:
            # 0x0704 came with 2013: before, each is sent as it would have been.
            for _ in range(min(SINGLE_MAX, len(self._stored))):
                time_ms, one, sos = self._stored.popleft()
                self._stored_bytes -= 2 + len(one)
                self._send(0x0200, one, now_ms, (time_ms,), sos)
            return
        data = bytearray()
        times: list[int] = []
        with_sos = False
        until_ms = self._stored[0][0] + HURRY_SPAN_MS if self.hurrying else NEVER
        while self._stored and 3 + len(data) + 2 + len(self._stored[0][1]) <= BODY_BYTES_MAX:
            if self._stored[0][0] >= until_ms:
                break
            time_ms, one, sos = self._stored.popleft()
            self._stored_bytes -= 2 + len(one)
            data += _WORD.pack(len(one)) + one
            times.append(time_ms)
            with_sos |= sos
        self._ledger.batches += 1
        self._send(0x0704, _WORD.pack(len(times)) + b"\x01" + data, now_ms, tuple(times), with_sos)

    def _obey(self, frame: bytes, now_ms: int) -> None:
        """A frame of the platform that is no general reply."""
        version = self.identity.model.version
        try:
            decoded = decode(frame, 2011 if version == 2011 else None)
        except ProtocolError:
            self._ledger.bad_frames += 1
            return
        header, message = decoded.header, decoded.body
        if isinstance(message, PlatformGeneralReply):
            self._answered(message.reply_serial, message.reply_message, message.result, now_ms)
        elif isinstance(message, RegisterReply):
            pending = self._pending.pop(message.reply_serial, None)
            if pending is None or pending.message != 0x0100:
                return
            if message.result == 0 and message.code:
                self._ledger.registered += 1
                self._code = message.code
                self._authenticate(now_ms)
            else:
                # Refused: somebody has to enter this terminal first. Ask again, but not soon.
                self._ledger.refused += 1
                self._failures = max(self._failures, 5)
                self.hang_up = True
        elif self.state != ONLINE:
            return
        elif isinstance(message, QueryLocation):
            self.speak(0x0201, LocationReply(reply_serial=header.serial, location=self.place()), now_ms)
        else:
            self.device.obey(decoded, now_ms)
