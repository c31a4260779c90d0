"""When a theft is suspected, and when it is over: each rule under its name, through detection as it runs."""

from typing import Any

import numpy as np
import pytest

from actors.detection import Detection
from core.arming import Arming, Guard, Schedule, is_scheduled, schedule_end_ms
from core.events import Event
from core.kernels import theft
from protocols.report import FLAG_NO_FIX, FLAG_TIME_BAD, REPORT
from tests.detection.reports import EQUATOR, NOON, rows, table, units

STOLEN, ILLEGAL_IGNITION, DISPLACED, POWER_CUT, LOW_VOLTAGE = 1 << 26, 1 << 27, 1 << 28, 1 << 8, 1 << 7
DAY_MS = 86_400_000
MIDNIGHT = NOON + (16 * 3_600_000 - NOON) % DAY_MS
"""In Shanghai, at UTC+8."""


class Story:
    """One car's reports, written down as it goes on; judged together."""

    def __init__(self, vehicle: int = 1, begin_ms: int = NOON) -> None:
        self.vehicle = vehicle
        self.time_ms = begin_ms
        self.fields: list[dict[str, Any]] = []

    def say(self, after_s: int = 30, east_m: float = 0.0, *, on: bool = False, kmh: float = 0, **more: Any) -> "Story":
        """Report once, so long after the report before."""
        self.time_ms += 1000 * after_s
        self.fields.append(
            {
                "vehicle_id": self.vehicle, "terminal": self.vehicle, "time_ms": self.time_ms,
                "report_id": self.vehicle * 10_000 + len(self.fields), "lat_1e7": EQUATOR[0],
                "lon_1e7": EQUATOR[1] + units(east_m), "speed_kmh10": round(10 * kmh), "satellites": 255,
                "cell_signal": 255, **more, "status": more.get("status", 0) | on,
            }
        )  # fmt: skip
        return self

    def drive(self, fixes: int = 5, kmh: float = 60, from_m: float = -3_000, **more: Any) -> "Story":
        """Drive east towards 0 with the ignition on."""
        for number in range(fixes):
            self.say(east_m=from_m + number * kmh / 3.6 * 30, on=True, kmh=kmh, **more)
        return self

    def park(self, fixes: int = 10, east_m: float = 0.0, **more: Any) -> "Story":
        """Stand with the ignition off."""
        for _ in range(fixes):
            self.say(east_m=east_m, **more)
        return self

    def tow(self, fixes: int = 4, kmh: float = 30, from_m: float = 0.0, **more: Any) -> "Story":
        """Move with the ignition off."""
        for number in range(1, fixes + 1):
            self.say(east_m=from_m + number * kmh / 3.6 * 30, kmh=kmh, **more)
        return self


def judged(*stories: Story, guards: tuple[Guard, ...] = (), until_s: int = 0) -> list[Event]:
    """Return the thefts of the stories, in the order of arrival; listened until so long after the last report."""
    fields = sorted((one for story in stories for one in story.fields), key=lambda one: one["time_ms"])
    detection = Detection(table(), arming=Arming(64, guards, NOON))
    events: list[Event] = []
    made = rows(*fields)
    # Time goes on also where nothing comes.
    for first in range(len(made)):
        arrival_ms = int(made["arrival_ms"][first])
        events += listened(detection, arrival_ms)
        events += detection.judge(made[first : first + 1])
    last_ms = int(made["arrival_ms"][-1])
    events += listened(detection, last_ms + 1000 * until_s + 5_000)
    return [event for event in events if event.type.startswith("theft.")]


def listened(detection: Detection, until_ms: int) -> list[Event]:
    """Let detection know, minute by minute, that it has heard everything up to then."""
    events: list[Event] = []
    heard_ms = detection.state(0)["clock"][0]
    if heard_ms:
        for now_ms in range(int(heard_ms), until_ms, 60_000):
            events += detection.advance(now_ms + 5_000)
    return events


def told(events: list[Event]) -> list[tuple[str, ...]]:
    return [
        (event.type, *event.payload.kinds) if event.type == "theft.suspected" else (event.type, event.payload.reason)
        for event in events
    ]


ARMED = Guard(vehicle=1, armed_ms=NOON, lat_1e7=EQUATOR[0], lon_1e7=EQUATOR[1], radius_m=100)


# --- towing -----------------------------------------------------------------------------------------------------------


