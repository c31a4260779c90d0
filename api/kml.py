"""Geofences as KML and KMZ, both ways.

KML is read into GeoJSON features, so that a file of either kind is judged by the same rules (api/geojson.py): a Polygon
with its holes, a LineString as a corridor, a Point as a circle, a MultiGeometry as several. What KML has no place for
stands in ExtendedData, each value as JSON; so what we write comes in again as the same fences.

Nothing of a file is trusted: no entities and no document types are taken (defusedxml), nothing it points to is fetched,
and its size, depth, elements and packing are bounded.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.sax.saxutils import escape, quoteattr

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from api.geojson import DocumentError, Feature, PointGeometry, PolygonGeometry, Properties
from core.limits import GEOJSON_BYTES_MAX, KML_DEPTH_MAX, KML_ELEMENTS_MAX, KMZ_MEMBERS_MAX, KMZ_RATIO_MAX

MEDIA_TYPE: Final = "application/vnd.google-earth.kml+xml"
HEAD: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
    b"<name>Carillon</name>\n"
)
FOOT: Final = b"</Document></kml>\n"

_SAID_ELSEWHERE: Final = frozenset({"name", "kind", "vehicle_count", "changed_ms", "changed_by"})
_TEXTS: Final = frozenset({"name", "colour", "role", "applies", "time_zone", "coordinates"})
_VALUES: Final = (frozenset(Properties.__struct_fields__) | {"id", "radius", "width"}) - _TEXTS
"""Names in ExtendedData whose values are read as JSON: 300 is a number there."""
_ENCODING: Final = re.compile(rb"^\s*<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"'][^>]*\?>")
_COLOUR: Final = re.compile(r"#?([0-9a-fA-F]{8})")
_SHAPES: Final = ("Polygon", "LineString", "LinearRing", "Point", "MultiGeometry", "Track", "MultiTrack", "Model")


def features_in(data: bytes) -> list[dict[str, Any]]:
    """Return the Placemarks of a KML or KMZ file as GeoJSON features, in order.

    A feature's property `folder` says in which folder it lies. A Placemark without a name is called after its folder.

    Raises:
        DocumentError: it is no KML, is past a bound, or holds what is not taken.
    """
    root = _tree(_unpacked(data) if data[:4] == b"PK\x03\x04" else data)
    if root.tag != "kml":
        raise DocumentError(f"a KML file begins with <kml>, this one with <{root.tag[:40]}>")
    styles = {f"#{one.get('id')}": one for one in root.iter() if one.tag in ("Style", "StyleMap") and one.get("id")}
    return [_feature(element, folder, styles) for element, folder in _placemarks(root, "")]


def _unpacked(data: bytes) -> bytes:
    """Return the document of a KMZ: doc.kml, or the only .kml there is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > KMZ_MEMBERS_MAX:
                raise DocumentError(f"{len(members)} files in the KMZ; the bound is {KMZ_MEMBERS_MAX}")
            documents = [one for one in members if one.filename.lower().endswith(".kml")]
            chosen = [one for one in documents if one.filename.lower() == "doc.kml"] or documents
            if len(chosen) != 1:
                raise DocumentError(f"a KMZ holds one KML document, doc.kml; this one holds {len(documents)}")
            document = chosen[0]
            if document.flag_bits & 1 or document.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DocumentError("the KMZ is encrypted, or packed in a way that KMZ does not know")
            if document.file_size > GEOJSON_BYTES_MAX:
                raise DocumentError(f"{document.file_size} bytes of KML; the bound is {GEOJSON_BYTES_MAX}")
            if document.file_size > KMZ_RATIO_MAX * max(1, document.compress_size):
                raise DocumentError(f"the KMZ is packed more than {KMZ_RATIO_MAX} to 1")
            with archive.open(document) as opened:
                # What its head says of its size may be a lie.
                text = opened.read(GEOJSON_BYTES_MAX + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, OSError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"the KMZ cannot be unpacked: {error}") from error
    if len(text) > GEOJSON_BYTES_MAX:
        raise DocumentError(f"more than {GEOJSON_BYTES_MAX} bytes of KML in the KMZ")
    return text


