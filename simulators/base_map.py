"""Write the demo city as the map that cars are shown on: a few GeoJSON files, and an index that names them.

One file a layer, so that a page draws the streets one knows a place by before the lanes. Coordinates have six decimals
(0.1 m); the pieces of a street that follow one another are one line, so that its name can be written along it.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from simulators.city import CITY_NAME, RANK_NAMES
from simulators.roads import City, to_geojson

VERSION: Final = 1
"""Raised when what is written changes: a map of another version is written anew."""
INDEX: Final = "index.json"

LAYERS: Final = ("ground", "water", "park", "arterial", "street", "place")
"""Files, in the order they are drawn in: districts as areas; river; parks; wide streets; narrow ones; names and
stores."""
WIDE: Final = frozenset(RANK_NAMES[:2])


def is_current(directory: Path, seed: int) -> bool:
    """Tell whether this version's map of the seed's city stands there."""
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return index.get("version") == VERSION and index.get("seed") == seed


def write(directory: Path, city: City) -> None:
    """Write the layers and then the index; who finds the index finds them all."""
    directory.mkdir(parents=True, exist_ok=True)
    layers = layers_of(city)
    for name in LAYERS:
        _put(directory / f"{name}.geojson", {"type": "FeatureCollection", "features": layers[name]})
    corners = [place for line in layers["arterial"] for part in line["geometry"]["coordinates"] for place in part]
    lons, lats = [place[0] for place in corners], [place[1] for place in corners]
    index = {
        "version": VERSION,
        "seed": city.plan.seed,
        "name_zh": CITY_NAME[0],
        "name_en": CITY_NAME[1],
        "bounds": [min(lons), min(lats), max(lons), max(lats)],
        "layers": list(LAYERS),
    }
    _put(directory / INDEX, index)


def _put(path: Path, content: Any) -> None:
    """Write a file whole or not at all: a page may be reading the one before."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    os.replace(beside, path)


def layers_of(city: City) -> dict[str, list[dict[str, Any]]]:
    """Return the features of each layer."""
    layers: dict[str, list[dict[str, Any]]] = {name: [] for name in LAYERS}
    streets: dict[tuple[str, str], dict[str, Any]] = {}
    for feature in to_geojson(city)["features"]:
        properties, geometry = feature["properties"], feature["geometry"]
        names = {name: properties[name] for name in ("name_zh", "name_en") if name in properties}
        match properties["kind"]:
            case "district":
                layers["ground"].append(_feature("Polygon", geometry["coordinates"], **names))
                layers["place"].append(_feature("Point", properties["label"], kind="district", **names))
            case "river":
                layers["water"].append(_feature("Polygon", geometry["coordinates"], **names))
            case "park":
                layers["park"].append(_feature("Polygon", geometry["coordinates"], **names))
                ring = geometry["coordinates"][0]
                middle = [sum(place[axis] for place in ring[1:]) / (len(ring) - 1) for axis in (0, 1)]
                layers["place"].append(_feature("Point", middle, kind="park", **names))
            case "dealer":
                layers["park"].append(_feature("Polygon", geometry["coordinates"], kind="store", **names))
                layers["place"].append(_feature("Point", properties["label"], kind="store", **names))
            case "street":
                rank = properties["rank"]
                # A street over the river is drawn above it all along: its bridges need no layer of their own.
                made = streets.setdefault((properties["name_zh"], rank), _feature("MultiLineString", [], **names))
                made["properties"]["rank"] = RANK_NAMES.index(rank)
                _extend(made["geometry"]["coordinates"], _short(geometry["coordinates"]))
    for (_, rank), feature in streets.items():
        layers["arterial" if rank in WIDE else "street"].append(feature)
    for features in layers.values():
        for feature in features:
            feature["geometry"]["coordinates"] = _short(feature["geometry"]["coordinates"])
    return layers


def _feature(shape: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": shape, "coordinates": coordinates}, "properties": properties}


def _extend(parts: list[list[Any]], line: list[Any]) -> None:
    """Add a line to those of its street: at the end or the start of one that it goes on from, else as one more."""
    for part in reversed(parts):
        if part[-1] == line[0]:
            part.extend(line[1:])
            return
        if part[0] == line[-1]:
            part[:0] = line[:-1]
            return
        if part[-1] == line[-1]:
            part.extend(line[-2::-1])
            return
        if part[0] == line[0]:
            part[:0] = line[:0:-1]
            return
    parts.append(list(line))


def _short(coordinates: Any) -> Any:
    if isinstance(coordinates[0], float):
        return [round(value, 6) for value in coordinates]
    return [_short(each) for each in coordinates]