def test_a_car_towed_with_the_ignition_off_is_suspected_at_the_second_fix() -> None:
    story = Story().drive().park().tow()
    (event,) = judged(story)
    payload = event.payload
    assert (event.type, payload.kind, payload.stage, payload.armed) == (
        "theft.suspected", "moving_without_ignition", 1, False,
    )  # fmt: skip
    assert event.purpose == "theft"
    assert payload.confidence == pytest.approx(0.8)
    # It began at the first fix away, and was certain at the second.
    assert (payload.first_report_id, payload.report_id) == (f"{10_015:016x}", f"{10_016:016x}")
    assert 490 <= payload.distance_m <= 510
    assert abs(payload.place_lon_1e7 - EQUATOR[1]) <= 1
    assert payload.speed_kmh10 == 300


def test_a_car_pushed_without_a_speed_is_suspected_by_how_far_it_came() -> None:
    story = Story().drive().park()
    for metres in (60, 120, 160, 200, 240):
        story.say(east_m=metres)
    assert told(judged(story)) == [("theft.suspected", "moving_without_ignition")]


def test_a_car_that_drives_off_with_the_ignition_on_is_not() -> None:
    assert judged(Story().drive().park().drive(from_m=50)) == []


def test_a_car_whose_ignition_was_never_seen_on_is_not_judged_by_it() -> None:
    assert judged(Story().park().tow()) == []


def test_one_fix_that_jumps_is_no_tow() -> None:
    story = Story().drive().park()
    for _ in range(5):
        story.say(east_m=400).park(2)
    assert judged(story) == []


def test_who_rolls_on_with_the_ignition_off_is_not_towed() -> None:
    assert judged(Story().drive().say(kmh=40, east_m=0).say(kmh=20, east_m=100).say(kmh=5, east_m=150).park()) == []


def test_a_tow_that_ends_in_a_start_is_over() -> None:
    story = Story().drive().park().tow().drive(3, from_m=1_200)
    assert told(judged(story)) == [
        ("theft.suspected", "moving_without_ignition"), ("theft.cleared", "ignition"),
    ]  # fmt: skip


def test_a_car_that_is_back_where_it_stood_is_returned() -> None:
    story = Story().drive().park().tow().park(12)
    assert told(judged(story))[1] == ("theft.cleared", "returned")


def test_one_tow_is_one_episode() -> None:
    story = Story().drive().park().tow(20).park(5, east_m=5_000).tow(5, from_m=5_000)
    assert len(judged(story)) == 1


# --- the terminal's own judgement -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bit", "kind"), [(STOLEN, "stolen"), (ILLEGAL_IGNITION, "illegal_ignition"), (DISPLACED, "displaced")]
)
def test_the_terminals_own_bits_are_believed(bit: int, kind: str) -> None:
    assert told(judged(Story().park(2).say(alarm=bit).say(alarm=bit))) == [("theft.suspected", kind)]


def test_two_of_them_make_it_certain() -> None:
    events = judged(Story().park(2).say(alarm=DISPLACED).say(alarm=DISPLACED | ILLEGAL_IGNITION))
    assert [event.payload.stage for event in events] == [1, 2]
    assert events[1].payload.kinds == ("displaced", "illegal_ignition")
    assert events[1].payload.confidence == pytest.approx(0.96)
    assert events[0].payload.first_report_id == events[1].payload.first_report_id
    assert events[0].id != events[1].id


def test_bits_that_are_taken_back_for_long_end_it() -> None:
    story = Story().say(alarm=STOLEN).park(30)
    assert told(judged(story)) == [("theft.suspected", "stolen"), ("theft.cleared", "withdrawn")]


def test_a_late_bit_counts_and_says_so() -> None:
    story = Story().park(3)
    story.time_ms -= 50_000
    story.say(after_s=0, alarm=STOLEN)
    made = rows(*story.fields)
    (event,) = Detection(table()).judge(made)
    assert (event.payload.kind, event.payload.late) == ("stolen", True)


def test_a_bit_without_a_time_is_left_to_the_next_report() -> None:
    assert judged(Story().park(2).say(alarm=STOLEN, flags=FLAG_TIME_BAD)) == []


# --- power and silence ------------------------------------------------------------------------------------------------


def test_power_cut_alone_is_no_theft_of_a_car_that_is_not_armed() -> None:
    assert judged(Story().park(3).park(5, alarm=POWER_CUT), until_s=7_200) == []


def test_power_cut_and_silence_while_driving_are() -> None:
    story = Story().drive(10).say(on=True, kmh=60, alarm=POWER_CUT)
    (event,) = judged(story, until_s=1_200)
    assert event.payload.kinds == ("power_cut", "silenced")
    assert event.payload.confidence == pytest.approx(0.74)
    assert event.payload.silent_s >= 900


