"""Detection as a whole: any cut, any crash, any snapshot give the same events; and what a bad snapshot does."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import detection as module
from actors.detection import POSITION_NONE, Detection, DetectionSettings, SnapshotError
from actors.detectors import DETECTORS
from core.events import EVENTS, Event
from core.kernels.geofence import FenceError
from core.limits import FACTS_PER_ROW_MAX
from core.vehicle_table import VehicleTable
from protocols.report import FLAG_NO_FIX, FLAG_TIME_BAD
from tests.detection.reports import NOON, at, circle, detection, rows, square, table, told

pytestmark = pytest.mark.usefixtures("as_they_come")

FENCES = [square(1), square(2, half_m=450), circle(3, radius_m=480), *(square(k, half_m=440) for k in range(10, 20))]
SMALLEST = DetectionSettings(facts_max=FACTS_PER_ROW_MAX)


def stream(seed: int, length: int = 300) -> np.ndarray:
    """Return reports of three cars with two terminals that drive about the fences, some late, some repeated."""
    rng = random.Random(seed)
    made: list[dict[str, Any]] = []
    alarm = dict.fromkeys(range(1, 7), 0)
    now = NOON
    while len(made) < length:
        now += rng.choice([0, 500, 1000, 3000])
        terminal = rng.randint(1, 6)
        if rng.random() < 0.2:
            alarm[terminal] ^= rng.choice([1, 1 << 29, 1 << 30, 1 << 8])
        if made and rng.random() < 0.15:
            made.append({**rng.choice(made), "sequence": len(made) // 3})
            continue
        late = rng.choice([0, 0, 0, 0, 0, 60_000])
        report = {
            **at(rng.choice([-120, -80, -58, -40, -10, 0, 10, 20, 60])),
            "time_ms": now - late,
            "arrival_ms": now + 700,
            "terminal": terminal,
            "vehicle_id": (terminal + 1) // 2,
            "alarm": alarm[terminal],
            "report_id": rng.getrandbits(64),
            "flags": rng.choice([0] * 8 + [FLAG_NO_FIX, FLAG_TIME_BAD]),
            # Three rows a frame.
            "sequence": len(made) // 3,
        }
        made.append(report)
    return rows(*made)


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def test_the_stream_of_these_tests_is_worth_it() -> None:
    events = detection(*FENCES).judge(stream(1))
    kinds = {(event.type, getattr(event.payload, "late", None)) for event in events}
    assert kinds >= {
        ("fence.entered", None),
        ("fence.exited", None),
        ("sos.pressed", False),
        ("sos.pressed", True),
        ("crash.suspected", False),
    }
    assert len(events) > 100


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.lists(st.integers(0, 300), max_size=12))
def test_any_cut_into_batches_gives_the_same_events_in_the_same_order(seed: int, cuts: list[int]) -> None:
    whole = stream(seed)
    expected = detection(*FENCES).judge(whole)
    judge = detection(*FENCES)
    edges = sorted({0, len(whole), *cuts})
    assert [event for first, last in pairwise(edges) for event in judge.judge(whole[first:last])] == expected


def frames(made: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return the rows of journal records first to last - 1."""
    return made[(made["sequence"] >= first) & (made["sequence"] < last)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 50), st.data())
def test_a_crash_anywhere_and_a_replay_from_the_snapshot_give_the_same_events_once(
    tmp_path: Path, seed: int, data: st.DataObject
) -> None:
    made = stream(seed)
    # Repeats carry the sequence of where they stand, so the rows are in the order of the journal.
    assert (np.diff(made["sequence"]) >= 0).all()
    end = int(made["sequence"][-1]) + 1
    expected = detection(*FENCES).judge(made)
    path = tmp_path / "detection.npz"
    path.unlink(missing_ok=True)
    log: dict[str, Event] = {}
    again = 0

    judge = detection(*FENCES)
    position = judge.restore(path)
    assert position == POSITION_NONE
    while position < end - 1:
        step = data.draw(st.integers(1, 60), label="records")
        events = judge.judge(frames(made, position + 1, position + 1 + step))
        position = min(position + step, end - 1)
        kept = data.draw(st.integers(0, len(events)), label="events committed before a crash")
        crashed = data.draw(st.integers(0, 3), label="crash") == 0 and again < 20
        for event in events[: kept if crashed else len(events)]:
            log.setdefault(event.id, event)
        if crashed:
            again += 1
            # A new process: nothing but the file is left.
            judge = detection(*FENCES)
            position = judge.restore(path)
        elif data.draw(st.booleans(), label="snapshot"):
            judge.snapshot(path, position)
    once: dict[str, Event] = {}
    for event in expected:
        # A report of a forgotten episode, sent again, rises again under the same id: the log keeps the first.
        once.setdefault(event.id, event)
    assert log == once


