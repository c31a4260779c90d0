"""Working days and working time: the week, public holidays, and the days off that are worked instead (调休).

A calendar is a mapping from a date to HOLIDAY or WORKDAY; a date that is not in it follows the week. Nothing here reads
a clock.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

HOLIDAY: Final = "holiday"
WORKDAY: Final = "workday"
DAY_KINDS: Final = (HOLIDAY, WORKDAY, "week")
"""What may be said of a day; `week`: what was said of it counts no more."""

WEEK: Final = frozenset({0, 1, 2, 3, 4})
"""Days of the week that are worked where nobody says another, 0 Monday."""

DAYS_SEARCHED_MAX: Final = 366
"""How far a working day is looked for: a calendar with none in a year is a fault of whoever wrote it."""


def _days(year: int, off: str, worked: str) -> dict[str, str]:
    """Read spans of a year (`0101-0103 0404`) into dates."""
    found: dict[str, str] = {}
    for spans, kind in ((off, HOLIDAY), (worked, WORKDAY)):
        for span in spans.split():
            first, _, last = span.partition("-")
            day = date(year, int(first[:2]), int(first[2:]))
            end = date(year, int((last or first)[:2]), int((last or first)[2:]))
            while day <= end:
                found[day.isoformat()] = kind
                day += timedelta(days=1)
    return found


CHINA: Final[Mapping[str, str]] = MappingProxyType(
    {
        **_days(2025, "0101 0128-0204 0404-0406 0501-0505 0531-0602 1001-1008", "0126 0208 0427 0928 1011"),
        **_days(
            2026,
            "0101-0103 0215-0223 0404-0406 0501-0505 0619-0621 0925-0927 1001-1007",
            "0104 0214 0228 0509 0920 1010",
        ),
    }
)
"""Public holidays of mainland China and the days off worked for them: notices of the General Office of the State
Council on the holidays of 2025 (of 12 November 2024) and of 2026 (of 4 November 2025). A group begins with them and
enters what later notices say."""


def is_worked(day: date, calendar: Mapping[str, str], week: frozenset[int] = WEEK) -> bool:
    """Tell whether a day is worked: what the calendar says of it, else the week."""
    kind = calendar.get(day.isoformat())
    return day.weekday() in week if kind not in (HOLIDAY, WORKDAY) else kind == WORKDAY


def add_worked(
    start_ms: int,
    worked_s: int,
    calendar: Mapping[str, str],
    zone: str,
    *,
    opens_min: int = 9 * 60,
    closes_min: int = 18 * 60,
    week: frozenset[int] = WEEK,
) -> int:
    """Return when so much working time has passed, UTC epoch ms.

    Args:
        start_ms: UTC epoch ms; outside the hours of a working day, time begins with the next.
        opens_min, closes_min: hours of a working day, minutes of the day by the zone's clock; opens_min < closes_min.

    Raises:
        ValueError: there is no working day within a year.
    """
    clock = ZoneInfo(zone)
    now = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(clock)
    left = timedelta(seconds=worked_s)
    day, idle = now.date(), 0
    while idle <= DAYS_SEARCHED_MAX:
        if is_worked(day, calendar, week):
            idle = 0
            midnight = datetime(day.year, day.month, day.day, tzinfo=clock)
            opens = max(midnight + timedelta(minutes=opens_min), now)
            closes = midnight + timedelta(minutes=closes_min)
            if opens < closes:
                # Differences within a zone ignore its changes of clock; those of UTC do not.
                room = closes.astimezone(UTC) - opens.astimezone(UTC)
                if left <= room:
                    return round((opens.astimezone(UTC) + left).timestamp() * 1000)
                left -= room
        day += timedelta(days=1)
        idle += 1
    raise ValueError(f"no working day within {DAYS_SEARCHED_MAX} days of {day - timedelta(days=idle)}")
