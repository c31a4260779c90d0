"""Geofences over HTTP: GeoJSON in and out, one by one or many at once, and which cars they are for."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
import numpy as np
from litestar import Request, delete, get, post, put
from litestar.concurrency import sync_to_thread
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from api import kml
from api.geojson import (
    MEDIA_TYPE,
    DocumentError,
    Draft,
    Feature,
    FeatureCollection,
    Missing,
    drafts_of,
    feature_of,
)
from api.guards import principal_of
from api.messages import language_of, text
from api.outlines import ZOOM_MAX, Outlines, outlines_of, view_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, Refused, answers
from core.coordinates import System
from core.events import Event
from core.geofence import DEGREE_1E7, GeofenceFaultError, Kind, Role, indexed
from core.kernels.geofence import build_index, locate_each
from core.limits import FENCE_VEHICLES_MAX, FENCES_MAX, GEOJSON_BYTES_MAX, GEOJSON_REFUSALS_MAX, POSITIONS_READ_MAX
from core.rights import Principal
from storage.clickhouse import LastPosition
from storage.geofences import (
    Change,
    GeofenceChangedError,
    GeofenceRefusedError,
    Geofences,
    GeofenceUnknownError,
)

PAGE: Final = 1_000
CROSSED: Final = ("fence.", "route.", "overspeed.")
"""Beginnings of the types of events that name a fence: entered, dwelled, left the route, went too fast in it …"""
CROSSINGS_LOOKED_AT_MAX: Final = 10_000
"""Crossings of all fences among which those of one are looked for: a tenth of a second."""
FOREIGN: Final = frozenset({"store_foreign", "group_only", "terminal_right"})
"""Faults that are about who asks, not about the fence."""

Search = Annotated[str, QueryParameter(max_length=64, description="Part of the name")]
Store = Annotated[int | None, QueryParameter(ge=0, lt=2**31, description="Only this store's; 0: the whole group's")]
State = Annotated[
    Literal["active", "inactive"] | None, QueryParameter(name="state", description="Only those in force, or not")
]

OfKind = Annotated[Kind | None, QueryParameter(name="kind", description="Only of this shape")]
OfRole = Annotated[Role | None, QueryParameter(name="role", description="Only zones, or only routes")]


class SavedCollection(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="FeatureCollection"):
    """What became of the features of a document. In a rehearsal new ones have the id 0."""

    features: list[Feature]
    created: int
    changed: int
    unchanged: int
    rehearsed: bool


Fated = Literal["created", "changed", "unchanged", "refused"]


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one fence of a file."""

    feature: int
    """Which feature of the file, from 0."""
    part: int
    """Which of several fences that it becomes, from 1; 0: it becomes one."""
    name: str
    folder: str
    """Where it lies in a KML file."""
    coordinates: System
    """The system that its coordinates were taken to be in."""
    what: Fated
    id: int = 0
    """0: it is a new one, or refused."""
    kind: str = ""
    code: str = ""
    """Why it is refused, with the place: ring and corner (or point) count from 1, 0: not in one place."""
    detail: str = ""
    ring: int = 0
    corner: int = 0


