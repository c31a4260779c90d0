"""What is built into a car with a terminal, and who drives it: functions of the terminal's number, for devices.py.

Parameters as they leave the shop, the driver's card, pictures and sounds, recordings, peripherals; and the geometry of
areas as a terminal judges it. The same number gives the same bytes in every run.
"""

import hashlib
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from protocols.jt808 import video
from protocols.jt808.location import Location, LocationHead
from protocols.jt808.parameters import PARAMETERS, Parameter
from protocols.jt808.safety import PeripheralDetails, PeripheralInfo
from protocols.jt808.wire import time_bcd

if TYPE_CHECKING:
    from simulators.terminals import Identity

MEDIA_CRASH: Final = 3
SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
GIVEN: Final = "甲乙丙丁戊己庚辛壬癸"


class DriverCard(NamedTuple):
    """The driver of a car, as his card says. Nobody's: 测 stands in each name, no region has the digits 99."""

    name: str
    certificate: str
    issuer: str
    valid_until: str
    id_card: str


def driver_of(number: int) -> DriverCard:
    """Return the driver of car `number`."""
    name = f"{SURNAMES[number % 16]}测{GIVEN[number // 16 % 10]}"
    return DriverCard(
        name, f"99{number:016d}", "测试市道路运输管理局", "20301231", f"990000199001{number % 1_000_000:06d}"
    )


class Medium(NamedTuple):
    """A picture or a sound that a terminal has. Its bytes are made anew whenever they are sent."""

    id: int
    kind: int
    format: int
    event: int
    channel: int
    resolution: int
    seconds: int
    place: LocationHead
    data: bytes = b""
    """Of a file handed in; what is taken here has none until it is sent."""


def number_in(who: "Identity") -> int:
    """Return a number that is this terminal's own: its phone's last seven digits."""
    digits = "".join(one for one in who.phone if one.isdecimal())
    return int(digits[-7:] or "0")


def head_of(place: Location) -> LocationHead:
    """Return the first 28 bytes of a location."""
    return LocationHead(*(getattr(place, name) for name in LocationHead.__struct_fields__))


# --- parameters: what every terminal has ------------------------------------------------------------------------------


DEFAULTS: Final[dict[int, int | str]] = {
    0x0002: 15,
    0x0003: 3,
    0x0004: 15,
    0x0005: 3,
    0x0006: 60,
    0x0007: 3,
    0x0010: "cmnet",
    0x0011: "",
    0x0012: "",
    0x0013: "127.0.0.1",
    0x0014: "cmnet",
    0x0015: "",
    0x0016: "",
    0x0017: "127.0.0.1",
    0x0018: 8808,
    0x0019: 0,
    0x0020: 0,
    0x0021: 0,
    0x0022: 60,
    0x0027: 60,
    0x0028: 5,
    0x0029: 10,
    0x002C: 200,
    0x002D: 500,
    0x002E: 500,
    0x002F: 50,
    0x0030: 30,
    0x0031: 100,
    0x0040: "13800000000",
    0x0041: "13800000000",
    0x0042: "13800000000",
    0x0043: "13800000000",
    0x0044: "13800000000",
    0x0045: 1,
    0x0046: 300,
    0x0047: 0xFFFF_FFFF,
    0x0048: "13800000000",
    0x0049: "13800000000",
    0x0050: 0,
    0x0051: 0,
    0x0052: 1 << 0 | 1 << 29,
    0x0053: 0,
    0x0054: 1 << 0 | 1 << 29,
    0x0055: 120,
    0x0056: 10,
    0x0057: 14_400,
    0x0058: 28_800,
    0x0059: 1_200,
    0x005A: 7_200,
    0x005B: 50,
    0x005C: 1_800,
    0x005E: 30,
    0x0070: 5,
    0x0071: 128,
    0x0072: 64,
    0x0073: 64,
    0x0074: 128,
    0x0080: 0,
    0x0081: 0,
    0x0082: 0,
    0x0090: 0b11,
    0x0091: 1,
    0x0092: 1,
    0x0093: 1,
    0x0094: 0,
    0x0095: 0,
    0x0100: 0,
    0x0101: 0,
    0x0102: 0,
    0x0103: 0,
}
"""Parameters of a terminal as it leaves the shop, beside its plate; an edition has those that it knows."""


def parameters_of(who: "Identity") -> tuple[Parameter, ...]:
    """Return a terminal's parameters as it leaves the shop: a full set of its edition."""
    values = {
        **DEFAULTS,
        0x0001: who.model.heartbeat_s,
        0x0083: who.plate,
        0x0084: who.plate_colour,
    }
    if who.model.version == 2019:
        # 2019 puts the port behind the address; the parameters 0x0018 and 0x0019 are reserved.
        values |= {0x0013: "127.0.0.1:8808", 0x0017: "127.0.0.1:8808"}
    return tuple(
        Parameter(id, values[id])
        for id in sorted(values)
        if PARAMETERS[id].since <= who.model.version <= PARAMETERS[id].until
    )


def number_of(parameter: Parameter | None) -> int:
    """Return the number that a parameter is, 0 where there is none or it is none."""
    return parameter.value if parameter is not None and isinstance(parameter.value, int) else 0


# --- areas ------------------------------------------------------------------------------------------------------------


