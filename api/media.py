"""Pictures, sounds and films of terminals: a car's list, one of them, and its content.

A content is what its first bytes say, never what its terminal calls it: only the types in core.media.INLINE are shown
by a browser, everything else is a download of bytes. No address and no file name holds a word from outside.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter

from api.guards import principal_of
from api.parts import Coming, Parts
from api.problems import KEYED, Problem, answers
from api.times import TIME_CHARACTERS_MAX
from api.tracks import span_of
from core.limits import MEDIA_PAGE_MAX
from core.media import INLINE, UNKNOWN, suffix_of
from storage.gallery import Gallery, MediaItem

POLICY: Final = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
"""Of a content that is opened by itself: whatever it is, it runs nothing."""


class MediaListing(msgspec.Struct, frozen=True):
    """What a car's terminals took, newest first."""

    items: list[MediaItem]
    next: str | None
    """Hand it back as `after`; null on the last page."""
    coming: list[Coming]
    """What is on its way now."""


def gallery_of(parts: Parts) -> Gallery:
    """Return the gallery; Problem where this process has none."""
    if parts.gallery is None:
        raise Problem("media_unknown", "this process has no media")
    return parts.gallery


@get(
    "/vehicles/{vehicle_id:int}/media",
    opt={"right": "media.read"},
    summary="What a vehicle's cameras and microphones took",
    responses=answers("bad_request", *KEYED, "vehicle_unknown", "media_unknown"),
)
async def list_media(
    request: Request,
    vehicle_id: FromPath[int],
    from_: Annotated[
        str,
        QueryParameter(
            name="from",
            max_length=TIME_CHARACTERS_MAX,
            description="Taken then or later: milliseconds or ISO 8601; of all times where from, to and day are empty",
        ),
    ] = "",
    to: Annotated[str, QueryParameter(max_length=TIME_CHARACTERS_MAX, description="The end, left out")] = "",
    day: Annotated[str, QueryParameter(max_length=10, description="A day of the vehicle's store, 2026-11-22")] = "",
    kind: Annotated[Literal["picture", "audio", "video", "other"] | None, QueryParameter(description="Only these")] = (
        None
    ),
    channel: Annotated[
        int | None, QueryParameter(ge=0, le=255, description="Only of this camera or microphone")
    ] = None,
    in_state: Annotated[
        Literal["announced", "partial", "stored", "lost"] | None,
        QueryParameter(name="state", description="Only in this state"),
    ] = None,
    cause: Annotated[
        str,
        QueryParameter(
            max_length=64,
            pattern=r"^[0-9a-z]*$",
            description="Only what shows the event of this id, or was asked for by the command of this id",
        ),
    ] = "",
    after: Annotated[str, QueryParameter(max_length=40, description="`next` of the page before")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=MEDIA_PAGE_MAX, description="Most items on this page")] = 100,
) -> MediaListing:
    """Return a vehicle's pictures, sounds and films, newest first, and what is on its way."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> MediaListing:
        vehicle = parts.vehicles.one(principal, vehicle_id)
        if vehicle is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        span = span_of(from_, to, day, vehicle.store.time_zone) if from_ or to or day else (None, None)
        try:
            page = gallery_of(parts).page(
                principal, vehicle_id, from_ms=span[0], to_ms=span[1], kind=kind or "", channel=channel,
                state=in_state or "", cause=cause, after=after, limit=limit,
            )  # fmt: skip
        except ValueError as error:
            raise Problem("bad_request", f"after: {error}") from error
        if page is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        return MediaListing(page.items, page.next or None, list(parts.coming(vehicle_id)))

    return await sync_to_thread(read)


@get(
    "/media/{number:int}",
    opt={"right": "media.read"},
    summary="One picture, sound or film",
    responses=answers(*KEYED, "media_unknown"),
)
async def read_media(request: Request, number: FromPath[int]) -> MediaItem:
    """Return what is known of an item; 404 `media_unknown` if there is none of this number for you."""
    parts: Parts = request.app.state.parts
    item = await sync_to_thread(gallery_of(parts).one, principal_of(request), number)
    if item is None:
        raise Problem("media_unknown", f"no media {number}")
    return item


@get(
    "/media/{number:int}/content",
    opt={"right": "media.read"},
    summary="The file of a picture, sound or film",
    responses={
        200: ResponseSpec(
            bytes, generate_examples=False, media_type="*/*", description="The file; 206 for a part, 304 if unchanged"
        ),
        **answers("bad_request", *KEYED, "media_unknown"),
    },
    raises=[],
)
async def read_content(
    request: Request[Any, Any, Any],
    number: FromPath[int],
    range_: Annotated[str | None, HeaderParameter(name="Range", max_length=64, description="bytes=FIRST-LAST")] = None,
    known: Annotated[str | None, HeaderParameter(name="If-None-Match", max_length=80, description="An ETag")] = None,
    save: Annotated[bool, QueryParameter(description="To be saved, not shown")] = False,
) -> Response[bytes]:
    """Return an item's file, or a part of it (one range of bytes), with the type that its first bytes show.

    404 `media_unknown` where there is none for you, or it has not come. Each look is in the access log.
    """
    parts: Parts = request.app.state.parts
    found = await sync_to_thread(gallery_of(parts).content, principal_of(request), number)
    if found is None:
        raise Problem("media_unknown", f"no content of media {number}")
    item, data = found
    headers = {**content_headers(item, save=save), "ETag": f'"{item.sha256}"', "Accept-Ranges": "bytes"}
    if known == headers["ETag"]:
        return Response(b"", status_code=304, headers=headers)
    part = part_of(range_, len(data))
    if part is None:
        return Response(data, headers=headers)
    first, last = part
    if first > last:
        return Response(b"", status_code=416, headers={**headers, "Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], status_code=206, headers=headers)


def content_headers(item: MediaItem, *, save: bool = False) -> dict[str, str]:
    """Return the headers under which a content is safe, whatever it is."""
    shown = item.content_type in INLINE
    kind = "inline" if shown and not save else "attachment"
    stamp = datetime.fromtimestamp(item.time_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"car{item.vehicle_id}-channel{item.channel}-{stamp}-{item.id}"
    return {
        "Content-Type": item.content_type if shown else UNKNOWN,
        "Content-Disposition": f'{kind}; filename="{name}.{suffix_of(item.content_type)}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        # Asked again each time: whoever has lost the right, or logged out, sees it no more.
        "Cache-Control": "private, no-cache",
    }


def part_of(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return (first, last) byte that a Range header asks for; None for the whole, first > last for none of it.

    Only one range of bytes is served (RFC 9110 section 14.2 lets a server ignore others).
    """
    if not asked or not asked.startswith("bytes=") or "," in asked:
        return None
    first, dash, last = asked.removeprefix("bytes=").strip().partition("-")
    if not dash or not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last)):
        return None
    if first:
        end = min(int(last), size - 1) if last else size - 1
        return (int(first), end) if not last or int(last) >= int(first) else None
    if last:
        return (max(0, size - int(last)), size - 1) if int(last) else (1, 0)
    return None


RESOURCES: Final = (list_media, read_media, read_content)
