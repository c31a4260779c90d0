"""Times as callers write them: milliseconds since 1970, or ISO 8601; and the days of a store's time zone."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.problems import Problem
from core.zones import TIME_ZONE_DEFAULT

TIME_CHARACTERS_MAX: Final = 40
TIME_MS_MAX: Final = 253_370_764_800_000
"""The year 9999: what every clock and database of ours can still write."""
_NUMBER: Final = re.compile(r"-?\d{1,16}")


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; that of Shanghai where this machine knows no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(TIME_ZONE_DEFAULT)


def read_moment(text: str, zone: ZoneInfo, name: str) -> int:
    """Return a time as UTC epoch ms.

    Args:
        text: milliseconds, or ISO 8601; without an offset it is meant in the zone. A bare date is its midnight.
        name: of the parameter, for the refusal.

    Raises:
        Problem: bad_request.
    """
    if _NUMBER.fullmatch(text):
        moment_ms = int(text)
    else:
        try:
            # A plus sign that nobody escaped arrives as a space.
            moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        except ValueError:
            raise Problem("bad_request", f"{name}: {text!r} is neither milliseconds nor ISO 8601") from None
        moment_ms = epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    if not 0 <= moment_ms <= TIME_MS_MAX:
        raise Problem("bad_request", f"{name}: {text!r} lies outside 1970 to 9998")
    return moment_ms


def read_day(text: str, name: str) -> date:
    """Return a day written as YYYY-MM-DD.

    Raises:
        Problem: bad_request.
    """
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None or not 1970 < day.year < 9999:
        raise Problem("bad_request", f"{name}: {text!r} is no day as 2026-01-31")
    return day


def day_bounds(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return when a day begins and when the next one does, UTC epoch ms: 23 to 25 hours where clocks are changed."""
    return midnight_ms(day, zone), midnight_ms(day + timedelta(days=1), zone)


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """Return when a day begins. Where clocks leap over midnight it begins at the leap."""
    return epoch_ms(datetime(day.year, day.month, day.day, tzinfo=zone))


def day_of(time_ms: int, zone: ZoneInfo) -> date:
    """Return the day on which a time falls."""
    return datetime.fromtimestamp(time_ms / 1000, zone).date()


def epoch_ms(moment: datetime) -> int:
    """Return an aware time as UTC epoch ms, exactly."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
