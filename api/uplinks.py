"""GET /api/v1/vehicles/{id}/messages: what a vehicle's terminals said beside positions, read by the declarations.

Frames are stored as they came and read here each time. Everything that one may not see is taken out here: coordinates
as far as one's precision goes, drivers' names and numbers without `drivers.read`, raw bytes of which nobody knows what
they hold for those who may not see raw frames. Each look is in the access log.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.frames import vendors_of
from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from api.times import TIME_CHARACTERS_MAX, TIME_MS_MAX, read_moment, zone_of
from core import limits
from core.rights import Principal
from protocols.jt808.codec import Decoded, ProtocolError, decode
from protocols.jt808.explain import explain_wire, inflated_body
from protocols.jt808.framing import wrap
from protocols.jt808.media import Compressed, MediaData, Transparent
from protocols.jt808.messages import MESSAGES, Unknown
from protocols.jt808.personal import hide, raw_right
from protocols.jt808.plain import to_plain
from protocols.jt808.wire import ItemTable
from storage.reader import shown_plain
from storage.tables.uplink import UPLINK_ASSEMBLED, UPLINK_CUT, Uplink
from storage.uplinks import Uplinks

MESSAGES_ASKED_MAX: Final = 32
"""Ids of one filter."""
GNSS_DETAIL: Final = 0
"""Kind of transparent data that holds positions."""


class TerminalMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a terminal."""

    node: str
    sequence: int
    """Number of its record in that node's journal: with the node its name."""
    time_ms: int
    """When it arrived, UTC epoch ms."""
    terminal: int
    message: str
    """Message id as 0x…."""
    name: str
    """As the declaration calls it; empty for a message that we do not know."""
    version: int
    """Edition of JT/T 808 in which it was read."""
    serial: int
    length: int
    """Bytes of header and body."""
    assembled: bool
    """Put together here from fragments."""
    cut: bool
    """Longer than what is kept: only the beginning is here."""
    fields: dict[str, Any] | None
    """What it says, by the declaration; null where it is too long for a list: ask for it alone."""
    hidden: tuple[str, ...] = ()
    """Fields that are shown in part only: they need the right drivers.read."""
    faults: tuple[str, ...] = ()
    """What the sender got wrong and was read around."""
    frame: str | None = None
    """Hexadecimal, with flags and escapes; null in lists, and for whom something is withheld."""
    withheld: str = ""
    """The right without which the raw frame is not shown."""
    explained: dict[str, Any] | None = None
    """Every byte, as `carillon explain --json` says it, where asked for."""


class MessagePage(msgspec.Struct, frozen=True):
    """Messages, newest first."""

    items: list[TerminalMessage]
    next: str | None
    """Hand it back as `before`; null on the last page."""


