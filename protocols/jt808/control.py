"""Messages that set up, command and upgrade a terminal, and talk to its driver: JT/T 808 chapters 8.4-8.32."""

from typing import Annotated, Final

import msgspec

from protocols.jt808.location import ALARM_BITS, Location
from protocols.jt808.parameters import GNSS_BITS, ParameterValue
from protocols.jt808.parameters import Parameter as Parameter
from protocols.jt808.safety import UPGRADE_TARGETS
from protocols.jt808.wire import (
    ByVersion,
    Count,
    Decimal,
    Digits,
    Gbk,
    IfBit,
    IfEqual,
    IfMore,
    Joined,
    Many,
    Nested,
    Period,
    Raw,
    Since,
    TotalBytes,
    Unsigned,
    Until,
)

Struct = msgspec.Struct

COMMANDS: Final = {
    1: "wireless upgrade",
    2: "connect to given server",
    3: "shut down",
    4: "reset",
    5: "factory reset",
    6: "close data link",
    7: "close all radio",
}
CONNECTIONS: Final = {0: "go to the given server", 1: "return to the own platform"}
TYPE_BITS: Final = {
    0: "passenger",
    1: "dangerous goods",
    2: "freight",
    3: "taxi",
    6: "disk recording",
    7: "split",
    8: "trailer",
}
RADIO_BITS: Final = {0: "GPRS", 1: "CDMA", 2: "TD-SCDMA", 3: "WCDMA", 4: "CDMA2000", 5: "TD-LTE", 7: "other"}
UPGRADE_RESULTS: Final = {
    0: "ok",
    1: "failed",
    2: "cancelled",
    0x10: "target missing",
    0x11: "hardware unsupported",
    0x12: "same version",
    0x13: "version unsupported",
}
LIST_TYPES: Final = {0: "delete all", 1: "replace", 2: "append", 3: "modify", 4: "delete these"}
CALLS: Final = {0: "call", 1: "listen"}
CONTACT_KINDS: Final = {1: "incoming", 2: "outgoing", 3: "both"}


class SetParameters(Struct, frozen=True, kw_only=True):
    """0x8103."""

    count: Annotated[int | None, Count(1, of="parameters")] = None
    here: Annotated[int | None, Count(1, of="parameters"), Until(2011)] = None
    parameters: Annotated[tuple[Parameter, ...], Many(ParameterValue(), count="count")] = ()


class ParametersReply(Struct, frozen=True, kw_only=True):
    """0x0104."""

    reply_serial: Annotated[int, Unsigned(2)]
    count: Annotated[int | None, Count(1, of="parameters")] = None
    here: Annotated[int | None, Count(1, of="parameters"), Until(2011)] = None
    parameters: Annotated[tuple[Parameter, ...], Many(ParameterValue(), count="count")] = ()


class QueryAllParameters(Struct, frozen=True):
    """0x8104."""


class QueryParameters(Struct, frozen=True):
    """0x8106."""

    ids: Annotated[tuple[int, ...], Many(Unsigned(4), count=1)] = ()


class WirelessUpgrade(Struct, frozen=True, kw_only=True):
    """Parameters of command 1, joined by semicolons. None: the fields end before it; empty where not needed."""

    url: Annotated[str | None, Gbk()] = None
    apn: Annotated[str | None, Gbk()] = None
    user: Annotated[str | None, Gbk()] = None
    password: Annotated[str | None, Gbk()] = None
    address: Annotated[str | None, Gbk()] = None
    tcp_port: Annotated[int | str | None, Decimal()] = None
    udp_port: Annotated[int | str | None, Decimal()] = None
    maker: Annotated[str | None, Gbk()] = None
    hardware: Annotated[str | None, Gbk()] = None
    firmware: Annotated[str | None, Gbk()] = None
    limit_min: Annotated[int | str | None, Decimal("min")] = None
    """How long to try, 0: as long as it takes."""


