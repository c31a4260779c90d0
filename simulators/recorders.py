"""The drive recorder of a simulated car: what it has kept of its own drive, said in the blocks of GB/T 19056.

It keeps the last half hour of what its car reported (speeds, places, ignition), who put a card in, and what was set. A
block that asks for records gets those of the time it names, newest last; one it cannot read or does not know gets
"collecting failed" or "setting failed". State in, blocks out: no clock.
"""

import itertools
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from protocols.jt808.location import STATUS_SOUTH, STATUS_WEST
from protocols.jt808.recorder import (
    COLLECT_FAILED,
    SET_FAILED,
    Accident,
    DriverLogin,
    Mileage,
    PositionHour,
    PositionMinute,
    PowerEvent,
    PulseCoefficient,
    RecordedPlace,
    RecordedSignals,
    RecordedVehicle,
    RecorderAnswer,
    RecorderIdentity,
    RecorderOrder,
    RecordRange,
    SettingChange,
    SignalNames,
    SpeedMinute,
    SpeedPair,
    SpeedSecond,
    SpeedState,
    StandardEdition,
)
from simulators.equipment import driver_of, number_in

if TYPE_CHECKING:
    from simulators.terminals import Fix, Identity

TRACK_MAX: Final = 180
"""Moments kept: half an hour at one in ten seconds, some 40 KB."""
EVENTS_MAX: Final = 32
"""Cards, settings and switchings kept, of each."""
RECORDS_MAX: Final = 60
"""Records in one answer: an hour of speeds, 7.5 KB."""
STOPS_MAX: Final = 5
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
INSTALLED_MS: Final = 1_704_067_200_000
"""2024-01-01 08:00 in GMT+8."""
NO_SPEED: Final = 0xFF
NO_ANGLE: Final = 0x7FFF_FFFF
NO_HEIGHT: Final = 0x7FFF
BRAKE: Final = 1 << 7
REFERENCE_KMH: Final = 40
"""A recorder holds its speed against the satellites' when it is at least so fast."""


class Moment(NamedTuple):
    """What the recorder sees at one moment."""

    time_ms: int
    speed_kmh: int
    latitude: int
    """1e-6 degree, with sign."""
    longitude: int
    height_m: int
    ignition: bool


