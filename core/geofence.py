"""A geofence as people draw it: what it is, when it is sound, and how the index takes it.

`checked` mends what has one meaning only (an unclosed ring, the wrong winding, a corner said twice, more decimals than
a coordinate has) and refuses the rest by a code of FAULTS, naming ring and corner, point, or window.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from core.kernels import rings
from core.kernels.geodesy import EARTH_RADIUS_M, LAT_MAX_1E7, LON_MAX_1E7
from core.kernels.geofence import EXTENT_MAX_1E7, Circle, Corridor, Fence, FenceError, Polygon, build_index
from core.limits import (
    AREA_CORNERS_MAX,
    AREA_MS_END,
    AREA_MS_MIN,
    AREA_ROUTE_POINTS_MAX,
    AREA_ROUTE_WIDTH_M_MAX,
    CORRIDOR_LENGTH_M_MAX,
    CORRIDOR_POINTS_MAX,
    CORRIDOR_WIDTH_M_MAX,
    CORRIDOR_WIDTH_M_MIN,
    FENCE_AREA_M2_MAX,
    FENCE_AREA_M2_MIN,
    FENCE_CORNERS_MAX,
    FENCE_DWELL_S_MAX,
    FENCE_DWELL_S_MIN,
    FENCE_NAME_CHARACTERS_MAX,
    FENCE_PERIMETER_M_MAX,
    FENCE_RADIUS_M_MAX,
    FENCE_RADIUS_M_MIN,
    FENCE_SPEED_KMH_MAX,
    FENCE_SPEED_S_MAX,
    FENCE_VEHICLES_MAX,
    FENCE_WINDOWS_MAX,
)
from core.zones import TIME_ZONE_DEFAULT, is_time_zone, offset_min

DEGREE_1E7: Final = 10_000_000

Kind = Literal["polygon", "circle", "corridor"]
Role = Literal["zone", "route"]
Applies = Literal["all", "vehicles"]
AreaKind = Literal["", "circle", "rectangle", "polygon", "route"]
"""As what a terminal keeps it; empty: it is told to none."""

FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "name_missing": "it has no name",
        "name_unusable": "its name has more than {most} characters, or some that cannot be shown",
        "colour_invalid": "its colour is #rrggbb or empty, got {value}",
        "rings_missing": "a polygon needs an outline",
        "ring_short": "ring {ring} has {count} different corners; three are the least",
        "corner_unreadable": "corner {corner} of ring {ring} is not a longitude and a latitude",
        "corner_beyond": "corner {corner} of ring {ring} lies at {lon}, {lat}: beyond 180 degrees of longitude or 90 "
        "of latitude (longitude comes first)",
        "corners_many": "it has {count} corners; the bound is {most}",
        "antimeridian": "the edge from corner {corner} of ring {ring} spans half the earth: a fence cannot cross the "
        "antimeridian; draw one on each side",
        "wide": "it spans half the earth; draw one fence on each side",
        "points_missing": "a corridor needs a line of at least two points",
        "line_short": "its line has {count} different points; two are the least",
        "point_unreadable": "point {point} of its line is not a longitude and a latitude",
        "point_beyond": "point {point} of its line lies at {lon}, {lat}: beyond 180 degrees of longitude or 90 of "
        "latitude (longitude comes first)",
        "points_many": "its line has {count} points; the bound is {most}",
        "line_antimeridian": "from point {point} its line spans half the earth: a corridor cannot cross the "
        "antimeridian; draw one on each side",
        "line_long": "its line is {value} km long; the bound is {most} km",
        "width_beyond": "it is {value} m wide; {least} to {most} m are possible",
        "edges_cross": "the edge from corner {corner} of ring {ring} meets the edge from corner {other} of ring "
        "{other_ring}",
        "edges_fold": "at corner {corner} of ring {ring} the outline goes back over itself",
        "hole_outside": "ring {ring} is a hole that lies outside of the outline",
        "hole_in_hole": "ring {ring} is a hole inside another hole, ring {other_ring}",
        "centre_unreadable": "its centre is not a longitude and a latitude",
        "centre_beyond": "its centre lies at {lon}, {lat}: beyond 180 degrees of longitude or 90 of latitude "
        "(longitude comes first)",
        "radius_beyond": "its radius is {value} m; {least} to {most} m are possible",
        "area_small": "it is {value} m² large; less than {least} m² is not more than a fix is off",
        "area_large": "it is {value} km² large; the bound is {most} km²",
        "perimeter_long": "its boundary is {value} km long; the bound is {most} km",
        "role_shape": "a route is a corridor; a {kind} is a zone",
        "windows_many": "{field} has {count} windows; the bound is {most}",
        "window_unreadable": "window {window} of {field} cannot be read: days are 1 (Monday) to 7, times are as 08:30",
        "window_empty": "window {window} of {field} ends when it begins; a whole day is 00:00 to 24:00",
        "windows_overlap": "windows {window} and {other} of {field} overlap: whether a car came would be asked twice",
        "expected_nobody": "who is expected must be said: a fence with expected windows is for chosen cars",
        "time_zone_unknown": "there is no time zone {value}",
        "dwell_beyond": "a stay of {value} s cannot be watched for; {least} to {most} s are possible, 0 for none",
        "speed_beyond": "its speed limit is {value} km/h; 1 to {most} are possible, 0 for none",
        "speed_s_beyond": "{value} s above its speed limit cannot be watched for; 0 to {most} s are possible",
        "speed_limit_missing": "a time above the speed limit needs the limit",
        "unusable": "{reason}",
        "feature_unreadable": "it is not a GeoJSON feature",
        "geometry_missing": "it has no geometry",
        "geometry_unsupported": "a {value} cannot be a fence: draw a Polygon, a LineString with width_m, or a Point "
        "with radius_m",
        "radius_missing": "a Point is a circle by its property radius_m, in metres; it has none",
        "width_missing": "a LineString is a corridor by its property width_m, in metres; it has none",
        "property_invalid": "its property {name} cannot be {value}",
        "repeated": "fence {id} is there twice",
        "changed": "it has been changed since: it is at revision {revision}",
        "unknown": "there is no geofence {id}",
        "vehicles_many": "it is for {count} cars; the bound is {most}: let it be for all cars of its store",
        "vehicles_unknown": "there are no such cars: {ids}",
        "vehicles_elsewhere": "these cars are not of the fence's store: {ids}",
        "store_unknown": "there is no store {store}",
        "store_foreign": "fences of store {store} are not yours to change",
        "group_only": "a fence of the whole group is changed by people who see the whole group",
        "fences_many": "the group has {most} geofences, the bound",
        "terminal_unreadable": "what terminals do with it cannot be read: {reason}",
        "terminal_holes": "a terminal keeps no area with holes: take them out, or keep it off terminals",
        "terminal_corners": "it has {count} corners; told to terminals it has {most} at most",
        "terminal_width": "it is {value} m wide; told to terminals a route is at most {most} m wide",
        "terminal_route": "a terminal keeps no {name} with a route; take that out, or keep it off terminals",
        "terminal_sides": "it lies on both sides of the equator or of the zero meridian; a terminal knows only one",
        "terminal_hours": "hours of every day need both ends, as 08:00 and 18:30; a period needs both, the later one "
        "behind; only one of the two is possible",
        "terminal_speed": "a duration or a limit by night needs a speed limit",
        "terminal_right": "what is kept on terminals is changed by people who may send commands",
        "terminals_many": "the group has {most} geofences on terminals, the bound",
    }
)
"""Code -> what is wrong, with values in braces. Rings, corners, points and windows count from 1; ring 1 is the
outline."""

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")


class GeofenceFaultError(ValueError):
    """A geofence that is refused: a code of FAULTS and its values. The text is English."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(FAULTS[code].format(**values))
        self.code = code
        self.values = values


