"""What happens to the fleet: the scenarios by name, and the world that a car's sensors and its base station see.

A scenario is a row of figures over one machinery: traffic (traffic.py) moves the cars, the world adds what a receiver
makes of it (noise, satellites, no fix in tunnels), who presses SOS, and where there is no coverage.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numba import float64, int64, njit, void

from simulators.city import EXPRESSWAY, METRES_PER_DEGREE_LAT, METRES_PER_DEGREE_LON, ORIGIN_LAT, ORIGIN_LON
from simulators.roads import EDGE_ARRAY, City
from simulators.terminals import (
    ALARM_COLLISION,
    ALARM_POWER_CUT,
    STATUS_ACC,
    STATUS_BEIDOU,
    STATUS_FIXED,
    STATUS_GPS,
    STATUS_LOCKED,
    STATUS_MOVING,
    Fix,
)
from simulators.traffic import CAR_ARRAY, Traffic, chance


class Scenario(NamedTuple):
    """How a day goes."""

    about: str
    driving_share: float = 0.3
    """Share of cars on the road, on average."""
    parked_intervals: int = 6
    """A parked car reports after so many intervals of a driving one."""
    crashes_per_hour: float = 0.0
    """Per driving car; the terminal reports a collision (alarm bit 29) and the car stands for four minutes."""
    sos_per_hour: float = 0.0
    """Per driving car; alarm bit 0 until acknowledged."""
    crash_every_s: int = 0
    """A collision in each so many seconds, early in them (EARLY_S), to whichever car suits; beside crashes_per_hour."""
    unsaid_every_s: int = 0
    """A collision in each so many seconds whose terminal sets no bit: only its accelerometer has felt it ..."""
    kerb_every_s: int = 0
    """... and a kerb or a pot-hole in each so many, which it feels as well, and the car drives on."""
    sos_every_s: int = 0
    """And an SOS in each so many."""
    tow_every_s: int = 0
    """In each so many seconds a car that has been driven is towed: it goes its next trip with the ignition off."""
    robbery_every_s: int = 0
    """And one that is being driven is cut from its power, and CUT_S later not heard of for SILENT_S."""
    dark: str = "tunnels"
    """Where there is neither fix nor coverage: nowhere, tunnels (under the river), expressways (all underground)."""
    lively: bool = False
    """Drivers put their cards in and take them out, each collision is photographed, engines tell of their CAN bus, some
    cars count passengers, some have papers (fleet.py says how often). Under ten messages an hour and car, at most
    LIVELY_MAX in a second of all cars together, beside the pictures of collisions."""
    storm_s: int = 0
    """Every so many seconds all links break at once and all terminals dial again within two seconds."""
    dealer_share: float = 0.02
    """Share of trips that lead to one of the stores (whose lots make good fences)."""
    people: bool = False
    """Owners, drivers and everybody else live in it, and act through the platform's API (world/living.py)."""
    faults: tuple[str, ...] = ()
    """Faults (faults.py) on the wires of some terminals, in the order in which they act ..."""
    faulty_share: float = 0.0
    """... of this share of the terminals ..."""
    fault_rate: float = 0.0
    """... each befalling this share of their frames."""


_DEMO: Final = Scenario(
    "a day to look at: every half minute somebody crosses a fence, every few there is a collision or an SOS, "
    "every other hour a car is towed and one is robbed",
    0.42,
    crash_every_s=300,
    unsaid_every_s=900,
    kerb_every_s=200,
    sos_every_s=240,
    tow_every_s=7_200,
    robbery_every_s=7_200,
    dealer_share=0.03,
    lively=True,
)

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {
        "city": Scenario("an ordinary day", crashes_per_hour=0.002, sos_per_hour=0.002),
        "demo": _DEMO,
        "world": _DEMO._replace(
            about="as demo, and the cars have owners, who act through the API: forms, visits, calls, consents, sales",
            people=True,
        ),
        "steady": Scenario(
            "every car reports at every interval, parked or not; nothing happens", parked_intervals=1, dark="nowhere"
        ),
        "crash": Scenario("collisions now and then, and queues behind them", 0.5, crashes_per_hour=0.5),
        "theft": Scenario(
            "every few minutes a car is towed, or cut from its power and not heard of again",
            0.5,
            tow_every_s=120,
            robbery_every_s=180,
            dark="nowhere",
        ),
        "sos": Scenario("drivers press the emergency button now and then", 0.5, sos_per_hour=0.5),
        "tunnel": Scenario("expressways run underground: coverage is lost and made good", 0.6, dark="expressways"),
        "storm": Scenario(
            "every two minutes all links break and all terminals dial at once", storm_s=120, dark="nowhere"
        ),
        "fences": Scenario("half of all trips lead to a store and away again", 0.6, dealer_share=0.5),
        "faults": Scenario(
            "one terminal in five has a bad wire",
            faults=("repeat", "reorder", "flip", "truncate", "slow", "cut", "garbage", "oversize", "endless", "vanish"),
            faulty_share=0.2,
            fault_rate=0.01,
        ),
    }
)
"""What `carillon simulate --scenario` takes."""


