"""Detector: what vehicles do with geofences: enter, exit, stay, miss; leave routes and come back; speed in zones."""

import zlib
from typing import Any, Final, NamedTuple

import numpy as np

from actors.detectors.finding import SWEPT, Finding
from core.events import FenceCrossed, FenceMissed, OverspeedSeen
from core.kernels import crossing
from core.kernels.geofence import (
    FENCE_EXPECTED,
    FENCE_ID,
    FENCE_PAIRS,
    FENCE_UTC_OFFSET_MIN,
    FENCE_VEHICLES,
    HEAD_EXPECTED,
    HEAD_PAIRS,
    HEAD_TIMED,
    MINUTE_MS,
    MONDAY_MS,
    WEEK_MS,
    FenceIndex,
)
from core.limits import FENCE_BLOCKS_MAX, FENCE_PASSED_MAX, FENCES_AT_POINT_MAX
from core.rules import RuleSet
from core.vehicle_table import VehicleTable, zeros_on_lines

NAME: Final = "geofence"
VERSION: Final = 2
"""Goes up when the same reports and the same fences would give other facts, or when state is laid out anew."""

EVENT_TYPES: Final = {
    crossing.KIND_ENTERED: "fence.entered",
    crossing.KIND_EXITED: "fence.exited",
    crossing.KIND_DWELLED: "fence.dwelled",
    crossing.KIND_MISSED: "fence.missed",
    crossing.KIND_LEFT: "route.left",
    crossing.KIND_REJOINED: "route.rejoined",
    crossing.KIND_SPEED_BEGAN: "overspeed.began",
    crossing.KIND_SPEED_ENDED: "overspeed.ended",
}

PASSED_ROOM: Final = 4 * FENCE_PASSED_MAX + 1
"""Fences near the way between two fixes, those of other groups too; and one more that a kernel asks about."""
MISSED_LATE_MS: Final = 24 * 3600 * 1000
"""A window that ended longer ago is let go: it ended while we were away."""
EXPECTED: Final = np.dtype([("fence", "i8"), ("rule", "u4"), ("known_ms", "i8"), ("judged_ms", "i8")])
"""Of each fence that expects cars: a checksum of its windows, since when these are known, the last one's end judged."""


class _Window(NamedTuple):
    """A window of a fence that has ended."""

    number: int
    from_ms: int
    to_ms: int