class GivenServer(Struct, frozen=True, kw_only=True):
    """Parameters of command 2, joined by semicolons. With connection 1 nothing follows."""

    connection: Annotated[int | str | None, Decimal(names=CONNECTIONS)] = None
    code: Annotated[str | None, Gbk()] = None
    """Authentication code of that server."""
    apn: Annotated[str | None, Gbk()] = None
    user: Annotated[str | None, Gbk()] = None
    password: Annotated[str | None, Gbk()] = None
    address: Annotated[str | None, Gbk()] = None
    tcp_port: Annotated[int | str | None, Decimal()] = None
    udp_port: Annotated[int | str | None, Decimal()] = None
    limit_min: Annotated[int | str | None, Decimal("min")] = None
    """How long to stay there, 0: until told otherwise."""


class TerminalControl(Struct, frozen=True):
    """0x8105. Commands 1 and 2 have fields of their own; `parameters` is what a maker's own command takes."""

    command: Annotated[int, Unsigned(1, names=COMMANDS)]
    upgrade: Annotated[WirelessUpgrade | None, Joined(WirelessUpgrade), IfEqual("command", (1,)), IfMore()] = None
    server: Annotated[GivenServer | None, Joined(GivenServer), IfEqual("command", (2,)), IfMore()] = None
    parameters: Annotated[str, Gbk()] = ""
    """Behind the fields of commands 1 and 2: what is more than these, from its semicolon on."""


class QueryAttributes(Struct, frozen=True):
    """0x8107."""


class AttributesReply(Struct, frozen=True):
    """0x0107. The layout 2020 is ours: that of 2019 with the maker in 11 bytes, which some terminals send."""

    kind: Annotated[int, Unsigned(2, bits=TYPE_BITS)]
    maker: Annotated[str, ByVersion({2011: Gbk(5), 2020: Gbk(11)})]
    model: Annotated[str, ByVersion({2011: Gbk(20), 2019: Gbk(30)})]
    terminal_id: Annotated[str, ByVersion({2011: Gbk(7), 2019: Gbk(30)})]
    iccid: Annotated[str, Digits(10)]
    hardware: Annotated[str, Gbk(prefix=1)]
    firmware: Annotated[str, Gbk(prefix=1)]
    gnss: Annotated[int, Unsigned(1, bits=GNSS_BITS)]
    radio: Annotated[int, Unsigned(1, bits=RADIO_BITS)]


class Upgrade(Struct, frozen=True):
    """0x8108, in fragments as a rule."""

    target: Annotated[int, Unsigned(1, names=UPGRADE_TARGETS)]
    maker: Annotated[str, Gbk(5)]
    release: Annotated[str, Gbk(prefix=1)]
    data: Annotated[bytes, Raw(prefix=4)]


class UpgradeResult(Struct, frozen=True):
    """0x0108."""

    target: Annotated[int, Unsigned(1, names=UPGRADE_TARGETS)]
    result: Annotated[int, Unsigned(1, names=UPGRADE_RESULTS)]


class TrackTemporarily(Struct, frozen=True):
    """0x8202. Interval 0 stops tracking, and nothing follows."""

    interval_s: Annotated[int, Unsigned(2, unit="s")]
    valid_s: Annotated[int | None, Unsigned(4, unit="s"), IfMore()] = None


class ConfirmAlarm(Struct, frozen=True):
    """0x8203. Serial 0: all alarms of these kinds."""

    alarm_serial: Annotated[int, Unsigned(2)]
    kinds: Annotated[int, Unsigned(4, bits=ALARM_BITS)]


class CheckLink(Struct, frozen=True):
    """0x8204, since 2019."""


class Event(Struct, frozen=True):
    id: Annotated[int, Unsigned(1)]
    text: Annotated[str, Gbk(prefix=1)] = ""


class SetEvents(Struct, frozen=True, kw_only=True):
    """0x8301, until 2013. Type 0 deletes all, and nothing follows."""

    kind: Annotated[int, Unsigned(1, names=LIST_TYPES)]
    count: Annotated[int | None, Count(1, of="events"), IfMore()] = None
    here: Annotated[int | None, Count(1, of="events"), Until(2011), IfMore()] = None
    events: Annotated[tuple[Event, ...], Many(Nested(Event), count="count")] = ()


