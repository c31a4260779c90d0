"""Geofences as GeoJSON (RFC 7946), both ways.

A polygon is a Polygon; a circle a Point whose property `radius_m` says how far it reaches; a corridor a LineString with
its whole width in `width_m`. What we write out and read
again changes nothing: a feature that says our revision beside its id is that fence; any other is a new one, whatever
its id, since files from elsewhere number theirs from 1 too.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from core.coordinates import System, convert, system_named
from core.geofence import Applies, Geofence, GeofenceFaultError, Kind, Role, TerminalRules, Window
from core.limits import GEOJSON_CORNERS_MAX, GEOJSON_FEATURES_MAX

MEDIA_TYPE: Final = "application/geo+json"
NAMES: Final = ("name", "Name", "NAME", "名称", "title")
"""Properties that are taken for a fence's name, the first there is."""
COLOURS: Final = ("colour", "color", "fill", "stroke")


class PolygonGeometry(msgspec.Struct, frozen=True, tag_field="type", tag="Polygon"):
    """The outline and the holes, each a closed ring of [longitude, latitude]."""

    coordinates: list[list[list[float]]]


class PointGeometry(msgspec.Struct, frozen=True, tag_field="type", tag="Point"):
    """The centre of a circle, [longitude, latitude]."""

    coordinates: list[float]


class LineGeometry(msgspec.Struct, frozen=True, tag_field="type", tag="LineString"):
    """The line of a corridor, each point [longitude, latitude]."""

    coordinates: list[list[float]]


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What a geofence is besides its boundary."""

    coordinates: System | msgspec.UnsetType = msgspec.UNSET
    """The system of its coordinates, where that is not WGS-84."""

    name: str
    kind: Kind
    radius_m: float | msgspec.UnsetType = msgspec.UNSET
    """A circle's."""
    width_m: float | msgspec.UnsetType = msgspec.UNSET
    """A corridor's, from one side to the other."""
    role: Role
    """A `route` is a corridor that a car is to keep to."""
    hours: tuple[Window, ...]
    """When it is judged by; none: always."""
    expected: tuple[Window, ...]
    """When each of its chosen cars must have been inside."""
    time_zone: str
    """Whose clock these go by; empty: the store's, for the group's Asia/Shanghai."""
    dwell_s: int
    """A stay so long is said; 0: none."""
    speed_limit_kmh: int
    """Inside; 0: none."""
    speed_s: int
    """How long above it counts."""
    store: int
    """0: the whole group's."""
    active: bool
    colour: str
    applies: Applies
    vehicles: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET
    """The cars it is for, of those that you may see; not in lists."""
    vehicle_count: int
    on_terminals: bool
    """The terminals of these cars are told of it and watch it by themselves, too."""
    terminal: TerminalRules
    """What they do with it."""
    revision: int
    """Say it when you change the fence."""
    changed_ms: int
    changed_by: str


class Feature(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="Feature"):
    """One geofence."""

    id: int
    geometry: PolygonGeometry | PointGeometry | LineGeometry
    properties: Properties


class FeatureCollection(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="FeatureCollection"):
    """Geofences by id."""

    features: list[Feature]
    next: int | None
    """Hand it back as `after`; null on the last page."""


class DocumentError(ValueError):
    """This is no GeoJSON of ours at all: no feature of it was looked at."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One geofence that a document asks for, or why it cannot be read."""

    feature: int
    """Which feature of the document, from 0."""
    part: int = 0
    """Which of several that one feature becomes, from 1; 0: it becomes one."""
    name: str
    folder: str = ""
    """Where it lies in a KML file."""
    coordinates: System = "wgs84"
    """The system that its coordinates were taken to be in."""
    fence: Geofence | None = None
    fault: GeofenceFaultError | None = None


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What a document's features are where they do not say it themselves."""

    coordinates: System = "wgs84"
    name: str = ""
    store: int | None = None
    radius_m: float | None = None
    width_m: float | None = None


