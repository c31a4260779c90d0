"""A running node takes up what another process changed: rows, and the event with them by the inbox."""

from pathlib import Path

from bench.servers import ChildServer
from core.doorbell import knock
from core.geofence import Geofence
from storage.inbox import InboxLog
from storage.registry import Registry
from tests.line.conftest import Line, place, until

PHONE = "13911117001"


def draw_fence(data: Path, name: str, lon: float) -> None:
    """Enter a circle and say so, as a process does that does not own the log."""
    guest = InboxLog(f"sqlite:///{data / 'carillon.db'}")
    geometry = {"centre": [lon, 31.0], "radius_m": 300.0}
    Registry(guest).geofences.save(Geofence(name=name, kind="circle", geometry=geometry))
    knock(data / "run")
    guest.close()


def test_a_fence_drawn_by_another_process_is_crossed(server: ChildServer, line: Line) -> None:
    terminal = line.terminal(PHONE).login()
    vehicle_id = line.vehicle_of(PHONE)
    seconds = iter(range(10_000))

    def drive(lon: float) -> None:
        """Report a few times that it stands there."""
        for _ in range(3):
            terminal.report(place(10 * next(seconds), lat=31.0, lon=lon))

    drive(151.0)
    draw_fence(server.data, "drawn by another", 151.5)
    until(lambda: line.counter("inbox_moved_total") == 1)
    until(lambda: line.events("geofence.saved"))

    def crossed() -> bool:
        # The index is swapped soon after the event: drive in and out until it is.
        drive(151.5)
        drive(151.0)
        return bool(line.events("fence.entered", vehicle_id=vehicle_id))

    until(crossed)