_Speed = Annotated[int, Meta(ge=1, le=300)]
_Hour = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Moment = Annotated[int, Meta(ge=AREA_MS_MIN, lt=AREA_MS_END)]


class TerminalRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a terminal does by itself with an area that it was told (JT/T 808, 0x8600 to 0x8606)."""

    enter_driver: bool = False
    """Entering is told to the driver."""
    enter_platform: bool = True
    """Entering is reported, as item 0x12 of a location."""
    leave_driver: bool = False
    leave_platform: bool = True
    speed_kmh: _Speed | None = None
    """Speed limit inside."""
    overspeed_s: Annotated[int, Meta(ge=0, le=255)] | None = None
    """How long above it counts as overspeed; none: 10 s."""
    night_speed_kmh: _Speed | None = None
    """The limit by night; known to terminals of 2019. None: as by day."""
    daily_from: _Hour | None = None
    daily_to: _Hour | None = None
    """In force between these hours of every day, by the terminal's clock (GMT+8)."""
    from_ms: _Moment | None = None
    to_ms: _Moment | None = None
    """In force from then to then, UTC epoch ms, 2000 to 2099."""
    doors_shut: bool = False
    """Doors must not be opened inside."""
    radio_off: bool = False
    """The terminal's radio is off inside; it reports afterwards."""
    detailed: bool = False
    """Detailed positions are collected inside."""


