"""When a terminal counts as cut from the car's power, and as back on it: each rule under its name."""

from typing import Any

from actors.detection import Detection
from core.events import Event
from tests.detection.reports import NOON, rows, table

CUT, LOW = 1 << 8, 1 << 7


def judged(*alarms: int, every_s: int = 10, twice: bool = False, until_s: int = 0) -> list[tuple[str, int, bool]]:
    """Return (type, second, by silence) of what reports with these alarm words say, heard until so long after."""
    fields: list[dict[str, Any]] = [
        {"alarm": alarm, "time_ms": NOON + 1000 * every_s * number, "report_id": 7000 + number}
        for number, alarm in enumerate(alarms)
        for _ in range(2 if twice else 1)
    ]
    detection = Detection(table())
    made = rows(*fields)
    events: list[Event] = []
    # One report a batch: what is found never hangs on how they were cut.
    for number in range(len(made)):
        events += detection.judge(made[number : number + 1])
    last_ms = int(made["arrival_ms"][-1])
    for now_ms in range(last_ms, last_ms + 1000 * until_s, 30_000):
        events += detection.advance(now_ms + 35_000)
    told = [event for event in events if event.type in ("device.unplugged", "device.plugged")]
    assert {event.purpose for event in told} <= {"service"}
    return [(e.type.removeprefix("device."), (e.time_ms - NOON) // 1000, e.payload.by_silence) for e in told]


def test_a_cut_is_told_at_the_second_report_and_dated_by_the_first() -> None:
    assert judged(0, CUT, CUT, CUT) == [("unplugged", 10, False)]


def test_one_report_is_a_loose_contact() -> None:
    assert judged(0, CUT, 0, CUT, 0) == []
    assert judged(0, CUT, CUT, every_s=4) == []


def test_a_cut_that_was_its_last_word_is_told_after_a_silence() -> None:
    assert judged(0, CUT, until_s=60) == []
    assert judged(0, CUT, until_s=240) == [("unplugged", 10, True)]


def test_power_is_back_by_the_same_rule() -> None:
    assert judged(CUT, CUT, 0, CUT, 0, 0) == [("unplugged", 0, False), ("plugged", 40, False)]


def test_a_weak_battery_is_no_cut() -> None:
    assert judged(LOW, LOW, LOW, until_s=600) == []


def test_doubled_reports_change_nothing() -> None:
    alarms = (0, CUT, CUT, 0, 0, CUT)
    assert judged(*alarms, twice=True, until_s=240) == judged(*alarms, until_s=240) != []