CUT_S: Final = 20
"""A terminal that is cut from the car's power speaks for so long of a battery of its own ..."""
SILENT_S: Final = 1_200
"""... and is not heard of for so long."""
ACCELEROMETER_EVERY: Final = 3
"""Every so many-th car has none, and sends no accelerations."""
PULSE_S: Final = 0.1
"""Length of the half-sine pulse of a crash: its peak is pi / 2 times the change of speed over it."""
CRASH_SHARE: Final = 0.75
"""Of a car's speed that the blow itself takes; brakes and skidding take the rest."""
KERB_G: Final = (2.5, 7.0)
G_MPS2: Final = 9.81

EARLY_S: Final = (40, 110)
"""What happens every so many seconds happens this early in them: whoever starts a world looks on from its first."""


def _is_due(seed: int, now_s: int, every_s: int, what: int) -> bool:
    """Tell whether something that comes once in every_s seconds (0: never) comes in this second of the world."""
    if not every_s:
        return False
    first_s, last_s = EARLY_S
    return now_s % every_s == first_s + int((last_s - first_s) * chance(seed, now_s // every_s, 0, what))


@njit(float64(int64, int64, int64, int64), cache=True, nogil=True)
def _drift(seed: int, who: int, now_s: int, what: int) -> float:
    """Return a slowly wandering number of about unit variance: noise at every 16th second, straight lines between."""
    knot, part = now_s >> 4, (now_s & 15) / 16.0
    here = there = 0.0
    for n in range(3):
        here += chance(seed, who, knot, what + n) - 0.5
        there += chance(seed, who, knot + 1, what + n) - 0.5
    return 2.0 * (here * (1 - part) + there * part)


@njit(void(EDGE_ARRAY, CAR_ARRAY, int64[::1], float64[:, ::1], float64[:, ::1], int64, int64), cache=True, nogil=True)
def _sense(
    edges: np.ndarray,
    cars: np.ndarray,
    which: np.ndarray,
    at: np.ndarray,
    sensed: np.ndarray,
    seed: int,
    now_s: int,
) -> None:
    """Fill sensed[n] = (x m, y m, altitude m, satellites, signal) for the cars in `which`, which truly are at `at`.

    Errors are those of a car's receiver in a city: some 2.5 m, four times as much in one stretch of five minutes in
    twenty (reflections between houses), little while parked (receivers hold still without ignition).
    """
    for n in range(which.shape[0]):
        number = which[n]
        car = cars[number]
        spread = 2.5
        if chance(seed, number, now_s // 300, 20) < 0.05:
            spread = 10.0
        if car.lane < 0:
            spread = 0.4
        x, y = at[n, 0], at[n, 1]
        sensed[n, 0] = x + spread * _drift(seed, number, now_s, 21)
        sensed[n, 1] = y + spread * _drift(seed, number, now_s, 25)
        # The city lies on a plain that rises to hills in the north-west.
        hills = 38.0 * np.exp(-(((x + 7000) / 4200) ** 2 + ((y - 5200) / 3600) ** 2))
        sensed[n, 2] = (
            12.0 + hills + 3.0 * np.sin(x / 1700) * np.cos(y / 2100) + 2 * spread * _drift(seed, number, now_s, 29)
        )
        sensed[n, 3] = max(5.0, 17.0 - spread + 2 * _drift(seed, number, now_s, 33))
        sensed[n, 4] = min(31.0, max(6.0, 23.0 - np.hypot(x, y) / 1500 + 3 * _drift(seed, number, now_s, 37)))


class World:
    """The city's cars as their terminals see them. A function of (city, cars, scenario, seed) and the second.

    Args:
        start_ms: UTC epoch ms of the first second; a whole second.
    """

    def __init__(self, city: City, cars: int, scenario: Scenario, seed: int, start_ms: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.start_ms = start_ms
        self.traffic = Traffic(
            city,
            cars,
            seed,
            driving_share=scenario.driving_share,
            crashes_per_hour=scenario.crashes_per_hour,
            dealer_share=scenario.dealer_share,
        )
        self._tunnel = {
            "nowhere": np.zeros(len(city.edges), bool),
            "tunnels": city.edges["tunnel"] == 1,
            "expressways": (city.edges["tunnel"] == 1) | (city.edges["rank"] == EXPRESSWAY),
        }[scenario.dark]
        self._crash_due = self._sos_due = self._tow_due = self._robbery_due = False
        self.towed = np.zeros(cars, bool)
        self._driven = np.zeros(cars, bool)
        """Was seen with its ignition on: before that nobody can tell a tow from a wire that is not connected."""
        self._cut_s = np.full(cars, -SILENT_S)
        """When each was cut from its power last, in seconds of this world."""
        self._unsaid_due = self._kerb_due = False
        self._felt_g = np.zeros(cars)
        """Largest acceleration of each car since its report before, gravity left out."""
        self._unsaid = np.zeros(cars, bool)
        self.has_accelerometer = np.arange(cars) % ACCELEROMETER_EVERY != 0
        self._last = self.traffic.place(np.arange(cars))[:, :2]
        """Where each receiver had its last fix, metres: the mouth of the tunnel that it is in."""
        self.dark = self._under()
        self.ignition = self.traffic.cars["lane"] >= 0
        self.crashed = self.traffic.cars["crashed"].astype(bool)

    @property
    def now_ms(self) -> int:
        """The second that the world has reached."""
        return self.start_ms + self.traffic.now_s * 1000

    def _under(self) -> np.ndarray:
        cars = self.traffic.cars
        since_s = self.traffic.now_s - self._cut_s
        return np.asarray(self._tunnel[cars["edge"]] & (cars["lane"] >= 0)) | ((since_s > CUT_S) & (since_s < SILENT_S))

    def step(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Go on by one second.

        Returns:
            Numbers of the cars whose ignition or crash sensor changed, of those whose driver pressed SOS, and of those
            that lost or regained coverage.
        """
        before_mps = self.traffic.cars["speed_mps"].copy()
        self.traffic.step()
        cars = self.traffic.cars
        self._crash_due |= _is_due(self.seed, self.traffic.now_s, self.scenario.crash_every_s, 41)
        if self._crash_due and (victim := self._somebody(8.0, 42)) >= 0:
            self.traffic.crash(victim)
            self._unsaid[victim] = self._crash_due = False
        self._unsaid_due |= _is_due(self.seed, self.traffic.now_s, self.scenario.unsaid_every_s, 51)
        if self._unsaid_due and (victim := self._somebody(8.0, 52)) >= 0 and self.has_accelerometer[victim]:
            self.traffic.crash(victim)
            self._unsaid[victim], self._unsaid_due = True, False
        self._rob()
        ignition, crashed, dark = self._tow(cars["lane"] >= 0), cars["crashed"].astype(bool), self._under()
        self._feel(before_mps, crashed & ~self.crashed)
        self._unsaid &= crashed
        changed = np.flatnonzero((ignition != self.ignition) | (crashed & ~self.crashed))
        shaded = np.flatnonzero(dark != self.dark)
        self._last[shaded] = self.traffic.place(shaded)[:, :2]
        pressed = np.zeros(0, np.int64)
        if self.scenario.sos_per_hour:
            odds = np.random.default_rng([self.seed, self.traffic.now_s, 0x505]).random(len(cars))
            pressed = np.flatnonzero(ignition & (odds < self.scenario.sos_per_hour / 3600))
        self._sos_due |= _is_due(self.seed, self.traffic.now_s, self.scenario.sos_every_s, 43)
        if self._sos_due and (caller := self._somebody(0.0, 44)) >= 0:
            pressed = np.append(pressed, caller)
            self._sos_due = False
        self.ignition, self.crashed, self.dark = ignition, crashed, dark
        return changed, pressed, shaded

    def _tow(self, moving: np.ndarray) -> np.ndarray:
        """Return whose ignition is on: of those that move now all but the towed."""
        self._driven |= self.ignition
        self.towed &= moving
        self._tow_due |= _is_due(self.seed, self.traffic.now_s, self.scenario.tow_every_s, 45)
        if self._tow_due:
            leaving = np.flatnonzero(moving & ~self.ignition & ~self.towed & self._driven)
            self.towed[leaving[:1]] = True
            self._tow_due = not len(leaving)
        return np.asarray(moving & ~self.towed)

    def _rob(self) -> None:
        self._robbery_due |= _is_due(self.seed, self.traffic.now_s, self.scenario.robbery_every_s, 46)
        if self._robbery_due and (victim := self._somebody(12.0, 47)) >= 0:
            self._cut_s[victim] = self.traffic.now_s
            self._robbery_due = False

    def _feel(self, before_mps: np.ndarray, struck: np.ndarray) -> None:
        """Keep what accelerometers felt in this second: braking, the road, kerbs, and what struck the car."""
        speed_mps = self.traffic.cars["speed_mps"]
        felt_g = np.abs(speed_mps - before_mps) / G_MPS2
        # A car that is struck this second feels the blow now, whatever its speed is at the end of it.
        felt_g[struck] = np.pi / 2 * CRASH_SHARE * before_mps[struck] / PULSE_S / G_MPS2
        self._kerb_due |= _is_due(self.seed, self.traffic.now_s, self.scenario.kerb_every_s, 53)
        if self._kerb_due and (driver := self._somebody(5.0, 54)) >= 0:
            low, high = KERB_G
            felt_g[driver] = low + (high - low) * chance(self.seed, self.traffic.now_s, 0, 55)
            self._kerb_due = False
        self._felt_g = np.maximum(self._felt_g, felt_g)

    def _somebody(self, faster_mps: float, what: int) -> int:
        """Return a car on the road and in coverage that is faster than this, drawn by lot; -1 while there is none."""
        cars = self.traffic.cars
        there = (cars["lane"] >= 0) & (cars["speed_mps"] > faster_mps) & (cars["crashed"] == 0) & ~self._under()
        suited = np.flatnonzero(there)
        if not len(suited):
            return -1
        return int(suited[int(chance(self.seed, self.traffic.now_s, 0, what) * len(suited))])

    def fixes(self, which: np.ndarray) -> list[Fix]:
        """Return what the sensors of these cars say now. In a tunnel: the last position, and that there is no fix."""
        which = np.ascontiguousarray(which, dtype=np.int64)
        traffic = self.traffic
        at = traffic.place(which)
        sensed = np.empty((len(which), 5))
        _sense(traffic.city.edges, traffic.cars, which, at, sensed, self.seed, traffic.now_s)
        dark = self.dark[which]
        sensed[dark, :2] = self._last[which[dark]]
        sensed[dark, 3] = 0
        cars = traffic.cars[which]
        ignition = self.ignition[which]
        latitude = np.rint((ORIGIN_LAT + sensed[:, 1] / METRES_PER_DEGREE_LAT) * 1e6).astype(np.int64)
        longitude = np.rint((ORIGIN_LON + sensed[:, 0] / METRES_PER_DEGREE_LON) * 1e6).astype(np.int64)
        speed = np.rint(cars["speed_mps"] * 36).astype(np.int64)
        status = np.where(ignition, STATUS_ACC, STATUS_LOCKED) | np.where(
            dark, 0, STATUS_FIXED | STATUS_GPS | STATUS_BEIDOU
        )
        status |= np.where(speed > 0, STATUS_MOVING, 0)
        alarm = np.where(self.crashed[which] & ~self._unsaid[which], ALARM_COLLISION, 0)
        alarm |= np.where(traffic.now_s - self._cut_s[which] < SILENT_S, ALARM_POWER_CUT, 0)
        felt_mg = np.rint(1000 * np.sqrt(1 + self._felt_g[which] ** 2)).astype(np.int64)
        self._felt_g[which] = 0.0
        columns = (
            alarm,
            status,
            latitude,
            longitude,
            np.rint(sensed[:, 2]).astype(np.int64),
            speed,
            np.rint(at[:, 2]).astype(np.int64) % 360,
            np.full(len(which), self.now_ms),
            (cars["odometer_m"] / 100).astype(np.int64),
            (cars["fuel_l"] * 10).astype(np.int64),
            sensed[:, 4].astype(np.int64),
            sensed[:, 3].astype(np.int64),
            np.where(self.has_accelerometer[which], felt_mg, 0),
        )
        return [Fix(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
