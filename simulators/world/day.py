"""A day of a large fleet as the facts that it puts into the log: twelve a car, seeded, without a car being driven.

Driving a hundred thousand cars second by second takes the better part of a day; what whoever folds facts needs of it
are the facts. So these are drawn: in the proportions that the simulated city has them, and in order, so that every fold
over them holds. A trip opens before it closes and no two trips of a car overlap; its odometer never goes back; whoever
enters a fence leaves it; a device that went away comes back.

Proportions: sixty cars of the demo told of 3,860 facts in six hours; 73 % were of trips (opened, closed, the odometer
at their end), 13 % of fences and routes, 2 % of speeding. Crashes, emergencies and thefts are far more common in a
demo, for somebody looks on: here they come as on an ordinary day. The rest are devices that go away and come back, and
cards.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from core.events import (
    AlarmSeen,
    CrashCleared,
    CrashConfirmed,
    CrashEvidence,
    CrashSuspected,
    DevicePower,
    DevicePresence,
    DriverCard,
    Event,
    FenceCrossed,
    OdometerAdvanced,
    OverspeedSeen,
    SessionClosed,
    SessionOpened,
    TheftCleared,
    TheftSuspected,
    TripClosed,
    TripOpened,
    derive_id,
)

CARS: Final = 100_000
CARS_MAX: Final = 2_000_000
"""As many as a vehicle table holds, nearly; 24 million facts, of which the columns alone are some 2 GB."""
FACTS_PER_CAR: Final = 12
START_MS: Final = 1_793_462_400_000
"""2026-11-01 00:00 in GMT+8."""
HOUR_MS: Final = 3_600_000
STORES: Final = 6
NODE: Final = "node1"


class Share(NamedTuple):
    """How many a car and day, and how many facts each is."""

    a_day: float
    facts: int


SHARES: Final = {
    "trip": Share(2.95, 3),
    "visit": Share(0.72, 2),
    "dwell": Share(0.10, 1),
    "detour": Share(0.07, 2),
    "speeding": Share(0.14, 2),
    "away": Share(0.22, 4),
    "card": Share(0.12, 2),
    "crash": Share(0.01, 2),
    "sos": Share(0.014, 1),
    "theft": Share(0.004, 2),
    "cut": Share(0.014, 2),
}
"""Together FACTS_PER_CAR. What a visit is to a fence a detour is to a route; away: a device without a link."""

_Make = Callable[[int, int], Event]
"""(row, time_ms) -> the event."""


def facts(cars: int = CARS, seed: int = 1) -> int:
    """Return how many events `day` yields."""
    return sum(round(share.a_day * cars) * share.facts for share in SHARES.values())


def day(
    cars: int = CARS, seed: int = 1, *, start_ms: int = START_MS, stores: int = STORES, group: int = 1
) -> Iterator[Event]:
    """Yield a day's facts in the order of their time, none appended yet (seq and arrival_ms are 0).

    Cars have numbers from 1, each with the terminal of the same number, and belong to stores 1 to `stores`. The same
    arguments give the same events, ids and all. Some 10 us each, and 400 bytes of columns until the last is taken.

    Args:
        cars: 1 to CARS_MAX. Whole multiples of 500 give exactly FACTS_PER_CAR times as many events.

    Raises:
        ValueError: too many cars, or none.
    """
    if not 1 <= cars <= CARS_MAX:
        raise ValueError(f"a day has 1 to {CARS_MAX} cars, got {cars}")
    return _yield(_Day(cars, seed, start_ms, stores, group))


def _yield(one: "_Day") -> Iterator[Event]:
    times = np.concatenate([step.times_ms for step in one.steps])
    kinds = np.repeat(np.arange(len(one.steps)), [len(step.times_ms) for step in one.steps])
    rows = np.concatenate([np.arange(len(step.times_ms)) for step in one.steps])
    # Of one moment, in the order of the steps: the odometer behind the trip whose end it tells of.
    order = np.lexsort((rows, kinds, times))
    made = [step.make for step in one.steps]
    for begin in range(0, len(order), 10_000):
        some = order[begin : begin + 10_000]
        for time_ms, kind, row in zip(times[some].tolist(), kinds[some].tolist(), rows[some].tolist(), strict=True):
            yield made[kind](row, time_ms)


class _Step(NamedTuple):
    """Facts of one type, in no order."""

    times_ms: np.ndarray
    make: _Make


class _Day:
    """The columns of a day, and what makes events of their rows."""

    def __init__(self, cars: int, seed: int, start_ms: int, stores: int, group: int) -> None:
        self._rng = np.random.default_rng([seed, cars, 0xDA7])
        self._cars = cars
        self._group = group
        self._stores = stores
        self._start_ms = start_ms
        self.steps: list[_Step] = []
        self._trips()
        self._visits("visit", "fence.entered", "fence.exited", 1)
        self._dwells()
        self._visits("detour", "route.left", "route.rejoined", 1 + 2 * stores)
        self._speeding()
        self._cards()
        self._crashes()
        self._emergencies()
        self._nights()

    # --- what all have

    def _count(self, what: str) -> int:
        return round(SHARES[what].a_day * self._cars)

    def _reports(self, count: int) -> list[str]:
        """Return ids of reports, as they are told: 16 hexadecimal digits."""
        drawn = self._rng.integers(1 << 63, size=count, dtype=np.uint64) * 2 + 1
        return [f"{one:016x}" for one in drawn.tolist()]

    def _places(self, count: int) -> tuple[list[int], list[int]]:
        """Return latitudes and longitudes in the city (city.py): within some 10 km of 30 N 150 E, 1e-7 degree."""
        lat = 300_000_000 + self._rng.normal(0, 300_000, count).astype(int)
        lon = 1_500_000_000 + self._rng.normal(0, 350_000, count).astype(int)
        return lat.tolist(), lon.tolist()

    def _some_trips(self, what: str) -> np.ndarray:
        """Return the numbers of different trips in which something happens; all there are where they are too few."""
        return self._rng.permutation(len(self._car))[: self._count(what)]

    def _within(self, trips: np.ndarray, low: float, high: float) -> np.ndarray:
        """Return a moment in each of these trips, between two parts of it; whole seconds."""
        part = self._rng.uniform(low, high, len(trips))
        return self._began[trips] + (part * (self._ended[trips] - self._began[trips])).astype(int) // 1000 * 1000

    def _event(
        self,
        type_: str,
        car: int,
        time_ms: int,
        payload: object,
        sources: tuple[str, ...],
        *,
        purpose: str = "service",
        version: int = 1,
        story: str = "",
        actor: str = "detection",
        subject: str = "",
    ) -> Event:
        whose = subject or f"vehicle:{car}"
        return Event(
            id=derive_id(actor, type_, 1, sources, str(car)),
            type=type_,
            version=version,
            time_ms=time_ms,
            subject=whose,
            key=f"vehicle:{car}" if subject else "",
            group=self._group,
            store=(car - 1) % self._stores + 1,
            actor=actor,
            correlation=story,
            purpose=purpose,
            payload=payload,
        )

    # --- driving

    def _trips(self) -> None:
        rng, count = self._rng, self._count("trip")
        car = np.sort(rng.integers(self._cars, size=count)) + 1
        firsts = np.flatnonzero(np.r_[True, car[1:] != car[:-1]])
        of_car = np.diff(np.r_[firsts, count])
        rank = np.arange(count) - np.repeat(firsts, of_car)
        slot_ms = 17 * HOUR_MS / np.repeat(of_car, of_car)
        # From six in the morning: each trip in a part of the day of its own, and over before the next part begins.
        began = self._start_ms + 6 * HOUR_MS + ((rank + 0.5 * rng.random(count)) * slot_ms).astype(int) // 1000 * 1000
        lasts = np.minimum(rng.lognormal(6.5, 0.7, count) * 1000, 0.45 * slot_ms)
        ended = began + np.maximum(lasts.astype(int) // 1000, 60) * 1000
        metres = np.minimum((ended - began) / 1000 * rng.uniform(5, 14, count), 49_000).astype(int) // 100 * 100
        # So far the car had come before this day, and in its trips of this day.
        come = rng.integers(1_000, 180_000, size=self._cars + 1) * 1000
        driven = np.cumsum(metres)
        before_car = np.repeat(driven[firsts] - metres[firsts], of_car)
        odometer = (come[car] + driven - before_car).tolist()
        self._car, self._began, self._ended = car, began, ended
        self._car_of, cars = car.tolist(), car.tolist()
        self._trip_ids = trip_ids = self._reports(count)
        ends = self._reports(count)
        lat, lon = self._places(count)
        end_lat, end_lon = self._places(count)
        began_of, metres_of = began.tolist(), metres.tolist()
        fast = np.clip(metres / np.maximum((ended - began) / 1000, 1) * 36 * 1.7, 200, 1300).astype(int).tolist()
        idle = (rng.random(count) * 0.3 * (ended - began)).astype(int).tolist()

        def opened(row: int, time_ms: int) -> Event:
            trip = trip_ids[row]
            payload = TripOpened(
                vehicle_id=cars[row],
                terminal=cars[row],
                trip_id=trip,
                report_id=trip,
                lat_1e7=lat[row],
                lon_1e7=lon[row],
                began_by="ignition",
            )
            return self._event("trip.opened", cars[row], time_ms, payload, (trip,))

        def closed(row: int, time_ms: int) -> Event:
            payload = TripClosed(
                vehicle_id=cars[row],
                terminal=cars[row],
                trip_id=trip_ids[row],
                report_id=ends[row],
                started_ms=began_of[row],
                start_lat_1e7=lat[row],
                start_lon_1e7=lon[row],
                lat_1e7=end_lat[row],
                lon_1e7=end_lon[row],
                duration_ms=time_ms - began_of[row],
                distance_m=metres_of[row],
                distance_from="odometer",
                max_kmh10=fast[row],
                idle_ms=idle[row],
                reports=2 + (time_ms - began_of[row]) // 10_000,
                began_by="ignition",
                ended_by="ignition",
            )
            return self._event("trip.closed", cars[row], time_ms, payload, (trip_ids[row], ends[row]))

        def advanced(row: int, time_ms: int) -> Event:
            payload = OdometerAdvanced(
                vehicle_id=cars[row],
                terminal=cars[row],
                trip_id=trip_ids[row],
                report_id=ends[row],
                odometer_m=odometer[row],
                advance_m=metres_of[row],
                source="odometer",
                base=1,
            )
            return self._event("odometer.advanced", cars[row], time_ms, payload, (trip_ids[row], ends[row]))

        self.steps += [_Step(began, opened), _Step(ended, closed), _Step(ended, advanced)]

    def _visits(self, what: str, in_type: str, out_type: str, first_fence: int) -> None:
        """A fence entered and left, or a route left and found again, within one trip."""
        trips = self._some_trips(what)
        count = len(trips)
        entered, left = self._within(trips, 0.1, 0.5), self._within(trips, 0.55, 0.95)
        lat, lon = self._places(count)
        fence = (first_fence + self._rng.integers(2 * self._stores, size=count)).tolist()
        kmh10 = self._rng.integers(50, 600, size=count).tolist()
        reports, entered_of = self._reports(2 * count), entered.tolist()
        cars = self._car[trips].tolist()

        def made(type_: str, leaves: bool) -> _Make:
            def make(row: int, time_ms: int) -> Event:
                report = reports[2 * row + leaves]
                payload = FenceCrossed(
                    vehicle_id=cars[row],
                    fence_id=fence[row],
                    report_id=report,
                    lat_1e7=lat[row],
                    lon_1e7=lon[row],
                    speed_kmh10=kmh10[row],
                    stay_ms=time_ms - entered_of[row] if leaves else None,
                )
                return self._event(type_, cars[row], time_ms, payload, (report,), purpose="safety")

            return make

        self.steps += [_Step(entered, made(in_type, False)), _Step(left, made(out_type, True))]

    def _dwells(self) -> None:
        trips = self._some_trips("dwell")
        at = self._within(trips, 1.0, 1.0)
        lat, lon = self._places(len(trips))
        fence = (1 + self._rng.integers(2 * self._stores, size=len(trips))).tolist()
        reports, cars = self._reports(len(trips)), self._car[trips].tolist()

        def make(row: int, time_ms: int) -> Event:
            payload = FenceCrossed(
                vehicle_id=cars[row],
                fence_id=fence[row],
                report_id=reports[row],
                lat_1e7=lat[row],
                lon_1e7=lon[row],
                speed_kmh10=0,
                stay_ms=1_800_000,
            )
            return self._event("fence.dwelled", cars[row], time_ms, payload, (reports[row],), purpose="safety")

        self.steps.append(_Step(at + 1_800_000, make))

    def _speeding(self) -> None:
        trips = self._some_trips("speeding")
        count = len(trips)
        began = self._within(trips, 0.2, 0.5)
        ended = self._within(trips, 0.5, 0.8)
        lat, lon = self._places(count)
        kmh10 = (610 + self._rng.integers(300, size=count)).tolist()
        reports, cars, began_of = self._reports(2 * count), self._car[trips].tolist(), began.tolist()

        def made(type_: str, over: bool) -> _Make:
            def make(row: int, time_ms: int) -> Event:
                report = reports[2 * row + over]
                lasted_ms = time_ms - began_of[row] if over else 10_000
                payload = OverspeedSeen(
                    vehicle_id=cars[row],
                    terminal=cars[row],
                    report_id=report,
                    lat_1e7=lat[row],
                    lon_1e7=lon[row],
                    speed_kmh10=590 if over else kmh10[row],
                    limit_kmh10=600,
                    max_kmh10=kmh10[row],
                    mean_kmh10=kmh10[row] - 8,
                    metres=kmh10[row] * lasted_ms // 36_000,
                    began_ms=began_of[row] - (0 if over else 10_000),
                    duration_ms=lasted_ms,
                )
                return self._event(type_, cars[row], time_ms, payload, (report,), purpose="safety")

            return make

        self.steps += [_Step(began, made("overspeed.began", False)), _Step(ended, made("overspeed.ended", True))]

    def _cards(self) -> None:
        trips = self._some_trips("card")
        cars = self._car[trips].tolist()

        def made(type_: str, sequence: int) -> _Make:
            def make(row: int, time_ms: int) -> Event:
                said = f"{NODE}:{2 * row + sequence}"
                payload = DriverCard(
                    vehicle_id=cars[row],
                    terminal=cars[row],
                    message="0x0702",
                    node=NODE,
                    sequence=2 * row + sequence,
                )
                return self._event(type_, cars[row], time_ms, payload, (said,), actor="vehicle")

            return make

        began, ended = self._began[trips], self._ended[trips]
        self.steps += [
            _Step(began + 1000, made("driver.card.inserted", 0)),
            _Step(ended + 1000, made("driver.card.removed", 1)),
        ]

    # --- what goes wrong

    def _crashes(self) -> None:
        trips = self._some_trips("crash")
        count = len(trips)
        at = self._within(trips, 0.3, 0.7)
        lat, lon = self._places(count)
        kmh10 = self._rng.integers(200, 900, size=count).tolist()
        peak_mg = self._rng.integers(4_000, 16_000, size=count).tolist()
        alone = (self._rng.random(count) < 0.15).tolist()
        reports, cars, at_of = self._reports(2 * count), self._car[trips].tolist(), at.tolist()

        def said(row: int, report: str, percent: int) -> dict[str, object]:
            evidence = CrashEvidence(
                kind="acceleration", value=peak_mg[row], weight_percent=75, counted_percent=60, time_ms=at_of[row]
            )
            return {
                "vehicle_id": cars[row],
                "terminal": cars[row],
                "report_id": report,
                "first_report_id": reports[2 * row],
                "impact_ms": at_of[row],
                "lat_1e7": lat[row],
                "lon_1e7": lon[row],
                "has_fix": True,
                "speed_before_kmh10": kmh10[row],
                "speed_kmh10": kmh10[row] // 3,
                "peak_mg": peak_mg[row],
                "confidence_percent": percent,
                "severity": "moderate" if peak_mg[row] < 9_000 else "severe",
                "evidence": (evidence,),
                "against": (),
                "blind": (),
                "late": False,
                "rule_version": 0,
            }

        def suspicion(row: int) -> str:
            return derive_id("detection", "crash.suspected", 1, (reports[2 * row],), str(cars[row]))

        def suspected(row: int, time_ms: int) -> Event:
            first = reports[2 * row]
            payload = CrashSuspected(**said(row, first, 60))  # type: ignore[arg-type]
            return self._event("crash.suspected", cars[row], time_ms, payload, (first,), purpose="safety", version=2)

        def settled(row: int, time_ms: int) -> Event:
            last, story = reports[2 * row + 1], suspicion(row)
            payload: object
            if alone[row]:
                type_ = "crash.cleared"
                payload = CrashCleared(
                    **said(row, last, 60),  # type: ignore[arg-type]
                    suspicion=story,
                    reason="alone",
                    driven_m=0,
                    after_s=45,
                )
            else:
                type_ = "crash.confirmed"
                payload = CrashConfirmed(**said(row, last, 92), suspicion=story, after_s=45)  # type: ignore[arg-type]
            return self._event(type_, cars[row], time_ms, payload, (last,), purpose="safety", story=story)

        self.steps += [_Step(at, suspected), _Step(at + 45_000, settled)]

    def _emergencies(self) -> None:
        trips = self._some_trips("sos")
        at = self._within(trips, 0.1, 0.9)
        lat, lon = self._places(len(trips))
        reports, cars = self._reports(len(trips)), self._car[trips].tolist()

        def make(row: int, time_ms: int) -> Event:
            payload = AlarmSeen(
                vehicle_id=cars[row],
                terminal=cars[row],
                report_id=reports[row],
                lat_1e7=lat[row],
                lon_1e7=lon[row],
                speed_kmh10=120,
                alarm=1,
                evidence="alarm.0",
                has_fix=True,
            )
            return self._event("sos.pressed", cars[row], time_ms, payload, (reports[row],), purpose="safety")

        self.steps.append(_Step(at, make))

    def _nights(self) -> None:
        """What happens to cars that stand, between midnight and six: thefts, cut wires, devices without a link."""
        self._thefts()
        self._cuts()
        self._away()

    def _standing(self, what: str, from_h: float, to_h: float) -> tuple[list[int], np.ndarray]:
        """Return different cars, and a moment for each between two hours of the night; whole seconds."""
        count = self._count(what)
        cars = (self._rng.permutation(self._cars)[:count] + 1).tolist()
        return cars, self._start_ms + (self._rng.uniform(from_h, to_h, count) * 3_600).astype(int) * 1000

    def _thefts(self) -> None:
        cars, at = self._standing("theft", 0.5, 4.0)
        lat, lon = self._places(len(cars))
        reports = self._reports(2 * len(cars))

        def suspected(row: int, time_ms: int) -> Event:
            first = reports[2 * row]
            payload = TheftSuspected(
                vehicle_id=cars[row],
                terminal=cars[row],
                report_id=first,
                first_report_id=first,
                kind="moving_without_ignition",
                kinds=("moving_without_ignition",),
                stage=1,
                confidence=0.7,
                armed=False,
                lat_1e7=lat[row],
                lon_1e7=lon[row],
                distance_m=180,
                speed_kmh10=150,
            )
            return self._event("theft.suspected", cars[row], time_ms, payload, (first,), purpose="theft")

        def cleared(row: int, time_ms: int) -> Event:
            first, last = reports[2 * row], reports[2 * row + 1]
            payload = TheftCleared(
                vehicle_id=cars[row],
                reason="ignition",
                first_report_id=first,
                kinds=("moving_without_ignition",),
                terminal=cars[row],
                report_id=last,
                lat_1e7=lat[row],
                lon_1e7=lon[row],
            )
            story = derive_id("detection", "theft.suspected", 1, (first,), str(cars[row]))
            return self._event("theft.cleared", cars[row], time_ms, payload, (last,), purpose="theft", story=story)

        self.steps += [_Step(at, suspected), _Step(at + 1_500_000, cleared)]

    def _cuts(self) -> None:
        cars, at = self._standing("cut", 0.0, 4.0)
        reports = self._reports(2 * len(cars))

        def made(type_: str, again: bool) -> _Make:
            def make(row: int, time_ms: int) -> Event:
                report = reports[2 * row + again]
                payload = DevicePower(vehicle_id=cars[row], terminal=cars[row], report_id=report)
                return self._event(type_, cars[row], time_ms, payload, (report,))

            return make

        self.steps += [
            _Step(at, made("device.unplugged", False)),
            _Step(at + 5_400_000, made("device.plugged", True)),
        ]

    def _away(self) -> None:
        cars, at = self._standing("away", 0.0, 2.0)
        back = at + (self._rng.uniform(0.1, 3.5, len(cars)) * 3_600).astype(int) * 1000

        def presence(state: str) -> _Make:
            def make(row: int, time_ms: int) -> Event:
                payload = DevicePresence(vehicle_id=cars[row], terminal=cars[row], since_ms=time_ms)
                return self._event(f"device.{state}", cars[row], time_ms, payload, (f"{time_ms}",), actor="presence")

            return make

        def session_closed(row: int, time_ms: int) -> Event:
            car = cars[row]
            payload = SessionClosed(terminal=car, vehicle_id=car, link=row, epoch=row, reason="silent")
            return self._event(
                "terminal.session.closed",
                car,
                time_ms,
                payload,
                (f"{row}",),
                actor="vehicle",
                subject=f"terminal:{car}",
            )

        def session_opened(row: int, time_ms: int) -> Event:
            car, link = cars[row], len(cars) + row
            payload = SessionOpened(terminal=car, vehicle_id=car, link=link, epoch=link, node=NODE)
            return self._event(
                "terminal.session.opened",
                car,
                time_ms,
                payload,
                (f"{link}",),
                actor="vehicle",
                subject=f"terminal:{car}",
            )

        self.steps += [
            _Step(at, session_closed),
            _Step(at, presence("offline")),
            _Step(back, session_opened),
            _Step(back, presence("online")),
        ]
