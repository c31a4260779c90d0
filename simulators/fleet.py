"""All terminals of a simulation and the world they live in, without sockets: time goes in, bytes come out.

`turn(now_ms)` brings the world and every terminal that is due up to now; `connected`, `lost`, `receive` tell what
became of the links. Then `busy` holds the terminals that may want bytes sent (`carry`) or their link closed
(`Terminal.hang_up`), and `dialling` those that want one. run.py puts sockets to it, tests a scripted platform.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from simulators.devices import Device
from simulators.equipment import MEDIA_CRASH
from simulators.faults import Piece, Wire
from simulators.roads import City
from simulators.scenarios import Scenario, World
from simulators.terminals import NEVER, OFFLINE, ONLINE, Fix, Ledger, Terminal, identity

SLOT_MS: Final = 50
"""Grain of the time wheel: terminals are woken in batches, at most so late."""
STORM_SPREAD_MS: Final = 2_000
PAST_INTERVAL_MS: Final = 10_000
"""Between two reports of a past lived through: a map that is looked at wants more of them than last night's track."""
COVERAGE_MS: Final = 3_000
"""How long a modem needs to find the network again after a tunnel."""
CAN_S: Final = 600
"""A lively scenario: a driving car says so often what its CAN bus says ..."""
PASSENGERS_S: Final = 900
"""... and every PASSENGERS_EVERY-th car so often how many got on and off ..."""
PASSENGERS_EVERY: Final = 10
WAYBILL_EVERY: Final = 20
"""... and every so many-th has papers, said when it starts ..."""
LIVELY_MAX: Final = 10
"""... but all cars together no more of these in one second. What is over goes unsaid."""


WISHES_MAX: Final = 1_000
"""What people want and no car has done yet; the oldest is forgotten. A car a second is much for a city to watch."""


class Wish(NamedTuple):
    """What somebody in a car wants of it."""

    what: Literal["drive", "sos"]
    number: int
    """Of the car."""
    kerb: int = -1
    """Where to drive to: 0 to n - 1 are the stores."""