def test_a_full_buffer_of_facts_drops_none() -> None:
    made = stream(3)
    expected = detection(*FENCES).judge(made)
    judge = detection(*FENCES, settings=SMALLEST)
    assert judge.judge(made) == expected
    assert judge.statistics()["passes"] > len(DETECTORS)


def test_a_buffer_too_small_for_one_report_is_refused() -> None:
    with pytest.raises(ValueError, match=f"one report can bring {FACTS_PER_ROW_MAX}"):
        detection(settings=DetectionSettings(facts_max=FACTS_PER_ROW_MAX - 1))


def test_every_event_is_of_a_declared_type_and_can_be_written_and_read() -> None:
    for event in detection(*FENCES).judge(stream(2)):
        declared = EVENTS[event.type, event.version]
        assert type(event.payload) is declared
        assert msgspec.json.decode(msgspec.json.encode(event.payload), type=declared) == event.payload
    assert {name for row in DETECTORS for name in row.events} <= {name for name, _ in EVENTS}


def test_the_table_of_detectors_names_what_it_makes() -> None:
    judge = detection()
    assert [(row.name, row.version) for row in DETECTORS] == [(d.name, d.version) for d in judge._detectors]


def test_an_empty_batch_and_rows_that_may_not_be_written() -> None:
    judge = detection(*FENCES)
    made = rows(at(-100), at(-100))
    made.setflags(write=False)
    assert judge.judge(made[:0]) == []
    assert len(judge.judge(made)) > 0
    with pytest.raises(TypeError, match="REPORT"):
        judge.judge(np.zeros(4, np.int64))


def test_a_fence_that_cannot_be_indexed_leaves_the_fences_as_they_were() -> None:
    judge = detection(square(7))
    judge.judge(rows(at(-100)))
    with pytest.raises(FenceError):
        judge.swap_fences([square(7), square(7)])
    assert told(judge.judge(rows({**at(-100), "time_ms": NOON + 10**6}))) == [("fence.entered", 7)]


# --- snapshots --------------------------------------------------------------------------------------------------------


def test_restoring_takes_the_place_of_all_state(tmp_path: Path) -> None:
    path = tmp_path / "detection.npz"
    empty = detection(*FENCES)
    empty.snapshot(path, 41)
    judge = detection(*FENCES)
    made = stream(4)
    expected = judge.judge(made)
    assert judge.restore(path) == 41
    assert judge.judge(made) == expected


def test_no_snapshot_is_an_empty_beginning(tmp_path: Path) -> None:
    judge = detection(*FENCES)
    made = stream(4)
    expected = judge.judge(made)
    assert judge.restore(tmp_path / "missing.npz") == POSITION_NONE
    assert judge.judge(made) == expected


def test_a_snapshot_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "detection.npz"
    judge = detection(*FENCES)
    judge.snapshot(path, 1)
    # A write that a crash cut off.
    (tmp_path / "detection.npz.partial").write_bytes(b"PK\x03\x04")
    judge.snapshot(path, 2)
    assert judge.restore(path) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["detection.npz"]


@pytest.mark.parametrize("part", range(12))
def test_a_damaged_snapshot_is_refused_and_state_is_empty(tmp_path: Path, part: int) -> None:
    path = tmp_path / "detection.npz"
    judge = detection(*FENCES)
    made = stream(5)
    expected = judge.judge(made)
    judge.snapshot(path, 7)
    data = bytearray(path.read_bytes())
    if part == 0:
        data = data[: len(data) // 2]
    elif part == 1:
        data = bytearray()
    else:
        # One bit, in what is stored: zip checks each array's CRC.
        whole = np.load(path)
        name = sorted(whole.files)[part % len(whole.files)]
        inside = whole[name].tobytes()[:64] or b"{"
        data[data.find(inside)] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(SnapshotError, match=r"detection\.npz"):
        judge.restore(path)
    assert judge.judge(made) == expected


def test_a_snapshot_of_another_version_or_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "detection.npz"
    detection(*FENCES).snapshot(path, 7)
    with pytest.raises(SnapshotError, match="64 rows, this one has 65"):
        Detection(table(capacity=65)).restore(path)
    judge = detection(*FENCES)
    monkeypatch.setattr(judge._detectors[0], "version", 99)
    with pytest.raises(SnapshotError, match="alarms version 1, this is 99"):
        judge.restore(path)
    monkeypatch.setattr(module, "SNAPSHOT_FORMAT", 99)
    with pytest.raises(SnapshotError, match="format 2"):
        detection(*FENCES).restore(path)
    alarmed = Detection(VehicleTable(64, 128))
    alarmed.judge(rows({"terminal": 100, "alarm": 1}))
    alarmed.snapshot(path, 8)
    with pytest.raises(SnapshotError, match="terminal 100"):
        detection().restore(path)