@get(
    "/vehicles/{vehicle_id:int}/messages",
    opt={"right": "messages.read"},
    summary="What a vehicle's terminals said",
    responses=answers("bad_request", *KEYED, "vehicle_unknown"),
)
async def list_vehicle_messages(
    request: Request[Any, Any, Any],
    vehicle_id: FromPath[int],
    message: Annotated[
        list[str] | None, QueryParameter(max_items=MESSAGES_ASKED_MAX, description="Only these, as 0x0702; repeatable")
    ] = None,
    from_: Annotated[
        str,
        QueryParameter(name="from", max_length=TIME_CHARACTERS_MAX, description="Arrival: milliseconds or ISO 8601"),
    ] = "",
    to: Annotated[str, QueryParameter(max_length=TIME_CHARACTERS_MAX, description="The end, left out")] = "",
    before: Annotated[str, QueryParameter(max_length=200, description="`next` of the page before")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=limits.UPLINKS_PAGE_MAX, description="Most on this page")] = 50,
) -> MessagePage:
    """Return what terminals said beside positions, logins and heartbeats, newest first: waybills, drivers, CAN frames,
    recorder data, answers, transparent data, and what no declaration knows.

    A message stands here once its journal segment is stored: some five seconds after it came.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> MessagePage:
        vehicle = parts.vehicles.one(principal, vehicle_id)
        if vehicle is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        zone = zone_of(vehicle.store.time_zone)
        page = page_of(
            parts,
            principal,
            vehicle_id,
            messages=[message_of(text) for text in message or ()],
            from_ms=read_moment(from_, zone, "from") if from_ else 0,
            to_ms=read_moment(to, zone, "to") if to else TIME_MS_MAX,
            before=before,
            limit=limit,
        )
        assert page is not None
        return page

    return await sync_to_thread(read)


@get(
    "/vehicles/{vehicle_id:int}/messages/{node:str}/{sequence:int}",
    opt={"right": "messages.read"},
    summary="One message of a terminal",
    responses=answers("bad_request", *KEYED, "vehicle_unknown", "message_unknown"),
)
async def read_vehicle_message(
    request: Request[Any, Any, Any],
    vehicle_id: FromPath[int],
    node: FromPath[str],
    sequence: FromPath[int],
    explained: Annotated[bool, QueryParameter(name="explain", description="Name every byte of it")] = False,
) -> TerminalMessage:
    """Return one message whole, with its raw frame for those who may see it."""
    parts: Parts = request.app.state.parts
    found = await sync_to_thread(one_of, parts, principal_of(request), vehicle_id, node, sequence, explained=explained)
    if found is None:
        raise Problem("message_unknown", f"no message {node[:40]}/{sequence} of vehicle {vehicle_id}")
    return found


def page_of(
    parts: Parts,
    principal: Principal,
    vehicle_id: int,
    *,
    messages: list[int],
    from_ms: int = 0,
    to_ms: int = TIME_MS_MAX,
    before: str = "",
    limit: int = 50,
    what: str = "messages",
) -> MessagePage | None:
    """Read a page of a vehicle's messages; None for a vehicle that is not the principal's. Blocks.

    Raises:
        Problem: bad_request for a cursor that is none.
    """
    try:
        page = Uplinks(parts.reader).page(
            principal,
            vehicle_id,
            messages=messages,
            from_ms=from_ms,
            to_ms=to_ms,
            before=before,
            limit=limit,
            what=what,
        )
    except ValueError as error:
        raise Problem("bad_request", f"before: {error}") from None
    if page is None:
        return None
    vendors = vendors_of(parts, vehicle_id)
    items = [shown(one, principal, vendor=vendors.get(one.terminal)) for one in page.items]
    return MessagePage(items, page.next or None)


def one_of(
    parts: Parts, principal: Principal, vehicle_id: int, node: str, sequence: int, *, explained: bool = False
) -> TerminalMessage | None:
    """Read one message of a vehicle, None where there is none for this principal. Blocks."""
    if not 0 <= sequence < 2**63:
        return None
    found = Uplinks(parts.reader).one(principal, vehicle_id, node, sequence)
    if found is None:
        return None
    vendor = vendors_of(parts, vehicle_id).get(found.terminal)
    return shown(found, principal, whole=True, explained=explained, vendor=vendor)


def message_of(text: str) -> int:
    """Return a message id as a number.

    Raises:
        Problem: bad_request.
    """
    try:
        number = int(text, 16)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise Problem("bad_request", f"message: {text[:20]!r} is no id as 0x0702")
    return number


def sees_raw(principal: Principal) -> bool:
    """Tell whether somebody may see raw frames: they hold phones and exact positions."""
    return principal.may("positions.read") and principal.may("terminals.read") and principal.scope.precision == "exact"


def shown(
    uplink: Uplink,
    principal: Principal,
    *,
    whole: bool = False,
    explained: bool = False,
    vendor: ItemTable | None = None,
) -> TerminalMessage:
    """Return a message as this principal may see it.

    Args:
        whole: with its frame. explained: with every byte named, where the frame may be seen.
        vendor: what its terminal's maker means by items of locations.
    """
    declared = MESSAGES.get(uplink.message)
    cut = bool(uplink.flags & UPLINK_CUT)
    fields: dict[str, Any] | None = None
    hidden: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    version = uplink.version
    withheld = right_missing(uplink.message, principal)
    if cut or len(uplink.frame) == uplink.length:
        try:
            decoded = decode(uplink.frame, uplink.version, vendor)
        except ProtocolError as error:
            faults = (str(error),)
        else:
            version = decoded.header.version
            # What is missing of a frame that was cut is no fault of the sender.
            faults = () if cut else decoded.faults
            fields, hidden = fields_for(decoded, principal, whole=whole)
    item = TerminalMessage(
        node=uplink.node,
        sequence=uplink.sequence,
        time_ms=uplink.arrival_ms,
        terminal=uplink.terminal,
        message=f"0x{uplink.message:04X}",
        name="" if declared is None else declared.name,
        version=version,
        serial=uplink.serial,
        length=uplink.length,
        assembled=bool(uplink.flags & UPLINK_ASSEMBLED),
        cut=cut,
        fields=fields,
        hidden=hidden,
        faults=faults,
        withheld=withheld,
    )
    if not whole or withheld:
        return item
    wire = wrap(uplink.frame)
    return msgspec.structs.replace(
        item, frame=wire.hex().upper(), explained=explain_wire(wire, vendor) if explained else None
    )


def right_missing(message: int, principal: Principal) -> str:
    """Return the right that somebody lacks to see a message's bytes as they came; empty where none is missing."""
    if not sees_raw(principal):
        return "terminals.read" if not principal.may("terminals.read") else "positions.read"
    right = raw_right(message)
    return right if right and not principal.may(right) else ""


def fields_for(decoded: Decoded, principal: Principal, *, whole: bool = True) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what a message says as this principal may know it, and the fields that are shown in part only.

    Args:
        whole: also bytes that were inflated, up to 64 KB of them.
    """
    plain = to_plain(decoded.body)
    if decoded.tail:
        plain["tail"] = decoded.tail.hex()
    unread = {"tail"}
    if isinstance(decoded.body, Compressed):
        unread |= {"data", "inflated"}
        if not whole:
            plain.pop("inflated", None)
        held = inflated_body(decoded.body.inflated or b"", decoded.header.version)
        if held is not None:
            plain |= {"message": f"0x{held[0]:04X}", "body": to_plain(held[1])}
    if isinstance(decoded.body, Unknown):
        plain.pop("message", None)
        unread.add("data")
    if isinstance(decoded.body, Transparent) and decoded.body.kind == GNSS_DETAIL:
        unread.add("data")
    hidden: tuple[str, ...] = ()
    message = decoded.header.message
    if isinstance(decoded.body, MediaData):
        # What there is of a picture is the media store's to show.
        plain.pop("data", None)
    if right_missing(message, principal):
        hidden = tuple(name for name in unread if plain.get(name))
        plain = {name: value for name, value in plain.items() if name not in unread}
    if not principal.may("drivers.read"):
        plain, masked = hide(message, plain)
        hidden += masked
    return shown_plain(plain, principal), hidden


RESOURCES: Final = (list_vehicle_messages, read_vehicle_message)