class EventReport(Struct, frozen=True):
    """0x0301."""

    event_id: Annotated[int, Unsigned(1)]


class Answer(Struct, frozen=True):
    id: Annotated[int, Unsigned(1)]
    text: Annotated[str, Gbk(prefix=2)]


class Question(Struct, frozen=True):
    """0x8302, until 2013."""

    flags: Annotated[int, Unsigned(1, bits={0: "urgent", 3: "TTS", 4: "advertising screen"})]
    text: Annotated[str, Gbk(prefix=1)]
    answers: Annotated[tuple[Answer, ...], Many(Nested(Answer))] = ()


class QuestionReply(Struct, frozen=True):
    """0x0302."""

    reply_serial: Annotated[int, Unsigned(2)]
    answer_id: Annotated[int, Unsigned(1)]


class InfoItem(Struct, frozen=True):
    id: Annotated[int, Unsigned(1)]
    name: Annotated[str, Gbk(prefix=2)]


class SetInfoMenu(Struct, frozen=True, kw_only=True):
    """0x8303, until 2013."""

    kind: Annotated[int, Unsigned(1, names=LIST_TYPES)]
    count: Annotated[int | None, Count(1, of="items"), IfMore()] = None
    here: Annotated[int | None, Count(1, of="items"), Until(2011), IfMore()] = None
    items: Annotated[tuple[InfoItem, ...], Many(Nested(InfoItem), count="count")] = ()


class InfoOrder(Struct, frozen=True):
    """0x0303."""

    info_id: Annotated[int, Unsigned(1)]
    ordered: Annotated[int, Unsigned(1, names={0: "cancelled", 1: "ordered"})]


class Info(Struct, frozen=True, kw_only=True):
    """0x8304, until 2013."""

    info_id: Annotated[int, Unsigned(1)]
    total: Annotated[int | None, TotalBytes(2, of="text"), Until(2011)] = None
    """Bytes of the text in all packets."""
    text: Annotated[str, Gbk(prefix=2)]


class CallBack(Struct, frozen=True):
    """0x8400."""

    kind: Annotated[int, Unsigned(1, names=CALLS)]
    number: Annotated[str, Gbk()]


class Contact(Struct, frozen=True):
    kind: Annotated[int, Unsigned(1, names=CONTACT_KINDS)]
    number: Annotated[str, Gbk(prefix=1)]
    name: Annotated[str, Gbk(prefix=1)]


class SetPhonebook(Struct, frozen=True, kw_only=True):
    """0x8401. Type 0 deletes all, and nothing follows."""

    kind: Annotated[int, Unsigned(1, names=LIST_TYPES)]
    count: Annotated[int | None, Count(1, of="contacts"), IfMore()] = None
    here: Annotated[int | None, Count(1, of="contacts"), Until(2011), IfMore()] = None
    contacts: Annotated[tuple[Contact, ...], Many(Nested(Contact), count="count")] = ()


class Control(Struct, frozen=True):
    """One command of a 0x8500 of 2019. Kind 1 is the doors: 0 lock, 1 unlock (the reverse of 2013)."""

    kind: Annotated[int, Unsigned(2, names={1: "doors"})]
    value: Annotated[int, Unsigned(1)]


class ControlVehicle(Struct, frozen=True, kw_only=True):
    """0x8500: `flags` in 2013 (bit 0: 0 unlock, 1 lock the doors), `controls` in 2019.

    The layout 2020 is ours: without the count, as one peer sends it.
    """

    flags: Annotated[int | None, Unsigned(1, bits={0: "lock doors"}), Until(2013)] = None
    controls: Annotated[
        tuple[Control, ...], ByVersion({2019: Many(Nested(Control), count=2), 2020: Many(Nested(Control))}), Since(2019)
    ] = ()


