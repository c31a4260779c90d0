"""GET /api/v1/vehicles/{id}/frames: what a vehicle's terminals said, byte for byte, from the journal.

Only upward: what the platform sends is in the log as events. Heartbeats and general replies are not journalled. Raw
frames hold exact positions, so they are for who may see these; each look is in the access log.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from api.times import TIME_CHARACTERS_MAX
from api.tracks import span_of
from core.intake.archive import SEQUENCE_MAX, Archive, Spoke
from core.intake.links import KIND_ASSEMBLED, KIND_LINK_CLOSED, Frame
from core.rights import Principal
from protocols.jt808.explain import explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.messages import MESSAGES
from protocols.jt808.personal import raw_right
from protocols.jt808.vendors import vendor_of
from protocols.jt808.wire import ItemTable
from protocols.report import phone_key, phone_text

FRAMES_MAX: Final = 500
"""Frames of one page; with explanations 50 of them."""
EXPLAINED_MAX: Final = 50
EVER_MS: Final = 2**62


class RawFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame as it travelled."""

    sequence: int
    """Its number in the journal."""
    time_ms: int
    """When it arrived, UTC epoch ms."""
    direction: Literal["up"] = "up"
    message: str
    """Message id as 0x…."""
    name: str
    """As the declaration calls it; empty for a message that we do not know."""
    phone: str
    terminal: int
    """0 before it was logged in."""
    link: int
    assembled: bool
    """Put together here from fragments, which stand by themselves."""
    frame: str
    """Hexadecimal, with flags and escapes; empty where it is withheld."""
    withheld: str = ""
    """The right without which it is not shown: drivers.read, of who a driver is; media.read, of pictures."""
    explained: dict[str, Any] | None = None
    """As `carillon explain --json` says it, where asked for."""


class FramePage(msgspec.Struct, frozen=True, kw_only=True):
    """Frames, newest first."""

    items: list[RawFrame]
    next: int | None
    """Hand it back as `before`: the search rests there, with or without a find. Null: the time asked for is done."""
    searched_to_ms: int
    """Everything that arrived since is in this page and those before it."""
    kept_since_ms: int
    """When the oldest frame still kept arrived; 0: none is kept."""


