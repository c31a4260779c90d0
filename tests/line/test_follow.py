"""A running node takes up what another process changed: rows, and the event with them by the inbox."""

from pathlib import Path

from bench.servers import ChildServer
from core.doorbell import knock
from core.geofence import Geofence
from storage.inbox import InboxLog
from storage.registry import Registry
from tests.line.conftest import Car, Line, until

PHONE = "13911117001"


def draw_fence(data: Path, name: str, lon: float) -> None:
    """Enter a circle and say so, as a process does that does not own the log."""
    guest = InboxLog(f"sqlite:///{data / 'carillon.db'}")
    geometry = {"centre": [lon, 31.0], "radius_m": 300.0}
    Registry(guest).geofences.save(Geofence(name=name, kind="circle", geometry=geometry))
    knock(data / "run")
    guest.close()


def test_a_fence_drawn_by_another_process_is_crossed(server: ChildServer, line: Line) -> None:
    car = Car(line.terminal(PHONE).login())
    vehicle_id = line.vehicle_of(PHONE)
    car.at(151.0, 31.0)
    before = line.counter("inbox_moved_total")
    draw_fence(server.data, "drawn by another", 151.015)
    until(lambda: line.counter("inbox_moved_total") > before)
    until(lambda: line.events("geofence.saved"))

    def crossed() -> bool:
        # The index is swapped soon after the event: drive in and out until it is.
        car.at(151.015, 31.0)
        car.at(151.0, 31.0)
        return bool(line.events("fence.entered", vehicle_id=vehicle_id))

    until(crossed)