class ControlReply(Struct, frozen=True, kw_only=True):
    """0x0500: the state after a 0x8500 was carried out."""

    reply_serial: Annotated[int, Unsigned(2)]
    location: Annotated[Location, Nested(Location)]


# --- areas and routes -------------------------------------------------------------------------------------------------

AREA_BITS: Final = {
    0: "use times",
    1: "speed limit",
    2: "entering told to driver",
    3: "entering told to platform",
    4: "leaving told to driver",
    5: "leaving told to platform",
    6: "south",
    7: "west",
    8: "doors stay shut",
    14: "radio off inside",
    15: "detailed positions inside",
}
ROUTE_BITS: Final = {bit: AREA_BITS[bit] for bit in (0, 2, 3, 4, 5)}
SECTION_BITS: Final = {0: "travel time", 1: "speed limit", 2: "south", 3: "west"}
SETTINGS: Final = {0: "replace", 1: "append", 2: "modify"}
AREA_KINDS: Final = {1: "circle", 2: "rectangle", 3: "polygon", 4: "route"}
REPLY_KINDS: Final = {**AREA_KINDS, 5: "ids alone"}
DEGREE: Final = Unsigned(4, unit="°", scale=1e-6)


class Circle(Struct, frozen=True, kw_only=True):
    id: Annotated[int, Unsigned(4)]
    attributes: Annotated[int, Unsigned(2, bits=AREA_BITS)]
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]
    radius_m: Annotated[int, Unsigned(4, unit="m")]
    start_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    end_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1)] = None
    overspeed_s: Annotated[int | None, Unsigned(1, unit="s"), IfBit("attributes", 1)] = None
    night_speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1), Since(2019)] = None
    name: Annotated[str | None, Gbk(prefix=2), Since(2019)] = None


class Rectangle(Struct, frozen=True, kw_only=True):
    """Upper left and lower right corner."""

    id: Annotated[int, Unsigned(4)]
    attributes: Annotated[int, Unsigned(2, bits=AREA_BITS)]
    upper_latitude: Annotated[int, DEGREE]
    left_longitude: Annotated[int, DEGREE]
    lower_latitude: Annotated[int, DEGREE]
    right_longitude: Annotated[int, DEGREE]
    start_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    end_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1)] = None
    overspeed_s: Annotated[int | None, Unsigned(1, unit="s"), IfBit("attributes", 1)] = None
    night_speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1), Since(2019)] = None
    name: Annotated[str | None, Gbk(prefix=2), Since(2019)] = None


class SetCircles(Struct, frozen=True, kw_only=True):
    """0x8600."""

    setting: Annotated[int, Unsigned(1, names=SETTINGS)]
    count: Annotated[int | None, Count(1, of="circles")] = None
    here: Annotated[int | None, Count(1, of="circles"), Until(2011)] = None
    circles: Annotated[tuple[Circle, ...], Many(Nested(Circle), count="count")] = ()


class SetRectangles(Struct, frozen=True, kw_only=True):
    """0x8602."""

    setting: Annotated[int, Unsigned(1, names=SETTINGS)]
    count: Annotated[int | None, Count(1, of="rectangles")] = None
    here: Annotated[int | None, Count(1, of="rectangles"), Until(2011)] = None
    rectangles: Annotated[tuple[Rectangle, ...], Many(Nested(Rectangle), count="count")] = ()


class Vertex(Struct, frozen=True):
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]


class SetPolygon(Struct, frozen=True, kw_only=True):
    """0x8604. The night speed of 2019 stands behind the vertices."""

    id: Annotated[int, Unsigned(4)]
    attributes: Annotated[int, Unsigned(2, bits=AREA_BITS)]
    start_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    end_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1)] = None
    overspeed_s: Annotated[int | None, Unsigned(1, unit="s"), IfBit("attributes", 1)] = None
    count: Annotated[int | None, Count(2, of="vertices")] = None
    here: Annotated[int | None, Count(1, of="vertices"), Until(2011)] = None
    vertices: Annotated[tuple[Vertex, ...], Many(Nested(Vertex), count="count")]
    night_speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1), Since(2019)] = None
    name: Annotated[str | None, Gbk(prefix=2), Since(2019)] = None