class _Bounded:
    """Builds the tree, with names as they are without their namespaces, up to the bounds."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> Element:
        self._depth += 1
        self._count += 1
        if self._depth > KML_DEPTH_MAX:
            raise DocumentError(f"elements lie more than {KML_DEPTH_MAX} deep in one another")
        if self._count > KML_ELEMENTS_MAX:
            raise DocumentError(f"more than {KML_ELEMENTS_MAX} elements in one document")
        return self._builder.start(tag.rpartition("}")[2], attributes)

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return self._builder.end(tag.rpartition("}")[2])

    def data(self, text: str) -> None:
        self._builder.data(text)

    def close(self) -> Element:
        return self._builder.close()


def _tree(data: bytes) -> Element:
    data = data.removeprefix(b"\xef\xbb\xbf")
    said = _ENCODING.match(data)
    if said and said[1].lower() in (b"gb2312", b"gbk", b"gb18030"):
        # The parser knows no Chinese encoding.
        try:
            data = data[said.end() :].decode("gb18030").encode()
        except UnicodeDecodeError as error:
            raise DocumentError(f"it is not in the {said[1].decode()} that it says: {error.reason}") from error
    parser = DefusedXMLParser(target=_Bounded(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(data)
        root: Element = parser.close()
    except DefusedXmlException as error:
        raise DocumentError(f"a KML file with document types or entities is not taken: {error}") from error
    except (ParseError, LookupError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"it is no well-formed XML: {error}") from error
    return root


def _placemarks(element: Element, folder: str) -> Iterator[tuple[Element, str]]:
    """Yield Placemarks, and links to other files, which are refused by name, with the folder that they lie in."""
    for child in element:
        match child.tag:
            case "Placemark" | "NetworkLink":
                yield child, folder
            case "Document" | "Folder" | "kml":
                yield from _placemarks(child, _text(child, "name") or folder)


def _text(element: Element, tag: str) -> str:
    found = element.find(tag)
    return "" if found is None or found.text is None else " ".join(found.text.split())


def _feature(element: Element, folder: str, styles: dict[str, Element]) -> dict[str, Any]:
    properties: dict[str, Any] = dict(_said(element))
    properties["name"] = _text(element, "name") or folder
    if folder:
        properties["folder"] = folder
    if "colour" not in properties and (colour := _colour(element, styles)):
        properties["colour"] = colour
    shape = next((child for child in element if child.tag in _SHAPES), None)
    geometry = {"type": "NetworkLink"} if element.tag == "NetworkLink" else _geometry(shape)
    feature: dict[str, Any] = {"type": "Feature", "geometry": geometry, "properties": properties}
    if "id" in properties:
        feature["id"] = properties.pop("id")
    return feature


def _said(element: Element) -> Iterator[tuple[str, Any]]:
    """Yield names and values of ExtendedData."""
    for data in element.iterfind("ExtendedData//*"):
        name = data.get("name", "")
        text = data.text if data.tag == "SimpleData" else _text(data, "value") if data.tag == "Data" else None
        if not name or text is None:
            continue
        if name in _VALUES:
            try:
                yield name, msgspec.json.decode(text)
                continue
            except (msgspec.DecodeError, RecursionError):
                pass
        yield name, text.strip()


def _colour(element: Element, styles: dict[str, Element]) -> str:
    """Return the colour that a Placemark is drawn in as #rrggbb; empty: none is said. KML writes aabbggrr."""
    style = element.find("Style")
    url = _text(element, "styleUrl")
    for _ in range(3):
        if style is not None and style.tag == "Style":
            break
        if style is not None:
            pairs = [pair for pair in style.iterfind("Pair") if _text(pair, "key") == "normal"]
            url = _text(pairs[0], "styleUrl") if pairs else ""
        style = styles.get(url)
    if style is None:
        return ""
    for kind in ("PolyStyle", "LineStyle", "IconStyle"):
        found = style.find(kind)
        said = _COLOUR.fullmatch(_text(found, "color")) if found is not None else None
        if said:
            return f"#{said[1][6:8]}{said[1][4:6]}{said[1][2:4]}".lower()
    return ""