class ImportedFences(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file, or would become of it."""

    format: Literal["geojson", "kml", "kmz"]
    items: list[Fate]
    """In the order of the file."""
    features: list[Feature]
    """Those that are not refused, mended and in WGS-84."""
    counts: dict[str, int]
    """How many are created, changed, unchanged and refused."""
    rehearsed: bool


class CarInside(msgspec.Struct, frozen=True, kw_only=True):
    """A car whose last position lies in a geofence."""

    vehicle_id: int
    plate: str
    time_ms: int
    lat: float
    lon: float
    speed_kmh: float


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """Who is in a geofence, the first thousand."""

    items: list[CarInside]
    count: int


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """A car entered or left, stayed long, was missed, or went too fast."""

    seq: int
    type: str
    time_ms: int
    vehicle_id: int
    plate: str


class Crossings(msgspec.Struct, frozen=True, kw_only=True):
    """Crossings of one geofence, newest first."""

    items: list[Crossing]


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cars that a fence is for."""

    vehicles: Annotated[list[Annotated[int, msgspec.Meta(gt=0, lt=2**31)]], msgspec.Meta(max_length=FENCE_VEHICLES_MAX)]
    revision: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    """The fence's, as you saw it."""


@get(
    "/geofences",
    opt={"right": "geofences.read"},
    summary="Geofences",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_geofences(
    request: Request,
    after: Annotated[int, QueryParameter(ge=0, lt=2**31, description="Id to go on behind")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE, description="Most geofences on this page")] = PAGE,
    search: Search = "",
    store: Store = None,
    state_: State = None,
    kind: OfKind = None,
    role: OfRole = None,
    bbox: Annotated[
        str | None, QueryParameter(max_length=128, description="For a map: west,south,east,north in degrees")
    ] = None,
    zoom: Annotated[float, QueryParameter(ge=0, le=ZOOM_MAX, description="The map's; tiles of 512 pixels")] = 12,
) -> FeatureCollection | Outlines:
    """Return the geofences you see, by id: your stores' and the whole group's. Removed ones are not among them.

    With `bbox` it is what a map shows: outlines of at most 2,000 geofences, as fine as a pixel at `zoom`. Of more than
    these the large ones are drawn, the others counted in `clusters`. `after` and `limit` mean nothing then.
    """
    if bbox is not None:
        view = view_of(bbox, zoom)
        sketches = await sync_to_thread(
            _of(request).sketches,
            principal_of(request),
            view,
            search=search,
            store=store,
            shown=state_ or "",
            kind=kind or "",
            role=role or "",
        )
        return await sync_to_thread(outlines_of, sketches, view)
    fences = await sync_to_thread(
        _of(request).page,
        principal_of(request),
        after,
        limit,
        search=search,
        store=store,
        shown=state_ or "",
        kind=kind or "",
        role=role or "",
    )
    following = fences[-1].id if len(fences) == limit else None
    return FeatureCollection(features=[feature_of(fence) for fence in fences], next=following)


@get(
    "/geofences/export",
    opt={"right": "geofences.read"},
    summary="All geofences as a file",
    responses={
        200: ResponseSpec(
            dict[str, Any], generate_examples=False, media_type="*/*", description="GeoJSON or KML, as asked"
        ),
        **answers("bad_request", *KEYED),
    },
    raises=[],
)
async def export_geofences(
    request: Request,
    search: Search = "",
    store: Store = None,
    state_: State = None,
    kind: OfKind = None,
    role: OfRole = None,
    format_: Annotated[Literal["geojson", "kml"], QueryParameter(name="format")] = "geojson",
    coordinates: Annotated[System | None, QueryParameter(description="Converted to; else WGS-84")] = None,
    after: Annotated[int, QueryParameter(ge=0, lt=2**31, description="Id to go on behind")] = 0,
    limit: Annotated[int | None, QueryParameter(ge=1, le=FENCES_MAX, description="Most geofences")] = None,
) -> Stream:
    """Return the geofences you see as one GeoJSON or KML file, with the cars they are for. Imported again it changes
    nothing. An import takes 2,000 at most: with `limit` and `after` more come in several files."""
    fences, principal, shown = _of(request), principal_of(request), state_ or ""
    head, comma, foot = (kml.HEAD, b"", kml.FOOT) if format_ == "kml" else _COLLECTION

    async def pages() -> AsyncIterator[bytes]:
        last, room, between = after, limit or FENCES_MAX, b""
        yield head
        while room:
            page = await sync_to_thread(
                fences.page,
                principal,
                last,
                min(PAGE, room),
                search=search,
                store=store,
                shown=shown,
                kind=kind or "",
                role=role or "",
                with_vehicles=True,
            )
            written = [feature_of(fence, coordinates or "wgs84") for fence in page]
            for feature in written:
                yield between + (kml.placemark_of(feature) if format_ == "kml" else msgspec.json.encode(feature))
                between = comma
            room -= len(page)
            if len(page) < PAGE:
                break
            last = page[-1].id
        yield foot

    headers = {"Content-Disposition": f'attachment; filename="geofences.{format_}"'}
    return Stream(pages(), media_type=kml.MEDIA_TYPE if format_ == "kml" else MEDIA_TYPE, headers=headers)


_COLLECTION: Final = (b'{"type":"FeatureCollection","features":[', b",\n", b"]}\n")


@post(
    "/geofences/import",
    opt={"right": "geofences.write"},
    status_code=200,
    summary="Import a file of geofences",
    responses=answers(*CHANGES, "too_large", "geojson_invalid"),
    request_max_body_size=GEOJSON_BYTES_MAX,
)
async def import_geofences(
    request: Request[Any, Any, Any],
    rehearse: Annotated[bool, QueryParameter(description="Only say what would become of each")] = False,
    coordinates: Annotated[
        System, QueryParameter(description="The system of coordinates that do not say theirs themselves")
    ] = "wgs84",
    name: Annotated[str, QueryParameter(max_length=48, description="Name of those without one; numbered")] = "",
    store: Store = None,
    radius_m: Annotated[float | None, QueryParameter(gt=0, lt=1e6, description="Radius of Points without one")] = None,
    width_m: Annotated[
        float | None, QueryParameter(gt=0, lt=1e6, description="Whole width of LineStrings without one")
    ] = None,
) -> ImportedFences:
    """Import GeoJSON, KML or KMZ, told apart by their first bytes: all of the file or nothing.

    A Polygon is a fence with its holes, a Point a circle, a LineString a corridor; several in one feature become a
    fence each. Coordinates are brought to WGS-84 from what the feature says (`coordinates`: wgs84, gcj02, bd09, a
    GeoJSON property or KML's ExtendedData), else from what you say. With `rehearse` nothing is saved and every
    feature's fate is told, those refused too, by code and place; without it 422 `geojson_invalid` names them.
    """
    body = await request.body()
    missing = Missing(coordinates=coordinates, name=name, store=store, radius_m=radius_m, width_m=width_m)
    return await sync_to_thread(
        _imported, _of(request), body, missing, principal_of(request), rehearse, language_for(request)
    )


@post(
    "/geofences",
    opt={"right": "geofences.write"},
    status_code=200,
    summary="Save geofences",
    responses=answers(*CHANGES, "too_large", "geojson_invalid"),
    request_max_body_size=GEOJSON_BYTES_MAX,
)
async def save_geofences(
    request: Request,
    data: JSONBody[dict[str, Any]],
    rehearse: Annotated[bool, QueryParameter(description="Only say what would become of each")] = False,
) -> SavedCollection:
    """Save a GeoJSON Feature or FeatureCollection: all of its features or none.

    A Polygon is a fence with its holes, a Point with the property `radius_m` a circle, a MultiPolygon a fence for each
    part. A feature without our `revision` is a new fence; one with its id and revision changes that fence, and where it
    says nothing new leaves it alone. Rings that are not closed or wound the wrong way are mended. 422 `geojson_invalid`
    names each feature that cannot be saved, and why.
    """
    return await sync_to_thread(_save, _of(request), data, principal_of(request), rehearse, language_for(request))


@get(
    "/geofences/{number:int}",
    opt={"right": "geofences.read"},
    summary="One geofence",
    responses=answers("geofence_unknown", *KEYED),
)
async def read_geofence(request: Request, number: FromPath[int]) -> Feature:
    """Return the geofence with the cars it is for; 404 `geofence_unknown` if there is none of this id for you."""
    try:
        return feature_of(await sync_to_thread(_of(request).one, principal_of(request), number))
    except GeofenceUnknownError as error:
        raise Problem("geofence_unknown", str(error)) from error


@put(
    "/geofences/{number:int}",
    opt={"right": "geofences.write"},
    summary="Change a geofence",
    responses=answers(
        *CHANGES, "geofence_unknown", "geofence_foreign", "geofence_changed", "too_large", "geojson_invalid"
    ),
    request_max_body_size=GEOJSON_BYTES_MAX,
)
async def change_geofence(request: Request, number: FromPath[int], data: JSONBody[dict[str, Any]]) -> Feature:
    """Put a GeoJSON Feature in the geofence's place. Its property `revision` says which one you saw: 409
    `geofence_changed` if somebody has changed it since. Without `vehicles` the cars it is for stay."""
    return await sync_to_thread(_change, _of(request), number, data, principal_of(request), language_for(request))


@delete(
    "/geofences/{number:int}",
    opt={"right": "geofences.write"},
    summary="Remove a geofence",
    responses=answers(*CHANGES, "geofence_unknown", "geofence_foreign", "geofence_changed"),
)
async def remove_geofence(
    request: Request,
    number: FromPath[int],
    revision: Annotated[int, QueryParameter(gt=0, lt=2**31, description="The one you saw")],
) -> None:
    """Put a geofence away: nothing is judged by it any more, and nobody counts as leaving it."""
    language = language_for(request)
    try:
        await sync_to_thread(_of(request).remove, number, revision, principal_of(request))
    except (GeofenceFaultError, GeofenceChangedError, GeofenceUnknownError) as error:
        raise _problem(error, language) from error


@put(
    "/geofences/{number:int}/vehicles",
    opt={"right": "geofences.write"},
    summary="Choose the cars a geofence is for",
    responses=answers(
        *CHANGES, "geofence_unknown", "geofence_foreign", "geofence_changed", "too_large", "geojson_invalid"
    ),
    request_max_body_size=16 * FENCE_VEHICLES_MAX,
)
async def choose_vehicles(request: Request, number: FromPath[int], data: JSONBody[Choice]) -> Feature:
    """Let the geofence be for these cars and no others; an empty list is for none."""
    language = language_for(request)
    try:
        fence = await sync_to_thread(_of(request).assign, number, data.vehicles, data.revision, principal_of(request))
    except (GeofenceFaultError, GeofenceChangedError, GeofenceUnknownError) as error:
        raise _problem(error, language) from error
    return feature_of(fence)


@get(
    "/geofences/{number:int}/inside",
    opt={"right": "positions.read"},
    summary="Who is in a geofence now",
    responses=answers("geofence_unknown", *KEYED),
)
async def list_inside(request: Request, number: FromPath[int]) -> Inside:
    """Return your cars that the geofence is for and whose last position lies in it, by id: where they are, not what
    was confirmed. It is as exact as the positions that you may see."""
    parts: Parts = request.app.state.parts
    try:
        return await sync_to_thread(inside, parts, principal_of(request), number)
    except GeofenceUnknownError as error:
        raise Problem("geofence_unknown", str(error)) from error


@get(
    "/geofences/{number:int}/crossings",
    opt={"right": "events.read"},
    summary="Who entered and left a geofence last",
    responses=answers("bad_request", "geofence_unknown", *KEYED),
)
async def list_crossings(
    request: Request,
    number: FromPath[int],
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Most crossings")] = 20,
) -> Crossings:
    """Return the last crossings of this geofence that you may see, newest first, of the last ten thousand of all."""
    parts: Parts = request.app.state.parts
    try:
        return await sync_to_thread(crossings, parts, principal_of(request), number, limit)
    except GeofenceUnknownError as error:
        raise Problem("geofence_unknown", str(error)) from error


@get(
    "/vehicles/{vehicle_id:int}/geofences",
    opt={"right": "geofences.read"},
    summary="Geofences that are for a vehicle",
    responses=answers("vehicle_unknown", *KEYED),
)
async def list_vehicle_geofences(request: Request, vehicle_id: FromPath[int]) -> FeatureCollection:
    """Return the geofences in force that judge this vehicle, by id; 404 `vehicle_unknown` if you do not see it."""
    fences = None
    if 0 < vehicle_id < 2**31:
        fences = await sync_to_thread(_of(request).of_vehicle, principal_of(request), vehicle_id, PAGE)
    if fences is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    return FeatureCollection(features=[feature_of(fence) for fence in fences], next=None)


def language_for(request: Request) -> str:
    """Return the language that refusals are said in."""
    return language_of(principal_of(request).language, request.headers.get("accept-language", ""))


def inside(parts: Parts, principal: Principal, number: int) -> Inside:
    """Return who is in a geofence now. Blocks. Raises GeofenceUnknownError."""
    fences = parts.registry.geofences
    fence = fences.one(principal, number)
    index = build_index([indexed(fence, 0)._replace(vehicles=None, hours=(), expected=())])
    found: dict[int, LastPosition] = {}
    after: int | None = 0
    while after is not None:
        page = parts.reader.positions(principal, after, POSITIONS_READ_MAX)
        after = page.next
        lats = np.array([position.lat_1e7 for position in page.items], np.int32)
        lons = np.array([position.lon_1e7 for position in page.items], np.int32)
        counts, out = np.zeros(len(lats), np.int32), np.zeros(len(lats), np.int32)
        locate_each(index.address, fence.group, lats, lons, counts, out.ctypes.data, 1)
        found |= {page.items[k].vehicle_id: page.items[k] for k in np.flatnonzero(counts)}
    plates = fences.cars(principal, fence, list(found))
    items = [
        CarInside(
            vehicle_id=vehicle_id,
            plate=plates[vehicle_id],
            time_ms=position.time_ms,
            lat=position.lat_1e7 / DEGREE_1E7,
            lon=position.lon_1e7 / DEGREE_1E7,
            speed_kmh=position.speed_kmh10 / 10,
        )
        for vehicle_id, position in found.items()
        if vehicle_id in plates
    ]
    return Inside(items=items[:PAGE], count=len(items))


def crossings(parts: Parts, principal: Principal, number: int, limit: int) -> Crossings:
    """Return who crossed a geofence last. Blocks. Raises GeofenceUnknownError."""
    fences = parts.registry.geofences
    fence = fences.one(principal, number)
    found: list[tuple[Event, int]] = []
    before, looked_at = 0, 0
    while len(found) < limit and looked_at < CROSSINGS_LOOKED_AT_MAX:
        page = parts.reader.events(principal, before, types=CROSSED, limit=PAGE, newest_first=True)
        looked_at += PAGE
        before = page.seq
        for event in page.items:
            # Without the right to its coordinates a payload comes as a plain mapping.
            said = event.payload if isinstance(event.payload, dict) else msgspec.structs.asdict(event.payload)
            if said.get("fence_id") == number:
                found.append((event, said["vehicle_id"]))
        if before == 0:
            break
    del found[limit:]
    every_car = msgspec.structs.replace(fence, store=0, applies="all")
    plates = fences.cars(principal, every_car, sorted({vehicle_id for _, vehicle_id in found}))
    return Crossings(
        items=[
            Crossing(seq=e.seq, type=e.type, time_ms=e.time_ms, vehicle_id=car, plate=plates.get(car, ""))
            for e, car in found
        ]
    )


def _of(request: Request) -> Geofences:
    parts: Parts = request.app.state.parts
    return parts.registry.geofences


def _save(
    fences: Geofences, document: dict[str, Any], principal: Principal, rehearse: bool, language: str
) -> SavedCollection:
    try:
        drafts = drafts_of(document)
    except DocumentError as error:
        raise Problem("geojson_invalid", str(error)) from error
    changes = _saved(fences, drafts, principal, rehearse, language)
    counts = {what: sum(change.what == what for change in changes) for what in ("created", "changed", "unchanged")}
    return SavedCollection(features=[feature_of(change.fence) for change in changes], rehearsed=rehearse, **counts)


def _imported(
    fences: Geofences, body: bytes, missing: Missing, principal: Principal, rehearse: bool, language: str
) -> ImportedFences:
    kind: Literal["geojson", "kml", "kmz"] = "geojson"
    try:
        if body[:4] == b"PK\x03\x04":
            kind = "kmz"
        elif body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
            kind = "kml"
        if kind == "geojson":
            document = _json(body)
        else:
            document = {"type": "FeatureCollection", "features": kml.features_in(body)}
        drafts = drafts_of(document, missing)
    except DocumentError as error:
        raise Problem("geojson_invalid", str(error)) from error
    if not rehearse:
        return _told(kind, drafts, _saved(fences, drafts, principal, False, language), {}, rehearsed=False)
    refused = {
        k: _refused(draft.feature, draft.name, draft.fault, language) for k, draft in enumerate(drafts) if draft.fault
    }
    while True:
        left = [k for k in range(len(drafts)) if k not in refused]
        try:
            changes = fences.save_all([fence for k in left if (fence := drafts[k].fence)], principal, rehearse=True)
            break
        except GeofenceRefusedError as error:
            # The others' fates are to be told, too: once more without these.
            for number, why in error.refusals:
                draft = drafts[left[number]]
                refused[left[number]] = _refused(draft.feature, draft.name, why, language)
    return _told(kind, drafts, changes, refused, rehearsed=True)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DocumentError(f"it is neither GeoJSON nor KML: {error}") from error


def _told(
    kind: Literal["geojson", "kml", "kmz"],
    drafts: list[Draft],
    changes: list[Change],
    refused: dict[int, Refused],
    *,
    rehearsed: bool,
) -> ImportedFences:
    coming = iter(changes)
    items: list[Fate] = []
    for number, draft in enumerate(drafts):
        fate = Fate(
            feature=draft.feature,
            part=draft.part,
            name=draft.name,
            folder=draft.folder,
            coordinates=draft.coordinates,
            what="refused",
        )
        if (why := refused.get(number)) is not None:
            place = {"code": why.code, "detail": why.detail, "ring": why.ring, "corner": why.corner}
            items.append(msgspec.structs.replace(fate, **place))
        else:
            change = next(coming)
            about = {"what": change.what, "id": change.fence.id, "kind": change.fence.kind}
            items.append(msgspec.structs.replace(fate, **about))
    return ImportedFences(
        format=kind,
        items=items,
        features=[feature_of(change.fence) for change in changes],
        counts={what: sum(item.what == what for item in items) for what in get_args(Fated)},
        rehearsed=rehearsed,
    )


def _saved(fences: Geofences, drafts: list[Draft], principal: Principal, rehearse: bool, language: str) -> list[Change]:
    refusals = [_refused(draft.feature, draft.name, draft.fault, language) for draft in drafts if draft.fault]
    sound = [draft for draft in drafts if draft.fence is not None]
    try:
        changes = fences.save_all(
            [draft.fence for draft in sound if draft.fence is not None],
            principal,
            # Whatever else is wrong is said with it, in one answer.
            rehearse=rehearse or bool(refusals),
        )
    except GeofenceRefusedError as refused:
        for number, why in refused.refusals:
            refusals.append(_refused(sound[number].feature, sound[number].name, why, language))
    if refusals:
        refusals.sort(key=lambda refusal: refusal.feature)
        raise Problem(
            "geojson_invalid",
            f"{len(refusals)} of {len(drafts)} features cannot be saved; none was",
            refusals=refusals[:GEOJSON_REFUSALS_MAX],
        )
    return changes


def _change(fences: Geofences, number: int, document: dict[str, Any], principal: Principal, language: str) -> Feature:
    try:
        known = fences.one(principal, number)
        # The address has said which one it is.
        drafts = drafts_of({"id": number, **document})
        if len(drafts) != 1 or document.get("type") != "Feature":
            raise DocumentError("a geofence is one Feature")
        if drafts[0].fault is not None:
            raise drafts[0].fault
        fence = drafts[0].fence
        assert fence is not None
        if fence.revision == 0:
            raise GeofenceFaultError("property_invalid", name="revision", value="missing")
        if fence.id not in (0, number):
            raise GeofenceFaultError("property_invalid", name="id", value=str(fence.id))
        return feature_of(fences.save(msgspec.structs.replace(fence, id=known.id), principal))
    except DocumentError as error:
        raise Problem("geojson_invalid", str(error)) from error
    except (GeofenceFaultError, GeofenceChangedError, GeofenceUnknownError) as error:
        raise _problem(error, language) from error


def _problem(error: GeofenceFaultError | GeofenceChangedError | GeofenceUnknownError, language: str) -> Problem:
    code, said = _said(error, language)
    match error:
        case GeofenceUnknownError():
            return Problem("geofence_unknown", said)
        case GeofenceChangedError():
            return Problem("geofence_changed", said)
    if code in FOREIGN:
        return Problem("geofence_foreign", said)
    return Problem("geojson_invalid", said, refusals=[_refused(0, "", error, language)])


def _refused(feature: int, name: str, why: object, language: str) -> Refused:
    code, said = _said(why, language)
    values = why.values if isinstance(why, GeofenceFaultError) else {}
    ring, corner = values.get("ring", 0), values.get("corner", values.get("point", 0))
    return Refused(feature, name, code, said, ring=_whole(ring), corner=_whole(corner))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


_WORDED: Final = frozenset(
    {"hours", "expected", "polygon", "circle", "corridor", "doors_shut", "radio_off", "detailed"}
)


def _worded(value: object, language: str) -> object:
    return text(f"fence_word_{value}", language) if isinstance(value, str) and value in _WORDED else value


def _said(why: object, language: str) -> tuple[str, str]:
    """Return a refusal's code and its sentence in a language."""
    match why:
        case GeofenceFaultError():
            values = {name: _worded(value, language) for name, value in why.values.items()}
            return why.code, text(f"fence_fault_{why.code}", language).format(**values)
        case GeofenceChangedError():
            return "changed", text("fence_fault_changed", language).format(revision=why.revision)
        case _:
            return "unknown", text("fence_fault_unknown", language).format(id=getattr(why, "number", ""))


RESOURCES: Final = (
    list_geofences,
    export_geofences,
    save_geofences,
    import_geofences,
    read_geofence,
    change_geofence,
    remove_geofence,
    choose_vehicles,
    list_inside,
    list_crossings,
    list_vehicle_geofences,
)
