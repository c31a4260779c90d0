"""What is set aside and what is not: each rule under its name, and a slow model of all of them."""

import math
import random
from collections import Counter, deque
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kernels import cleaning
from core.kernels.cleaning import CLEANING, COUNTERS, DELAYS, REASONS, TRUST_FIXES, clean
from core.kernels.geodesy import METRES_PER_UNIT, distance_m
from protocols.report import (
    FLAG_BATCH,
    FLAG_CLOCK,
    FLAG_FROZEN,
    FLAG_JUMP,
    FLAG_NO_FIX,
    FLAG_POSITION_BAD,
    FLAG_REPEATED,
    FLAG_TIME_BAD,
    FLAGS_ASIDE,
)
from tests.detection.reports import EQUATOR, NOON, rows, units

RULE = (250.0, 300.0, 30.0, 3.0, 3.0, 5.0, 10.0, 600.0)
HOUR_S = 3600
ON = 1


class Cleaner:
    """One table of states, cleaned batch by batch."""

    def __init__(self, rule: tuple[float, ...] = RULE) -> None:
        self.states = np.zeros(16, CLEANING)
        self.highest = np.zeros(1, np.int64)
        self.numbers = np.array([rule])
        self.counters = np.zeros(len(COUNTERS), np.int64)

    def __call__(self, made: np.ndarray) -> list[int]:
        """Return what was marked, row by row."""
        groups = np.zeros(64, np.int32)
        clean(made, self.states, self.highest, self.numbers, np.zeros(8, np.int32), groups, self.counters)
        return [int(flags) & FLAGS_ASIDE for flags in made["flags"]]


def fixes(*east_m: float, every_s: float = 1, kmh: float = 0, **fields: Any) -> list[dict[str, Any]]:
    """Return fixes so many metres east of EQUATOR."""
    lat, lon = EQUATOR
    return [
        {
            "lat_1e7": lat,
            "lon_1e7": lon + units(metres),
            "time_ms": NOON + round(number * every_s * 1000),
            "speed_kmh10": round(kmh * 10),
            **fields,
        }
        for number, metres in enumerate(east_m)
    ]


def cleaned(*fields: dict[str, Any]) -> list[int]:
    return Cleaner()(rows(*fields))


def test_a_jump_that_no_car_drives_is_set_aside_and_the_way_back_is_not() -> None:
    assert cleaned(*fixes(0, 5, 900, 10, 15, kmh=20)) == [0, 0, FLAG_JUMP, 0, 0]
    assert cleaned(*fixes(0, 5000, 10, every_s=30, kmh=20)) == [0, FLAG_JUMP, 0]


def test_300_metres_are_no_jump_however_fast() -> None:
    assert cleaned(*fixes(0, 290, every_s=1, kmh=1000)) == [0, 0]
    assert cleaned(*fixes(0, 290, every_s=11, status=ON)) == [0, 0]


def test_a_car_that_really_is_there_is_believed_at_its_third_fix() -> None:
    assert cleaned(*fixes(0, 9000, 9010, 9020, 9030, every_s=5, kmh=10)) == [0, FLAG_JUMP, FLAG_JUMP, 0, 0]


def test_jumps_to_here_and_there_never_make_a_place() -> None:
    assert cleaned(*fixes(0, 9000, 0, -9000, 0, 5000, -5000, 9900, 0, every_s=5, kmh=10)) == [
        0,
        FLAG_JUMP,
        0,
        FLAG_JUMP,
        0,
        *[FLAG_JUMP] * 3,
        0,
    ]


def test_jumps_between_which_a_car_stands_on_the_very_same_spot_are_not_in_a_row() -> None:
    assert cleaned(*fixes(0, 9000, 0, 0, 9000, 0, 9000, 0, 9000, 0, every_s=10, status=ON)) == [
        *[0, FLAG_JUMP, 0, 0],
        *[FLAG_JUMP, 0] * 3,
    ]