_Day = Annotated[int, Meta(ge=1, le=7)]
_End = Annotated[str, Meta(pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
MINUTES_OF_WEEK: Final = 7 * 24 * 60


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time of the week: on each of these days from then to then; to a time before its start, on the day after."""

    days: tuple[_Day, ...]
    """One to seven of them; 1 is Monday."""
    from_: _Hour = msgspec.field(name="from")
    """As 08:30."""
    to: _End = "24:00"

    def __post_init__(self) -> None:
        # Not as bounds of the type: the API's document would then allow anything for a day.
        if not 1 <= len(self.days) <= 7:
            raise ValueError("a window is of one to seven days")

    def spans(self) -> list[tuple[int, int]]:
        """Return [start, end) on each of its days, minutes since Monday's midnight; Sunday's may end beyond 10,080."""
        start, end = minute_of_day(self.from_), minute_of_day(self.to)
        length = end - start if end > start else end - start + 24 * 60
        return [((day - 1) * 24 * 60 + start, (day - 1) * 24 * 60 + start + length) for day in self.days]


class Geofence(msgspec.Struct, frozen=True, kw_only=True):
    """A place with a boundary. Coordinates are WGS-84 degrees, longitude first, as in GeoJSON."""

    id: int = 0
    """0 until saved."""
    group: int = 1
    store: int = 0
    """0: the group's own, for the cars of every store."""
    name: str
    kind: Kind
    geometry: dict[str, Any]
    """polygon: {"coordinates": [[[lon, lat], …], …]}, rings closed; circle: {"centre": [lon, lat], "radius_m": m};
    corridor: {"coordinates": [[lon, lat], …], "width_m": m}, the whole width."""
    active: bool = True
    """Nothing is judged by one that is not."""
    colour: str = ""
    """#rrggbb; empty: the map's own."""
    applies: Applies = "all"
    vehicles: tuple[int, ...] | None = None
    """The cars it is for, rising, where it applies to `vehicles`. To save with None leaves them as they are."""
    vehicle_count: int = 0
    """How many these are; read only."""
    role: Role = "zone"
    """A route is a corridor that a car is to keep to: to leave it and to come back are said, not to enter and exit."""
    hours: tuple[Window, ...] = ()
    """When it is judged by; none: always."""
    expected: tuple[Window, ...] = ()
    """When each of its chosen cars must have been inside, or is missed."""
    time_zone: str = ""
    """Whose clock hours and expected windows go by, an IANA name; empty: the store's, for the group's the default."""
    dwell_s: int = 0
    """A car that stays so long has dwelled; 0: not watched for."""
    speed_limit_kmh: int = 0
    """Inside; 0: none."""
    speed_s: int = 0
    """How long above the limit counts."""
    on_terminals: bool | None = None
    """The terminals of its cars keep it too, and watch it by themselves. To save with None leaves it as it is."""
    terminal: TerminalRules | None = None
    """What they do with it. To save with None leaves it as it is."""
    area_kind: AreaKind = ""
    """As what terminals keep it; read only."""
    area_revision: int = 0
    """The revision in which what terminals are told of it changed last, 0: they are told nothing; read only."""
    revision: int = 0
    """Counts its changes. Whoever changes it says which revision they saw."""
    changed_ms: int = 0
    changed_by: str = ""
    removed_ms: int = 0
    """0: it is there."""


def checked(fence: Geofence) -> Geofence:
    """Return the fence with its name, colour, boundary and windows mended.

    Raises:
        GeofenceFaultError: it is not sound.
    """
    sound = mended(fence)
    for fault in unusable([sound]).values():
        raise fault
    return sound


def unusable(fences: Sequence[Geofence]) -> dict[int, GeofenceFaultError]:
    """Return what the index has against mended fences, by their places among these.

    They are tried together: an index costs 2 ms, and a fence more in it some microseconds.
    """
    told = [indexed(msgspec.structs.replace(fence, id=number), 0) for number, fence in enumerate(fences, 1)]
    try:
        build_index(told)
        return {}
    except FenceError as error:
        if len(fences) == 1:
            reason = str(error).removeprefix("fence 1: ")
            return {0: GeofenceFaultError("unusable", reason=reason)}
    half = len(fences) // 2
    after = unusable(fences[half:])
    return unusable(fences[:half]) | {half + number: fault for number, fault in after.items()}


def mended(fence: Geofence) -> Geofence:
    """Return the fence as `checked` does, without asking the index. Raises GeofenceFaultError."""
    name = " ".join(fence.name.split())
    if not name:
        raise GeofenceFaultError("name_missing")
    if len(name) > FENCE_NAME_CHARACTERS_MAX or not name.isprintable():
        raise GeofenceFaultError("name_unusable", most=FENCE_NAME_CHARACTERS_MAX)
    colour = fence.colour.lower()
    if colour and not _COLOUR.fullmatch(colour):
        raise GeofenceFaultError("colour_invalid", value=repr(fence.colour[:16]))
    vehicles = None if fence.applies == "all" or fence.vehicles is None else tuple(sorted(set(fence.vehicles)))
    if vehicles is not None and len(vehicles) > FENCE_VEHICLES_MAX:
        raise GeofenceFaultError("vehicles_many", count=len(vehicles), most=FENCE_VEHICLES_MAX)
    sound = msgspec.structs.replace(
        fence,
        name=name,
        colour=colour,
        vehicles=vehicles,
        geometry=_SHAPES[fence.kind](fence.geometry),
        hours=_windows("hours", fence.hours),
        expected=_windows("expected", fence.expected),
    )
    _check_judged(sound)
    if sound.terminal is not None:
        _check_rules(sound.terminal)
    if sound.on_terminals:
        _check_area_told(sound)
    return sound


def indexed(fence: Geofence, time_ms: int) -> Fence:
    """Return a stored geofence as the index takes it.

    Args:
        time_ms: when, UTC epoch ms: its zone's clock is taken as it goes then. Where clocks are turned for summer it
            has to be asked again.
    """
    shape: Polygon | Circle | Corridor
    if fence.kind == "circle":
        lat, lon = _units(fence.geometry["centre"])
        shape = Circle(lat, lon, float(fence.geometry["radius_m"]))
    elif fence.kind == "corridor":
        shape = Corridor([_units(point) for point in fence.geometry["coordinates"]], fence.geometry["width_m"] / 2)
    else:
        shape = Polygon([[_units(point) for point in ring] for ring in fence.geometry["coordinates"]])
    chosen = None if fence.applies == "all" else fence.vehicles or ()
    is_timed = fence.hours or fence.expected
    return Fence(
        fence.id,
        shape,
        fence.group,
        fence.store,
        chosen,
        role=fence.role,
        hours=[span for window in fence.hours for span in window.spans()],
        utc_offset_min=offset_min(fence.time_zone or TIME_ZONE_DEFAULT, time_ms) if is_timed else 0,
        dwell_ms=fence.dwell_s * 1000,
        speed_limit_kmh10=fence.speed_limit_kmh * 10,
        speed_ms_min=fence.speed_s * 1000,
        expected=[span for window in fence.expected for span in window.spans()],
    )


def box_1e7(fence: Geofence) -> tuple[int, int, int, int]:
    """Return lat_min, lon_min, lat_max, lon_max of what a sound fence holds, 1e-7 degree.

    Across the antimeridian lon_max goes on beyond 180 degrees; what goes round a pole has all longitudes.
    """
    if fence.kind == "polygon":
        points, around_m = fence.geometry["coordinates"][0], 0.0
    elif fence.kind == "circle":
        points, around_m = [fence.geometry["centre"]], float(fence.geometry["radius_m"])
    else:
        points, around_m = fence.geometry["coordinates"], fence.geometry["width_m"] / 2
    lons, lats = ([round(point[axis] * DEGREE_1E7) for point in points] for axis in (0, 1))
    lat_min, lat_max, lon_min, lon_max = min(lats), max(lats), min(lons), max(lons)
    if around_m:
        north = math.degrees(around_m / EARTH_RADIUS_M) * DEGREE_1E7
        widest = math.radians(min((max(abs(lat_min), abs(lat_max)) + north) / DEGREE_1E7, 89.9))
        east = north / math.cos(widest)
        lat_min, lat_max = math.floor(lat_min - north), math.ceil(lat_max + north)
        lon_min, lon_max = math.floor(lon_min - east), math.ceil(lon_max + east)
    if lon_min < -LON_MAX_1E7:
        lon_min, lon_max = lon_min + 2 * LON_MAX_1E7, lon_max + 2 * LON_MAX_1E7
    if lon_max >= 2**31 - 1 or lon_max - lon_min >= 2 * LON_MAX_1E7:
        lon_min, lon_max = -LON_MAX_1E7, LON_MAX_1E7
    return max(lat_min, -LAT_MAX_1E7), lon_min, min(lat_max, LAT_MAX_1E7), lon_max


def corner_count(fence: Geofence) -> int:
    """Return how many corners or points its boundary is drawn by; a circle has one."""
    if fence.kind == "circle":
        return 1
    if fence.kind == "corridor":
        return len(fence.geometry["coordinates"])
    return sum(len(ring) - 1 for ring in fence.geometry["coordinates"])


def minute_of_day(time: str) -> int:
    """Return '08:30' as minutes since midnight."""
    return int(time[:2]) * 60 + int(time[3:])


def area_kind(fence: Geofence) -> AreaKind:
    """Return as what a terminal keeps a sound fence: four corners along parallels and meridians are a rectangle."""
    if fence.kind == "circle":
        return "circle"
    if fence.kind == "corridor":
        return "route"
    corners = [(round(lon * 1e6), round(lat * 1e6)) for lon, lat in fence.geometry["coordinates"][0][:-1]]
    sides = zip(corners, corners[1:] + corners[:1], strict=True)
    straight = all((a[0] == b[0]) != (a[1] == b[1]) for a, b in sides)
    return "rectangle" if len(corners) == 4 and straight and len(set(corners)) == 4 else "polygon"


def _windows(field: str, windows: Sequence[Window]) -> tuple[Window, ...]:
    """Return windows with their days in order, none there twice, in the order in which they begin.

    Midnight at an end is 24:00. Raises GeofenceFaultError, naming the window as it was given.
    """
    if len(windows) > FENCE_WINDOWS_MAX:
        raise GeofenceFaultError("windows_many", field=field, count=len(windows), most=FENCE_WINDOWS_MAX)
    numbers: dict[Window, int] = {}
    for number, window in enumerate(windows, 1):
        try:
            msgspec.convert(msgspec.to_builtins(window), Window)
        except msgspec.ValidationError as error:
            raise GeofenceFaultError("window_unreadable", field=field, window=number) from error
        mended = Window(tuple(sorted(set(window.days))), window.from_, "24:00" if window.to == "00:00" else window.to)
        if mended.from_ == mended.to:
            raise GeofenceFaultError("window_empty", field=field, window=number)
        numbers.setdefault(mended, number)
    ordered = tuple(sorted(numbers, key=lambda window: (window.days, window.from_, window.to)))
    if field == "expected":
        # A time that two windows cover asks twice. For hours it says the same twice.
        spans = sorted((start, end, numbers[window]) for window in ordered for start, end in window.spans())
        ahead = [*spans[1:], *((start + MINUTES_OF_WEEK, end, number) for start, end, number in spans[:1])]
        for (_, end, one), (start, _, other) in zip(spans, ahead, strict=True):
            if start < end:
                raise GeofenceFaultError("windows_overlap", field=field, window=one, other=other)
    return ordered


def _check_judged(fence: Geofence) -> None:
    """Refuse rules of judging that mean nothing, or nothing that can be told from chance."""
    if fence.role == "route" and fence.kind != "corridor":
        raise GeofenceFaultError("role_shape", kind=fence.kind)
    if fence.time_zone and not is_time_zone(fence.time_zone):
        raise GeofenceFaultError("time_zone_unknown", value=fence.time_zone[:40])
    if fence.expected and fence.applies == "all":
        raise GeofenceFaultError("expected_nobody")
    if fence.dwell_s and not FENCE_DWELL_S_MIN <= fence.dwell_s <= FENCE_DWELL_S_MAX:
        raise GeofenceFaultError("dwell_beyond", value=fence.dwell_s, least=FENCE_DWELL_S_MIN, most=FENCE_DWELL_S_MAX)
    if not 0 <= fence.speed_limit_kmh <= FENCE_SPEED_KMH_MAX:
        raise GeofenceFaultError("speed_beyond", value=fence.speed_limit_kmh, most=FENCE_SPEED_KMH_MAX)
    if not 0 <= fence.speed_s <= FENCE_SPEED_S_MAX:
        raise GeofenceFaultError("speed_s_beyond", value=fence.speed_s, most=FENCE_SPEED_S_MAX)
    if fence.speed_s and not fence.speed_limit_kmh:
        raise GeofenceFaultError("speed_limit_missing")


def _check_rules(rules: TerminalRules) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(rules), TerminalRules)
    except msgspec.ValidationError as error:
        raise GeofenceFaultError("terminal_unreadable", reason=str(error)) from error
    daily, period = (rules.daily_from, rules.daily_to), (rules.from_ms, rules.to_ms)
    whole = all((first is None) == (last is None) for first, last in (daily, period))
    is_daily, is_period = rules.daily_from is not None, rules.from_ms is not None
    if not whole or (is_daily and is_period) or (is_period and rules.to_ms <= rules.from_ms):  # type: ignore[operator]
        raise GeofenceFaultError("terminal_hours")
    if rules.speed_kmh is None and (rules.overspeed_s is not None or rules.night_speed_kmh is not None):
        raise GeofenceFaultError("terminal_speed")


def _check_area_told(fence: Geofence) -> None:
    """Refuse what no terminal can keep, whatever its edition."""
    if fence.kind == "circle":
        points = [fence.geometry["centre"]]
    elif fence.kind == "corridor":
        _check_route_told(fence)
        return
    else:
        points, *holes = fence.geometry["coordinates"]
        if holes:
            raise GeofenceFaultError("terminal_holes")
    if len(points) - 1 > AREA_CORNERS_MAX:
        raise GeofenceFaultError("terminal_corners", count=len(points) - 1, most=AREA_CORNERS_MAX)
    # The hemisphere is a bit of the area, not of a corner; only a route has it at each point.
    if any(min(point[axis] for point in points) < 0 < max(point[axis] for point in points) for axis in (0, 1)):
        raise GeofenceFaultError("terminal_sides")


def _check_route_told(fence: Geofence) -> None:
    """Refuse what a route on a terminal cannot say (0x8606): its width is a byte, and it has fewer attributes."""
    if (count := len(fence.geometry["coordinates"])) > AREA_ROUTE_POINTS_MAX:
        raise GeofenceFaultError("terminal_corners", count=count, most=AREA_ROUTE_POINTS_MAX)
    if fence.geometry["width_m"] > AREA_ROUTE_WIDTH_M_MAX:
        raise GeofenceFaultError("terminal_width", value=fence.geometry["width_m"], most=AREA_ROUTE_WIDTH_M_MAX)
    for name in ("doors_shut", "radio_off", "detailed"):
        if fence.terminal is not None and getattr(fence.terminal, name):
            raise GeofenceFaultError("terminal_route", name=name)


def area_m2(lats: np.ndarray, lons: np.ndarray) -> float:
    """Return the area of one ring on the sphere, in m²; positive if it runs counter-clockwise.

    Args:
        lats, lons: (n,) corners in 1e-7 degree, the last not repeated; narrower than 180 degrees.

    Source: the area between an edge and the equator, summed: Chamberlain and Duquette, JPL 07-03, 2007, equation 8.
    """
    angles = np.radians(lats / DEGREE_1E7)
    # Against the first corner's parallel, not the equator: the sum of a small ring would drown in its terms.
    heights = np.sin(angles) - math.sin(float(angles[0]))
    widths = np.radians((np.roll(lons, -1) - lons) / DEGREE_1E7)
    return float(-np.sum(widths * (heights + np.roll(heights, -1))) * EARTH_RADIUS_M**2 / 2)


def perimeter_m(lats: np.ndarray, lons: np.ndarray) -> float:
    """Return the length of one ring in metres."""
    return length_m(np.append(lats, lats[0]), np.append(lons, lons[0]))


def length_m(lats: np.ndarray, lons: np.ndarray) -> float:
    """Return the length of a line through (n,) points in 1e-7 degree, in metres."""
    angles = np.radians(lats / DEGREE_1E7)
    half_lat = np.sin(np.diff(angles) / 2)
    half_lon = np.sin(np.radians(np.diff(lons) / DEGREE_1E7) / 2)
    chord = half_lat**2 + np.cos(angles[:-1]) * np.cos(angles[1:]) * half_lon**2
    return float(np.sum(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))))


