"""GET /assets/{name}: scripts, styles and icons of the portal, as `make assets` built them.

A name carries its content's hash, so what is behind it never changes. Files are small and few: each is read, and packed
once, when it is first asked for.
"""

import functools
import gzip
import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from api.problems import Problem

DIRECTORY: Final = Path(__file__).parent / "assets"
SOURCES: Final = Path(__file__).parent / "islands"
PREFIX: Final = "/assets/"

TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served at all; packed where it is text."""
PACKED: Final = frozenset({".js", ".css", ".svg", ".txt"})


class Island(msgspec.Struct, frozen=True):
    """What a page loads for one island: addresses, and the keys of the texts it shows."""

    url: str
    needs: tuple[str, ...]
    styles: tuple[str, ...]
    texts: tuple[str, ...]
    families: tuple[str, ...]


class _Entry(msgspec.Struct, frozen=True):
    file: str
    needs: tuple[str, ...]
    styles: tuple[str, ...]
    texts: tuple[str, ...]
    families: tuple[str, ...]


class _Manifest(msgspec.Struct, frozen=True):
    sources: str
    islands: dict[str, _Entry]


@functools.cache
def manifest() -> _Manifest:
    """Return what the build wrote down."""
    return msgspec.json.decode((DIRECTORY / "manifest.json").read_bytes(), type=_Manifest)


@functools.cache
def asset_url(source: str) -> str:
    """Return the address of a built file by the name of its source ('portal.css'). KeyError: it is not built."""
    return PREFIX + manifest().islands[source].file


@functools.cache
def island_of(source: str) -> Island:
    """Return what a page loads for an island's script ('map.js')."""
    entry = manifest().islands[source]
    return Island(
        url=PREFIX + entry.file,
        needs=tuple(PREFIX + name for name in entry.needs),
        styles=tuple(PREFIX + name for name in entry.styles),
        texts=entry.texts,
        families=entry.families,
    )


@get("/assets/{name:str}", include_in_schema=False, opt={"right": "public"})
async def read_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Return a built file; 404 for a name that the build did not make."""
    suffix = Path(name).suffix
    if suffix not in TYPES or name not in names():
        raise Problem("not_found")
    packed = suffix in PACKED and "gzip" in request.headers.get("accept-encoding", "")
    body = await sync_to_thread(_content, name, packed)
    headers = {
        "Content-Type": TYPES[suffix],
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers)


@functools.cache
def names() -> frozenset[str]:
    """Return the names of the built files."""
    return frozenset(path.name for path in DIRECTORY.iterdir())


@functools.cache
def _content(name: str, packed: bool) -> bytes:
    data = (DIRECTORY / name).read_bytes()
    return gzip.compress(data, 9, mtime=0) if packed else data


def sources_digest() -> str:
    """Return the digest of the islands' sources and lock, as the build writes it into the manifest."""
    digest = hashlib.sha256()
    files = sorted(
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*")
        if path.is_file() and not path.relative_to(SOURCES).as_posix().startswith(("node_modules/", "."))
    )
    for name in files:
        digest.update(name.encode() + b"\0" + (SOURCES / name).read_bytes() + b"\0")
    return digest.hexdigest()
