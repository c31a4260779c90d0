"""The vehicle table: which report moves what, bounds, and the copy of live positions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import vehicle_table
from core.vehicle_table import CACHE_LINE_BYTES, VehicleTable, reports_array, zeros_on_lines
from protocols.report import FLAG_BATCH, FLAG_NO_FIX, FLAG_POSITION_BAD, FLAG_TIME_BAD, ODOMETER_NONE, REPORT, TIME_NONE

NOON = 1_750_000_000_000


def reports(*fields: dict[str, Any]) -> np.ndarray:
    rows = np.zeros(len(fields), REPORT)
    rows["vehicle_id"], rows["terminal"], rows["odometer_m"] = 1, 1, ODOMETER_NONE
    for number, row in enumerate(fields):
        for name, value in {"sequence": number, "report_id": number + 1, **row}.items():
            rows[number][name] = value
    return rows


def table_after(*fields: dict[str, Any]) -> VehicleTable:
    table = VehicleTable(capacity=16, terminals=16)
    table.update_positions(reports(*fields))
    return table


def test_a_newer_report_moves_everything() -> None:
    table = table_after(
        {"time_ms": NOON, "lat_1e7": 1, "odometer_m": 70},
        {"time_ms": NOON + 1000, "lat_1e7": -312_345_678, "lon_1e7": 1_214_567_890, "speed_kmh10": 815,
         "course_deg": 359, "altitude_m": -12, "alarm": 1 << 31, "status": 3, "arrival_ms": NOON + 1500,
         "odometer_m": 71, "terminal": 4, "flags": FLAG_BATCH},
    )  # fmt: skip
    (row,) = table.live()
    assert {name: int(row[name]) for name in row.dtype.names if name != "reserved"} == {
        "vehicle_id": 1, "terminal": 4, "time_ms": NOON + 1000, "sequence": 1, "arrival_ms": NOON + 1500,
        "odometer_m": 71, "lat_1e7": -312_345_678, "lon_1e7": 1_214_567_890, "status": 3, "alarm": 1 << 31,
        "flags": FLAG_BATCH, "group": 1, "store": 0, "speed_kmh10": 815, "course_deg": 359, "altitude_m": -12,
    }  # fmt: skip


def test_an_older_report_moves_nothing() -> None:
    table = table_after({"time_ms": NOON, "lat_1e7": 1, "alarm": 1}, {"time_ms": NOON - 1, "lat_1e7": 2, "alarm": 2})
    (row,) = table.live()
    assert (row["lat_1e7"], row["alarm"]) == (1, 1)
    assert table.statistics()["older"] == 1


def test_of_one_second_the_later_sequence_wins_and_of_one_frame_the_last_row() -> None:
    same = {"time_ms": NOON, "sequence": 5}
    table = table_after({**same, "lat_1e7": 1}, {**same, "lat_1e7": 2}, {**same, "sequence": 4, "lat_1e7": 3})
    assert table.live()["lat_1e7"].tolist() == [2]


def test_a_report_without_fix_moves_liveness_and_not_the_position() -> None:
    for flag in (FLAG_NO_FIX, FLAG_POSITION_BAD):
        table = table_after(
            {"time_ms": NOON, "lat_1e7": 1, "sequence": 1, "odometer_m": 70},
            {"time_ms": NOON + 9, "lat_1e7": 2, "sequence": 2, "flags": flag, "alarm": 8, "arrival_ms": NOON + 20},
        )
        (row,) = table.live()
        assert (row["lat_1e7"], row["time_ms"], row["sequence"]) == (1, NOON, 1)
        assert (row["alarm"], row["flags"], row["arrival_ms"]) == (8, flag, NOON + 20)
        # The odometer was left out, not set to none.
        assert row["odometer_m"] == 70
        assert table.statistics()["no_position"] == 1


def test_a_report_without_fix_does_not_hold_back_an_older_fix() -> None:
    table = table_after({"time_ms": NOON + 9, "flags": FLAG_NO_FIX, "alarm": 8}, {"time_ms": NOON, "lat_1e7": 7})
    (row,) = table.live()
    assert (row["lat_1e7"], row["time_ms"], row["alarm"]) == (7, NOON, 8)


def test_a_bad_time_never_touches_live_state() -> None:
    table = table_after(
        {"time_ms": NOON, "lat_1e7": 1, "alarm": 1},
        {"time_ms": NOON + 10**9, "lat_1e7": 2, "alarm": 2, "flags": FLAG_TIME_BAD},
        {"time_ms": TIME_NONE, "lat_1e7": 2, "alarm": 2, "flags": FLAG_TIME_BAD | FLAG_NO_FIX},
    )
    (row,) = table.live()
    assert (row["lat_1e7"], row["alarm"], row["time_ms"]) == (1, 1, NOON)
    assert table.statistics()["time_bad"] == 2


@pytest.mark.parametrize("vehicle_id", [0, -1, -(2**31), 16, 2**31 - 1])
def test_a_vehicle_beyond_the_table_is_counted_not_applied(vehicle_id: int) -> None:
    table = table_after({"time_ms": NOON, "vehicle_id": vehicle_id})
    assert len(table.live()) == 0
    assert not table.position["time_ms"].any()
    assert table.statistics()["beyond_capacity"] == 1


def test_the_last_row_has_its_place() -> None:
    assert table_after({"time_ms": NOON, "vehicle_id": 15}).live()["vehicle_id"].tolist() == [15]


def test_live_answers_what_was_asked() -> None:
    table = VehicleTable(capacity=16, terminals=16)
    table.group[2], table.store[2] = 3, 30
    table.group[4], table.store[4] = 3, 31
    rows = reports(*({"vehicle_id": k, "time_ms": NOON + k, "sequence": k} for k in (1, 2, 4)))
    table.update_positions(rows)
    assert table.live()["vehicle_id"].tolist() == [1, 2, 4]
    assert table.live()["group"].tolist() == [1, 3, 3]
    assert table.live(time_ms_min=NOON + 2)["vehicle_id"].tolist() == [2, 4]
    assert table.live(sequence_after=2)["vehicle_id"].tolist() == [4]
    assert table.live(group=1)["vehicle_id"].tolist() == [1]
    assert table.live(group=3, store=31)["vehicle_id"].tolist() == [4]
    assert table.live(limit=2)["vehicle_id"].tolist() == [1, 2]
    assert table.live(after=2, limit=2)["vehicle_id"].tolist() == [4]
    assert table.live(after=4)["vehicle_id"].tolist() == []
    assert table.live(limit=0)["vehicle_id"].tolist() == []
    assert VehicleTable(capacity=16, terminals=16).live().shape == (0,)


def test_live_is_a_copy() -> None:
    table = table_after({"time_ms": NOON, "lat_1e7": 1})
    rows = table.live()
    table.update_positions(reports({"time_ms": NOON + 1, "lat_1e7": 2}))
    assert rows["lat_1e7"].tolist() == [1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "vehicle_id": st.integers(-1, 4),
                "time_ms": st.integers(NOON, NOON + 3),
                "sequence": st.integers(0, 9),
                "lat_1e7": st.integers(1, 1000),
                "alarm": st.integers(0, 3),
                "flags": st.sampled_from([0, 0, 0, FLAG_NO_FIX, FLAG_TIME_BAD, FLAG_POSITION_BAD, FLAG_BATCH]),
            }
        ),
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_any_cut_gives_what_a_sorted_list_gives(fields: list[dict[str, int]], cut: int) -> None:
    table = VehicleTable(capacity=4, terminals=16)
    rows = reports(*fields)
    table.update_positions(rows[:cut])
    table.update_positions(rows[cut:])
    expected = []
    for vehicle in (1, 2, 3):
        usable = [f for f in fields if f["vehicle_id"] == vehicle and not f["flags"] & FLAG_TIME_BAD]
        ranked = sorted(usable, key=lambda f: (f["time_ms"], f["sequence"]))  # stable: of equals the last wins
        fixes = [f for f in ranked if not f["flags"] & (FLAG_NO_FIX | FLAG_POSITION_BAD)]
        if fixes:
            expected.append((vehicle, fixes[-1]["time_ms"], fixes[-1]["lat_1e7"], ranked[-1]["alarm"]))
    live = table.live()
    assert [tuple(map(int, row)) for row in live[["vehicle_id", "time_ms", "lat_1e7", "alarm"]]] == expected


def test_rows_start_on_cache_lines() -> None:
    for dtype in (vehicle_table.POSITION, vehicle_table.ALARMS):
        assert zeros_on_lines(3, dtype).ctypes.data % CACHE_LINE_BYTES == 0
        assert len(zeros_on_lines(3, dtype)) == 3


def test_a_table_for_every_vehicle_there_may_be_takes_no_memory() -> None:
    def resident_kb() -> int:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    before = resident_kb()
    table = VehicleTable()
    table.update_positions(reports({"time_ms": NOON, "vehicle_id": table.capacity - 1}))
    assert resident_kb() - before < 20_000


def test_only_report_rows_are_taken() -> None:
    with pytest.raises(TypeError, match="REPORT"):
        reports_array(np.zeros(3, np.int64))
    with pytest.raises(TypeError, match="2 dimensions"):
        reports_array(np.zeros((3, 3), REPORT))
    frozen = reports({"time_ms": NOON}, {"time_ms": NOON})
    frozen.setflags(write=False)
    assert reports_array(frozen).flags.writeable
    assert reports_array(frozen[::2]).flags.c_contiguous
    VehicleTable(capacity=4, terminals=4).update_positions(frozen[:0])