def _units(point: Sequence[float]) -> tuple[int, int]:
    return round(point[1] * DEGREE_1E7), round(point[0] * DEGREE_1E7)


def _position(point: object) -> tuple[float, float] | None:
    """Return (longitude, latitude) of a GeoJSON position, None if it is not one. A height is dropped."""
    if not isinstance(point, list | tuple) or not 2 <= len(point) <= 4:
        return None
    lon, lat = point[0], point[1]
    for value in (lon, lat):
        # Integers may be of any length in JSON; a float of one would raise.
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
            return None
    return float(lon), float(lat)


def _circle(geometry: dict[str, Any]) -> dict[str, Any]:
    position = _position(geometry.get("centre"))
    if position is None:
        raise GeofenceFaultError("centre_unreadable")
    lat, lon = _units(position)
    if abs(lat) > LAT_MAX_1E7 or abs(lon) > LON_MAX_1E7:
        raise GeofenceFaultError("centre_beyond", lon=position[0], lat=position[1])
    radius_m = _metres(geometry.get("radius_m"), "radius_beyond", FENCE_RADIUS_M_MIN, FENCE_RADIUS_M_MAX)
    _check_area(math.pi * radius_m**2)
    return {"centre": [lon / DEGREE_1E7, lat / DEGREE_1E7], "radius_m": radius_m}


