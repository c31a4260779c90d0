"""Geofences for a map: outlines as fine as its pixel, and of too many a count in each cell.

A map of 256 pixels a tile at zoom z is 256 * 2^z pixels around the earth, one of 512 (MapLibre) twice that; what is
left out of an outline is at most one pixel of the latter.
"""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import msgspec
import numpy as np

from api.geojson import LineGeometry, PointGeometry, PolygonGeometry, geometry_of
from api.problems import Problem
from core.geofence import DEGREE_1E7, Applies, Kind, Role
from core.kernels.outline import simplify
from storage.geofences import Sketch, Sketches, View

TILE_PX: Final = 512
ZOOM_MAX: Final = 24
LAT_SHOWN_MAX: Final = 85.0511287798066
"""Beyond it Web Mercator shows nothing."""

Form = Literal["whole", "simplified", "box", "dot"]


class OutlineProperties(msgspec.Struct, frozen=True, kw_only=True):
    """What a map shows of a geofence; the rest stands at its own address."""

    name: str
    kind: Kind
    role: Role
    store: int
    active: bool
    colour: str
    applies: Applies
    revision: int
    corners: int
    """Of its whole boundary."""
    form: Form
    """As what it comes. simplified: to a pixel; box: the box around it, its boundary being too long for one answer;
    dot: a Point, for it is smaller than four pixels."""
    radius_m: float | msgspec.UnsetType = msgspec.UNSET
    width_m: float | msgspec.UnsetType = msgspec.UNSET


class Outline(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="Feature"):
    """One geofence as a map draws it."""

    id: int
    geometry: PolygonGeometry | PointGeometry | LineGeometry
    properties: OutlineProperties


Box = Annotated[list[float], msgspec.Meta(min_length=4, max_length=4)]


class FenceCluster(msgspec.Struct, frozen=True, kw_only=True):
    """Geofences of one cell of the map that are not drawn."""

    lon: float
    lat: float
    """The middle of their centres."""
    count: int
    bbox: Box
    """Of all of them: west, south, east, north."""


class Outlines(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="FeatureCollection"):
    """What a map shows: large geofences first, and how many more there are where."""

    features: list[Outline]
    clusters: list[FenceCluster]
    count: int
    """Geofences in the box, drawn or counted."""


def view_of(bbox: str, zoom: float) -> View:
    """Return what a map shows.

    Args:
        bbox: west, south, east, north, degrees. Longitudes may run on beyond 180, as maps say them; west above east is
            a box across the antimeridian.

    Raises:
        Problem: `bad_request`: it is not four numbers, or upside down.
    """
    try:
        west, south, east, north = (float(value) for value in bbox.split(","))
    except ValueError as error:
        raise Problem("bad_request", "bbox is west,south,east,north in degrees", field="bbox") from error
    if not all(abs(value) <= 1_000 for value in (west, south, east, north)) or south > north:
        raise Problem("bad_request", "bbox is west,south,east,north in degrees", field="bbox")
    if east - west >= 360:
        west, east = -180.0, 180.0
    elif not (-180 <= west <= 180 and -180 <= east <= 180):
        west, east = ((value + 180) % 360 - 180 for value in (west, east))
    pixel = 360 / (TILE_PX * 2**zoom)
    south, north = (max(-90.0, min(90.0, value)) for value in (south, north))
    sides = [round(value * DEGREE_1E7) for value in (west, south, east, north)]
    return View(sides[0], sides[1], sides[2], sides[3], pixel * DEGREE_1E7)


def outlines_of(sketches: Sketches, view: View) -> Outlines:
    """Return a map's fences as GeoJSON, no finer than its pixel."""
    return Outlines(
        features=_features(sketches.drawn, view),
        clusters=[
            FenceCluster(
                lon=cluster.lon_1e7 / DEGREE_1E7,
                lat=cluster.lat_1e7 / DEGREE_1E7,
                count=cluster.fences,
                bbox=[cluster.box[k] / DEGREE_1E7 for k in (1, 0, 3, 2)],
            )
            for cluster in sketches.clusters
        ],
        count=sketches.fences,
    )


def _features(drawn: list[Sketch], view: View) -> list[Outline]:
    """Return the fences as features; all their lines are thinned in one go."""
    lines: list[list[list[float]]] = []
    for sketch in drawn:
        coordinates = sketch.fence.geometry.get("coordinates")
        if coordinates is not None:
            lines.extend([coordinates] if sketch.fence.kind == "corridor" else coordinates)
    thin = iter(_thinned(lines, view.pixel_1e7 / DEGREE_1E7))
    features = []
    for sketch in drawn:
        geometry, form = _drawn(sketch, thin)
        fence = sketch.fence
        features.append(
            Outline(
                id=fence.id,
                geometry=geometry,
                properties=OutlineProperties(
                    name=fence.name,
                    kind=fence.kind,
                    role=fence.role,
                    store=fence.store,
                    active=fence.active,
                    colour=fence.colour,
                    applies=fence.applies,
                    revision=fence.revision,
                    corners=sketch.corners,
                    form=form,
                    radius_m=fence.geometry.get("radius_m", msgspec.UNSET),
                    width_m=fence.geometry.get("width_m", msgspec.UNSET),
                ),
            )
        )
    return features


def _drawn(
    sketch: Sketch, thin: Iterator[list[list[float]]]
) -> tuple[PolygonGeometry | PointGeometry | LineGeometry, Form]:
    """Return how a fence is drawn, taking its lines from `thin`."""
    lat_min, lon_min, lat_max, lon_max = (value / DEGREE_1E7 for value in sketch.box)
    box = PolygonGeometry(
        [[[lon_min, lat_min], [lon_max, lat_min], [lon_max, lat_max], [lon_min, lat_max], [lon_min, lat_min]]]
    )
    if sketch.form != "whole":
        middle = [round((lon_min + lon_max) / 2, 7), round((lat_min + lat_max) / 2, 7)]
        return (PointGeometry(middle), "dot") if sketch.form == "dot" else (box, "box")
    fence = sketch.fence
    match fence.kind:
        case "circle":
            return geometry_of(fence.kind, fence.geometry), "whole"
        case "corridor":
            line = next(thin)
            return LineGeometry(line), "whole" if len(line) == sketch.corners else "simplified"
        case _:
            outline, *holes = (next(thin) for _ in fence.geometry["coordinates"])
            # A ring of two corners is nothing. A hole may be left out; what is left of an outline is its box.
            rings = [outline, *(hole for hole in holes if len(hole) > 3)]
            if len(outline) <= 3:
                return box, "simplified"
            return PolygonGeometry(rings), "whole" if sum(map(len, rings)) - len(
                rings
            ) == sketch.corners else "simplified"


def _thinned(lines: list[list[list[float]]], pixel: float) -> list[list[list[float]]]:
    """Return lines of [longitude, latitude] without the points that are less than a pixel off."""
    if not lines:
        return []
    firsts = np.append(0, np.cumsum([len(line) for line in lines])).astype(np.int64)
    points = np.array([point for line in lines for point in line], np.float64)
    lats = np.radians(np.clip(points[:, 1], -LAT_SHOWN_MAX, LAT_SHOWN_MAX))
    # In the plane of the map, measured in degrees of longitude.
    height = np.degrees(np.arcsinh(np.tan(lats)))
    kept = simplify(np.ascontiguousarray(points[:, 0]), height, firsts, pixel)
    return [
        [point for point, is_kept in zip(line, kept[first : first + len(line)].tolist(), strict=True) if is_kept]
        for line, first in zip(lines, firsts.tolist(), strict=False)
    ]