def feature_of(fence: Geofence, coordinates: System = "wgs84") -> Feature:
    """Return a stored geofence as a feature, its coordinates in this system."""
    geometry = fence.geometry
    if coordinates != "wgs84":
        geometry = moved(geometry, "wgs84", coordinates)
    return Feature(
        id=fence.id,
        geometry=geometry_of(fence.kind, geometry),
        properties=Properties(
            coordinates=msgspec.UNSET if coordinates == "wgs84" else coordinates,
            name=fence.name,
            kind=fence.kind,
            radius_m=fence.geometry.get("radius_m", msgspec.UNSET),
            width_m=fence.geometry.get("width_m", msgspec.UNSET),
            role=fence.role,
            hours=fence.hours,
            expected=fence.expected,
            time_zone=fence.time_zone,
            dwell_s=fence.dwell_s,
            speed_limit_kmh=fence.speed_limit_kmh,
            speed_s=fence.speed_s,
            store=fence.store,
            active=fence.active,
            colour=fence.colour,
            applies=fence.applies,
            vehicles=msgspec.UNSET if fence.vehicles is None else fence.vehicles,
            vehicle_count=fence.vehicle_count,
            on_terminals=bool(fence.on_terminals),
            terminal=fence.terminal or TerminalRules(),
            revision=fence.revision,
            changed_ms=fence.changed_ms,
            changed_by=fence.changed_by,
        ),
    )


def geometry_of(kind: Kind, geometry: dict[str, Any]) -> PolygonGeometry | PointGeometry | LineGeometry:
    """Return the boundary of a fence as GeoJSON says it."""
    match kind:
        case "circle":
            return PointGeometry(geometry["centre"])
        case "corridor":
            return LineGeometry(geometry["coordinates"])
        case _:
            return PolygonGeometry(geometry["coordinates"])


def moved(geometry: dict[str, Any], given: System, wanted: System) -> dict[str, Any]:
    """Return a boundary with its positions in another system, to nine decimals; what is no position stays as it is."""
    positions: list[list[Any]] = []
    copied = {name: _copied(value, positions, 0) for name, value in geometry.items()}
    lons, lats = (np.array([position[axis] for position in positions], np.float64) for axis in (0, 1))
    lons, lats = convert(lons, lats, given, wanted)
    for position, lon, lat in zip(positions, lons.tolist(), lats.tolist(), strict=True):
        position[:2] = round(lon, 9), round(lat, 9)
    return copied


def _copied(value: Any, positions: list[list[Any]], depth: int) -> Any:
    """Return a copy of lists in lists, and put those that are positions into `positions`."""
    if not isinstance(value, list | tuple) or depth > 3:
        return value
    copy = [_copied(one, positions, depth + 1) for one in value]
    if len(copy) >= 2 and all(type(one) in (int, float) and abs(one) < 1e9 for one in copy[:2]):
        positions.append(copy)
    return copy


def drafts_of(document: object, missing: Missing | None = None) -> list[Draft]:
    """Read a FeatureCollection, a Feature or a bare geometry; each feature gives a draft, one of several parts several.

    Coordinates are brought to WGS-84 from what the feature, else the document, else `missing` says.

    Raises:
        DocumentError: it is none of these, speaks of another coordinate system, or is past a bound.
    """
    if not isinstance(document, dict):
        raise DocumentError("a GeoJSON document is an object")
    missing = missing or Missing()
    if (system := _system_of(document)) is not None:
        missing = msgspec.structs.replace(missing, coordinates=system)
    match document.get("type"):
        case "FeatureCollection":
            features = document.get("features")
            if not isinstance(features, list):
                raise DocumentError("a FeatureCollection has a list of features")
        case "Feature":
            features = [document]
        case "Polygon" | "MultiPolygon" | "Point" | "LineString" | "MultiLineString":
            features = [{"type": "Feature", "geometry": document, "properties": {}}]
        case other:
            raise DocumentError(f"its type is FeatureCollection or Feature, got {str(other)[:40]!r}")
    if len(features) > GEOJSON_FEATURES_MAX:
        raise DocumentError(f"{len(features)} features; the bound of one document is {GEOJSON_FEATURES_MAX}")
    drafts: list[Draft] = []
    corners = 0
    seen: set[int] = set()
    for number, feature in enumerate(features):
        for draft in _drafts(number, feature, missing):
            fence = draft.fence
            corners += 0 if fence is None else _corners(fence)
            if corners > GEOJSON_CORNERS_MAX:
                raise DocumentError(f"more than {GEOJSON_CORNERS_MAX} corners in one document")
            if fence is not None and fence.id in seen:
                fault = GeofenceFaultError("repeated", id=fence.id)
                drafts.append(Draft(feature=number, name=draft.name, fault=fault))
            else:
                drafts.append(draft)
            if fence is not None and fence.id:
                seen.add(fence.id)
            if len(drafts) > GEOJSON_FEATURES_MAX:
                raise DocumentError(f"more than {GEOJSON_FEATURES_MAX} parts of features in one document")
    return drafts