def _metres(value: object, code: str, least: float, most: float) -> float:
    """Return a measure in metres to the centimetre. Raises GeofenceFaultError with this code."""
    readable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    metres = round(float(value), 2) if readable and value is not None else -1.0  # type: ignore[arg-type]
    if not least <= metres <= most:
        raise GeofenceFaultError(code, value=metres if readable else "?", least=f"{least:g}", most=f"{most:g}")
    return metres


def _corridor(geometry: dict[str, Any]) -> dict[str, Any]:
    given = geometry.get("coordinates")
    if not isinstance(given, list | tuple) or not given:
        raise GeofenceFaultError("points_missing")
    if len(given) > CORRIDOR_POINTS_MAX:
        raise GeofenceFaultError("points_many", count=len(given), most=CORRIDOR_POINTS_MAX)
    kept: list[tuple[int, int]] = []
    numbers: list[int] = []
    for number, point in enumerate(given, 1):
        position = _position(point)
        if position is None:
            raise GeofenceFaultError("point_unreadable", point=number)
        lat, lon = _units(position)
        if abs(lat) > LAT_MAX_1E7 or abs(lon) > LON_MAX_1E7:
            raise GeofenceFaultError("point_beyond", point=number, lon=position[0], lat=position[1])
        if not kept or kept[-1] != (lat, lon):
            kept.append((lat, lon))
            numbers.append(number)
    if len(kept) < 2:
        raise GeofenceFaultError("line_short", count=len(kept))
    points = np.array(kept, np.int64)
    far = np.flatnonzero(np.abs(np.diff(points[:, 1])) >= EXTENT_MAX_1E7)
    if len(far):
        raise GeofenceFaultError("line_antimeridian", point=numbers[int(far[0])])
    if np.ptp(points[:, 1]) >= EXTENT_MAX_1E7:
        raise GeofenceFaultError("wide")
    width_m = _metres(geometry.get("width_m"), "width_beyond", CORRIDOR_WIDTH_M_MIN, CORRIDOR_WIDTH_M_MAX)
    line_m = length_m(points[:, 0], points[:, 1])
    if line_m > CORRIDOR_LENGTH_M_MAX:
        raise GeofenceFaultError("line_long", value=f"{line_m / 1000:.0f}", most=f"{CORRIDOR_LENGTH_M_MAX / 1000:.0f}")
    return {"coordinates": (points[:, ::-1] / DEGREE_1E7).tolist(), "width_m": width_m}