def _geometry(shape: Element | None) -> dict[str, Any] | None:
    if shape is None:
        return None
    match shape.tag:
        case "Polygon":
            rings = [*shape.iterfind("outerBoundaryIs/LinearRing"), *shape.iterfind("innerBoundaryIs/LinearRing")]
            return {"type": "Polygon", "coordinates": [_points(ring) for ring in rings]}
        case "LinearRing":
            return {"type": "Polygon", "coordinates": [_points(shape)]}
        case "LineString":
            return {"type": "LineString", "coordinates": _points(shape)}
        case "Point":
            points = _points(shape)
            return {"type": "Point", "coordinates": points[0] if len(points) == 1 else None}
        case "MultiGeometry":
            parts = [_geometry(child) for child in shape if child.tag in _SHAPES]
            return {"type": "GeometryCollection", "geometries": parts}
        case other:
            return {"type": other}


def _points(element: Element) -> list[list[float] | None]:
    """Return the positions of a `coordinates` element; None for one that is none, so that it can be named."""
    points: list[list[float] | None] = []
    before = ""
    for token in _text(element, "coordinates").split():
        position = before + token
        if position.endswith(",") and position.count(",") == 1:
            # Some programs write a space behind the comma of one position, ...
            before = position
            continue
        before = ""
        try:
            # ... others a comma behind the position.
            points.append([float(value) for value in position.removesuffix(",").split(",")])
        except ValueError:
            points.append(None)
    return points


# --- out --------------------------------------------------------------------------------------------------------------


def placemark_of(feature: Feature) -> bytes:
    """Return a geofence as a Placemark."""
    properties = msgspec.to_builtins(feature.properties)
    said = {"id": feature.id} | {name: value for name, value in properties.items() if name not in _SAID_ELSEWHERE}
    data = "".join(
        f"<Data name={quoteattr(name)}><value>{escape(_written(name, value))}</value></Data>"
        for name, value in said.items()
    )
    style = ""
    if colour := properties["colour"]:
        blue_green_red = colour[5:7] + colour[3:5] + colour[1:3]
        style = (
            f"<Style><LineStyle><color>ff{blue_green_red}</color><width>2</width></LineStyle>"
            f"<PolyStyle><color>40{blue_green_red}</color></PolyStyle></Style>"
        )
    name = f"<name>{escape(properties['name'])}</name>"
    return (
        f"<Placemark>{name}{style}<ExtendedData>{data}</ExtendedData>{_drawn(feature.geometry)}</Placemark>\n"
    ).encode()


def _written(name: str, value: object) -> str:
    return str(value) if name in _TEXTS else msgspec.json.encode(value).decode()


def _drawn(geometry: Any) -> str:
    if isinstance(geometry, PointGeometry):
        return f"<Point>{_listed([geometry.coordinates])}</Point>"
    if isinstance(geometry, PolygonGeometry):
        outer, *inner = (f"<LinearRing>{_listed(ring)}</LinearRing>" for ring in geometry.coordinates)
        holes = "".join(f"<innerBoundaryIs>{ring}</innerBoundaryIs>" for ring in inner)
        return f"<Polygon><outerBoundaryIs>{outer}</outerBoundaryIs>{holes}</Polygon>"
    return f"<LineString><tessellate>1</tessellate>{_listed(geometry.coordinates)}</LineString>"


def _listed(points: Sequence[Sequence[float]]) -> str:
    positions = " ".join(f"{point[0]!r},{point[1]!r}" for point in points)
    return f"<coordinates>{positions}</coordinates>"
