"""Cars with a known truth: each lives through the same act again and again, and every act makes the same facts.

An act lasts ACT_S of the car's own time, whatever the server does. The car comes from one side, crosses its geofence
(fence.entered, fence.exited), its driver presses the emergency button inside (sos.pressed) and chooses an entry of the
menu (driver.event.reported, which the conversation tells and not detection), and behind the fence it crashes: its
terminal says so and it stands (crash.suspected). The next act leads back. So an act is five facts, each of which must
stand in the log exactly once, whatever was killed, cut or full meanwhile.

A car has one report on its way at a time, and sends it again, byte for byte, until it is acknowledged: after RESEND_S
on a link that is still there, RESENDS_MAX times, and after each new login. That is what the standard asks of terminals
(JT/T 808, section 7.1.2), and it lets the truth be known: the server has heard the acts in order. After a login it may
send the report inside a 0x0704, as one from a zone without a network.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.faults.notes import Notes
from bench.faults.terminal import LinkError, SilentError, Terminal
from bench.servers import ChildServer
from protocols.jt808.control import EventReport
from protocols.jt808.messages import Location, LocationBatch

ACT_S: Final = 1_000
"""Longer than an episode of the crash detector lasts (600 s): the next act's crash is a new one."""
EPOCH_BEFORE_S: Final = 12 * 24 * 3600
"""The first act begins so long before the wall clock: a thousand acts until the story has come to the present."""
RESEND_S: Final = 5.0
RESENDS_MAX: Final = 3
"""Then it takes its link for dead and dials anew."""
PACE_S: Final = 0.05
"""Least time between two reports of a car: an act takes about a second."""
BEHIND_S: Final = 3_600

SOS: Final = 1 << 0
CRASH: Final = 1 << 29
STATUS: Final = 3
"""Ignition on, position valid."""

LONGITUDE: Final = 120.0
LATITUDE: Final = 33.0
SPACING_DEG: Final = 0.2
"""Between two cars' fences: 22 km, so that no car is near another."""
METRE_DEG: Final = 1 / 93_400.0
"""Of longitude, at the latitudes here."""
RADIUS_M: Final = 300


class Beat(NamedTuple):
    """One report of an act."""

    at_s: int
    east_m: float
    speed_kmh10: int
    alarm: int


ACT: Final = (
    Beat(0, -1500, 360, 0),
    Beat(5, -1450, 360, 0),
    Beat(10, -1400, 360, 0),
    Beat(150, -50, 360, 0),
    Beat(155, 0, 360, SOS),
    Beat(160, 50, 360, SOS),
    Beat(165, 100, 360, 0),
    Beat(300, 1400, 360, 0),
    Beat(305, 1450, 360, 0),
    Beat(310, 1500, 360, 0),
    Beat(312, 1512, 0, CRASH),
    Beat(317, 1512, 0, CRASH),
    Beat(322, 1512, 0, 0),
    Beat(350, 1512, 0, 0),
    Beat(400, 1512, 0, 0),
)
"""From west to east; the next act is the same from east to west."""

FACTS: Final = ("fence.entered", "fence.exited", "sos.pressed", "crash.suspected")
"""What one act makes of reports, once each."""
CHOICE: Final = "driver.event.reported"
CHOICES_MAX: Final = 100
"""Acts in which an entry is chosen: of one car at most UPLINK_EVENTS_PER_HOUR_MAX (120) messages an hour are events."""
BEAT_OF_CHOICE: Final = 6
SETTLED: Final = ("crash.confirmed", "crash.cleared")
"""What may become of a suspicion: which, hangs on how long nobody listened; but each at most once."""


class Saying(NamedTuple):
    """A frame that is sent until it is acknowledged."""

    frame: bytes
    late: bytes
    """The same as it may be sent after a login."""
    serial: int
    time_s: int = 0
    """Of a report; 0: it is none."""


class Fact(NamedTuple):
    """A fact as it is compared."""

    type: str
    vehicle_id: int
    act: int


class Judgement(NamedTuple):
    """The story against the log."""

    known: int
    lost: int
    doubled: int
    examples: tuple[str, ...]
    """The first that are wrong."""


