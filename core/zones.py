"""Time zones by their IANA names, and how far each is from UTC."""

import functools
import zoneinfo
from datetime import UTC, datetime
from typing import Final

TIME_ZONE_DEFAULT: Final = "Asia/Shanghai"
"""Where nobody has said another: China has one."""


def is_time_zone(name: str) -> bool:
    """Tell whether this names a time zone (`Asia/Shanghai`)."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def offset_min(name: str, time_ms: int) -> int:
    """Return by how many minutes a zone's clock is ahead of UTC at a time, UTC epoch ms. One nobody knows: the default.

    Zones were off by seconds before 1972 only: minutes are exact for any report.
    """
    ahead = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(_zone(name)).utcoffset()
    assert ahead is not None
    return round(ahead.total_seconds() / 60)


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name if is_time_zone(name) else TIME_ZONE_DEFAULT)