@pytest.mark.parametrize("every_s", [1, 5])
def test_fifty_metres_between_dense_fixes_of_a_standing_car_are_a_jump(every_s: float) -> None:
    assert cleaned(*fixes(0, 1, 51, 2, 1, every_s=every_s, status=ON)) == [0, 0, FLAG_JUMP, 0, 0]


def test_fifty_metres_of_a_parked_car_are_a_jump_up_to_half_a_minute() -> None:
    assert cleaned(*fixes(0, 50, 1, every_s=30)) == [0, FLAG_JUMP, 0]
    assert cleaned(*fixes(0, 50, 1, every_s=31)) == [0, 0, 0]
    # With its ignition on it may have driven so far and stopped.
    assert cleaned(*fixes(0, 50, 1, every_s=20, status=ON)) == [0, 0, 0]


def test_a_terminal_whose_speed_is_always_0_loses_two_fixes_and_no_more() -> None:
    assert Counter(cleaned(*fixes(*range(0, 40_000, 100), every_s=5)))[FLAG_JUMP] == 2


def test_a_parked_car_that_is_pushed_loses_one_fix_and_no_more() -> None:
    assert Counter(cleaned(*fixes(*range(0, 1200, 60), every_s=30)))[FLAG_JUMP] == 1
    assert Counter(cleaned(*fixes(*range(0, 1200, 40), every_s=10)))[FLAG_JUMP] == 2


def test_the_same_coordinates_at_speed_are_frozen() -> None:
    moving = fixes(0, 14, 28, 28, 28, 28, 28, 28, 28, 120, 134, kmh=50)
    # The first of them was true; three fixes and five seconds later nobody believes it any more.
    assert cleaned(*moving) == [0] * 7 + [FLAG_FROZEN] * 2 + [0, 0]
    assert cleaned(*fixes(0, 0, 0, 0, 0, 0, every_s=10, kmh=5)) == [0] * 6
    assert cleaned(*fixes(0, 0, 0, 0, every_s=10, kmh=12)) == [0, 0, FLAG_FROZEN, FLAG_FROZEN]


def test_a_car_that_sets_off_slowly_is_not_frozen() -> None:
    made = fixes(0, 0, 0, 0, 0, 0, 0, 0)
    made[-2] |= {"speed_kmh10": 110}
    made[-1] |= {"speed_kmh10": 130}
    assert cleaned(*made) == [0] * 8


def test_the_future_is_set_aside_and_does_not_make_the_present_late() -> None:
    early = {"time_ms": NOON + 700_000, "arrival_ms": NOON + 1000}
    now = [{"time_ms": NOON + s * 1000, "arrival_ms": NOON + s * 1000 + 300} for s in range(3)]
    cleaner = Cleaner()
    assert cleaner(rows(now[0], early, *now[1:])) == [0, FLAG_CLOCK, 0, 0]
    assert cleaner.states[1]["aside"][REASONS.index("late")] == 0
    assert cleaned({"time_ms": NOON + 600_000, "arrival_ms": NOON}) == [0]


@pytest.mark.parametrize("hours", [-16, -8, 1, 8])
def test_a_clock_that_is_hours_off_is_said(hours: int) -> None:
    arrivals = [NOON + n * 15_000 for n in range(DELAYS + 1)]
    wrong = [{"time_ms": ms - hours * HOUR_S * 1000 - 900 * (n % 2), "arrival_ms": ms} for n, ms in enumerate(arrivals)]
    cleaner = Cleaner()
    marked = cleaner(rows(*wrong))
    assert cleaner.states[1]["clock_hours"] == hours
    # Ahead it is kept from live state; behind, its own time is the only one there is.
    assert set(marked) == ({FLAG_CLOCK} if hours < 0 else {0})
    right = {"time_ms": NOON + 10**7, "arrival_ms": NOON + 10**7 + 500}
    cleaner(rows(right))
    assert cleaner.states[1]["clock_hours"] == 0