def test_low_voltage_is_no_power_cut() -> None:
    (event,) = judged(Story().drive(10).say(on=True, kmh=60, alarm=LOW_VOLTAGE), until_s=1_200)
    assert event.payload.kinds == ("silenced",)


def test_a_car_that_falls_silent_at_speed_is_suspected_and_heard_again() -> None:
    story = Story().drive(10)
    story.say(after_s=1_800, on=True, kmh=60).say(on=True, kmh=60)
    assert told(judged(story)) == [("theft.suspected", "silenced"), ("theft.cleared", "heard")]


def test_a_car_that_slowed_down_before_it_fell_silent_entered_a_garage() -> None:
    assert judged(Story().drive(10).say(on=True, kmh=12), until_s=7_200) == []


def test_silence_waits_for_the_usual_interval() -> None:
    story = Story()
    for number in range(10):
        story.say(after_s=300, on=True, kmh=60, east_m=number * 5_000)
    assert judged(story, until_s=2_900) == []
    assert len(judged(story, until_s=3_100)) == 1


def test_cars_that_fall_silent_together_lost_the_network() -> None:
    stories = [Story(vehicle).drive(10) for vehicle in (1, 2, 3)]
    assert judged(*stories, until_s=8_000) == []
    assert len(judged(*stories[:1], until_s=8_000)) == 1


def test_our_own_outage_is_nobodys_silence() -> None:
    detection = Detection(table())
    detection.judge(rows(*Story().drive(10).fields))
    # Nobody listened for an hour; then another car is heard.
    other = Story(2, NOON + 3_600_000).park(20)
    events = detection.judge(rows(*other.fields))
    assert [event for event in events if event.type.startswith("theft.")] == []


def test_signals_that_collapse_together_and_then_silence_are_jamming() -> None:
    story = Story().drive(10, satellites=12, cell_signal=24)
    story.say(on=True, kmh=60, satellites=0, cell_signal=2, flags=FLAG_NO_FIX)
    (event,) = judged(story, until_s=400)
    payload = event.payload
    assert (payload.kinds, payload.satellites, payload.satellites_before) == (("jammed",), 0, 12)
    assert (payload.cell_signal, payload.cell_signal_before) == (2, 24)


def test_a_tunnel_takes_the_satellites_and_leaves_the_network() -> None:
    story = Story().drive(10, satellites=12, cell_signal=24)
    story.say(on=True, kmh=60, satellites=0, cell_signal=20, flags=FLAG_NO_FIX)
    assert judged(story, until_s=600) == []


# --- armed ------------------------------------------------------------------------------------------------------------


def test_an_armed_car_may_not_be_started() -> None:
    (event,) = judged(Story().park(3).say(on=True), guards=(ARMED,))
    assert (event.payload.kinds, event.payload.armed) == (("ignition",), True)
    assert event.payload.confidence == pytest.approx(0.85)


def test_an_armed_car_may_not_be_opened() -> None:
    (event,) = judged(Story().park(3).say(status=1 << 13), guards=(ARMED,))
    assert event.payload.kinds == ("door",)


def test_a_door_that_stood_open_when_it_was_armed_is_none() -> None:
    guard = Guard(vehicle=1, armed_ms=NOON + 60_000)
    assert judged(Story().park(6, status=1 << 13), guards=(guard,)) == []


def test_an_armed_car_may_not_leave_its_place() -> None:
    events = judged(Story().park(3).tow(), guards=(ARMED,))
    assert [event.payload.stage for event in events] == [2]
    assert events[0].payload.kind == "moving_without_ignition"
    assert "left_place" in events[0].payload.kinds


def test_an_armed_car_may_wander_within_its_place() -> None:
    story = Story()
    for metres in (0, 30, 55, 20, 110, 40, 0):
        story.say(east_m=metres)
    assert judged(story, guards=(ARMED,)) == []


def test_power_cut_from_an_armed_car_is_a_theft() -> None:
    assert told(judged(Story().park(3).park(2, alarm=POWER_CUT), guards=(ARMED,))) == [("theft.suspected", "power_cut")]


def test_what_was_settled_is_not_told_again_while_it_lasts() -> None:
    guard = Guard(vehicle=1, armed_ms=NOON, settled_ms=NOON + 200_000)
    story = Story().park(3).say(on=True).say(after_s=120, on=True).say(on=True)
    assert len(judged(story, guards=(guard,))) == 1
    # Off and on again is another start.
    assert len(judged(story.park(2).say(on=True), guards=(guard,))) == 2


