"""What the long benches rest on: a series tells whether a server stayed as it was; slices of sets are compared."""

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from bench import endurance, stored, watch
from bench.servers import BenchError, LimitServer
from bench.watch import Look, flatness, kind_of
from simulators import load

LOOKS = 41
REPORTS_A_LOOK = 1_000


def looks(*, late_us: float = 10.0, merging_us: float = 0.0, late_mb: float = 300.0) -> list[Look]:
    """A series at an even pace: 10 us a report and 300 MB at first, and later on what is given."""
    found, process, merging = [], 0.0, 0.0
    for number in range(LOOKS):
        late = number > LOOKS * 0.7
        found.append(
            Look(
                seconds=5.0 * number,
                acked=number * REPORTS_A_LOOK,
                stored=number * REPORTS_A_LOOK,
                cpu_ms={"process": process, "merging": merging},
                resident_mb=0.0,
                held_mb=late_mb if late else 300.0,
            )
        )
        process += ((late_us if late else 10.0) + (merging_us if late else 0.0)) * REPORTS_A_LOOK / 1000
        merging += (merging_us if late else 0.0) * REPORTS_A_LOOK / 1000
    return found


def test_a_server_that_stays_as_it_is_is_flat() -> None:
    found = flatness(looks())
    assert found.flat
    assert found.first.process_us == pytest.approx(10.0)
    assert found.working_growth == pytest.approx(1.0)


@pytest.mark.parametrize(("late_us", "flat"), [(11.4, True), (11.8, False)])
def test_a_report_that_costs_more_late_is_not_flat(late_us: float, flat: bool) -> None:
    assert flatness(looks(late_us=late_us)).flat is flat


def test_merging_is_stated_and_does_not_count_as_work() -> None:
    found = flatness(looks(merging_us=5.0))
    assert found.flat
    assert found.process_growth > 1.4
    assert found.last.threads_us["merging"] > 4.5


@pytest.mark.parametrize(("late_mb", "flat"), [(360.0, True), (370.0, False)])
def test_memory_that_grows_is_not_flat(late_mb: float, flat: bool) -> None:
    assert flatness(looks(late_mb=late_mb)).flat is flat


def test_a_series_without_thirds_says_so() -> None:
    with pytest.raises(BenchError, match="1 looks"):
        flatness(looks()[:1])


def test_threads_are_known_by_their_names() -> None:
    assert kind_of("MergeMutate") == "merging"
    assert kind_of("BgSchPool") == "store"
    assert kind_of("Trio thread 3") == kind_of("Recorder._recor") == "workers"
    assert kind_of("python3") == "other"


@pytest.mark.parametrize("slice_entries", [1, 7, 1_000_000])
def test_sets_compared_in_slices_are_compared_like_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slice_entries: int
) -> None:
    draw = np.random.default_rng(slice_entries)
    entries = np.zeros(400, load.RECORD)
    entries["terminal"], entries["serial"] = draw.integers(0, 50, 400), np.arange(400)
    entries["time_s"], entries["kind"] = 1_790_000_000, load.RECORD_SENT
    acked = entries[:300].copy()
    acked["kind"] = load.RECORD_ACKED
    record = tmp_path / "record"
    np.concatenate([entries, acked]).tofile(record)
    there = np.zeros(302, stored.STORED)
    for name in ("terminal", "serial", "time_s"):
        there[name][:299] = entries[name][1:300]
    there["report_id"] = np.arange(302)
    # The first is lost; the last three were never sent, and two of them are one.
    there["terminal"][299:], there["serial"][299:] = (51, 51, 3), 900
    monkeypatch.setattr(stored, "SLICE_ENTRIES", slice_entries)
    found = stored.compare([record], there, 302)
    assert (found.sent, found.acked, found.stored) == (400, 300, 302)
    assert (found.acked_not_stored, found.stored_not_sent, found.stored_twice, found.sent_twice) == (1, 2, 1, 0)
    there["report_id"][301] = 0
    assert stored.compare([record], there, 302).stored_twice == 2


def test_a_run_that_served_not_everybody_or_lost_something_is_not_right() -> None:
    whole = stored.Comparison(1, 1, 1, 1, 0, 0, 0, 0)
    lost = stored.Comparison(1, 1, 0, 0, 1, 0, 0, 0)
    assert endurance.right({"right": True, "sets": whole, "flatness": flatness(looks())})
    assert not endurance.right({"right": True, "sets": whole, "flatness": flatness(looks(late_us=20.0))})
    assert not endurance.right({"right": True, "sets": [whole, lost]})
    assert not endurance.right({"right": False, "sets": [whole]})


def test_a_run_that_would_fill_the_disk_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="GB free"):
        endurance.free_disk(tmp_path, 1 << 60)


def test_terminals_of_a_process_of_their_own_say_what_became_of_them(tmp_path: Path) -> None:
    with LimitServer() as limit:
        plan = [f"--tcp=127.0.0.1:{limit.port}", "--terminals=5", "--reports=20", "--step-1e6=2700"]
        assert load.main([*plan, f"--record={tmp_path / 'record'}"]) == 0
    kinds = load.read_record(tmp_path / "record")["kind"]
    assert (kinds == load.RECORD_ACKED).sum() == 20


def test_held_memory_is_what_no_file_gives_back() -> None:
    before = watch.held_bytes(os.getpid())
    # Of its own from the kernel: what malloc gives may have been held before.
    with mmap.mmap(-1, 32_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as room:
        room.write(bytes(len(room)))
        assert watch.held_bytes(os.getpid()) >= before + len(room) // 2
