"""A slow model of the crash detector: one car, plain Python, which keeps every report and looks back through them all.

Of another kind than the kernel where that can be: how a car went on after an impact is found anew from its whole
history at every report, and terminals' signals are a dictionary of any size.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from core.kernels import crash as k
from core.kernels.geodesy import distance_m
from core.rules import CrashRule
from protocols.report import ACCELERATION_NONE_MG, FLAG_CLOCK, FLAG_CRASH_ITEM, FLAG_REPEATED, FLAG_TIME_BAD
from protocols.report import FLAGS_NO_POSITION as NO_POSITION

G = 9.80665
BRAKE_G, BRAKE_LATER_G, LAUNCH_G = 0.1, 0.075, 0.25
Found = tuple[str, int, int, int, int]
"""kind, first report, report, confidence, late."""


@dataclass
class Seen:
    """One report in the order of its time, as far as it may be used."""

    time_ms: int
    report: int
    speed: int | None
    place: tuple[int, int] | None
    ignition: bool


@dataclass
class Episode:
    first: Seen
    impact_ms: int
    before: Seen | None
    was: int
    grades: dict[str, float] = field(default_factory=dict)
    jolt_ms: int = 0
    jolt_mg: int = 0
    own_mg: int = 0
    ignition_off: bool = False
    suspected: bool = False
    confirmed: bool = False
    deadline_ms: int = 0
    extended: bool = False
    driven_m: float = 0.0

    @property
    def dense(self) -> float:
        if self.before is None:
            return 0.0
        gap = self.impact_ms - self.before.time_ms
        return 1.0 if gap <= k.DENSE_MS else k.DENSE_MS / gap

    @property
    def signalled(self) -> bool:
        return any(self.grades.get(kind) for kind in ("collision", "rollover", "item"))

    def add(self, kind: str, grade: float) -> None:
        if grade > self.grades.get(kind, 0.0):
            self.grades[kind] = grade


class Oracle:
    """Judges the reports of one car, one by one."""

    def __init__(self, rule: CrashRule) -> None:
        self.rule = rule
        self.history: list[Seen] = []
        self.second_mg = 0
        self.up: dict[int, int] = {}
        self.windows: list[list[int]] = []
        self.runs: list[list[int]] = []
        self.running = False
        self.episode: Episode | None = None
        self.arrival_ms = 0

    def judge(self, row: Any) -> list[Found]:
        rule, flags = self.rule, int(row["flags"])
        self.arrival_ms = max(self.arrival_ms, int(row["arrival_ms"]))
        if flags & FLAG_REPEATED:
            return []
        alarm = int(row["alarm"])
        signals = {name for name, bit in (("collision", 29), ("rollover", 30), ("sos", 0)) if alarm >> bit & 1}
        if flags & FLAG_CRASH_ITEM:
            signals.add("item")
        timeless = bool(flags & (FLAG_TIME_BAD | FLAG_CLOCK))
        time_ms = int(row["arrival_ms"] if timeless else row["time_ms"])
        newest_ms = self.history[-1].time_ms if self.history else 0
        if not timeless and time_ms < newest_ms:
            return self._late(row, time_ms, signals - {"sos"})
        same = not timeless and time_ms == newest_ms
        terminal = int(row["terminal"])
        bits = sum(1 << ("collision", "rollover", "item", "sos").index(name) for name in signals)
        rose = bits & ~self.up.get(terminal, 0)
        rising = {name for n, name in enumerate(("collision", "rollover", "item", "sos")) if rose >> n & 1}
        self.up[terminal] = self.up.get(terminal, 0) | bits if same else bits
        self.running = self.running and any(word & 7 for word in self.up.values())
        if signals - {"sos"} and not timeless:
            if self.running:
                self.runs[0][1] = time_ms
            else:
                self.running = True
                self.runs = [[time_ms, time_ms], *self.runs[: k.WINDOWS - 1]]

        before = next((one for one in reversed(self.history) if one.speed is not None), None)
        if before is not None and time_ms - before.time_ms > k.BEFORE_MS_MAX:
            before = None
        moving = not timeless and not same
        seen = Seen(
            time_ms,
            int(row["report_id"]),
            int(row["speed_kmh10"]) if moving and not flags & k.FLAGS_NO_SPEED else None,
            None if flags & NO_POSITION else (int(row["lat_1e7"]), int(row["lon_1e7"])),
            bool(row["status"] & 1),
        )
        has_item = int(row["acceleration_mg"]) != ACCELERATION_NONE_MG
        peak_mg = int(row["acceleration_mg"]) if has_item and not timeless else 0
        found = [] if timeless else self._expire(seen)

        fastest = max((one.speed for one in (before, seen) if one is not None and one.speed is not None), default=-1)
        crash_rising = rising - {"sos"}
        if crash_rising and not (self.episode and self.episode.confirmed):
            episode = self.episode or self._begin(seen, before)
            slow = 10 * rule.standing_kmh
            close = time_ms - episode.impact_ms <= k.SAME_BLOW_MS
            stands = close and 0 <= fastest < slow and 0 <= episode.was < slow
            for name in crash_rising:
                episode.add(name, k.GRADE_STANDING if stands else 1.0)
        open_ = self.episode is not None and not self.episode.confirmed
        if "sos" in rising and open_ and self.episode and 0 <= time_ms - self.episode.impact_ms <= k.SOS_MS:
            self.episode.add("sos", 1.0)

        new_mg = 0 if same and peak_mg <= self.second_mg else peak_mg
        if new_mg >= rule.jolt_mg and not (self.episode and self.episode.confirmed):
            self._blow(seen, before, new_mg, fastest)
        self.second_mg = max(self.second_mg, new_mg) if same else new_mg

        if not has_item and before is not None and seen.speed is not None:
            self._fall(seen, before)
        episode = self.episode
        if episode and not episode.confirmed and seen.speed is not None:
            self._change(episode, seen, before)
        if moving:
            self.history.append(seen)
            if episode and not episode.confirmed:
                self._go_on(episode, seen)
        return found + self._settle(seen, 0)

    def _begin(self, seen: Seen, before: Seen | None) -> Episode:
        was = max((one.speed for one in (before, seen) if one is not None and one.speed is not None), default=-1)
        self.episode = Episode(seen, seen.time_ms, before, was)
        return self.episode

    def _expire(self, seen: Seen) -> list[Found]:
        episode = self.episode
        if episode is None:
            return []
        if not episode.suspected:
            if seen.time_ms - episode.impact_ms > k.PENDING_MS:
                self.episode = None
            return []
        if episode.confirmed:
            if seen.time_ms > episode.deadline_ms:
                self.episode = None
            return []
        gap_ms = seen.time_ms - (self.history[-1].time_ms if self.history else 0)
        if gap_ms > k.RETURN_GAP_MS and not episode.extended:
            episode.extended = True
            episode.deadline_ms = max(episode.deadline_ms, seen.time_ms + k.PENDING_MS)
        if seen.time_ms <= episode.deadline_ms:
            return []
        self.episode = None
        return [("cleared", episode.first.report, seen.report, self.weigh(episode), 0)]

    def _blow(self, seen: Seen, before: Seen | None, peak_mg: int, fastest: int) -> None:
        rule = self.rule
        own = float(peak_mg)
        if fastest >= 0:
            own = min(own, fastest / 36 * math.pi / 2 / (rule.pulse_ms / 1000) / G * 1000 + 1000)
        off = bool(self.history) and not self.history[-1].ignition and not seen.ignition
        grade = (1.0 if fastest >= 0 else k.GRADE_UNKNOWN) * (k.GRADE_IGNITION_OFF if off else 1.0)
        grade *= min(1.0, max(0.0, (own - rule.jolt_mg) / (rule.jolt_full_mg - rule.jolt_mg)))
        episode = self.episode
        if episode is None or (not episode.suspected and not episode.signalled and 0 < episode.jolt_mg < peak_mg):
            if grade <= 0 and (off or peak_mg < rule.change_from_mg):
                return
            episode = self._begin(seen, before)
        elif episode.jolt_ms == 0:
            if seen.time_ms - episode.impact_ms > k.SAME_BLOW_MS:
                return
        elif peak_mg > episode.jolt_mg and (episode.suspected or episode.signalled):
            if seen.time_ms - episode.impact_ms <= k.SAME_BLOW_MS:
                episode.jolt_mg, episode.own_mg = peak_mg, max(episode.own_mg, int(own))
                episode.add("acceleration", grade)
            return
        else:
            return
        episode.jolt_ms, episode.jolt_mg, episode.own_mg = seen.time_ms, peak_mg, int(own)
        episode.ignition_off = episode.ignition_off or off
        episode.add("acceleration", grade)

    def _fall(self, seen: Seen, before: Seen) -> None:
        rule, episode = self.rule, self.episode
        assert seen.speed is not None
        assert before.speed is not None
        took_ms = seen.time_ms - before.time_ms
        if before.speed < 10 * rule.driving_kmh or took_ms > rule.dense_ms:
            return
        if episode and (episode.confirmed or seen.time_ms - episode.impact_ms > k.DENSE_MS):
            return
        fall_mg = (before.speed - seen.speed) / 36 / (took_ms / 1000) / G * 1000
        last = next((one for one in reversed(self.history) if one.place), None)
        if seen.place and last and last.place:
            moved = distance_m(*last.place, *seen.place)
            if moved == 0 or moved > before.speed / 36 * (seen.time_ms - last.time_ms) / 1000 * 1.5 + 15:
                return
        if fall_mg < rule.deceleration_from_mg:
            return
        span = rule.deceleration_full_mg - rule.deceleration_from_mg
        grade = min(1.0, (fall_mg - rule.deceleration_from_mg) / span)
        if episode is None and grade > 0:
            episode = self._begin(seen, before)
        if episode:
            episode.add("deceleration", grade)

    def _change(self, episode: Episode, seen: Seen, before: Seen | None) -> None:
        rule = self.rule
        if not episode.jolt_ms or seen.time_ms - episode.jolt_ms > k.JOLT_MS:
            return
        assert seen.speed is not None
        stood = before is not None and before.speed is not None and before.speed < 10 * rule.standing_kmh
        push = seen.speed * (2 if stood and seen.time_ms == episode.jolt_ms else 1)
        pushed = push / 36 * math.pi / 2 / (rule.pulse_ms / 1000) / G * 1000 + 1000
        episode.own_mg = max(episode.own_mg, int(min(episode.jolt_mg, pushed)))
        ramp = (episode.own_mg - rule.change_from_mg) / (rule.change_full_mg - rule.change_from_mg)
        ramp = min(1.0, max(0.0, ramp)) * (k.GRADE_IGNITION_OFF if episode.ignition_off else 1.0)
        if ramp <= 0:
            return
        need = 0.15 * (2 / math.pi) * episode.own_mg / 1000 * G * rule.pulse_ms / 1000 * 36
        for start in (episode.before, before):
            if start is None or start.speed is None or start.time_ms >= seen.time_ms:
                continue
            took_s = (seen.time_ms - start.time_ms) / 1000
            brake_g = BRAKE_G + BRAKE_LATER_G * max((seen.time_ms - episode.jolt_ms) / 1000, took_s - 1)
            fell = start.speed - seen.speed - brake_g * G * took_s * 36
            rose = seen.speed - start.speed - LAUNCH_G * G * took_s * 36
            episode.add("speed_change", ramp * min(1.0, max(0.0, max(fell, rose) / need)))

    def _after(self, episode: Episode) -> tuple[float, float, float, bool]:
        """Return (stopped, stayed, metres driven, whether speed and place disagree) since the impact."""
        rule = self.rule
        slow, fast = 10 * rule.standing_kmh, 10 * rule.driving_kmh
        stopped = stayed = driven = 0.0
        disagrees = False
        run: tuple[int, bool] | None = None
        for n, one in enumerate(self.history):
            if one.time_ms < episode.impact_ms:
                continue
            earlier = self.history[:n]
            speed_before = next((p for p in reversed(earlier) if p.speed is not None), None)
            if speed_before is not None and one.time_ms - speed_before.time_ms > k.BEFORE_MS_MAX:
                speed_before = None
            last = next((p for p in reversed(earlier) if p.place), None)
            moved = distance_m(*last.place, *one.place) if one.place and last and last.place else -1.0
            apart_ms = one.time_ms - last.time_ms if last else 0
            slides = False
            if one.speed is not None and speed_before is not None and speed_before.speed is not None:
                creeping = one.speed < slow and speed_before.speed < slow
                slides = creeping and moved >= k.SLIDE_M and moved * 1000 >= k.SLIDE_MPS * apart_ms
            disagrees = disagrees or slides
            if one.speed is not None:
                if one.speed < slow and not slides:
                    first = speed_before is None or speed_before.time_ms <= episode.impact_ms
                    run = run or (one.time_ms, first)
                    stood_s = (one.time_ms - run[0]) / 1000
                    if episode.was >= fast and stood_s >= rule.stopped_s:
                        if run[0] - episode.impact_ms <= 1000 * rule.stop_s:
                            stopped = 1.0
                        elif run[1] and run[0] - episode.impact_ms <= k.STOP_FIRST_MS:
                            stopped = max(stopped, k.GRADE_STOP_FIRST)
                        if stood_s >= rule.stayed_s and stopped:
                            stayed = 1.0
                else:
                    run = None
                    if one.speed >= fast:
                        stopped = stayed = 0.0
                drives = one.ignition and one.time_ms > episode.impact_ms
                if drives and one.speed >= k.CREEP_KMH10 and moved >= 0 and apart_ms <= k.DROVE_MS_MAX:
                    driven += moved
        return stopped, stayed, driven, disagrees

    def _go_on(self, episode: Episode, seen: Seen) -> None:
        stopped, stayed, episode.driven_m, disagrees = self._after(episode)
        episode.grades |= {"stopped": stopped, "stayed": stayed, "disagrees": float(disagrees)}
        if not episode.suspected and episode.driven_m > 0 and seen.time_ms - episode.impact_ms >= k.JOLT_MS:
            speed = -1 if seen.speed is None else seen.speed
            on = speed >= 10 * self.rule.driving_kmh and speed >= k.BUMP_SHARE * episode.was
            if (on or episode.driven_m >= k.BUMP_M) and self.weigh(episode) < self.rule.suspect_percent:
                self.episode = None

    def weigh(self, episode: Episode) -> int:
        missed = 1.0
        for kind in k.EVIDENCE:
            grade = episode.grades.get(kind, 0.0)
            if kind in ("stopped", "stayed") and not episode.signalled:
                grade *= episode.dense
            if episode.grades.get("disagrees") and kind in ("speed_change", "deceleration", "stopped", "stayed"):
                grade *= k.GRADE_DISAGREES
            missed *= 1 - getattr(self.rule, f"{kind}_percent") / 100 * grade
        return min(99, int(100 * (1 - missed) + 0.5))

    def _settle(self, seen: Seen, late: int) -> list[Found]:
        episode, rule = self.episode, self.rule
        if episode is None or episode.confirmed:
            return []
        found: list[Found] = []
        percent = self.weigh(episode)
        if not episode.suspected and percent >= rule.suspect_percent:
            episode.suspected = True
            episode.deadline_ms = episode.impact_ms + 1000 * rule.alone_s
            ends = sorted((episode.impact_ms, seen.time_ms))
            self.windows = [ends, *self.windows[: k.WINDOWS - 1]]
            found.append(("suspected", episode.first.report, seen.report, percent, late))
        if episode.suspected:
            if percent >= rule.confirm_percent:
                episode.confirmed = True
                found.append(("confirmed", episode.first.report, seen.report, percent, late))
            elif episode.driven_m >= rule.drive_on_m and seen.time_ms - episode.impact_ms >= 1000 * rule.drive_on_s:
                self.episode = None
                found.append(("cleared", episode.first.report, seen.report, percent, late))
        return found

    def _late(self, row: Any, time_ms: int, signals: set[str]) -> list[Found]:
        if not signals:
            return []
        if any(first <= time_ms <= last for first, last in self.runs):
            return []
        episode = self.episode
        open_ = episode is not None and not episode.confirmed
        under_way = open_ and episode is not None and episode.suspected
        for n, (first, last) in enumerate(self.windows):
            if first <= time_ms <= last and not (n == 0 and under_way):
                return []
        seen = Seen(time_ms, int(row["report_id"]), None, None, True)
        if open_ and episode is not None and abs(time_ms - episode.impact_ms) <= k.NEAR_MS:
            for name in signals:
                episode.add(name, 1.0)
            if under_way:
                self.windows[0] = [min(self.windows[0][0], time_ms), max(self.windows[0][1], time_ms)]
            return self._settle(seen, 1)
        for window in self.windows:
            if window[0] - k.WINDOW_MS <= time_ms <= window[1] + k.WINDOW_MS:
                window[:] = [min(window[0], time_ms), max(window[1], time_ms)]
                return []
        told = Episode(seen, time_ms, None, -1, dict.fromkeys(signals, 1.0))
        peak_mg = int(row["acceleration_mg"])
        if peak_mg != ACCELERATION_NONE_MG and peak_mg >= self.rule.jolt_mg:
            share = (peak_mg - self.rule.jolt_mg) / (self.rule.jolt_full_mg - self.rule.jolt_mg)
            told.grades["acceleration"] = k.GRADE_UNKNOWN * min(1.0, share)
        percent = self.weigh(told)
        if percent < self.rule.suspect_percent:
            return []
        at = 1 if episode is not None and episode.suspected else 0
        self.windows = [*self.windows[:at], [time_ms, time_ms], *self.windows[at:]][: k.WINDOWS]
        return [("suspected", seen.report, seen.report, percent, 1)]