class Wheel:
    """Numbers to be woken, by slots of SLOT_MS. The latest `put` of a number counts; entries before it are dropped."""

    def __init__(self, count: int, now_ms: int) -> None:
        self._slots: dict[int, list[int]] = {}
        self._slot_of = [-1] * count
        self._next = now_ms // SLOT_MS

    def put(self, number: int, at_ms: int) -> None:
        """Wake this number at a time; one that has passed means: in the next slot. NEVER: not at all."""
        if at_ms >= NEVER:
            self._slot_of[number] = -1
            return
        slot = max(-(-at_ms // SLOT_MS), self._next)
        if self._slot_of[number] != slot:
            self._slot_of[number] = slot
            self._slots.setdefault(slot, []).append(number)

    def take(self, now_ms: int) -> list[int]:
        """Return the numbers due up to now, in the order of their slots."""
        due: list[int] = []
        slot_of = self._slot_of
        last = now_ms // SLOT_MS
        while self._next <= last:
            slot = self._next
            self._next += 1
            for number in self._slots.pop(slot, ()):
                if slot_of[number] == slot:
                    slot_of[number] = -1
                    due.append(number)
        return due


class Fleet:
    """Terminals 0 to n-1, each in the car of the same number.

    Args:
        first: number of the first terminal's identity: two fleets with one platform must not share phones.
        start_ms: UTC epoch ms at which it all begins; cut to a whole second.
        silent_s: seconds that the world has lived when the first terminal reports: it began so much before start_ms.
        hurry: begin in a hurry, with a past to live through: see `hurry` and `arrive`. Until then cars report every
            PAST_INTERVAL_MS, or every interval_ms where that is longer.
        interval_ms: between two reports of a driving car.
        dial_over_ms: terminals dial for the first time spread over this time.
    """

    def __init__(
        self,
        city: City,
        count: int,
        scenario: Scenario,
        seed: int,
        start_ms: int,
        ledger: Ledger,
        interval_ms: int = 10_000,
        dial_over_ms: int = 5_000,
        first: int = 0,
        silent_s: int = 0,
        hurry: bool = False,
    ) -> None:
        start_ms = start_ms // 1000 * 1000
        self.scenario = scenario
        self.ledger = ledger
        self.world = World(city, count, scenario, seed, start_ms - silent_s * 1000)
        for _ in range(silent_s):
            self.world.step()
        self.hurrying = hurry
        self.busy: set[int] = set()
        self.dialling: list[int] = []
        """Terminals that want a link; whoever dials for them empties the list."""
        self.hushed: list[int] = []
        """Terminals that drove out of coverage: their link is dead, but nobody tells the other side."""
        self._live_interval_ms = interval_ms
        if hurry:
            interval_ms = max(interval_ms, PAST_INTERVAL_MS)
        self._interval_ms = interval_ms
        self._wheel = Wheel(count, start_ms)
        self._wires: dict[int, Wire] = {}
        self._storm_ms = start_ms + scenario.storm_s * 1000 if scenario.storm_s else NEVER
        self.wishes: deque[Wish] = deque(maxlen=WISHES_MAX)
        """What people in the cars want done; another thread may put something here. Waits for the end of a past."""
        self.storm = False
        """Set when all links are to break at once; whoever breaks them sets it back."""
        rng = np.random.default_rng([seed, 0xF1EE7])
        spread = rng.random(count).tolist()
        faulty = rng.random(count) < scenario.faulty_share
        self.terminals: list[Terminal] = []
        for number in range(count):
            who = identity(first + number)
            terminal = Terminal(who, self._locator(number), ledger, start_ms, spread[number], interval_ms)
            terminal.dial_ms = NEVER if self.world.dark[number] else start_ms + int(spread[number] * dial_over_ms)
            if hurry:
                terminal.hurrying = True
                terminal.dial_ms = start_ms
                # On whole seconds, as the world goes: then the length of a turn changes nothing.
                terminal.report_due_ms = start_ms + int(spread[number] * interval_ms) // 1000 * 1000
            self.terminals.append(terminal)
            self._wheel.put(number, min(terminal.dial_ms, terminal.report_due_ms))
            if faulty[number] and scenario.faults:
                self._wires[number] = Wire(scenario.faults, scenario.fault_rate, (seed, number, 0xFA17))

    def _locator(self, number: int) -> "_Locator":
        return _Locator(self, number)

    def turn(self, now_ms: int) -> None:
        """Bring everything up to now."""
        world = self.world
        while self.wishes and not self.hurrying:
            self._grant(self.wishes.popleft(), now_ms)
        while world.now_ms + 1000 <= now_ms:
            changed, pressed, shaded = world.step()
            for number in pressed.tolist():
                self.terminals[number].press_sos()
            for number in (*changed.tolist(), *pressed.tolist()):
                # What has just happened is reported at once.
                self.terminals[number].report_due_ms = world.now_ms
                self._wheel.put(number, world.now_ms)
            for number in shaded.tolist():
                self._coverage(number)
            if self.scenario.lively and not self.hurrying:
                self._live(changed.tolist())
        if now_ms >= self._storm_ms:
            self._storm_ms += self.scenario.storm_s * 1000
            self.storm = True
        due = self._wheel.take(now_ms)
        if not due:
            return
        reporting = [number for number in due if self.terminals[number].report_due_ms <= now_ms]
        if reporting:
            ignition = world.ignition
            parked_ms = self._interval_ms * self.scenario.parked_intervals
            for number, fix in zip(reporting, world.fixes(np.array(reporting)), strict=True):
                self.terminals[number].report(fix, now_ms, None if ignition[number] else parked_ms)
        for number in due:
            terminal = self.terminals[number]
            if terminal.state == OFFLINE:
                if terminal.dial_ms <= now_ms:
                    terminal.dial_ms = NEVER
                    self.dialling.append(number)
            else:
                terminal.tick(now_ms)
                self.busy.add(number)
            self._wheel.put(number, min(terminal.report_due_ms, terminal.due_ms))

    def _grant(self, wish: Wish, now_ms: int) -> None:
        """Do in a car what somebody in it wants."""
        if wish.what == "drive":
            self.world.traffic.send(wish.number, wish.kerb)
        elif wish.what == "sos":
            self.terminals[wish.number].press_sos()
            # Pressed now, reported now.
            self.terminals[wish.number].report_due_ms = now_ms
            self._wheel.put(wish.number, now_ms)

    def _live(self, changed: list[int]) -> None:
        """Let happen in this second what happens in cars: see Scenario.lively."""
        world, now_ms = self.world, self.world.now_ms
        second = now_ms // 1000
        said = 0
        for number in changed:
            device = self._speaking(number)
            if device is None:
                continue
            driving = bool(world.ignition[number])
            if world.crashed[number]:
                device.photograph(MEDIA_CRASH, 1, now_ms)
            elif said < LIVELY_MAX and device.card_in != driving:
                device.card(driving, now_ms)
                said += 1
                if driving and number % WAYBILL_EVERY == WAYBILL_EVERY - 1:
                    device.waybill(now_ms)
        for number in range(second % CAN_S, len(self.terminals), CAN_S):
            if said < LIVELY_MAX and world.ignition[number] and (device := self._speaking(number)):
                device.can(now_ms)
                said += 1
        for number in range(second % PASSENGERS_S, len(self.terminals), PASSENGERS_S):
            counts = number % PASSENGERS_EVERY == 0
            if counts and said < LIVELY_MAX and world.ignition[number] and (device := self._speaking(number)):
                draw = (number * 2_654_435_761 + second) >> 7
                device.passengers(now_ms - PASSENGERS_S * 1000, now_ms, draw % 7, draw // 7 % 7, now_ms)
                said += 1

    def _speaking(self, number: int) -> Device | None:
        """Return a car's device if it is logged in; what happens while it is not goes unsaid."""
        terminal = self.terminals[number]
        if terminal.state != ONLINE:
            return None
        self.busy.add(number)
        return terminal.device

    def hurry(self, until_ms: int) -> None:
        """Live one second of the past, if it does not reach beyond `until_ms`."""
        if self.world.now_ms + 1000 <= until_ms:
            self.turn(self.world.now_ms + 1000)

    @property
    def behind(self) -> int:
        """Reports that terminals with a link have not had acknowledged: whoever hurries waits for these."""
        return sum(terminal.unacknowledged for terminal in self.terminals if terminal.state == ONLINE)

    def arrive(self, now_ms: int) -> None:
        """The past is over: every terminal sends what it kept, and time goes as it goes."""
        self.hurrying = False
        self._interval_ms = self._live_interval_ms
        for number, terminal in enumerate(self.terminals):
            terminal.interval_ms = self._interval_ms
            terminal.arrive(now_ms)
            # Each at its own moment again: so far all spoke at the first of a second.
            terminal.report_due_ms = now_ms + 1000 + int(terminal.spread * self._interval_ms)
            self._stir(number)

    def _coverage(self, number: int) -> None:
        if self.hurrying:
            # A tunnel passes in a moment: the link outlives it. That there is no fix is still said.
            return
        terminal, now_ms = self.terminals[number], self.world.now_ms
        if self.world.dark[number]:
            terminal.lost(now_ms, NEVER)
            self.hushed.append(number)
        elif terminal.state == OFFLINE:
            terminal.dial_ms = now_ms + int(COVERAGE_MS * (0.5 + terminal.spread))
        self._wheel.put(number, min(terminal.report_due_ms, terminal.due_ms))

    def connected(self, number: int, now_ms: int) -> None:
        """The link that a terminal asked for is up."""
        self.terminals[number].connected(now_ms)
        self._stir(number)

    def lost(self, number: int, now_ms: int) -> None:
        """A link broke, was closed, or could not be had."""
        terminal = self.terminals[number]
        if self.world.dark[number] and not self.hurrying:
            terminal.lost(now_ms, NEVER)
        else:
            terminal.lost(now_ms)
        self._stir(number)

    def blown_away(self, number: int, now_ms: int) -> None:
        """A link broke in a storm: dial again at once, as everybody does."""
        terminal = self.terminals[number]
        terminal.lost(now_ms, NEVER if self.world.dark[number] else now_ms + int(terminal.spread * STORM_SPREAD_MS))
        self._stir(number)

    def receive(self, number: int, data: bytes, now_ms: int) -> None:
        """Bytes came for a terminal."""
        terminal = self.terminals[number]
        tracked = terminal.report_due_ms
        terminal.receive(data, now_ms)
        self.busy.add(number)
        if terminal.report_due_ms != tracked or terminal.has_device:
            self._wheel.put(number, min(terminal.report_due_ms, terminal.due_ms))

    def carry(self, number: int) -> Sequence[Piece]:
        """Return what is to be done on a terminal's socket, and forget it."""
        frames = self.terminals[number].take()
        wire = self._wires.get(number)
        return wire.carry(frames) if wire and frames else frames

    def _stir(self, number: int) -> None:
        terminal = self.terminals[number]
        self.busy.add(number)
        self._wheel.put(number, min(terminal.report_due_ms, terminal.due_ms))


class _Locator:
    """A terminal's way to its car's sensors, for a position asked for between two reports."""

    __slots__ = ("_fleet", "_number")

    def __init__(self, fleet: Fleet, number: int) -> None:
        self._fleet = fleet
        self._number = number

    def __call__(self) -> Fix:
        return self._fleet.world.fixes(np.array([self._number]))[0]