class Recorder:
    """One car's recorder. `see` it what is reported, `card` who drives, and it will `answer`."""

    __slots__ = (
        "changes",
        "initial_km10",
        "installed_ms",
        "logins",
        "power",
        "pulses",
        "signals",
        "track",
        "vehicle",
        "who",
    )

    def __init__(self, who: "Identity") -> None:
        self.who = who
        number = number_in(who)
        self.track: deque[Moment] = deque(maxlen=TRACK_MAX)
        self.logins: deque[DriverLogin] = deque(maxlen=EVENTS_MAX)
        self.power: deque[PowerEvent] = deque(maxlen=EVENTS_MAX)
        self.changes: deque[SettingChange] = deque(maxlen=EVENTS_MAX)
        self.vehicle = RecordedVehicle(vin=f"TEST{number:013d}", plate=who.plate, plate_class="小型车")
        self.installed_ms: int | None = INSTALLED_MS
        self.initial_km10 = 0
        self.pulses = 3_600
        self.signals = SignalNames(signal_3="近光", signal_4="远光", signal_5="右转", signal_6="左转", signal_7="制动")

    @property
    def licence(self) -> str:
        return driver_of(number_in(self.who)).certificate

    def see(self, fix: "Fix") -> None:
        """Take what the car's sensors say."""
        south, west = fix.status & STATUS_SOUTH, fix.status & STATUS_WEST
        ignition = bool(fix.status & 1)
        if not self.track or self.track[-1].ignition != ignition:
            self.power.append(PowerEvent(time_ms=fix.time_ms, kind=1 if ignition else 2))
        self.track.append(
            Moment(
                fix.time_ms,
                min(220, fix.speed_kmh10 // 10),
                -fix.latitude if south else fix.latitude,
                -fix.longitude if west else fix.longitude,
                max(-500, min(9_000, fix.altitude_m)) & 0xFFFF,
                ignition,
            )
        )

    def card(self, inserted: bool, now_ms: int) -> None:
        """Somebody logs in with a card, or out."""
        self.logins.append(DriverLogin(time_ms=now_ms // 1000 * 1000, licence=self.licence, kind=1 if inserted else 2))

    def answer(
        self, command: int, block: RecorderOrder | bytes | None, odometer_km10: int, now_ms: int
    ) -> RecorderAnswer:
        """Return the block that answers one; `block` is None or empty where 2011 names the command alone."""
        order = block if isinstance(block, RecorderOrder) else None
        failed = RecorderAnswer(command=SET_FAILED if command >= 0x80 else COLLECT_FAILED)
        if block and order is None:
            return failed
        clock_ms = now_ms // 1000 * 1000
        if command >= 0x80:
            return RecorderAnswer(command=command) if order is not None and self._set(order, clock_ms) else failed
        wanted = order.range if order is not None else None
        match command:
            case 0x00:
                return RecorderAnswer(command=command, standard=StandardEdition(year="12", amendment=0))
            case 0x01:
                return RecorderAnswer(command=command, licence=self.licence)
            case 0x02:
                return RecorderAnswer(command=command, clock_ms=clock_ms)
            case 0x03:
                mileage = Mileage(
                    clock_ms=clock_ms,
                    installed_ms=self.installed_ms,
                    initial_km10=self.initial_km10,
                    total_km10=odometer_km10 % 100_000_000,
                )
                return RecorderAnswer(command=command, mileage=mileage)
            case 0x04:
                pulses = PulseCoefficient(clock_ms=clock_ms, pulses_per_km=self.pulses)
                return RecorderAnswer(command=command, pulses=pulses)
            case 0x05:
                return RecorderAnswer(command=command, vehicle=self.vehicle)
            case 0x06:
                signals = RecordedSignals(clock_ms=clock_ms, signal_bytes=1, names=self.signals)
                return RecorderAnswer(command=command, signals=signals)
            case 0x07:
                recorder = RecorderIdentity(
                    certificate="C000000",
                    model=self.who.model.name,
                    produced_on="240101",
                    number=number_in(self.who).to_bytes(4, "big"),
                    reserved=bytes(5),
                )
                return RecorderAnswer(command=command, recorder=recorder)
            case 0x08:
                return RecorderAnswer(command=command, speeds=self._speeds(wanted))
            case 0x09:
                return RecorderAnswer(command=command, positions=self._positions(wanted))
            case 0x10:
                return RecorderAnswer(command=command, accidents=self._accidents(wanted))
            case 0x11:
                # Half an hour is nobody's driving time.
                return RecorderAnswer(command=command, over_time=())
            case 0x12:
                logins = tuple(one for one in self.logins if holds(wanted, one.time_ms))
                return RecorderAnswer(command=command, logins=logins[-most(wanted) :])
            case 0x13:
                power = tuple(one for one in self.power if holds(wanted, one.time_ms))
                return RecorderAnswer(command=command, power=power[-most(wanted) :])
            case 0x14:
                changes = tuple(one for one in self.changes if holds(wanted, one.time_ms))
                return RecorderAnswer(command=command, changes=changes[-most(wanted) :])
            case 0x15:
                return RecorderAnswer(command=command, speed_states=self._speed_states(wanted))
        return failed

    def _set(self, order: RecorderOrder, clock_ms: int) -> bool:
        """Take a setting; False where it is none, or cannot be read."""
        if order.vehicle is not None:
            self.vehicle = order.vehicle
        elif order.command == 0x83 and order.installed_ms is not None:
            self.installed_ms = order.installed_ms
        elif isinstance(order.signals, SignalNames):
            self.signals = order.signals
        elif isinstance(order.signals, RecordedSignals):
            self.signals = order.signals.names
        elif order.pulses is not None:
            self.pulses = order.pulses.pulses_per_km
        elif order.mileage is not None:
            self.initial_km10 = order.mileage.initial_km10
        elif order.command != 0xC2 or order.clock_ms is None:
            return False
        self.changes.append(SettingChange(time_ms=clock_ms, command=order.command))
        return True

    # --- records out of the track

    def _minutes(self) -> dict[int, list[Moment]]:
        """Return the moments of each minute, by when it begins, oldest first."""
        found: dict[int, list[Moment]] = {}
        for moment in self.track:
            found.setdefault(moment.time_ms // MINUTE_MS * MINUTE_MS, []).append(moment)
        return found

    def _seconds(self, start_ms: int, moments: list[Moment]) -> list[int]:
        """Return the speed at each second of a minute: what was seen last, none before the first."""
        speeds: list[int] = []
        for second in range(60):
            seen = [one.speed_kmh for one in moments if one.time_ms <= start_ms + second * 1000]
            speeds.append(seen[-1] if seen else NO_SPEED)
        return speeds

    def _speeds(self, wanted: RecordRange | None) -> tuple[SpeedMinute, ...]:
        minutes = [(start, moments) for start, moments in self._minutes().items() if holds(wanted, start)]
        return tuple(
            SpeedMinute(
                start_ms=start_ms,
                seconds=tuple(SpeedSecond(speed, 0 if speed else BRAKE) for speed in self._seconds(start_ms, moments)),
            )
            for start_ms, moments in minutes[-most(wanted) :]
        )

    def _positions(self, wanted: RecordRange | None) -> tuple[PositionHour, ...]:
        hours: dict[int, dict[int, Moment]] = {}
        for moment in self.track:
            minutes = hours.setdefault(moment.time_ms // HOUR_MS * HOUR_MS, {})
            minutes.setdefault(moment.time_ms // MINUTE_MS % 60, moment)
        found = [
            PositionHour(start_ms=start_ms, minutes=tuple(minute_of(minutes.get(n)) for n in range(60)))
            for start_ms, minutes in hours.items()
            if holds(wanted, start_ms)
        ]
        return tuple(found[-min(most(wanted), STOPS_MAX) :])

    def _accidents(self, wanted: RecordRange | None) -> tuple[Accident, ...]:
        """Every stop is one to a recorder: 20 s before the car stood, in steps of 0.2 s back from then."""
        stops = [
            (before, stop)
            for before, stop in itertools.pairwise(self.track)
            if before.speed_kmh > 0 and stop.speed_kmh == 0 and holds(wanted, stop.time_ms)
        ]
        return tuple(
            Accident(
                end_ms=stop.time_ms,
                licence=self.licence,
                steps=tuple(
                    SpeedSecond(min(before.speed_kmh, n * before.speed_kmh // 25), BRAKE if n < 25 else 0)
                    for n in range(100)
                ),
                place=place_of(stop),
            )
            for before, stop in stops[-min(most(wanted), STOPS_MAX) :]
        )

    def _speed_states(self, wanted: RecordRange | None) -> tuple[SpeedState, ...]:
        found: list[SpeedState] = []
        for start_ms, moments in self._minutes().items():
            speeds = self._seconds(start_ms, moments)
            if holds(wanted, start_ms) and NO_SPEED not in speeds and min(speeds) >= REFERENCE_KMH:
                pairs = tuple(SpeedPair(speed, speed) for speed in speeds)
                end_ms = start_ms + MINUTE_MS - 1000
                found.append(SpeedState(state=1, start_ms=start_ms, end_ms=end_ms, seconds=pairs))
        return tuple(found[-min(most(wanted), STOPS_MAX) :])


def most(wanted: RecordRange | None) -> int:
    """Return how many records may be said, at least one."""
    return RECORDS_MAX if wanted is None else max(1, min(wanted.blocks_max, RECORDS_MAX))


def holds(wanted: RecordRange | None, time_ms: int | None) -> bool:
    """Tell whether a time is asked for."""
    if wanted is None or time_ms is None:
        return True
    after = wanted.start_ms is None or time_ms >= wanted.start_ms
    return after and (wanted.end_ms is None or time_ms <= wanted.end_ms)


def angle(degrees_1e6: int) -> int:
    """Return 0.0001 minutes of arc, two's complement."""
    return degrees_1e6 * 6 // 10 & 0xFFFF_FFFF


def place_of(moment: Moment) -> RecordedPlace:
    return RecordedPlace(longitude=angle(moment.longitude), latitude=angle(moment.latitude), height_m=moment.height_m)


def minute_of(moment: Moment | None) -> PositionMinute:
    if moment is None:
        return PositionMinute(longitude=NO_ANGLE, latitude=NO_ANGLE, height_m=NO_HEIGHT, speed_kmh=NO_SPEED)
    return PositionMinute(
        longitude=angle(moment.longitude),
        latitude=angle(moment.latitude),
        height_m=moment.height_m,
        speed_kmh=moment.speed_kmh,
    )
