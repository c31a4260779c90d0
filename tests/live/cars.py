"""Cars that stand where a test puts them, and what a receiver makes of the frames it gets."""

from typing import Any

import numpy as np

from api.live import GONE, HEADER, RECORD, SNAPSHOT
from core.vehicle_table import LIVE


class Cars:
    """A live source made of rows that tests write to."""

    def __init__(self, count: int, stores: int = 1) -> None:
        self.table = np.zeros(count, LIVE)
        number = np.arange(1, count + 1)
        self.table["vehicle_id"] = number
        self.table["terminal"] = number
        self.table["time_ms"] = 1_700_000_000_000
        self.table["lat_1e7"] = 300_000_000 + 1_234 * number
        self.table["lon_1e7"] = 1_500_000_000 + 1_234 * number
        self.table["group"] = 1
        self.table["store"] = 1 + number % stores
        self.logged_in = np.ones(count + 1, bool)
        self.surveys = 0

    def rows(self) -> np.ndarray:
        self.surveys += 1
        return self.table.copy()

    def online_rows(self, rows: np.ndarray) -> np.ndarray:
        return self.logged_in[rows["terminal"]]

    def drive(self, *vehicles: int) -> None:
        """Move these cars, all where none is named."""
        at = np.array(vehicles, int) - 1 if vehicles else slice(None)
        self.table["lat_1e7"][at] += 1_000
        self.table["time_ms"][at] += 1_000


class Receiver:
    """Does what a client does with frames: cars by vehicle id, as (lat, lon, speed, course, flags, time)."""

    def __init__(self) -> None:
        self.cars: dict[int, Any] = {}
        self.kinds: list[int] = []
        self.tick = 0
        self.announced = 0

    def take(self, frame: bytes) -> np.ndarray:
        """Apply a frame; return its records."""
        _, kind, length, _, count, _, self.tick, self.announced = HEADER.unpack_from(frame)
        assert length == RECORD.itemsize
        assert len(frame) == HEADER.size + length * count
        records = np.frombuffer(frame, RECORD, offset=HEADER.size)
        if kind == SNAPSHOT:
            self.cars.clear()
        for record in records:
            if record["flags"] & GONE:
                self.cars.pop(int(record["vehicle_id"]), None)
            else:
                self.cars[int(record["vehicle_id"])] = record.copy()
        self.kinds.append(kind)
        return records