def test_a_memory_being_emptied_is_no_wrong_clock() -> None:
    stored = [{"time_ms": NOON + n * 10_000, "arrival_ms": NOON + 4 * HOUR_S * 1000 + n * 1000} for n in range(2000)]
    cleaner = Cleaner()
    for number in range(0, 2000, 100):
        cleaner(rows(*[{"sequence": 1, "report_id": number + k, **one} for k, one in enumerate(stored[number:][:100])]))
        assert cleaner.states[1]["clock_hours"] == 0
    parked = [
        {"time_ms": NOON + n * 1000, "arrival_ms": NOON + HOUR_S * 1000 + n * 1000, "flags": FLAG_BATCH}
        for n in range(99)
    ]
    cleaner = Cleaner()
    cleaner(rows(*parked))
    assert cleaner.states[1]["clock_hours"] == 0


def test_a_repeat_is_a_repeat_before_it_is_anything_else() -> None:
    here, there, back = fixes(0, 900, 10)
    again = {**there, "report_id": 1001}
    assert cleaned(here, there, again, back, {**here, "report_id": 1000}) == [
        0,
        FLAG_JUMP,
        FLAG_REPEATED,
        0,
        FLAG_REPEATED,
    ]


def test_what_is_set_aside_is_counted_car_by_car_and_reason_by_reason() -> None:
    cleaner = Cleaner()
    there = fixes(0, 900, 10)
    cleaner(
        rows(
            *there,
            {**there[0], "report_id": 5, "time_ms": NOON - 5000},
            {"report_id": 1000},
            *({"flags": flag} for flag in (FLAG_NO_FIX, FLAG_POSITION_BAD | FLAG_NO_FIX, FLAG_TIME_BAD)),
            *({"terminal": number} for number in (0, -1, 16, 2**31 - 1)),
        )
    )
    found = dict(zip(REASONS, cleaner.states[1]["aside"].tolist(), strict=True))
    assert found == {
        "repeated": 1,
        "clock": 0,
        "jump": 1,
        "frozen": 0,
        "no_fix": 1,
        "position_bad": 1,
        "time_bad": 1,
        "late": 1,
    }
    counted = dict(zip(COUNTERS, cleaner.counters.tolist(), strict=True))
    assert counted == found | {"judged": 8, "jumps_refuted": 0, "jumps_passed": 0, "beyond_capacity": 4}
    assert (cleaner.states[1]["reports"], cleaner.states[1]["since_ms"]) == (8, NOON + 500)


def test_a_terminal_in_another_car_begins_anew() -> None:
    cleaner = Cleaner()
    cleaner(rows(*fixes(0, 900, 1000)))
    assert cleaner(rows(*fixes(50_000, 50_010, vehicle_id=2))) == [0, 0]
    assert cleaner.states[1]["aside"].sum() == 0


def test_marks_that_a_row_brings_do_not_count() -> None:
    cleaner = Cleaner()
    assert (
        cleaner(rows(*({**fix, "flags": FLAG_JUMP | FLAG_FROZEN | FLAG_BATCH} for fix in fixes(0, 5, 10)))) == [0] * 3
    )


