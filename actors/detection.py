"""Detection: judges batches of reports with every detector and returns the events, each with an id of its own.

Sync, without clock or I/O but the snapshot: the caller reads the journal, appends the events to the log, and once they
are committed takes a snapshot that says up to which record all is judged. After a crash it restores the snapshot and
judges again from there. Ids derive from the reports behind a fact, and facts do not depend on how the stream was cut
into batches, so what is judged twice gives the same ids, and the log drops them.
"""

import contextlib
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from actors.detectors import DETECTORS
from actors.detectors.cleaning import Cleaning
from actors.detectors.finding import SWEPT, Detector, Kept, Making
from actors.detectors.geofence import GeofenceDetector
from actors.detectors.theft import TheftDetector
from core.arming import Arming
from core.events import Event, derive_id
from core.kernels.facts import FACT
from core.kernels.geofence import Fence, FenceIndex, build_index
from core.limits import FACTS_MAX, FACTS_PER_ROW_MAX, OUTAGE_MS, SWEEP_LAG_MS, SWEEP_MS
from core.rules import RULES, GroupRule, Rules
from core.thresholds import ThresholdFaultError, rule_with, told
from core.vehicle_table import VehicleTable, reports_array

ACTOR: Final = "detection"
SNAPSHOT_FORMAT: Final = 2
POSITION_NONE: Final = -1
"""Position before any record of the journal."""


class SnapshotError(Exception):
    """A snapshot that cannot be used: damaged, of another format, or of a table of another size."""


class DetectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes."""

    facts_max: int = FACTS_MAX
    """Facts of one judging pass; a full buffer begins another pass."""


class Detection:
    """All detectors over one vehicle table. Used by one thread; its columns of the table are written by it alone.

    Args:
        table: the vehicle table; group and store of the events come from its columns.
        fences: an index from `build_index`, or fences to build it from.
        rules: thresholds of all groups; the defaults where none are given.
        settings: sizes.
        arming: what is armed; nothing where none is given.
    """

    def __init__(
        self,
        table: VehicleTable,
        fences: FenceIndex | Iterable[Fence] = (),
        rules: Rules | None = None,
        settings: DetectionSettings | None = None,
        *,
        arming: Arming | None = None,
    ) -> None:
        settings = settings or DetectionSettings()
        if settings.facts_max < FACTS_PER_ROW_MAX:
            raise ValueError(f"facts_max is {settings.facts_max}; one report can bring {FACTS_PER_ROW_MAX}")
        self._table = table
        self.rules = rules or Rules()
        """Judged by from the next batch on; swap_rules and restore change it."""
        making = Making(table, as_index(fences), self.rules, arming)
        self.cleaning = Cleaning(table, making.rules.of("cleaning"))
        self._detectors = [row.make(making) for row in DETECTORS]
        self._kept: tuple[Kept, ...] = (self.cleaning, *self._detectors)
        self._purposes = {type_: purpose for row in DETECTORS for type_, purpose in row.events.items()}
        self._facts = np.zeros(settings.facts_max, FACT)
        # Up to when we have heard all, when to sweep next, and since when we listen without interruption; 0: never yet.
        self._heard_ms = 0
        self._sweep_ms = 0
        self._since_ms = 0
        self._passes = 0
        self._sweeps = 0
        self._events = 0

    def judge(self, rows: np.ndarray) -> list[Event]:
        """Judge reports in the order of the journal; return the events in the order of the reports.

        Hand over whole frames: rows that share a sequence in one batch, so that a snapshot never stands inside one.

        Args:
            rows: (n,) REPORT.

        Returns:
            Events without seq and arrival_ms, ready for the log. Judging rows again gives events with the same ids.

        Raises:
            TypeError: not REPORT rows.
        """
        # A copy: cleaning marks rows, and the caller's are what the terminals said.
        rows = reports_array(rows).copy()
        self.cleaning.clean(rows)
        events: list[Event] = []
        start = 0
        while start < len(rows):
            said_ms = rows["arrival_ms"][start:]
            self._listen(int(said_ms[0]))
            # Never backwards, while our clock is only corrected.
            arrival_ms = np.maximum.accumulate(np.maximum(said_ms, self._heard_ms))
            events += self._sweep_until(int(arrival_ms[0]))
            # Up to the next sweep, or to where we were away, or to where our clock was set back.
            count = int(np.searchsorted(arrival_ms, self._sweep_ms, "left"))
            set_back = np.flatnonzero(arrival_ms[:count] - said_ms[:count] > OUTAGE_MS)
            count = int(set_back[0]) if len(set_back) else count
            events += self._judge(rows[start : start + count])
            self._heard_ms = int(arrival_ms[count - 1])
            start += count
        self._events += len(events)
        return events

    def advance(self, now_ms: int) -> list[Event]:
        """Say that all that arrived SWEEP_LAG_MS before now is judged, and return what follows from silence.

        Sweeps are made at multiples of SWEEP_MS of the time of arrival, whether reports bring that time or this does:
        so the same facts are found again from the journal.
        """
        until_ms = now_ms - SWEEP_LAG_MS
        if self._heard_ms - OUTAGE_MS <= until_ms <= self._heard_ms:
            return []
        self._listen(until_ms)
        events = self._sweep_until(until_ms)
        self._heard_ms = until_ms
        self._events += len(events)
        return events

    def _listen(self, now_ms: int) -> None:
        """Begin to listen anew if nobody did for long, or if our clock was set back."""
        if abs(now_ms - self._heard_ms) > OUTAGE_MS:
            self._heard_ms = self._since_ms = now_ms
            self._sweep_ms = (now_ms // SWEEP_MS + 1) * SWEEP_MS

    def _judge(self, rows: np.ndarray) -> list[Event]:
        found: list[tuple[int, Event]] = []
        for detector in self._detectors:
            start = 0
            while start < len(rows):
                start, count = detector.judge(rows, start, self._facts)
                self._passes += 1
                for fact in self._facts[:count]:
                    found.append((int(fact["row"]), self._event(detector, fact, rows[fact["row"]])))
        # Stable: of one report the facts stay in the order of DETECTORS, whatever the batches were.
        found.sort(key=lambda numbered: numbered[0])
        return [event for _, event in found]

    def _sweep_until(self, now_ms: int) -> list[Event]:
        events: list[Event] = []
        while self._sweep_ms <= now_ms:
            for detector in self._detectors:
                vehicle = 0
                while vehicle != SWEPT:
                    vehicle, count = detector.sweep(self._sweep_ms, self._since_ms, vehicle, self._facts)
                    events += [self._event(detector, fact, None) for fact in self._facts[:count]]
            self._sweeps += 1
            self._sweep_ms += SWEEP_MS
        return events

    def _event(self, detector: Detector, fact: np.void, row: np.void | None) -> Event:
        finding = detector.describe(fact, row)
        vehicle_id = int(fact["vehicle"])
        report_ids = [f"{int(fact['report']):016x}"]
        if fact["first_report"] != fact["report"]:
            report_ids.insert(0, f"{int(fact['first_report']):016x}")
        return Event(
            id=derive_id(ACTOR, finding.type, detector.version, report_ids, finding.key),
            type=finding.type,
            version=finding.version,
            time_ms=int(fact["time_ms"]),
            subject=f"vehicle:{vehicle_id}",
            group=self._table.group_of(vehicle_id),
            store=int(self._table.store[vehicle_id]) if 0 <= vehicle_id < self._table.capacity else 0,
            actor=ACTOR,
            correlation=finding.story,
            purpose=self._purposes[finding.type],
            payload=finding.payload,
        )

    def swap_rules(self, rules: Rules) -> None:
        """Judge by other thresholds from the next batch on."""
        self.rules = rules
        for detector in self._kept:
            if detector.name in RULES:
                detector.rules = rules.of(detector.name)

    def swap_fences(self, fences: FenceIndex | Iterable[Fence]) -> None:
        """Judge by other fences from the next batch on. State goes by fence id: who is inside stays inside.

        Build the index beside, in another thread, with `build_index`, and hand it over here: that is one assignment.

        Raises:
            FenceError: a fence cannot be indexed; the fences stay as they were.
        """
        index = as_index(fences)
        for detector in self._detectors:
            if isinstance(detector, GeofenceDetector):
                detector.index = index

    def swap_arming(self, arming: Arming) -> None:
        """Judge by what is armed now from the next batch on."""
        for detector in self._detectors:
            if isinstance(detector, TheftDetector):
                detector.arming = arming

    def usual_ms(self, vehicle_id: int) -> int:
        """Return how often a car reports as it stands or drives now; 0: not known. Other threads may ask."""
        for detector in self._detectors:
            if isinstance(detector, TheftDetector):
                return detector.usual_ms(vehicle_id)
        return 0

    def statistics(self) -> dict[str, int]:
        """Return counts by name: passes, events, and each detector's under its own name."""
        counts = {"passes": self._passes, "sweeps": self._sweeps, "events": self._events}
        for detector in self._kept:
            counts |= {f"{detector.name}.{name}": count for name, count in detector.statistics().items()}
        return counts

    def snapshot(self, path: Path, position: int, rules: Rules | None = None) -> None:
        """Write all state to a file, whole or not at all, and sync it: `state`, then `write_snapshot`.

        Args:
            path: replaced when the new file is on disk.
            position: sequence of the last journal record that was judged and whose events are committed.
            rules: see `state`.
        """
        write_snapshot(path, self.state(position, rules))

    def state(self, position: int, rules: Rules | None = None) -> dict[str, np.ndarray]:
        """Return a copy of all state, for `write_snapshot`. Call between batches; position as for `snapshot`.

        Args:
            rules: by which the records behind the position will be judged, where they are about to change.
        """
        arrays: dict[str, np.ndarray] = {
            "format": np.array([SNAPSHOT_FORMAT], np.int64),
            "position": np.array([position], np.int64),
            "rules": np.frombuffer(rules_text(rules or self.rules), np.uint8),
            "clock": np.array([self._heard_ms, self._sweep_ms, self._since_ms], np.int64),
        }
        for detector in self._kept:
            arrays[f"{detector.name}/version"] = np.array([detector.version], np.int64)
            arrays |= {f"{detector.name}/{name}": array for name, array in detector.state().items()}
        return arrays

    def restore(self, path: Path) -> int:
        """Take over a snapshot, in place of all state; return its position: judge from the record behind it.

        `rules` are then those by which the records behind the position were judged when the program was last up, as far
        as this program has them: swap to those in force once they are judged again.

        Returns:
            POSITION_NONE when there is no such file: state is empty then.

        Raises:
            SnapshotError: the file cannot be used. State is empty: judge from the journal's beginning.
        """
        self._clear()
        with contextlib.suppress(FileNotFoundError):
            return self._load(path)
        return POSITION_NONE

    def _load(self, path: Path) -> int:
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                return self.take_over({name: stored[name] for name in stored.files})
        except (ValueError, KeyError, IndexError, EOFError, TypeError, zipfile.BadZipFile) as fault:
            self._clear()
            raise SnapshotError(f"{path}: {fault}") from fault
        except SnapshotError as fault:
            self._clear()
            raise SnapshotError(f"{path}: {fault}") from fault

    def take_over(self, arrays: dict[str, np.ndarray]) -> int:
        """Take over what `state` returned, in place of all state; return its position.

        Raises:
            SnapshotError, ValueError, KeyError: it does not fit; state is then part old, part new.
        """
        found = int(arrays["format"][0])
        if found != SNAPSHOT_FORMAT:
            raise SnapshotError(f"format {found}, this program reads {SNAPSHOT_FORMAT}")
        for detector in self._kept:
            prefix = f"{detector.name}/"
            version = int(arrays[f"{prefix}version"][0])
            if version != detector.version:
                raise SnapshotError(f"{detector.name} version {version}, this is {detector.version}")
            detector.load({n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)})
        self._heard_ms, self._sweep_ms, self._since_ms = arrays["clock"].tolist()
        self.swap_rules(rules_of(arrays["rules"].tobytes()))
        return int(arrays["position"][0])

    def _clear(self) -> None:
        self._heard_ms = self._sweep_ms = self._since_ms = 0
        for detector in self._kept:
            detector.clear()


def write_snapshot(path: Path, state: dict[str, np.ndarray]) -> None:
    """Write what Detection.state returned, and sync it. Takes as long as the disk does: call it in a worker thread."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        # A zip of arrays: each carries its dtype, and a CRC-32 that reading checks.
        np.savez(file, allow_pickle=False, **state)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def rules_text(rules: Rules) -> bytes:
    """Return what groups have set, for a snapshot."""
    return msgspec.json.encode([(own.group, own.detector, own.version, told(own.rule)) for own in rules.own])


def rules_of(text: bytes) -> Rules:
    """Return the rules of a snapshot. What this program no longer has, or not within these bounds, is left out."""
    own = []
    for group, detector, version, values in msgspec.json.decode(text, type=list[tuple[int, str, int, dict[str, Any]]]):
        with contextlib.suppress(KeyError, ThresholdFaultError):
            own.append(GroupRule(group, detector, version, rule_with(detector, values)))
    return Rules(own)


def as_index(fences: FenceIndex | Iterable[Fence]) -> FenceIndex:
    """Return an index as it is, or build one of fences."""
    return fences if isinstance(fences, FenceIndex) else build_index(fences)