class Story:
    """All cars of a world. `begin` draws their fences; `run` is for a thread of its own.

    Args:
        number_first: of the first car's terminal, counted from phone_first.
    """

    def __init__(self, cars: int, phone_first: int, number_first: int, record: Path, seed: int = 1) -> None:
        self.notes = Notes(record)
        self._draw = random.Random(seed)
        self.epoch_s = int(time.time()) // ACT_S * ACT_S - EPOCH_BEFORE_S
        self.error: BaseException | None = None
        self.steps = 0
        """Rounds of sayings acknowledged, of all cars."""
        self.acts = 0
        """Acts that all cars are through with."""
        self._numbers = [number_first + n for n in range(cars)]
        self._terminals = [Terminal(0, str(phone_first + number)) for number in self._numbers]
        self._stop = threading.Event()
        self._abandoned = False
        self._thread: threading.Thread | None = None

    @property
    def phones(self) -> list[str]:
        """Phones of the cars."""
        return [terminal.phone for terminal in self._terminals]

    def draw_fences(self, server: ChildServer) -> None:
        """Draw every car's fence, and wait until a scout that drives through the first is seen."""
        features = []
        for n, phone in enumerate(self.phones):
            geometry = {"type": "Point", "coordinates": [LONGITUDE, LATITUDE + n * SPACING_DEG]}
            properties = {"name": f"campaign {phone}", "radius_m": RADIUS_M}
            features.append({"type": "Feature", "geometry": geometry, "properties": properties})
        status, answer = server.ask("POST", "/api/v1/geofences", {"type": "FeatureCollection", "features": features})
        if status != 200:
            raise RuntimeError(f"the fences were refused: {status} {answer}")
        scout = Terminal(server.port, str(int(self.phones[0]) - 1))
        scout.login()
        time_s = self.epoch_s
        deadline = time.monotonic() + 60.0
        while True:
            for east_m in (-1500, -1450, -1400, -50, 0, 50, 1400, 1450, 1500):
                time_s += 140 if east_m in (-50, 1400) else 5
                serial = scout.next_serial()
                self.notes.maybe(self._numbers[0] - 1, serial, time_s)
                scout.send(scout.frame(0x0200, place(0, east_m, 360, 0, time_s), serial))
                scout.hear(0x8001)
            time_s += 3_600
            status, page = server.ask("GET", "/api/v1/events?type=fence.exited&limit=1")
            if status == 200 and page["items"]:
                break
            if time.monotonic() > deadline:
                raise RuntimeError("the fences are not judged by")
            time.sleep(0.1)
        scout.close()

    def begin(self, port: int) -> None:
        """Let the cars drive, in a thread of their own, until `end`."""
        for terminal in self._terminals:
            terminal.port = port
        self._thread = threading.Thread(target=self._run, name="story")
        self._thread.start()

    def end(self, seconds: float = 180.0) -> None:
        """Let every car finish its act, and log out. Raises what went wrong in the story's thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                raise TimeoutError(f"the cars could not finish their act within {seconds:.0f} s")
            self._thread = None
        for terminal in self._terminals:
            terminal.close()
        self.notes.close()
        if self.error is not None:
            raise self.error

    def abandon(self) -> None:
        """Leave the story where it is; a second time does nothing."""
        self._abandoned = True
        if self._thread is not None:
            self._stop.set()
            self._thread.join(60)
        for terminal in self._terminals:
            terminal.close()
        self.notes.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and self._act_s(self.acts + 1) < time.time() - BEHIND_S:
                for beat in ACT:
                    if self._abandoned:
                        return
                    began = time.monotonic()
                    self._all_say(partial(self._report, beat))
                    if beat is ACT[BEAT_OF_CHOICE] and self.acts < CHOICES_MAX:
                        self._all_say(self._choice)
                    time.sleep(max(0.0, began + PACE_S - time.monotonic()))
                self.acts += 1
        except BaseException as error:
            self.error = error

    def _act_s(self, act: int) -> int:
        return self.epoch_s + act * ACT_S

    def _report(self, beat: Beat, car: int) -> Saying:
        """Return a car's report of one beat, noted as sent."""
        terminal = self._terminals[car]
        time_s = self._act_s(self.acts) + beat.at_s
        east_m = beat.east_m if self.acts % 2 == 0 else -beat.east_m
        where = place(car, east_m, beat.speed_kmh10, beat.alarm, time_s)
        serial = terminal.next_serial()
        self.notes.sent(self._numbers[car], serial, time_s)
        # Under the same serial: the record knows a report by it.
        late = terminal.frame(0x0704, LocationBatch(kind=1, locations=(where,)), serial)
        return Saying(terminal.frame(0x0200, where, serial), late, serial, time_s)

    def _choice(self, car: int) -> Saying:
        """Return what a car says when its driver has chosen an entry."""
        serial = self._terminals[car].next_serial()
        frame = self._terminals[car].frame(0x0301, EventReport(self.acts + 1), serial)
        return Saying(frame, frame, serial)

    def _all_say(self, say: Callable[[int], Saying]) -> None:
        """Let every car say something; return once all are acknowledged."""
        waiting = {car: say(car) for car in range(len(self._terminals))}
        for car, saying in waiting.items():
            self._try_send(self._terminals[car], saying.frame)
        silences = Counter[int]()
        while waiting and not self._abandoned:
            for car, saying in list(waiting.items()):
                terminal = self._terminals[car]
                try:
                    if not terminal.connected:
                        terminal.login()
                        terminal.send(self._draw.choice((saying.frame, saying.late)))
                    answer: Any = terminal.hear(0x8001, RESEND_S).body
                except SilentError:
                    silences[car] += 1
                    if silences[car] % RESENDS_MAX:
                        self._try_send(terminal, saying.frame)
                    else:
                        terminal.close()
                    continue
                except LinkError:
                    terminal.close()
                    time.sleep(0.02)
                    continue
                if answer.reply_serial == saying.serial and answer.reply_message in (0x0200, 0x0704, 0x0301):
                    if saying.time_s:
                        self.notes.answered(self._numbers[car], saying.serial, saying.time_s, answer.result)
                    del waiting[car]
        self.steps += 1

    def _try_send(self, terminal: Terminal, frame: bytes) -> None:
        try:
            terminal.send(frame)
        except LinkError:
            terminal.close()

    def judge(self, events: Iterable[Any]) -> Judgement:
        """Compare the log with what the cars did, once all acts are over.

        Args:
            events: the whole log, in order.
        """
        vehicles: dict[int, str] = {}
        told: Counter[Fact] = Counter()
        settled: Counter[str] = Counter()
        mine = frozenset(self.phones)
        for event in events:
            if event.type == "terminal.registered" and event.payload.phone in mine:
                vehicles[event.payload.vehicle_id] = event.payload.phone
            elif event.type in FACTS:
                told[Fact(event.type, event.payload.vehicle_id, (event.time_ms // 1000 - self.epoch_s) // ACT_S)] += 1
            elif event.type == CHOICE:
                told[Fact(event.type, event.payload.vehicle_id, event.payload.event - 1)] += 1
            elif event.type in SETTLED:
                settled[event.payload.suspicion] += 1
        known = {Fact(type_, car, act) for type_ in FACTS for car in vehicles for act in range(self.acts)}
        known |= {Fact(CHOICE, car, act) for car in vehicles for act in range(min(self.acts, CHOICES_MAX))}
        told = Counter({fact: times for fact, times in told.items() if fact.vehicle_id in vehicles})
        lost = [fact for fact in known if not told[fact]]
        twice = [fact for fact, times in told.items() if times > 1 or fact not in known]
        doubled = sum(times - (fact in known) for fact, times in told.items())
        doubled += sum(times - 1 for times in settled.values())
        each = len(FACTS) * self.acts + min(self.acts, CHOICES_MAX)
        missing = (len(self.phones) - len(vehicles)) * each
        examples = (
            *(f"lost {fact}" for fact in sorted(lost)[:5]),
            *(f"told wrongly {fact}" for fact in sorted(twice)[:5]),
        )
        return Judgement(len(known) + missing, len(lost) + missing, doubled, examples)


def place(car: int, east_m: float, speed_kmh10: int, alarm: int, time_s: int) -> Location:
    """Return a car's report, so many metres east of its fence's centre."""
    latitude = round((LATITUDE + car * SPACING_DEG) * 1e6)
    longitude = round((LONGITUDE + east_m * METRE_DEG) * 1e6)
    return Location(alarm, STATUS, latitude, longitude, speed_kmh10=speed_kmh10, time_ms=time_s * 1000)
