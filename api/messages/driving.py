"""Texts of how cars are driven: trips, the odometer, speeding, near approaches; and of what fixes are set aside."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    # Events.
    "event_type_overspeed_began": ("Speeding began", "超速开始"),
    "event_type_overspeed_ended": ("Speeding ended", "超速结束"),
    "event_field_duration_ms": ("Took", "时长"),
    "event_field_max_kmh10": ("Fastest", "最高车速"),
    "event_field_mean_kmh10": ("On average", "平均车速"),
    "event_field_limit_kmh10": ("Limit", "限速"),
    "event_field_metres": ("Metres", "行驶距离（米）"),
    "event_field_began_ms": ("Since", "开始时间"),
}
