"""GET /api/v1/map and /api/v1/city/{layer}: what lies under the cars on every map of the portal.

That is the customer's own style or tiles if the configuration names them, else the demo's city, else nothing: no map of
real borders is shipped.
"""

import functools
import gzip
import hashlib
import re
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from api.parts import Parts
from api.problems import KEYED, Problem, answers

CITY_URL: Final = "/api/v1/city"
LAYER_BYTES_MAX: Final = 16 * 1024 * 1024
"""A layer of a city of 10,000 streets has 5 MB."""


class MapGround(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a page draws its map with. Without style, tiles and layers: a plain ground."""

    style_url: str = ""
    tiles_url: str = ""
    attribution: str = ""
    approval: str = ""
    city_url: str = ""
    """Layers are at CITY_URL/NAME.geojson."""
    etag: str = ""
    """Changes when a layer does."""
    layers: list[str] = []
    bounds: list[float] = []
    """West, south, east, north in degrees."""
    name_zh: str = ""
    name_en: str = ""


class _Index(msgspec.Struct, frozen=True):
    layers: list[str]
    bounds: list[float]
    name_zh: str
    name_en: str


def ground_of(parts: Parts) -> MapGround:
    """Return what lies under the cars. Blocking: it reads the city's index."""
    given = parts.ground
    ground = MapGround(
        style_url=given.style_url, tiles_url=given.tiles_url, attribution=given.attribution, approval=given.approval
    )
    if given.style_url or given.tiles_url:
        return ground
    try:
        data = (parts.city / "index.json").read_bytes() if parts.city else b""
    except OSError:
        data = b""
    if not data:
        return ground
    index = msgspec.json.decode(data, type=_Index)
    etag = hashlib.sha256(data).hexdigest()[:12]
    return msgspec.structs.replace(ground, city_url=CITY_URL, etag=etag, **msgspec.structs.asdict(index))


@get("/map", summary="What maps are drawn with", opt={"right": "self"}, responses=answers(*KEYED))
async def read_map(request: Request[Any, Any, Any]) -> MapGround:
    """Return style, tiles or layers of the base map."""
    return await sync_to_thread(ground_of, request.app.state.parts)


@get(
    "/city/{name:str}",
    summary="A layer of the demo's city",
    opt={"right": "self"},
    responses=answers("not_found", *KEYED),
)
async def read_city(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Return one layer as GeoJSON, packed; 404 where there is no demo city, or no such layer in it."""
    parts: Parts = request.app.state.parts
    if parts.city is None or not re.fullmatch(r"[a-z]{1,32}\.geojson", name):
        raise Problem("not_found")
    layer = await sync_to_thread(_layer, parts.city / name)
    if layer is None:
        raise Problem("not_found")
    etag, packed = layer
    headers = {
        "Content-Type": "application/geo+json",
        "Content-Encoding": "gzip",
        "Cache-Control": "private, max-age=86400",
        "ETag": etag,
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers={"ETag": etag})
    if "gzip" not in request.headers.get("accept-encoding", ""):
        del headers["Content-Encoding"]
        return Response(await sync_to_thread(gzip.decompress, packed), headers=headers)
    return Response(packed, headers=headers)


def _layer(path: Path) -> tuple[str, bytes] | None:
    try:
        stood = path.stat()
    except OSError:
        return None
    if stood.st_size > LAYER_BYTES_MAX:
        return None
    return _packed(path, stood.st_mtime_ns, stood.st_size)


@functools.lru_cache(maxsize=16)
def _packed(path: Path, changed_ns: int, size: int) -> tuple[str, bytes]:
    """Return ETag and packed content; the arguments beside the path make a changed file another entry."""
    data = path.read_bytes()
    return f'"{hashlib.sha256(data).hexdigest()[:16]}"', gzip.compress(data, 9, mtime=0)


RESOURCES: Final = (read_map, read_city)
