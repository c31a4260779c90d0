"""When an alarm has gone up: each rule under its name."""

from typing import Any

import pytest

from actors.detection import Detection
from core.events import Event
from core.kernels.alarms import LATE_RUN_MS_MAX
from core.limits import TERMINALS_MAX
from core.vehicle_table import VehicleTable
from protocols.report import FLAG_BATCH, FLAG_NO_FIX, FLAG_POSITION_BAD, FLAG_TIME_BAD
from tests.detection.reports import NOON, detection, rows

SOS = 1 << 0
CRASHES = 1 << 29 | 1 << 30
OTHERS = 0xFFFFFFFF & ~(SOS | CRASHES)
"""The crash detector has its own say of bits 29 and 30."""


def judged(*fields: dict[str, Any]) -> list[Event]:
    # What other detectors make of the same bits is theirs.
    found = detection().judge(rows(*fields))
    return [event for event in found if event.type in ("sos.pressed", "crash.suspected")]


def words(*alarms: int) -> list[dict[str, Any]]:
    return [{"alarm": alarm} for alarm in alarms]


def told(events: list[Event]) -> list[tuple[str, str, int, bool]]:
    """Return (type, evidence, seconds after NOON, late) of each event."""
    return [(e.type, e.payload.evidence, (e.time_ms - NOON) // 1000, e.payload.late) for e in events]


def timed(*pairs: tuple[int, int]) -> list[dict[str, Any]]:
    """Return fields of (seconds after NOON, alarm word); of one time and word, the same report."""
    return [{"time_ms": NOON + s * 1000, "alarm": word, "report_id": 1 + s * 2**32 + word} for s, word in pairs]


def test_a_bit_that_goes_up_is_one_event() -> None:
    assert told(judged(*words(0, SOS))) == [("sos.pressed", "alarm.0", 10, False)]


def test_the_first_report_ever_may_bring_it() -> None:
    assert told(judged(*words(SOS))) == [("sos.pressed", "alarm.0", 0, False)]


def test_a_bit_that_stays_up_is_one_event() -> None:
    assert told(judged(*words(0, SOS, SOS, SOS | 2, SOS | 2, 2, 0))) == [("sos.pressed", "alarm.0", 10, False)]


def test_a_bit_that_goes_up_again_is_another_event() -> None:
    events = judged(*words(SOS, 0, SOS))
    assert told(events) == [("sos.pressed", "alarm.0", 0, False), ("sos.pressed", "alarm.0", 20, False)]
    assert events[0].id != events[1].id


def test_other_bits_are_none_of_its_business() -> None:
    assert judged(*words(OTHERS, 0, OTHERS)) == []
    assert told(judged(*words(OTHERS, OTHERS | SOS, SOS))) == [("sos.pressed", "alarm.0", 10, False)]


def test_each_terminal_of_a_car_has_its_own_latch() -> None:
    events = judged({"alarm": SOS, "terminal": 1}, {"alarm": SOS, "terminal": 2}, {"alarm": 0, "terminal": 1})
    assert [e.payload.terminal for e in events] == [1, 2]
    assert {e.subject for e in events} == {"vehicle:1"}


def test_the_event_carries_the_report() -> None:
    (event,) = judged(
        {"alarm": SOS | 8, "lat_1e7": -5, "lon_1e7": 6, "speed_kmh10": 77, "terminal": 3, "vehicle_id": 2}
    )
    payload = event.payload
    assert (payload.vehicle_id, payload.terminal, payload.alarm) == (2, 3, SOS | 8)
    assert (payload.lat_1e7, payload.lon_1e7, payload.speed_kmh10, payload.has_fix) == (-5, 6, 77, True)
    assert payload.report_id == f"{1000:016x}"
    assert (event.purpose, event.actor, event.group, event.store) == ("safety", "detection", 1, 0)


@pytest.mark.parametrize("flag", [FLAG_NO_FIX, FLAG_POSITION_BAD])
def test_an_alarm_without_a_fix_is_judged_all_the_same(flag: int) -> None:
    (event,) = judged({"alarm": SOS, "flags": flag})
    assert event.payload.has_fix is False


def test_reports_of_one_second_are_taken_together() -> None:
    # The ordinary report and the alarm's are sent in one second, in either order: nothing is missed, nothing doubled.
    assert len(judged(*timed((5, 0), (5, SOS), (6, SOS)))) == 1
    assert len(judged(*timed((5, SOS), (5, 0), (6, SOS)))) == 1
    assert len(judged(*timed((5, 0), (5, SOS), (5, 0), (6, SOS)))) == 1


def test_a_late_alarm_is_judged_and_says_so() -> None:
    assert told(judged(*timed((100, 0), (50, 0), (51, SOS), (52, SOS), (53, 0)))) == [
        ("sos.pressed", "alarm.0", 51, True)
    ]


def test_a_late_run_with_two_rises_is_two_events() -> None:
    assert told(judged(*timed((100, 0), (50, SOS), (51, 0), (52, SOS)))) == [
        ("sos.pressed", "alarm.0", 50, True),
        ("sos.pressed", "alarm.0", 52, True),
    ]


def test_a_late_run_told_backwards_is_one_event() -> None:
    assert told(judged(*timed((100, 0), (52, SOS), (51, SOS), (50, SOS)))) == [("sos.pressed", "alarm.0", 52, True)]


def test_late_reports_of_an_alarm_that_is_known_are_no_event() -> None:
    live = timed((10, SOS), (100, SOS), (110, 0))
    assert len(judged(*live, *timed((20, SOS), (30, SOS), (99, SOS)))) == 1
    assert len(judged(*live, *timed((10, SOS), (100, SOS)))) == 1


def test_a_late_run_that_begins_in_a_known_alarm_goes_on_with_it() -> None:
    assert len(judged(*timed((10, SOS), (20, SOS), (100, 0), (20, SOS), (25, SOS), (30, SOS), (35, 0), (30, SOS)))) == 1


def test_late_reports_far_apart_do_not_vouch_for_the_time_between() -> None:
    far_s = LATE_RUN_MS_MAX // 1000 + 1
    assert len(judged(*timed((9000, 0), (50, SOS), (50 + far_s - 1, SOS)))) == 1
    assert len(judged(*timed((9000, 0), (50, SOS), (50 + far_s, SOS)))) == 2


def test_a_late_report_does_not_touch_the_live_latch() -> None:
    assert len(judged(*timed((10, SOS), (5, 0), (11, SOS)))) == 1
    assert len(judged(*timed((10, 0), (5, SOS), (11, SOS)))) == 2


def test_a_terminal_without_a_clock_is_judged_in_order_of_arrival() -> None:
    bad = {"flags": FLAG_TIME_BAD, "time_ms": -(2**63), "arrival_ms": NOON + 3000}
    events = judged({**bad, "alarm": 0}, {**bad, "alarm": SOS}, {**bad, "alarm": SOS}, {**bad, "alarm": 0})
    assert told(events) == [("sos.pressed", "alarm.0", 3, False)]


def test_a_clock_that_comes_back_does_not_double_the_alarm() -> None:
    bad = {"flags": FLAG_TIME_BAD, "time_ms": -(2**63), "arrival_ms": NOON, "alarm": SOS}
    judge = detection()
    # Up with a clock, down; up without one; up with one: the last is the same alarm as the one before it.
    events = judge.judge(rows(*timed((1, SOS), (2, 0)), bad, *timed((5, SOS), (6, 0), (3, SOS))))
    assert [e.payload.late for e in events] == [False, False, True]


def test_a_terminal_past_the_last_latch_is_counted_and_not_judged_and_others_are() -> None:
    # At its real size: pages of the table that nobody touches cost nothing.
    judge = Detection(VehicleTable())
    judge._detectors = [detector for detector in judge._detectors if detector.name == "alarms"]
    past, last = ({"terminal": terminal, "alarm": 1} for terminal in (TERMINALS_MAX, TERMINALS_MAX - 1))
    assert [event.payload.terminal for event in judge.judge(rows(past, last))] == [TERMINALS_MAX - 1]
    assert judge.statistics()["alarms.beyond_capacity"] == 1


def test_every_report_sent_twice_changes_nothing() -> None:
    stream = timed((1, 0), (2, SOS), (3, SOS), (3, 0), (4, 2), (2, SOS), (5, 0), (6, SOS), (7, 0))
    once = [event.id for event in judged(*stream)]
    assert [event.id for event in judged(*(report for one in stream for report in (one, one)))] == once
    assert {event.id for event in judged(*stream, *stream)} == set(once)
    assert {event.id for event in judged(*stream[:4], *stream)} == set(once)


def test_the_repeat_of_a_report_is_the_same_event() -> None:
    # Sent again in a batch after a reconnect: another frame, serial, sequence and arrival, the same report.
    (live,) = judged({"alarm": SOS, "time_ms": NOON})
    (again,) = judged(
        {"alarm": SOS, "time_ms": NOON, "sequence": 77, "arrival_ms": NOON + 999, "serial": 5, "flags": FLAG_BATCH}
    )
    assert live.id == again.id


@pytest.mark.parametrize("terminal", [0, -1, 64, 2**31 - 1])
def test_a_terminal_beyond_the_table_is_counted_not_judged(terminal: int) -> None:
    judge = detection()
    assert judge.judge(rows({"alarm": SOS, "terminal": terminal})) == []
    assert judge.statistics()["alarms.beyond_capacity"] == 1


def test_an_alarm_of_a_vehicle_past_the_table_is_still_told() -> None:
    # The car has no row and no fences, but who pressed the button needs help.
    (event,) = judged({"alarm": SOS, "vehicle_id": 2**31 - 1})
    assert (event.subject, event.group, event.store) == (f"vehicle:{2**31 - 1}", 1, 0)


def test_the_last_terminal_has_its_place() -> None:
    assert len(judged({"alarm": SOS, "terminal": 63})) == 1
