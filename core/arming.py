"""Arming: which cars are armed when, and as of which place, as people have set it and as the kernels read it.

A car is armed by hand, until it is disarmed, or every night between two times of its store's clock. Rows of other cars
cost the kernel one look at `number`; the whole is immutable: a change makes another, which detection swaps in.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numba import from_dtype, types

from core.limits import ARMED_RADIUS_M_MAX, ARMED_RADIUS_M_MIN
from core.zones import TIME_ZONE_DEFAULT, offset_min

DAY_MINUTES: Final = 24 * 60
DAYS_ALL: Final = 0b111_1111
"""Bit 0 is Monday: a night belongs to the day on which it begins."""
NEVER_MS: Final = 1 << 62
WEEK_MS: Final = 7 * DAY_MINUTES * 60_000

GUARD: Final = np.dtype(
    [
        ("armed_ms", "i8"),  # armed by hand since; 0: is not
        ("settled_ms", "i8"),  # a person has dealt with every suspicion that began up to then; 0: none
        ("suspended_ms", "i8"),  # the schedule rests until then; 0: does not
        ("zone_change_ms", "i8"),  # when the store's clock is put forward or back next
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        ("radius_m", "i4"),
        ("from_minute", "i2"),  # of the day by the store's clock; as to_minute: no schedule
        ("to_minute", "i2"),
        ("zone_minutes", "i2"),  # ahead of UTC, until zone_change_ms ...
        ("zone_after_minutes", "i2"),  # ... and from then on
        ("days", "u1"),  # DAYS_ALL bits on which a night begins
        ("has_place", "u1"),
        ("padding", "u1", (2,)),
    ],
    align=True,
)
"""What is set for one car, 64 bytes."""

GUARDS_TYPE: Final = types.Array(from_dtype(GUARD), 1, "C")


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Armed from one time of the day to another, over midnight where the second is not later."""

    from_minute: int = 22 * 60
    to_minute: int = 6 * 60
    days: int = DAYS_ALL
    """Bits of the days on which it begins, bit 0 Monday."""

    @property
    def is_sound(self) -> bool:
        """Tell whether there is such a time of the day."""
        return (
            0 <= self.from_minute < DAY_MINUTES
            and 0 <= self.to_minute < DAY_MINUTES
            and self.from_minute != self.to_minute
            and 0 < self.days <= DAYS_ALL
        )


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for one car."""

    vehicle: int
    armed_ms: int = 0
    """Armed by hand since, UTC epoch ms; 0: is not."""
    settled_ms: int = 0
    suspended_ms: int = 0
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    """The place that it may not leave; None: where it was parked."""
    radius_m: int = 100
    schedule: Schedule | None = None
    zone: str = ""
    """Of its store, for the schedule."""

    @property
    def is_sound(self) -> bool:
        """Tell whether radius and schedule are possible."""
        return ARMED_RADIUS_M_MIN <= self.radius_m <= ARMED_RADIUS_M_MAX and (
            self.schedule is None or self.schedule.is_sound
        )


class Arming:
    """What is set for all cars of a node. Immutable.

    Args:
        capacity: rows of the vehicle table; cars beyond it are left out.
        guards: of the cars for which something is set.
        now_ms: from which the clocks of stores are looked ahead for the next change.

    Attributes:
        number: (capacity,) int32, row of each car in `guards`; 0: nothing is set for it.
        guards: (n,) GUARD; row 0 is empty.
    """

    def __init__(self, capacity: int, guards: Iterable[Guard] = (), now_ms: int = 0) -> None:
        kept = [guard for guard in guards if 0 < guard.vehicle < capacity]
        self.number = np.zeros(capacity, np.int32)
        self.guards = np.zeros(len(kept) + 1, GUARD)
        zones: dict[str, tuple[int, int, int]] = {}
        for number, guard in enumerate(kept, 1):
            self.number[guard.vehicle] = number
            row = self.guards[number]
            row["armed_ms"], row["settled_ms"], row["suspended_ms"] = (
                guard.armed_ms,
                guard.settled_ms,
                guard.suspended_ms,
            )
            row["radius_m"] = guard.radius_m
            if guard.lat_1e7 is not None and guard.lon_1e7 is not None:
                row["lat_1e7"], row["lon_1e7"], row["has_place"] = guard.lat_1e7, guard.lon_1e7, 1
            if guard.schedule is not None:
                if guard.zone not in zones:
                    zones[guard.zone] = clock_of(guard.zone or TIME_ZONE_DEFAULT, now_ms)
                row["zone_minutes"], row["zone_change_ms"], row["zone_after_minutes"] = zones[guard.zone]
                row["from_minute"], row["to_minute"] = guard.schedule.from_minute, guard.schedule.to_minute
                row["days"] = guard.schedule.days


def clock_of(zone: str, now_ms: int) -> tuple[int, int, int]:
    """Return minutes ahead of UTC, when that changes next (NEVER_MS: not within a year), and minutes from then on."""
    now = offset_min(zone, now_ms)
    high_ms = now_ms
    while offset_min(zone, high_ms) == now:
        high_ms += WEEK_MS
        if high_ms > now_ms + 53 * WEEK_MS:
            return now, NEVER_MS, now
    low_ms = high_ms - WEEK_MS
    while high_ms - low_ms > 1:
        middle_ms = (low_ms + high_ms) // 2
        low_ms, high_ms = (middle_ms, high_ms) if offset_min(zone, middle_ms) == now else (low_ms, middle_ms)
    return now, high_ms, offset_min(zone, high_ms)


def is_scheduled(guard: Guard, time_ms: int) -> bool:
    """Tell whether the schedule holds at a time. The kernel's own is core.kernels.theft.scheduled."""
    if guard.schedule is None or time_ms < guard.suspended_ms:
        return False
    local = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(ZoneInfo(guard.zone or TIME_ZONE_DEFAULT))
    schedule, minute = guard.schedule, local.hour * 60 + local.minute
    today, yesterday = (
        bool(schedule.days >> local.weekday() & 1),
        bool(schedule.days >> (local.weekday() - 1) % 7 & 1),
    )
    if schedule.from_minute < schedule.to_minute:
        return today and schedule.from_minute <= minute < schedule.to_minute
    return (today and minute >= schedule.from_minute) or (yesterday and minute < schedule.to_minute)


def schedule_end_ms(guard: Guard, time_ms: int) -> int:
    """Return when the night that a time is in ends, or 0 where it is in none."""
    if not is_scheduled(guard, time_ms):
        return 0
    assert guard.schedule is not None
    name = ZoneInfo(guard.zone or TIME_ZONE_DEFAULT)
    local = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(name)
    hour, minute = divmod(guard.schedule.to_minute, 60)
    end = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if end <= local:
        end += timedelta(days=1)
    return int(end.timestamp()) * 1000