def drive(rng: random.Random, seconds: int, every_s: int) -> list[dict[str, Any]]:
    """Return the clean reports of a lively drive: up to 3 m/s2, stops, turns, and a receiver's wandering noise.

    Noise: Gauss-Markov on each axis, standard deviation 5 m, time constant 60 s. Times are whole seconds, cut off.
    """
    x = y = speed = course = 0.0
    noise = [0.0, 0.0]
    keep = math.exp(-1 / 60)
    wanted = 0.0
    made = []
    for second in range(seconds):
        if second % 20 == 0:
            wanted = rng.choice([0, 0, 5, 9, 14, 22, 33])
        speed += max(-4.0, min(3.0, wanted - speed))
        if rng.random() < 0.05 and speed < 9:
            course += rng.choice([-1, 1]) * math.pi / 2
        x += speed * math.sin(course)
        y += speed * math.cos(course)
        noise = [keep * n + 5 * math.sqrt(1 - keep * keep) * rng.gauss(0, 1) for n in noise]
        if second % every_s == 0:
            made.append(
                {
                    "time_ms": NOON + second * 1000,
                    "lat_1e7": units(y + noise[1]),
                    "lon_1e7": EQUATOR[1] + units(x + noise[0]),
                    "speed_kmh10": max(0, round((speed + rng.gauss(0, 0.2)) * 36)),
                    "status": ON,
                }
            )
    return made


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 5, 10, 30]))
def test_a_clean_drive_loses_nothing(seed: int, every_s: int) -> None:
    assert set(cleaned(*drive(random.Random(seed), 1800, every_s))) == {0}


def test_jumps_in_a_drive_are_set_aside_at_one_second() -> None:
    rng = random.Random(3)
    made = drive(rng, 3600, 1)
    wrong = set()
    for number in range(5, len(made), 100):
        angle = rng.uniform(0, 2 * math.pi)
        made[number]["lat_1e7"] += units(50 * math.sin(angle))
        made[number]["lon_1e7"] += units(50 * math.cos(angle))
        wrong.add(number)
    marked = {number for number, flag in enumerate(cleaned(*made)) if flag}
    assert marked <= wrong
    slow = {number for number in wrong if made[number]["speed_kmh10"] < 30}
    assert len(marked & slow) >= 0.9 * len(slow) > 5


# --- a slow model of the same rules -----------------------------------------------------------------------------------


def modelled(made: np.ndarray, rule: tuple[float, ...]) -> list[int]:
    """Return the mark of each row, straight from the rules; terminals one by one, with all that was seen kept."""
    jump_kmh, jump_m, step_m, jump_fixes, frozen_fixes, frozen_s, frozen_kmh, ahead_s = rule
    marks = [0] * len(made)
    for terminal in set(made["terminal"].tolist()):
        ids: deque[int] = deque(maxlen=cleaning.IDS)
        newest, away, run, distrust = 0, [], [], 0
        good: dict[str, Any] | None = None
        before: dict[str, Any] | None = None
        for at, row in enumerate(made):
            if row["terminal"] != terminal:
                continue
            if int(row["report_id"]) in ids:
                marks[at] = FLAG_REPEATED
                continue
            ids.append(int(row["report_id"]))
            time_ms = int(row["time_ms"])
            if row["flags"] & FLAG_TIME_BAD:
                continue
            if time_ms - int(row["arrival_ms"]) > ahead_s * 1000:
                marks[at] = FLAG_CLOCK
                continue
            if time_ms <= newest:
                continue
            newest = time_ms
            if row["flags"] & (FLAG_NO_FIX | FLAG_POSITION_BAD):
                continue
            here = (int(row["lat_1e7"]), int(row["lon_1e7"]))
            kmh = row["speed_kmh10"] / 10
            if good is not None and here == good["here"]:
                if kmh >= frozen_kmh:
                    run = run or ([good["ms"]] if good["kmh"] >= frozen_kmh else [])
                    run.append(time_ms)
                    if len(run) >= frozen_fixes and time_ms - run[0] >= frozen_s * 1000:
                        marks[at] = FLAG_FROZEN
                        continue
                else:
                    run = []
                away = []
            else:
                run = []
                if good is not None:
                    parked = kmh <= 3 and good["kmh"] <= 3 and not row["status"] & ON and not good["on"]

                    def far(
                        car: dict[str, Any],
                        blur_s: int,
                        time_ms: int = time_ms,
                        here: tuple[int, int] = here,
                        kmh: float = kmh,
                        parked: bool = parked,
                    ) -> tuple[bool, bool]:
                        took_s = (time_ms - car["ms"]) / 1000
                        metres = distance_m(*car["here"], *here)
                        if metres > jump_m and metres / took_s * 3.6 > jump_kmh:
                            return True, False
                        if parked and took_s <= 30:
                            return False, metres > step_m
                        mean = (kmh + car["kmh"]) / 7.2
                        reach_m = mean * (took_s + blur_s) + 3 / 4 * took_s**2 + step_m
                        return False, took_s <= 10 and metres > reach_m

                    impossible, unlikely = far(good, 1)
                    if not away and before and 100 <= good["ms"] - before["ms"] <= 30_000:
                        said_m = (good["kmh"] + before["kmh"]) / 7.2 * (good["ms"] - before["ms"]) / 1000
                        lied = distance_m(*before["here"], *good["here"]) > said_m + step_m / 2
                        if lied and not any(far(before, 0)):
                            impossible = unlikely = False
                    if distrust and not impossible:
                        distrust = TRUST_FIXES if unlikely else distrust - 1
                        unlikely = False
                    if impossible or unlikely:
                        if away:
                            last_ms, last = away[-1]
                            step, between_s = distance_m(*last, *here), (time_ms - last_ms) / 1000
                            if step > jump_m and step / between_s * 3.6 > jump_kmh:
                                away = []
                        away.append((time_ms, here))
                        if len(away) < jump_fixes:
                            marks[at] = FLAG_JUMP
                            continue
                        if not impossible:
                            distrust = TRUST_FIXES
                    elif away:
                        moved_m = distance_m(*good["here"], *here)
                        if moved_m > step_m and distance_m(*away[-1][1], *here) < moved_m:
                            distrust = TRUST_FIXES
                    away = []
            before, good = good, {"ms": time_ms, "here": here, "kmh": kmh, "on": row["status"] & ON}
    return marks


