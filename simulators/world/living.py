"""The town in a running simulation: a thread beside the fleet, with the clock on the wall and the real doors."""

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from simulators.fleet import Fleet, Wish
from simulators.world.doors import Doors, Http
from simulators.world.people import People, people
from simulators.world.town import Known, PlatformError, Town, read_truth

PERSONS_PER_CAR: Final = 2.3
"""As many as live with so many cars: see people.py."""
WAIT_S_MAX: Final = 1.0
"""How long the town sleeps at most: then it looks whether it is to stop."""
BACK_OFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Between two tries while the platform cannot be asked."""
STOP_S: Final = 30.0
"""How long a stop waits for the request under way."""


class Streets:
    """What somebody can do in a car of a fleet that another thread drives."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def drive(self, number: int, store: int) -> None:
        """Set out for a store: its kerb has its number."""
        self._fleet.wishes.append(Wish("drive", number, store))

    def is_at(self, number: int, store: int) -> bool:
        """Tell whether the car is parked there."""
        return self._fleet.world.traffic.is_at(number, store)

    def press(self, number: int) -> None:
        """Press the emergency button."""
        self._fleet.wishes.append(Wish("sos", number))

    def odometer_km(self, number: int) -> int:
        """Return what the instrument shows: what the terminal counts, too."""
        return int(self._fleet.world.traffic.cars["odometer_m"][number] // 1000)


def open_truth(path: Path) -> tuple[TextIO, Known]:
    """Return a file to add the truth to, mode 0600, and what earlier runs knew. What a kill has cut off is cut away."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", newline="\n")
    try:
        data = file.read()
        whole = data.rfind("\n") + 1
        _, known = read_truth(io.StringIO(data[:whole]))
        file.seek(len(data[:whole].encode()))
        file.truncate()
    except BaseException:
        file.close()
        raise
    return file, known


class Living:
    """A town that lives until it is told to stop. A context manager.

    Args:
        address: HOST:PORT of the platform's API; `key`: an API key that may do what people at counters do.
        since_ms: until when the past goes, UTC epoch ms; the same gives the same people in every run.
        truth: file that the truth is added to, and read back from at the start; made with mode 0600. None: nowhere.
    """

    def __init__(
        self,
        fleet: Fleet,
        address: str,
        key: str,
        *,
        seed: int,
        since_ms: int,
        pace: float,
        truth: Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        cars = len(fleet.terminals)
        self.world: Final[People] = people(
            max(1, round(cars * PERSONS_PER_CAR)),
            seed,
            cars=cars,
            stores=len(fleet.world.traffic.city.dealers),
            now_ms=since_ms,
        )
        self._say = say
        self._http = Http(address, key)
        self._stop = threading.Event()
        self._files = contextlib.ExitStack()
        known, file = Known(), None
        if truth is not None:
            file, known = open_truth(truth)
            self._files.enter_context(file)
        self.town = Town(self.world, Doors(self._http.ask), Streets(fleet), pace=pace, truth=file, known=known)
        self._thread = threading.Thread(target=self._run, name="people", daemon=True)

    def __enter__(self) -> "Living":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_S)
        self._files.close()
        self._http.close()

    def statistics(self) -> dict[str, int]:
        """Return counts: requests made and failed, and what became of each kind of act."""
        return {
            "requests": self._http.requests,
            "failures": self._http.failures,
            **dict(sorted(self.town.counts.items())),
        }

    def _run(self) -> None:
        failed = 0
        remembering = self.town.remembering
        while not self._stop.is_set():
            try:
                next_ms = self.town.turn(time.time_ns() // 1_000_000)
            except PlatformError as error:
                wait_s = BACK_OFF_S[min(failed, len(BACK_OFF_S) - 1)]
                if failed == 0:
                    self._say(f"people: {error}; trying again")
                failed += 1
                self._stop.wait(wait_s)
                continue
            failed = 0
            if remembering and not self.town.remembering:
                remembering = False
                told, living = self.town.known.past, len(self.world.persons)
                self._say(f"people: {told} captures of the past are told; {living} persons live on")
            if next_ms is not None:
                self._stop.wait(min(WAIT_S_MAX, max(0.0, next_ms / 1000 - time.time())))
