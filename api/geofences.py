"""Geofences over HTTP: GeoJSON in and out, one by one or many at once, and which cars they are for."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, delete, get, post, put
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from api.geojson import (
    MEDIA_TYPE,
    DocumentError,
    Draft,
    Feature,
    FeatureCollection,
    drafts_of,
    feature_of,
)
from api.guards import principal_of
from api.messages import language_of, text
from api.outlines import ZOOM_MAX, Outlines, outlines_of, view_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, Refused, answers
from core.events import Event
from core.geofence import DEGREE_1E7, GeofenceFaultError, indexed
from core.kernels.geofence import build_index, locate_each
from core.limits import FENCE_VEHICLES_MAX, GEOJSON_BYTES_MAX, GEOJSON_REFUSALS_MAX, POSITIONS_READ_MAX
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
CROSSED: Final = ("fence.entered", "fence.exited")
CROSSINGS_LOOKED_AT_MAX: Final = 10_000
"""Crossings of all fences among which those of one are looked for: a tenth of a second."""
FOREIGN: Final = frozenset({"store_foreign", "group_only", "terminal_right"})
"""Faults that are about who asks, not about the fence."""

Search = Annotated[str, QueryParameter(max_length=64, description="Part of the name")]
Store = Annotated[int | None, QueryParameter(ge=0, lt=2**31, description="Only this store's; 0: the whole group's")]
State = Annotated[
    Literal["active", "inactive"] | None, QueryParameter(name="state", description="Only those in force, or not")
]


class SavedCollection(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="FeatureCollection"):
    """What became of the features of a document. In a rehearsal new ones have the id 0."""

    features: list[Feature]
    created: int
    changed: int
    unchanged: int
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
    """A car entered or left."""

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
            _of(request).sketches, principal_of(request), view, search=search, store=store, shown=state_ or ""
        )
        return await sync_to_thread(outlines_of, sketches, view)
    fences = await sync_to_thread(
        _of(request).page, principal_of(request), after, limit, search=search, store=store, shown=state_ or ""
    )
    following = fences[-1].id if len(fences) == limit else None
    return FeatureCollection(features=[feature_of(fence) for fence in fences], next=following)


@get(
    "/geofences/export",
    opt={"right": "geofences.read"},
    summary="All geofences as a file",
    responses=answers("bad_request", *KEYED),
    raises=[],
    media_type=MEDIA_TYPE,
)
async def export_geofences(request: Request, search: Search = "", store: Store = None, state_: State = None) -> Stream:
    """Return the geofences you see as one GeoJSON file, with the cars they are for. Saved again it changes nothing."""
    fences, principal, shown = _of(request), principal_of(request), state_ or ""

    async def pages() -> AsyncIterator[bytes]:
        after, comma = 0, b""
        yield b'{"type":"FeatureCollection","features":['
        while True:
            page = await sync_to_thread(
                fences.page, principal, after, PAGE, search=search, store=store, shown=shown, with_vehicles=True
            )
            for fence in page:
                yield comma + msgspec.json.encode(feature_of(fence))
                comma = b",\n"
            if len(page) < PAGE:
                break
            after = page[-1].id
        yield b"]}\n"

    headers = {"Content-Disposition": 'attachment; filename="geofences.geojson"'}
    return Stream(pages(), media_type=MEDIA_TYPE, headers=headers)


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
    return FeatureCollection(features=[feature_of(fence) for fence in fences])


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
        locate_each(index.address, lats, lons, counts, out.ctypes.data, 1)
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
    ring, corner = values.get("ring", 0), values.get("corner", 0)
    return Refused(feature, name, code, said, ring=_whole(ring), corner=_whole(corner))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _said(why: object, language: str) -> tuple[str, str]:
    """Return a refusal's code and its sentence in a language."""
    match why:
        case GeofenceFaultError():
            return why.code, text(f"fence_fault_{why.code}", language).format(**why.values)
        case GeofenceChangedError():
            return "changed", text("fence_fault_changed", language).format(revision=why.revision)
        case _:
            return "unknown", text("fence_fault_unknown", language).format(id=getattr(why, "number", ""))


RESOURCES: Final = (
    list_geofences,
    export_geofences,
    save_geofences,
    read_geofence,
    change_geofence,
    remove_geofence,
    choose_vehicles,
    list_inside,
    list_crossings,
    list_vehicle_geofences,
)