def test_a_car_on_its_way_home_when_the_night_begins_is_armed_once_it_is_parked() -> None:
    guard = Guard(vehicle=1, schedule=Schedule(), zone="Asia/Shanghai")
    evening = MIDNIGHT - 3 * 3_600_000
    driving = Story(begin_ms=evening).drive(240, kmh=20)
    assert driving.time_ms > MIDNIGHT - 2 * 3_600_000
    assert judged(driving, guards=(guard,)) == []
    assert told(judged(driving.park(5).say(on=True), guards=(guard,))) == [("theft.suspected", "ignition")]


def test_in_the_morning_it_may_be_started() -> None:
    guard = Guard(vehicle=1, schedule=Schedule(), zone="Asia/Shanghai")
    parked = Story(begin_ms=MIDNIGHT).park(5)
    for _ in range(12):
        parked.say(after_s=1_800)
    assert judged(parked.say(on=True), guards=(guard,)) == []


def test_the_kernels_night_is_that_of_the_stores_clock() -> None:
    for zone in ("Asia/Shanghai", "Europe/Berlin", "America/New_York"):
        for schedule in (Schedule(), Schedule(from_minute=60, to_minute=300, days=0b0010011), Schedule(days=0b1000000)):
            guard = Guard(vehicle=1, schedule=schedule, zone=zone, suspended_ms=NOON + DAY_MS)
            arming = Arming(8, [guard], NOON)
            # Through a whole year, clocks put forward and back: every 47 minutes of it.
            for time_ms in range(NOON, NOON + 300 * DAY_MS, 47 * 60_000 * 13):
                if time_ms < arming.guards[1]["zone_change_ms"] + 100 * DAY_MS:
                    assert theft.scheduled(arming.guards, 1, time_ms) == is_scheduled(guard, time_ms), (zone, time_ms)
    guard = Guard(vehicle=1, schedule=Schedule(), zone="Asia/Shanghai")
    assert schedule_end_ms(guard, MIDNIGHT) == MIDNIGHT + 6 * 3_600_000
    assert schedule_end_ms(guard, MIDNIGHT + 12 * 3_600_000) == 0


# --- what stands still ------------------------------------------------------------------------------------------------


def parked_cars(cars: int, hours: float, period_s: int, seed: int) -> np.ndarray:
    """Return reports of cars that drove once and then stand: Gauss-Markov noise of 5 m, 60 s; 1 % jumps of 50 m."""
    random = np.random.default_rng(seed)
    count = int(hours * 3_600 / period_s)
    made = np.zeros(cars * (count + 3), REPORT)
    made = made.reshape(count + 3, cars)
    made["vehicle_id"] = made["terminal"] = np.arange(1, cars + 1)
    made["report_id"] = np.arange(1, made.size + 1).reshape(made.shape)
    made["time_ms"] = NOON + 1000 * period_s * np.arange(count + 3)[:, None]
    made["arrival_ms"] = made["time_ms"] + 500
    made["satellites"] = made["cell_signal"] = 255
    made["odometer_m"] = -1
    made["lat_1e7"], made["lon_1e7"] = EQUATOR
    made["status"][:3], made["speed_kmh10"][:3] = 1, 500
    kept = np.exp(-period_s / 60)
    for axis in ("lat_1e7", "lon_1e7"):
        noise = random.normal(0, 5, (count + 3, cars))
        for step in range(1, count + 3):
            noise[step] = kept * noise[step - 1] + np.sqrt(1 - kept**2) * noise[step]
        made[axis] += np.round(noise / 0.011132).astype(np.int32)
    jumped = random.random((count + 3, cars)) < 0.01
    bearing = random.random((count + 3, cars)) * 2 * np.pi
    made["lat_1e7"] += np.where(jumped, np.round(50 * np.sin(bearing) / 0.011132), 0).astype(np.int32)
    made["lon_1e7"] += np.where(jumped, np.round(50 * np.cos(bearing) / 0.011132), 0).astype(np.int32)
    # A receiver says a little speed now and then, and more in a jump.
    made["speed_kmh10"][3:] = np.where(jumped[3:], random.integers(0, 200, (count, cars)), random.integers(0, 20))
    return made.reshape(-1)


def test_the_wandering_fixes_of_parked_cars_are_no_tow() -> None:
    # 40 cars for 6 hours, every other one armed: none. (2,000 cars for 10 hours at 5, 10 and 30 s: docs/detectors.md.)
    guards = [Guard(vehicle=vehicle, armed_ms=NOON + 600_000, radius_m=50) for vehicle in range(2, 41, 2)]
    detection = Detection(table(), arming=Arming(64, guards, NOON))
    assert [event for event in detection.judge(parked_cars(40, 6, 10, 5)) if event.type.startswith("theft.")] == []