def holds(kind: int, area: Any, latitude: int, longitude: int) -> bool:
    """Tell whether an area or route holds a point, in 1e-6 degree with signs. Flat: areas are small."""
    south, west = (2, 3) if kind == 4 else (6, 7)

    def at(corner_latitude: int, corner_longitude: int, attributes: int) -> tuple[float, float]:
        """Return metres north and east of the point."""
        signed_latitude = -corner_latitude if attributes >> south & 1 else corner_latitude
        signed_longitude = -corner_longitude if attributes >> west & 1 else corner_longitude
        return (signed_latitude - latitude) * METRES_PER_STEP, (signed_longitude - longitude) * east

    east = METRES_PER_STEP * math.cos(math.radians(latitude / 1e6))
    if kind == 1:
        return math.hypot(*at(area.latitude, area.longitude, area.attributes)) <= area.radius_m
    if kind == 2:
        upper, left = at(area.upper_latitude, area.left_longitude, area.attributes)
        lower, right = at(area.lower_latitude, area.right_longitude, area.attributes)
        return lower <= 0 <= upper and left <= 0 <= right
    if kind == 3:
        corners = [at(one.latitude, one.longitude, area.attributes) for one in area.vertices]
        inside = False
        for (north_a, east_a), (north_b, east_b) in zip(corners, corners[1:] + corners[:1], strict=True):
            # Even-odd rule: count the edges that a line to the east crosses.
            if (north_a > 0) != (north_b > 0) and east_a + (east_b - east_a) * north_a / (north_a - north_b) > 0:
                inside = not inside
        return inside
    points = [at(one.latitude, one.longitude, one.attributes) for one in area.points]
    return any(
        apart_m(begin, end) <= one.width_m / 2 for one, begin, end in zip(area.points, points, points[1:], strict=False)
    )


METRES_PER_STEP: Final = 111_195 / 1e6
"""Metres in 1e-6 degree of latitude on a sphere of 6,371 km."""


def apart_m(begin: tuple[float, float], end: tuple[float, float]) -> float:
    """Return how far the origin is from a stretch of road."""
    north, east = end[0] - begin[0], end[1] - begin[1]
    length = north * north + east * east
    along = 0.0 if not length else max(0.0, min(1.0, -(begin[0] * north + begin[1] * east) / length))
    return math.hypot(begin[0] + along * north, begin[1] + along * east)


def in_time(area: Any, time_ms: int) -> bool:
    """Tell whether an area is judged at this time."""
    start_ms, end_ms = area.start_ms, area.end_ms
    return (start_ms is None or time_ms >= start_ms) and (end_ms is None or time_ms <= end_ms)


# --- what stands behind a terminal ------------------------------------------------------------------------------------


CAMERAS: Final = (0x64, 0x65)
"""Peripherals that there are: the one that looks ahead and the one that looks at the driver."""


def camera(one: int) -> PeripheralInfo:
    """Return what one of CAMERAS says it is."""
    name = "ADAS" if one == 0x64 else "DSM"
    details = PeripheralDetails("CARILLON", f"CT-{name}", "1.0", "2.3", f"{name}0001", "0000")
    return PeripheralInfo(one, details)


SIZES: Final = {
    0x00: (176, 144),
    0x01: (320, 240),
    0x02: (640, 480),
    0x03: (800, 600),
    0x04: (1024, 768),
    0x05: (176, 144),
    0x06: (352, 288),
    0x07: (704, 288),
    0x08: (704, 576),
    0xFF: (1024, 768),
}
"""Width and height by the resolution of 0x8801; any other: CIF."""


def medium_bytes(who: "Identity", medium: Medium) -> bytes:
    """Return the file of a medium: JPEG, or WAV of 8 kHz and 8 bit. The same medium gives the same bytes."""
    if medium.data:
        return medium.data
    # Cameras and sounds are drawn with numpy, which `carillon terminal` should not wait for until one is asked for.
    from simulators.pictures import picture, sound

    seed = number_in(who) * 1_000 + medium.id
    if medium.kind == 1:
        return sound(seed, medium.seconds)
    width, height = SIZES.get(medium.resolution, (352, 288))
    when = time_bcd(medium.place.time_ms or 0).hex()
    first = "20{}-{}-{} {}:{}:{}".format(*(when[at : at + 2] for at in range(0, 12, 2)))
    text = f"{first}\n{who.plate} CH{medium.channel} {medium.place.speed_kmh10 // 10} KM/H"
    return picture(seed, text, close=medium.event == MEDIA_CRASH, width=width, height=height)


def recordings_of(number: int, asked: Any, now_ms: int) -> tuple[video.Recording, ...]:
    """Return what a terminal has of the recordings that a 0x9205 or 0x9201 asks for: quarter hours of its last day."""
    channels = [one for one in (1, 2, 3, 4) if asked.channel in (0, one)]
    last = now_ms // QUARTER_MS
    wanted: int = getattr(asked, "alarms", 0)
    found: list[video.Recording] = []
    for quarter in range(last - 96, last):
        start_ms, end_ms = quarter * QUARTER_MS, (quarter + 1) * QUARTER_MS
        if (asked.start_ms is not None and end_ms <= asked.start_ms) or (
            asked.end_ms is not None and start_ms >= asked.end_ms
        ):
            continue
        for channel in channels:
            draw = hashlib.sha256(f"{number}:{quarter}:{channel}".encode()).digest()
            alarms = 1 << 29 if draw[0] < 4 else 0
            if draw[1] < 96 or (wanted and not alarms & wanted):
                continue
            size = 60_000_000 + int.from_bytes(draw[2:5], "big")
            stream = asked.stream or 1
            found.append(video.Recording(channel, start_ms, end_ms, alarms, 0, stream, asked.store or 1, size))
            if len(found) == RECORDINGS_MAX:
                return tuple(found)
    return tuple(found)


RECORDINGS_MAX: Final = 400
"""In one answer: 11 KB, a dozen fragments."""
QUARTER_MS: Final = 15 * 60_000