class GeofenceDetector:
    """Judges reports against the index of fences it holds.

    Attributes:
        rules: swapped between two batches.
        fences, stays, anchors, blocks: state, as judge_crossings takes it.
    """

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, index: FenceIndex, rules: RuleSet) -> None:
        self._table = table
        self.rules = rules
        self.fences = zeros_on_lines(table.capacity + FENCE_BLOCKS_MAX, crossing.FENCES)
        self.stays = zeros_on_lines(table.capacity + FENCE_BLOCKS_MAX, crossing.STAY)
        self.anchors = zeros_on_lines(table.capacity, crossing.ANCHOR)
        self.blocks = np.zeros(2, np.int64)
        self.counters = np.zeros(len(crossing.COUNTERS), np.int64)
        # Room for the fences at one point, their numbers, and those at points between.
        self._found = np.zeros(3 * FENCES_AT_POINT_MAX, np.int32)
        self._passed = np.zeros(PASSED_ROOM, np.int64)
        self._chords = np.zeros(3 * PASSED_ROOM, np.float64)
        self._expected = np.zeros(0, EXPECTED)
        self._pairs = np.zeros(0, np.int64)
        self._seen = np.zeros(1, np.int64)
        self._waiting: list[_Window] = []
        self._place = 0
        self._index = index
        self._expect({})

    @property
    def index(self) -> FenceIndex:
        """The fences that are judged by. Assigned between two batches; state goes by fence id."""
        return self._index

    @index.setter
    def index(self, index: FenceIndex) -> None:
        seen = dict(zip(self._pairs.tolist(), self._seen.tolist(), strict=False))
        self._index = index
        self._expect(seen)

    def _expect(self, seen: dict[int, int]) -> None:
        """Lay out the state of expected cars as the index has them, and carry over what is known of them.

        Args:
            seen: fence id << 32 | vehicle id: until when it was inside.
        """
        table, records = self._index.table, self._index.records()
        first = int(table[HEAD_EXPECTED])
        numbers = table[first + 1 : first + 1 + int(table[first])]
        pairs = np.zeros(int(table[HEAD_PAIRS]), np.int64)
        expected = np.zeros(len(numbers), EXPECTED)
        before = {int(row["fence"]): row for row in self._expected}
        for k, record in enumerate(records[numbers]):
            listed = int(record[FENCE_VEHICLES])
            vehicles = table[listed + 1 : listed + 1 + int(table[listed])].astype(np.int64)
            fence_id, start = int(record[FENCE_ID]), int(record[FENCE_PAIRS])
            pairs[start : start + len(vehicles)] = fence_id << 32 | vehicles
            at = int(record[FENCE_EXPECTED])
            windows = table[at : at + 1 + 2 * int(table[at])]
            rule = zlib.crc32(windows.tobytes(), int(record[FENCE_UTC_OFFSET_MIN]) & 0xFFFFFFFF)
            row = before.get(fence_id)
            if row is not None and int(row["rule"]) == rule:
                expected[k] = row
            else:
                expected[k] = (fence_id, rule, 0, 0)
        self._expected = expected
        self._pairs = pairs
        # A kernel takes the address of an empty array too, but never looks.
        self._seen = np.fromiter((seen.get(pair, 0) for pair in pairs.tolist()), np.int64, len(pairs))
        self._waiting = []

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_crossings)."""
        table = self._table
        return crossing.judge_crossings(
            rows,
            start,
            self._index.address,
            self.rules.numbers,
            self.rules.of_group,
            table.group,
            table.store,
            self.fences,
            self.stays,
            self.anchors,
            self.blocks,
            self._seen,
            self._found,
            self._passed,
            self._chords,
            facts,
            self.counters,
        )

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Find what hours, long stays and windows that ended bring to cars that say nothing.

        From row `start` on; from the table's capacity on it counts on through the cars that fences expect.
        """
        table, index = self._table, self._index
        written = 0
        if start < table.capacity:
            if index.table[HEAD_TIMED]:
                vehicle, written = crossing.sweep_stays(
                    start,
                    now_ms,
                    index.address,
                    table.group,
                    table.store,
                    self.fences,
                    self.stays,
                    self.blocks,
                    facts,
                    self.counters,
                )
                if vehicle >= 0:
                    return vehicle, written
            self._waiting = self._ended(now_ms, since_ms)
            self._place = 0
        while self._waiting:
            window = self._waiting[0]
            self._place, written = crossing.sweep_expected(
                self._place,
                index.address,
                window.number,
                window.from_ms,
                window.to_ms,
                table.group,
                table.store,
                self.fences,
                self.stays,
                self._seen,
                facts,
                written,
            )
            if self._place >= 0:
                return table.capacity, written
            self._place = 0
            self._waiting.pop(0)
        return SWEPT, written

    def _ended(self, now_ms: int, since_ms: int) -> list[_Window]:
        """Return the windows that have ended and were not judged yet, and count them as judged.

        One that ended while nobody listened waits until cars have been heard again for MISSED_GRACE_MS.
        """
        if not len(self._expected):
            return []
        found = []
        table, records = self._index.table, self._index.records()
        first = int(table[HEAD_EXPECTED])
        for k, row in enumerate(self._expected):
            if row["known_ms"] == 0:
                # Of a window under way it is not known who was there before.
                row["known_ms"] = row["judged_ms"] = now_ms
                continue
            if now_ms - max(int(row["judged_ms"]), since_ms) < crossing.MISSED_GRACE_MS:
                continue
            number = int(table[first + 1 + k])
            record = records[number]
            at = int(record[FENCE_EXPECTED])
            ended_ms = now_ms - crossing.MISSED_GRACE_MS
            local_ms = ended_ms + int(record[FENCE_UTC_OFFSET_MIN]) * MINUTE_MS + MONDAY_MS
            for start, length in table[at + 1 : at + 1 + 2 * int(table[at])].reshape(-1, 2).tolist():
                to_ms = ended_ms - (local_ms - (start + length) * MINUTE_MS) % WEEK_MS
                from_ms = to_ms - length * MINUTE_MS
                if to_ms <= row["judged_ms"] or from_ms < row["known_ms"]:
                    continue
                if now_ms - to_ms > MISSED_LATE_MS:
                    self.counters[crossing.COUNT_UNJUDGED] += 1
                    continue
                found.append(_Window(number, from_ms, to_ms))
            row["judged_ms"] = ended_ms
        return sorted(found, key=lambda window: window.to_ms)

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says; row is the report that settled it."""
        kind, vehicle_id, fence_id = int(fact["kind"]), int(fact["vehicle"]), int(fact["number"])
        values = fact["values"].tolist()
        key = f"{vehicle_id}:{fence_id}"
        rule_version = self.rules.version(self._table.group_of(vehicle_id))
        if kind == crossing.KIND_MISSED:
            missed = FenceMissed(
                vehicle_id=vehicle_id,
                fence_id=fence_id,
                from_ms=values[0],
                to_ms=int(fact["time_ms"]),
                inside_ms=values[1] or None,
                rule_version=rule_version,
            )
            return Finding(EVENT_TYPES[kind], f"{key}:{missed.to_ms}", missed)
        report_id = f"{int(fact['report']):016x}"
        if kind in (crossing.KIND_SPEED_BEGAN, crossing.KIND_SPEED_ENDED):
            limit, peak, mean, metres, began_ms, last_ms = values
            state = self.fences[vehicle_id]
            speed = OverspeedSeen(
                vehicle_id=vehicle_id,
                terminal=0 if row is None else int(row["terminal"]),
                report_id=report_id,
                lat_1e7=int((state if row is None else row)["lat_1e7"]),
                lon_1e7=int((state if row is None else row)["lon_1e7"]),
                speed_kmh10=0 if row is None else int(row["speed_kmh10"]),
                limit_kmh10=limit,
                max_kmh10=peak,
                mean_kmh10=mean,
                metres=metres,
                began_ms=began_ms,
                duration_ms=last_ms - began_ms,
                fence_id=fence_id,
                rule_version=rule_version,
            )
            return Finding(EVENT_TYPES[kind], f"{key}:{began_ms}", speed)
        reason = crossing.REASONS[values[crossing.VALUE_REASON]]
        crossed = FenceCrossed(
            vehicle_id=vehicle_id,
            fence_id=fence_id,
            report_id=report_id,
            lat_1e7=values[crossing.VALUE_LAT],
            lon_1e7=values[crossing.VALUE_LON],
            speed_kmh10=values[crossing.VALUE_SPEED],
            rule_version=rule_version,
            stay_ms=None if values[crossing.VALUE_STAY_MS] < 0 else values[crossing.VALUE_STAY_MS],
            reason=reason,
            inferred=bool(values[crossing.VALUE_INFERRED]),
        )
        if reason == "hours" or kind == crossing.KIND_DWELLED:
            # By the same report every day anew.
            key = f"{key}:{int(fact['time_ms'])}"
        return Finding(EVENT_TYPES[kind], key, crossed)

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (crossing.COUNTERS)."""
        return {name: int(self.counters[k]) for k, name in enumerate(crossing.COUNTERS)}

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all state: a line for each vehicle judged, more for those that have fences or stand."""
        capacity = self._table.capacity
        used = int(self.counters[crossing.HIGHEST_VEHICLE]) + 1
        vehicles = np.flatnonzero(self.fences["time_ms"][:used]).astype(np.int32)
        blocks = slice(capacity, capacity + int(self.blocks[crossing.BLOCKS_TAKEN]))
        # Most vehicles are in no fence, and most drive or have stood without a doubt.
        tracking = vehicles[self.fences["used"][vehicles] > 0]
        standing = vehicles[self.fences["motion"][vehicles] != crossing.MOTION_DRIVING]
        return {
            "capacity": np.array([capacity], np.int64),
            "vehicles": vehicles,
            "fences": self.fences[vehicles],
            "tracking": tracking,
            "stays": self.stays[tracking],
            "standing": standing,
            "anchors": self.anchors[standing],
            "overflow": self.fences[blocks].copy(),
            "overflow_stays": self.stays[blocks].copy(),
            "blocks": self.blocks.copy(),
            "expected": self._expected.copy(),
            "pairs": self._pairs.copy(),
            "seen": self._seen.copy(),
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned, in place of all there is. Of what fences expect, what the index still has.

        Raises:
            ValueError: rows that this table does not have.
        """
        capacity = self._table.capacity
        vehicles = state["vehicles"]
        if int(state["capacity"][0]) != capacity:
            # Overflow rows are numbered from the capacity on.
            raise ValueError(f"state of a table of {int(state['capacity'][0])} rows, this one has {capacity}")
        if state["fences"].dtype != self.fences.dtype or state["stays"].dtype != self.stays.dtype:
            raise ValueError("rows of another layout")
        self.clear()
        self.fences[vehicles] = state["fences"]
        self.stays[state["tracking"]] = state["stays"]
        self.anchors[state["standing"]] = state["anchors"]
        taken = len(state["overflow"])
        self.fences[capacity : capacity + taken] = state["overflow"]
        self.stays[capacity : capacity + taken] = state["overflow_stays"]
        self.blocks[:] = state["blocks"]
        self.counters[crossing.HIGHEST_VEHICLE] = int(vehicles.max(initial=0))
        self._expected = state["expected"].astype(EXPECTED)
        self._expect(dict(zip(state["pairs"].tolist(), state["seen"].tolist(), strict=True)))

    def clear(self) -> None:
        """Forget every vehicle's state."""
        capacity = self._table.capacity
        used = int(self.counters[crossing.HIGHEST_VEHICLE]) + 1
        taken = int(self.blocks[crossing.BLOCKS_TAKEN])
        for array in (self.fences, self.stays):
            array[:used] = np.zeros((), array.dtype)
            array[capacity : capacity + taken] = np.zeros((), array.dtype)
        self.anchors[:used] = np.zeros((), self.anchors.dtype)
        self.blocks[:] = 0
        self._expected = np.zeros(0, EXPECTED)
        self._expect({})