def _polygon(geometry: dict[str, Any]) -> dict[str, Any]:
    given = geometry.get("coordinates")
    if not isinstance(given, list | tuple) or not given:
        raise GeofenceFaultError("rings_missing")
    if (count := sum(len(ring) for ring in given if isinstance(ring, list | tuple))) > FENCE_CORNERS_MAX + len(given):
        raise GeofenceFaultError("corners_many", count=count, most=FENCE_CORNERS_MAX)
    # Corners are named as they were given, so their numbers come along.
    corners: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    for ring_number, ring in enumerate(given, 1):
        ring_corners, ring_numbers = _ring(ring, ring_number)
        corners.append(ring_corners)
        numbers.append(ring_numbers)
    every = np.concatenate(corners)
    if len(every) > FENCE_CORNERS_MAX:
        raise GeofenceFaultError("corners_many", count=len(every), most=FENCE_CORNERS_MAX)
    if np.ptp(every[:, 1]) >= EXTENT_MAX_1E7:
        raise GeofenceFaultError("wide")
    firsts = np.append(0, np.cumsum([len(ring) for ring in corners])).astype(np.int64)
    _check_rings(every, firsts, np.concatenate(numbers))
    areas = [area_m2(ring[:, 0], ring[:, 1]) for ring in corners]
    _check_area(abs(areas[0]) - sum(abs(area) for area in areas[1:]))
    length_m = sum(perimeter_m(ring[:, 0], ring[:, 1]) for ring in corners)
    if length_m > FENCE_PERIMETER_M_MAX:
        raise GeofenceFaultError(
            "perimeter_long", value=f"{length_m / 1000:.0f}", most=f"{FENCE_PERIMETER_M_MAX / 1000:.0f}"
        )
    # The outline counter-clockwise, holes clockwise (RFC 7946, 3.1.6), from the same corner on.
    wound = [
        ring if (area > 0) == (number == 0) else np.vstack([ring[:1], ring[:0:-1]])
        for number, (ring, area) in enumerate(zip(corners, areas, strict=True))
    ]
    degrees = [np.vstack([ring, ring[:1]])[:, ::-1] / DEGREE_1E7 for ring in wound]
    return {"coordinates": [ring.tolist() for ring in degrees]}