def _system_of(document: dict[str, Any]) -> System | None:
    """Return the coordinate system that a document names, None if it names none.

    One that nobody knows is refused: GCJ-02 taken for WGS-84 would be off by half a kilometre.
    """
    system = document.get("crs")
    if system is None:
        return None
    properties = system.get("properties") if isinstance(system, dict) else None
    name = str(properties.get("name", "") if isinstance(properties, dict) else system)
    known = system_named(name)
    if known is None:
        raise DocumentError(f"coordinates are WGS 84, GCJ-02 or BD-09; this document says {name[:60]!r}")
    return known


def _corners(fence: Geofence) -> int:
    rings = fence.geometry.get("coordinates", ())
    if fence.kind == "corridor":
        return len(rings) if isinstance(rings, list) else 0
    return sum(len(ring) for ring in rings if isinstance(ring, list)) if isinstance(rings, list) else 0


def _drafts(number: int, feature: object, missing: Missing) -> Iterator[Draft]:
    properties: object = feature.get("properties") if isinstance(feature, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    name = _first(properties, NAMES)
    name = str(name) if isinstance(name, str | int | float) else ""
    name = name or (missing.name and f"{missing.name} {number + 1}")
    folder = properties.get("folder")
    draft = Draft(feature=number, name=name[:64], folder=folder[:64] if isinstance(folder, str) else "")
    try:
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise GeofenceFaultError("feature_unreadable")
        system = _said_system(properties, missing)
        draft = msgspec.structs.replace(draft, coordinates=system)
        read = _read(feature, properties, name, missing)
        shapes = list(_shapes(feature.get("geometry"), properties, missing))
    except GeofenceFaultError as fault:
        yield msgspec.structs.replace(draft, fault=fault)
        return
    for part, (kind, geometry) in enumerate(shapes, 1):
        if system != "wgs84":
            geometry = moved(geometry, system, "wgs84")
        fence = msgspec.structs.replace(read, kind=kind, geometry=geometry)
        if len(shapes) > 1:
            # Two fences cannot be one, and only one could keep the id.
            fence = msgspec.structs.replace(fence, id=0, revision=0, name=f"{name} {part}")
        yield msgspec.structs.replace(draft, fence=fence, part=part if len(shapes) > 1 else 0)


def _said_system(properties: dict[str, Any], missing: Missing) -> System:
    said = properties.get("coordinates")
    if said is None:
        return missing.coordinates
    known = system_named(said) if isinstance(said, str) else None
    if known is None:
        raise GeofenceFaultError("property_invalid", name="coordinates", value=_cut(said))
    return known


def _first(properties: dict[str, Any], names: Sequence[str]) -> Any:
    return next((properties[name] for name in names if properties.get(name) not in (None, "")), "")


def _read(feature: dict[str, Any], properties: dict[str, Any], name: str, missing: Missing) -> Geofence:
    """Return what a feature says besides its geometry."""
    ours = _typed(properties, "revision", int, 0) > 0
    number = feature.get("id", 0) if ours else 0
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**31:
        raise GeofenceFaultError("property_invalid", name="id", value=_cut(number))
    store = _typed(properties, "store", int, missing.store or 0)
    if not 0 <= store < 2**31:
        raise GeofenceFaultError("property_invalid", name="store", value=_cut(store))
    applies = _said(properties, "applies", Applies, "all")
    vehicles = properties.get("vehicles")
    if vehicles is not None and not is_ids(vehicles):
        raise GeofenceFaultError("property_invalid", name="vehicles", value=_cut(vehicles))
    colour = _first(properties, COLOURS)
    # Other programs say colours in other ways: theirs are a hint, ours is meant.
    if not isinstance(colour, str) or ("colour" not in properties and not colour.startswith("#")):
        colour = ""
    return Geofence(
        id=number,
        store=store,
        name=name,
        kind="polygon",
        geometry={},
        active=_typed(properties, "active", bool, True),
        colour=colour,
        role=_said(properties, "role", Role, "zone"),
        hours=_said(properties, "hours", tuple[Window, ...], ()),
        expected=_said(properties, "expected", tuple[Window, ...], ()),
        time_zone=_typed(properties, "time_zone", str, ""),
        dwell_s=_whole(properties, "dwell_s"),
        speed_limit_kmh=_whole(properties, "speed_limit_kmh"),
        speed_s=_whole(properties, "speed_s"),
        applies=applies,
        vehicles=None if vehicles is None else tuple(vehicles),
        on_terminals=_typed(properties, "on_terminals", bool, None),
        terminal=_rules(properties.get("terminal")),
        revision=_typed(properties, "revision", int, 0) if number else 0,
    )


def _rules(given: object) -> TerminalRules | None:
    if given is None:
        return None
    try:
        return msgspec.convert(given, TerminalRules)
    except msgspec.ValidationError as error:
        raise GeofenceFaultError("terminal_unreadable", reason=str(error)) from error


def _said(properties: dict[str, Any], name: str, kind: Any, missing: Any) -> Any:
    """Return a property converted to a type. Raises GeofenceFaultError, which names the window at fault."""
    value = properties.get(name)
    if value is None:
        return missing
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if name in ("hours", "expected") and isinstance(value, list):
            for number, window in enumerate(value, 1):
                try:
                    msgspec.convert(window, Window)
                except msgspec.ValidationError:
                    raise GeofenceFaultError("window_unreadable", field=name, window=number) from error
        raise GeofenceFaultError("property_invalid", name=name, value=_cut(value)) from error


def _whole(properties: dict[str, Any], name: str) -> int:
    """Return a property that is a whole number that a table can hold."""
    value = _typed(properties, name, int, 0)
    if not -(2**31) <= value < 2**31:
        raise GeofenceFaultError("property_invalid", name=name, value=_cut(value))
    return int(value)


def is_ids(value: object) -> bool:
    """Tell whether this is a list of vehicle ids."""
    return isinstance(value, list) and all(type(one) is int and 0 < one < 2**31 for one in value)


def _typed(properties: dict[str, Any], name: str, kind: type, missing: Any) -> Any:
    value = properties.get(name)
    if value is None:
        return missing
    # True is an integer to Python, and to nobody else.
    if type(value) is not kind:
        raise GeofenceFaultError("property_invalid", name=name, value=_cut(value))
    return value


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _shapes(geometry: object, properties: dict[str, Any], missing: Missing) -> Iterator[tuple[Kind, dict[str, Any]]]:
    if not isinstance(geometry, dict):
        raise GeofenceFaultError("geometry_missing")
    coordinates = geometry.get("coordinates")
    match geometry.get("type"):
        case "Point":
            radius = properties.get("radius_m", properties.get("radius", missing.radius_m))
            if radius is None:
                raise GeofenceFaultError("radius_missing")
            yield "circle", {"centre": coordinates, "radius_m": radius}
        case "LineString" | "MultiLineString" as kind:
            width = properties.get("width_m", properties.get("width", missing.width_m))
            if width is None:
                raise GeofenceFaultError("width_missing")
            lines = [coordinates] if kind == "LineString" else coordinates
            if not isinstance(lines, list) or not lines:
                raise GeofenceFaultError("points_missing")
            for line in lines:
                yield "corridor", {"coordinates": line, "width_m": width}
        case "Polygon":
            yield "polygon", {"coordinates": coordinates}
        case "GeometryCollection":
            parts = geometry.get("geometries")
            parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
            if any(part.get("type") == "GeometryCollection" for part in parts):
                raise GeofenceFaultError("geometry_unsupported", value="GeometryCollection in another")
            if "radius_m" not in properties and any(part.get("type") != "Point" for part in parts):
                # A point beside an outline is where its name is written.
                parts = [part for part in parts if part.get("type") != "Point"]
            if not parts:
                raise GeofenceFaultError("geometry_missing")
            for part in parts:
                yield from _shapes(part, properties, missing)
        case "MultiPolygon":
            if not isinstance(coordinates, list) or not coordinates:
                raise GeofenceFaultError("rings_missing")
            for part in coordinates:
                yield "polygon", {"coordinates": part}
        case other:
            raise GeofenceFaultError("geometry_unsupported", value=str(other)[:40])