class RoutePoint(Struct, frozen=True, kw_only=True):
    """A corner of a route and the section that begins there. 2011 has section ids only."""

    id: Annotated[int | None, Unsigned(4), Since(2013)] = None
    section_id: Annotated[int, Unsigned(4)]
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]
    width_m: Annotated[int, Unsigned(1, unit="m")]
    attributes: Annotated[int, Unsigned(1, bits=SECTION_BITS)]
    longest_s: Annotated[int | None, Unsigned(2, unit="s"), IfBit("attributes", 0)] = None
    shortest_s: Annotated[int | None, Unsigned(2, unit="s"), IfBit("attributes", 0), Since(2013)] = None
    speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1)] = None
    overspeed_s: Annotated[int | None, Unsigned(1, unit="s"), IfBit("attributes", 1)] = None
    night_speed_kmh: Annotated[int | None, Unsigned(2, unit="km/h"), IfBit("attributes", 1), Since(2019)] = None


class SetRoute(Struct, frozen=True, kw_only=True):
    """0x8606."""

    id: Annotated[int, Unsigned(4)]
    attributes: Annotated[int, Unsigned(2, bits=ROUTE_BITS)]
    start_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    end_ms: Annotated[int | None, Period(), IfBit("attributes", 0)] = None
    count: Annotated[int | None, Count(2, of="points")] = None
    here: Annotated[int | None, Count(1, of="points"), Until(2011)] = None
    points: Annotated[tuple[RoutePoint, ...], Many(Nested(RoutePoint), count="count")]
    name: Annotated[str | None, Gbk(prefix=2), Since(2019)] = None


class DeleteAreas(Struct, frozen=True):
    """0x8601, 0x8603, 0x8605, 0x8607. No ids: all of the kind."""

    ids: Annotated[tuple[int, ...], Many(Unsigned(4), count=1)] = ()


class QueryAreas(Struct, frozen=True):
    """0x8608, since 2019. No ids: all."""

    kind: Annotated[int, Unsigned(1, names=AREA_KINDS)]
    ids: Annotated[tuple[int, ...], Many(Unsigned(4), count=4)] = ()


class AreasReply(Struct, frozen=True, kw_only=True):
    """0x0608, since 2019: the areas of one kind, in the form in which they are set.

    The layout 2020 is ours: circles and rectangles each in a whole 0x8600 or 0x8602, as one peer reads the standard.
    Kind 5 is no area: the ids alone, of the same peer.
    """

    kind: Annotated[int, Unsigned(1, names=REPLY_KINDS)]
    circles: Annotated[tuple[Circle, ...] | None, Many(Nested(Circle), count=4), IfEqual("kind", (1,)), Until(2019)] = (
        None
    )
    rectangles: Annotated[
        tuple[Rectangle, ...] | None, Many(Nested(Rectangle), count=4), IfEqual("kind", (2,)), Until(2019)
    ] = None
    circle_settings: Annotated[
        tuple[SetCircles, ...] | None, Many(Nested(SetCircles), count=4), IfEqual("kind", (1,)), Since(2020)
    ] = None
    rectangle_settings: Annotated[
        tuple[SetRectangles, ...] | None, Many(Nested(SetRectangles), count=4), IfEqual("kind", (2,)), Since(2020)
    ] = None
    polygons: Annotated[tuple[SetPolygon, ...] | None, Many(Nested(SetPolygon), count=4), IfEqual("kind", (3,))] = None
    routes: Annotated[tuple[SetRoute, ...] | None, Many(Nested(SetRoute), count=4), IfEqual("kind", (4,))] = None
    ids: Annotated[tuple[int, ...] | None, Many(Unsigned(4), count=4), IfEqual("kind", (5,))] = None