def _ring(ring: object, ring_number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a ring, (n, 2) int64 of latitude and longitude, and as which each was given, from 1.

    A corner that repeats the one before it is dropped, and the last if it is the first.
    """
    if not isinstance(ring, list | tuple):
        raise GeofenceFaultError("ring_short", ring=ring_number, count=0)
    kept: list[tuple[int, int]] = []
    numbers: list[int] = []
    for number, point in enumerate(ring, 1):
        position = _position(point)
        if position is None:
            raise GeofenceFaultError("corner_unreadable", ring=ring_number, corner=number)
        lat, lon = _units(position)
        if abs(lat) > LAT_MAX_1E7 or abs(lon) > LON_MAX_1E7:
            raise GeofenceFaultError("corner_beyond", ring=ring_number, corner=number, lon=position[0], lat=position[1])
        if not kept or kept[-1] != (lat, lon):
            kept.append((lat, lon))
            numbers.append(number)
    if len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
        numbers.pop()
    if len(set(kept)) < 3:
        raise GeofenceFaultError("ring_short", ring=ring_number, count=len(set(kept)))
    corners = np.array(kept, np.int64)
    far = np.flatnonzero(np.abs(np.roll(corners[:, 1], -1) - corners[:, 1]) >= EXTENT_MAX_1E7)
    if len(far):
        raise GeofenceFaultError("antimeridian", ring=ring_number, corner=numbers[int(far[0])])
    return corners, np.array(numbers, np.int64)


def _check_rings(corners: np.ndarray, firsts: np.ndarray, numbers: np.ndarray) -> None:
    lats, lons = np.ascontiguousarray(corners[:, 0]), np.ascontiguousarray(corners[:, 1])
    what, a, b = rings.check_rings(lats, lons, firsts)
    if what == rings.RINGS_SOUND:
        return
    ring, other_ring = (int(np.searchsorted(firsts, k, side="right")) for k in (a, b))
    corner, other = int(numbers[a]), int(numbers[b])
    match what:
        case rings.EDGES_CROSS:
            raise GeofenceFaultError("edges_cross", ring=ring, corner=corner, other_ring=other_ring, other=other)
        case rings.EDGES_FOLD:
            raise GeofenceFaultError("edges_fold", ring=other_ring, corner=other)
        case rings.HOLE_OUTSIDE:
            raise GeofenceFaultError("hole_outside", ring=ring)
        case _:
            raise GeofenceFaultError("hole_in_hole", ring=ring, other_ring=other_ring)


def _check_area(area: float) -> None:
    if area < FENCE_AREA_M2_MIN:
        raise GeofenceFaultError("area_small", value=f"{area:.0f}", least=f"{FENCE_AREA_M2_MIN:.0f}")
    if area > FENCE_AREA_M2_MAX:
        raise GeofenceFaultError("area_large", value=f"{area / 1e6:.0f}", most=f"{FENCE_AREA_M2_MAX / 1e6:.0f}")


_SHAPES: Final[Mapping[Kind, Callable[[dict[str, Any]], dict[str, Any]]]] = MappingProxyType(
    {"polygon": _polygon, "circle": _circle, "corridor": _corridor}
)