@get(
    "/vehicles/{vehicle_id:int}/frames",
    opt={"right": "positions.read"},
    summary="A vehicle's raw frames",
    responses=answers("bad_request", *KEYED, "vehicle_unknown", "precision_missing", "journal_elsewhere"),
)
async def list_frames(
    request: Request,
    vehicle_id: FromPath[int],
    from_: Annotated[
        str,
        QueryParameter(
            name="from",
            max_length=TIME_CHARACTERS_MAX,
            description="Arrival: milliseconds or ISO 8601; the beginning of today where empty",
        ),
    ] = "",
    to: Annotated[str, QueryParameter(max_length=TIME_CHARACTERS_MAX, description="The end, left out")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=FRAMES_MAX, description="Most frames on this page")] = 50,
    before: Annotated[int, QueryParameter(ge=0, description="Only frames of a lower number; 0: from the newest")] = 0,
    report_id: Annotated[
        str, QueryParameter(pattern=r"^([0-9a-fA-F]{16})?$", description="Only the frames that brought this report")
    ] = "",
    at_ms: Annotated[
        int, QueryParameter(name="at", ge=0, description="Only the frames that brought the reports of this fix time")
    ] = 0,
    sequence: Annotated[int, QueryParameter(ge=0, description="Only the frame of this number")] = 0,
    explained: Annotated[bool, QueryParameter(name="explain", description="Name every field of each")] = False,
) -> FramePage:
    """Return the vehicle's frames that arrived in a time, newest first; or those behind one report.

    404 `vehicle_unknown`; 403 `precision_missing` to who sees no exact positions; 404 `journal_elsewhere` where this
    process has no journal. An answer may hold fewer frames than the limit, or none, and still have a `next`: 256 MB of
    the journal are looked through at a time.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> FramePage:
        page = found()
        if not explained:
            return page
        vendors = vendors_of(parts, vehicle_id)
        items = [explain(item, vendors.get(item.terminal)) for item in page.items]
        return msgspec.structs.replace(page, items=items)

    def found() -> FramePage:
        vehicle = parts.vehicles.one(principal, vehicle_id)
        if vehicle is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        archive = archive_for(parts, principal)
        if sequence or report_id or at_ms:
            return frames_behind(
                parts, archive, principal, vehicle_id, report_id=report_id, at_ms=at_ms, sequence=sequence
            )
        from_ms, to_ms = span_of(from_, to, "", vehicle.store.time_zone)
        return frames_between(
            parts,
            archive,
            principal,
            vehicle_id,
            from_ms,
            to_ms,
            before=before or SEQUENCE_MAX,
            limit=min(limit, EXPLAINED_MAX) if explained else limit,
        )

    return await sync_to_thread(read)


def archive_for(parts: Parts, principal: Principal) -> Archive:
    """Return the journal's archive, if this principal may look into it and there is one.

    Raises:
        Problem: precision_missing, journal_elsewhere.
    """
    if not principal.may("terminals.read"):
        raise Problem("right_missing", "this needs the right terminals.read: frames hold phones")
    if principal.scope.precision != "exact":
        raise Problem("precision_missing", "raw frames hold exact positions")
    if parts.archive is None:
        raise Problem("journal_elsewhere", "the journal lies with the node that takes terminals in")
    return parts.archive


def frames_between(
    parts: Parts,
    archive: Archive,
    principal: Principal,
    vehicle_id: int,
    from_ms: int,
    to_ms: int,
    *,
    before: int = SEQUENCE_MAX,
    limit: int = 50,
) -> FramePage:
    """Find what arrived in a time, of a vehicle that this principal may see. Blocks."""
    found = archive.frames(vehicle_id, spoke_of(parts, vehicle_id), from_ms, to_ms, before=before, limit=limit)
    parts.reader.note(principal, "frames", vehicle=vehicle_id, from_ms=from_ms, to_ms=to_ms, rows=len(found.frames))
    return FramePage(
        items=[raw_frame(frame, principal) for frame in found.frames],
        next=found.next_sequence or None,
        searched_to_ms=found.scanned_to_ms,
        kept_since_ms=archive.oldest_ms(),
    )


def frames_behind(
    parts: Parts,
    archive: Archive,
    principal: Principal,
    vehicle_id: int,
    *,
    report_id: str = "",
    at_ms: int = 0,
    sequence: int = 0,
) -> FramePage:
    """Find the frames that brought a report, or the reports of one fix time. Blocks."""
    kept_since_ms = archive.oldest_ms()
    sequences: list[int] = [sequence] if sequence else []
    if not sequences:
        sequences = (
            parts.reader.sequences_of(
                principal,
                vehicle_id,
                report_id=int(report_id, 16) if report_id else None,
                time_ms=at_ms or None,
                arrival_ms_min=kept_since_ms,
            )
            or []
        )
    if not sequences and report_id:
        # What happened a moment ago is in the journal before it is in the store.
        newest = archive.sequence_of(vehicle_id, int(report_id, 16))
        sequences = [] if newest is None else [newest]
    frames = [frame for one in sequences if (frame := archive.frame(one)) is not None]
    spoke = spoke_of(parts, vehicle_id) if sequence else []
    # The number is a number of the whole journal: whose frame it is stands in the frame.
    frames = [frame for frame in frames if is_of(frame, vehicle_id, spoke)]
    parts.reader.note(principal, "frames", vehicle=vehicle_id, rows=len(frames))
    return FramePage(
        items=[raw_frame(frame, principal) for frame in frames],
        next=None,
        searched_to_ms=0,
        kept_since_ms=kept_since_ms,
    )


def is_of(frame: Frame, vehicle_id: int, spoke: list[Spoke]) -> bool:
    """Tell whether a frame was this vehicle's when it came."""
    if frame.kind == KIND_LINK_CLOSED:
        return False
    if frame.terminal:
        return frame.vehicle_id == vehicle_id
    return any(one.phone == frame.phone and one.from_ms <= frame.arrival_ms < one.to_ms for one in spoke)


def spoke_of(parts: Parts, vehicle_id: int) -> list[Spoke]:
    """Return which phones spoke for a vehicle, and when. Blocks."""
    return [
        Spoke(phone_key(phone), from_ms, EVER_MS if to_ms is None else to_ms)
        for phone, from_ms, to_ms in parts.vehicles.spoke(vehicle_id)
    ]


def raw_frame(frame: Frame, principal: Principal) -> RawFrame:
    """Return a journalled frame as it travelled; without its bytes where they say what this principal may not know."""
    message = int.from_bytes(frame.data[:2], "big")
    right = raw_right(message)
    withheld = right if right and not principal.may(right) else ""
    declared = MESSAGES.get(message)
    return RawFrame(
        sequence=frame.sequence,
        time_ms=frame.arrival_ms,
        message=f"0x{message:04X}",
        name=declared.body.__name__ if declared is not None else "",
        phone=phone_text(*frame.phone),
        terminal=frame.terminal,
        link=frame.link,
        assembled=frame.kind == KIND_ASSEMBLED,
        frame="" if withheld else wrap(frame.data).hex().upper(),
        withheld=withheld,
    )


def vendors_of(parts: Parts, vehicle_id: int) -> dict[int, ItemTable]:
    """Return what the items of a vehicle's terminals mean, by the terminal's id, where their makers differ. Blocks."""
    makes = parts.vehicles.makes(vehicle_id)
    vendors = {terminal: vendor_of(maker, model) for terminal, (maker, model) in makes.items()}
    return {terminal: vendor for terminal, vendor in vendors.items() if vendor is not None}


def explain(item: RawFrame, vendor: ItemTable | None = None) -> RawFrame:
    """Return the frame with every field named, as its terminal's maker means it; as it is where it is withheld."""
    if not item.frame:
        return item
    return msgspec.structs.replace(item, explained=explain_wire(bytes.fromhex(item.frame), vendor))