report = st.fixed_dictionaries(
    {
        "terminal": st.integers(1, 2),
        "north_m": st.sampled_from([0, 0, 0, 1, 7, 29, 31, 60, 290, 320, 2000, 9000, 9010]),
        "step_ms": st.sampled_from([-4000, 0, 1000, 1000, 1000, 5000, 9000, 30_000, 40_000, 2_000_000]),
        "late_ms": st.sampled_from([300, 300, 300, -599_000, -601_000, 7_200_000]),
        "speed_kmh10": st.sampled_from([0, 20, 31, 99, 100, 500, 1200]),
        "status": st.integers(0, 1),
        "repeat": st.sampled_from([0, 0, 0, 0, 1, 3, 4]),
        "flags": st.sampled_from([0, 0, 0, 0, 0, 0, FLAG_NO_FIX, FLAG_TIME_BAD, FLAG_BATCH]),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(report, max_size=60), st.lists(st.integers(0, 60), max_size=6), st.integers(2, 4))
def test_every_stream_is_marked_as_the_model_marks_it(
    said: list[dict[str, Any]], cuts: list[int], jump_fixes: int
) -> None:
    now = NOON
    made: list[dict[str, Any]] = []
    for number, one in enumerate(said):
        now += one["step_ms"]
        lat, lon = EQUATOR
        fields = {key: one[key] for key in ("terminal", "speed_kmh10", "status", "flags")}
        fields |= {"time_ms": now, "arrival_ms": now + one["late_ms"], "report_id": 1000 + number}
        fields |= {"lat_1e7": lat + round(one["north_m"] / METRES_PER_UNIT), "lon_1e7": lon}
        made.append(dict(made[-one["repeat"]]) if 0 < one["repeat"] <= len(made) else fields)
    rule = (*RULE[:3], float(jump_fixes), *RULE[4:])
    expected = modelled(rows(*made), rule)
    cleaner = Cleaner(rule)
    edges = sorted({0, *(min(cut, len(made)) for cut in cuts), len(made)})
    whole = rows(*made)
    assert [mark for a, b in pairwise(edges) for mark in cleaner(whole[a:b])] == expected
