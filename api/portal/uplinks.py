"""/vehicles/{id}/messages: what a car's terminal said beside positions: a list in words, and the chosen one in full."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.parts import Parts
from api.portal.render import Words, html_response, words_of
from api.portal.table import Asked, Choice, Column, Empty, Hidden, Moment, Period, Rows, Table
from api.portal.terms import choice_name, message_name
from api.portal.told import Block, code, said, told
from api.portal.vehicle import answer_car, runs_of
from api.problems import Problem
from api.times import TIME_MS_MAX, day_of, zone_of
from api.uplinks import TerminalMessage, message_of, one_of, page_of
from api.vehicles import detail_of
from core import limits
from protocols.jt808.media import TRANSPARENT
from protocols.jt808.messages import MESSAGES as DECLARED
from protocols.jt808.plain import newest

SAID_CHARACTERS_MAX: Final = 120
"""Of a message in the list; the export has it whole."""
SAID_PAIRS_MAX: Final = 5
HEX_BYTES_MAX: Final = 4 * 1024
"""Of one hex dump: 256 lines."""
ROWS_SHOWN_MAX: Final = 500
CHART_POINTS_MAX: Final = 600
"""Points of a line: a message may hold 500 minutes of 60 speeds; of what falls together the highest is drawn."""
CHARTS_MAX: Final = 12

KINDS: Final[Mapping[str, tuple[int, ...]]] = {
    "driver": (0x0702,),
    "waybill": (0x0701,),
    "recorder": (0x0700,),
    "can": (0x0705,),
    "people": (0x0301, 0x0302, 0x0303, 0x1005),
    "answers": (0x0104, 0x0107, 0x0201, 0x0500, 0x0608, 0x1003, 0x0A00),
    "media": (0x0800, 0x0801, 0x0802, 0x0805, 0x1205, 0x1206),
    "alarm": (0x1210, 0x1211, 0x1212),
    "upgrade": (0x0108, 0x1FC4),
    "data": (0x0900, 0x0901),
}
"""What one filters by: a word of messages (uplinks_kind_…) -> messages."""

ICONS: Final[Mapping[str, str]] = {
    "driver": "user",
    "waybill": "outbox",
    "recorder": "history",
    "can": "system",
    "people": "people",
    "answers": "check",
    "media": "play",
    "alarm": "alert",
    "upgrade": "upload",
    "data": "explain",
}
_KIND_OF: Final = {message: kind for kind, messages in KINDS.items() for message in messages}


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Lines over time, drawn as SVG in a box of 600 x 120."""

    title: str
    lines: list[tuple[str, str]]
    """Name of each line (empty for a single one), and its points as `x,y x,y …`."""
    high: int
    """What the upper edge stands for."""
    left: str
    right: str
    """What stands below both ends."""


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the panel shows it."""

    item: TerminalMessage
    title: str
    icon: str
    text: str
    """A text that it carries."""
    blocks: list[Block]
    charts: list[Chart]
    dump: list[tuple[str, str, str]]
    """Lines of a hex dump: offset, bytes, signs."""
    dump_title: str
    dump_left: int
    """Bytes that the dump leaves out."""
    hidden: str
    """The right without which some of it is hidden, in words."""
    withheld: str
    """Why the raw frame is not shown; empty where it is."""
    runs: list[dict[str, Any]]
    about: list[tuple[str, Any]]


@get("/vehicles/{vehicle_id:int}/messages", include_in_schema=False, opt={"right": "messages.read"})
async def vehicle_messages_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show what the car's terminals said; with `open` and `node` in the address, one message in full."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    car = await sync_to_thread(detail_of, parts, principal, vehicle_id)
    request.state.zone = car.store.time_zone
    query = request.query_params
    node, number = query.get("node", "")[:128], query.get("open", "")
    chosen = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else -1
    table = messages_table(parts, vehicle_id, query, (node, chosen))
    if query.get("format", ""):
        return await table.export(request, query["format"])
    view = await table.view(request)
    words = words_of(request)
    if request.headers.get("hx-target", "").partition("#")[2] == f"{table.name}-table":
        return html_response(str(words.components.rows(view)))

    def read() -> dict[str, Any]:
        shown: dict[str, Any] = {"car": car, "table": view, "chosen": None, "gone": False}
        shown["days"] = days_offered(query, zone_of(car.store.time_zone))
        if chosen >= 0:
            item = one_of(parts, principal, vehicle_id, node, chosen, explained=True)
            shown |= {"chosen": None if item is None else detail_in(item, words), "gone": item is None}
        return shown

    return await answer_car(request, "vehicle_messages.html", read)


def days_offered(query: Any, zone: ZoneInfo) -> list[tuple[str, str, bool]]:
    """Return (message, address, chosen) for the days that people ask for most, in the clock of the car's store."""
    today = day_of(time.time_ns() // 1_000_000, zone)
    kind = {"kind": query["kind"]} if query.get("kind") else {}
    offered = []
    spans = {"today": (today, 1), "yesterday": (today - timedelta(1), 1), "week": (today - timedelta(6), 7)}
    for name, (first, days) in spans.items():
        span = {"from": f"{first}T00:00", "to": f"{first + timedelta(days)}T00:00"}
        chosen = all(query.get(end, "") == span[end] for end in span)
        offered.append((f"uplinks_day_{name}", f"?{urlencode({**kind, **span})}", chosen))
    return offered


def messages_table(parts: Parts, vehicle_id: int, query: Any, chosen: tuple[str, int]) -> Table:
    """Return the table of one car's messages; each row leads to itself, opened, under the same filters."""
    kept = {name: query[name] for name in ("kind", "message", "from", "to", "after") if query.get(name)}

    def read(asked: Asked) -> Rows:
        messages: list[int] = list(KINDS.get(asked.get("kind"), ()))
        if asked.get("message"):
            messages = [message_of(asked.get("message"))]
        page = page_of(
            parts,
            asked.principal,
            vehicle_id,
            messages=messages,
            from_ms=asked.ms("from") or 0,
            to_ms=asked.ms("to") or TIME_MS_MAX,
            before=asked.after,
            limit=min(asked.limit, limits.UPLINKS_PAGE_MAX),
            what="export" if asked.export else "messages",
        )
        if page is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        return Rows([(item, asked.words) for item in page.items], page.next or "")

    def href(row: tuple[TerminalMessage, Words]) -> str:
        return f"?{urlencode({**kept, 'node': row[0].node, 'open': row[0].sequence})}#message"

    return Table(
        name="messages",
        path=f"/vehicles/{vehicle_id}/messages",
        title="vehicle_tab_messages",
        columns=COLUMNS,
        filters=(
            Choice("kind", "uplinks_kind", [(kind, f"uplinks_kind_{kind}") for kind in KINDS]),
            Period(),
            Hidden("message"),
        ),
        read=read,
        empty=Empty("list", "uplinks_none", "uplinks_none_what"),
        row_id=lambda row: f"{row[0].node}-{row[0].sequence}",
        row_href=href,
        row_current=lambda row: (row[0].node, row[0].sequence) == chosen,
    )


def _named(row: tuple[TerminalMessage, Words], words: Words) -> Markup:
    """Return the message's name, and below it what it says."""
    item, _ = row
    marks = [words.t("uplinks_say_bytes", n=words.number(item.length))]
    marks += [words.t(f"uplinks_{mark}") for mark in ("assembled", "cut") if getattr(item, mark)]
    icon = words.icon(ICONS.get(_KIND_OF.get(int(item.message, 16), ""), "list"))
    named = Markup('<span class="named">{} <b>{}</b></span> <span class="faint">{}</span>').format(
        icon, message_name(item.message, words), " · ".join(marks)
    )
    line = summary_of(item, words)
    return named + Markup('<span class="said-line">{}</span>').format(line) if line else named


COLUMNS: Final = (
    Column("time", "uplinks_time", lambda row: Moment(row[0].time_ms), width="fit"),
    Column("message", "uplinks_message", lambda row: message_name(row[0].message, row[1]), show=_named, width="grow"),
    Column("said", "uplinks_said", lambda row: summary_of(row[0], row[1], characters_max=4000), on_page=False),
    Column("length", "uplinks_length", lambda row: row[0].length, on_page=False),
    Column("id", "uplinks_id", lambda row: row[0].message, on_page=False),
    Column("version", "uplinks_version", lambda row: row[0].version, on_page=False),
    Column("serial", "uplinks_serial", lambda row: row[0].serial, on_page=False),
    Column("terminal", "uplinks_terminal", lambda row: row[0].terminal, on_page=False),
    Column("node", "uplinks_node", lambda row: row[0].node, on_page=False),
    Column("sequence", "uplinks_sequence", lambda row: row[0].sequence, on_page=False),
    Column("faults", "uplinks_faults", lambda row: "; ".join(row[0].faults), on_page=False),
    Column("fields", "uplinks_fields", lambda row: _json(row[0].fields), on_page=False),
)


def _json(fields: dict[str, Any] | None) -> str:
    # A cell of a workbook holds 32,767 signs.
    return "" if fields is None else json.dumps(fields, ensure_ascii=False)[:32_000]


# --- one line ---------------------------------------------------------------------------------------------------------


def summary_of(item: TerminalMessage, words: Words, characters_max: int = SAID_CHARACTERS_MAX) -> str:
    """Return in a line what a message says."""
    text = _summary(item, words)
    return text if len(text) <= characters_max else f"{text[: characters_max - 1]}…"


def _summary(item: TerminalMessage, words: Words) -> str:
    t, fields = words.t, item.fields
    message = int(item.message, 16)
    declared = DECLARED.get(message)
    if declared is None:
        return t("uplinks_say_unknown")
    if fields is None:
        return ""
    if set(fields) <= {"data", "tail"} and "data" not in declared.body.__struct_fields__:
        return t("uplinks_say_unread")
    match message:
        case 0x0701:
            return text_in(fields.get("content"))
        case 0x0705:
            frames = fields.get("frames", [])
            return t("uplinks_say_can", n=words.number(len(frames)), time=can_time(str(fields.get("time", ""))))
        case 0x0700:
            return _block_said(fields, words)
        case 0x0702:
            return _driver_said(fields, words)
        case 0x0901:
            held = fields.get("message")
            return "" if held is None else t("uplinks_say_held", what=message_name(held, words))
        case 0x0900 if isinstance(fields.get("kind"), int):
            kind = fields["kind"]
            name = choice_name("kind", TRANSPARENT.get(kind, f"0x{kind:02X}"), words)
            return t("uplinks_say_block", block=name, n=words.number(_bytes_in(fields.get("data"))))
    pairs = _told_pairs(told(declared.body, fields, words), words)
    return (" · " if words.language == "en" else "；").join(f"{name} {value}" for name, value in pairs[:SAID_PAIRS_MAX])


def _told_pairs(blocks: Sequence[Block], words: Words) -> list[tuple[str, str]]:
    """Return what is told as plain pairs; of a table how many rows it has."""
    pairs: list[tuple[str, str]] = []
    for block in blocks:
        pairs += [(name, _bare(value)) for name, value in block.pairs]
        if block.kind == "place":
            pairs.append((block.title, f"{block.lat:.6f}, {block.lon:.6f}"))
        elif block.kind == "table":
            pairs.append(("", words.t("uplinks_say_items", n=len(block.rows), what=block.title)))
    return [(name, value) for name, value in pairs if value and value != "–"]


def _driver_said(fields: Mapping[str, Any], words: Words) -> str:
    """Return the card's state, and who it is as far as the reader may know: 插卡 · 张** · ****1234."""
    wires = newest(DECLARED[0x0702].body)
    state = fields.get("state")
    parts_ = [] if state is None else [_bare(said("Driver", "state", wires["state"], state, words))]
    if fields.get("result"):
        parts_.append(_bare(said("Driver", "result", wires["result"], fields["result"], words)))
    return " · ".join([*parts_, *(str(fields[name]) for name in ("name", "certificate") if fields.get(name))])


def _block_said(fields: Mapping[str, Any], words: Words) -> str:
    block = fields.get("block")
    number = block.get("command") if isinstance(block, Mapping) else fields.get("command")
    names = getattr(newest(DECLARED[0x0700].body)["command"], "names", None) or {}
    name = names.get(number)
    return "" if name is None else choice_name("command", name, words)


def text_in(digits: Any) -> str:
    """Return the text that bytes in hexadecimal hold in GBK; empty where they are no text."""
    try:
        text = bytes.fromhex(str(digits or "")).rstrip(b"\0").decode("gb18030")
    except ValueError:
        return ""
    return text.strip() if all(sign.isprintable() or sign in "\r\n\t" for sign in text) else ""


def can_time(digits: str) -> str:
    """Return hhmmss and four digits of milliseconds as people read them."""
    if len(digits) != 10 or not digits.isdecimal():
        return digits
    return f"{digits[:2]}:{digits[2:4]}:{digits[4:6]}.{digits[7:]}"


def _bare(said: Markup | str) -> str:
    return said.striptags() if isinstance(said, Markup) else said


def _bytes_in(digits: Any) -> int:
    return len(digits) // 2 if isinstance(digits, str) else 0


# --- the whole message ------------------------------------------------------------------------------------------------


def detail_in(item: TerminalMessage, words: Words) -> Detail:
    """Return one message as the panel shows it."""
    message = int(item.message, 16)
    declared = DECLARED.get(message)
    fields = dict(item.fields or {})
    text = raw = ""
    charts: list[Chart] = []
    special: list[Block] = []
    if message == 0x0701 and (text := text_in(fields.get("content"))):
        fields.pop("content")
    elif message == 0x0705:
        special.append(can_block(fields.pop("frames", []), words))
        fields["time"] = can_time(str(fields.get("time", "")))
    elif message == 0x0700 and isinstance(fields.get("block"), Mapping):
        fields["block"], special, charts = recorder_blocks(fields["block"], words)
    held = DECLARED.get(int(fields.get("message", "0"), 16)) if message == 0x0901 else None
    if held is not None:
        special += told(held.body, fields["body"], words, message_name(fields["message"], words))
        fields = {}
    elif fields.get("inflated"):
        # Nobody knows what it is: its bytes are shown, not those that they were packed into.
        fields["data"] = fields.pop("inflated")
    for name in ("data", "content", "block", "modulus", "tail"):
        if isinstance(fields.get(name), str) and len(fields[name]) >= 32:
            raw = fields.pop(name)
            break
    read = declared is not None and not (set(item.fields or {}) <= {"data", "tail"})
    # A body that nobody could read has no declared field: its bytes are all there is.
    blocks = told(declared.body, fields, words) if declared is not None and read else []
    if not read and isinstance(fields.get("data"), str):
        raw = raw or fields["data"]
    data = bytes.fromhex(raw) if raw else b""
    withheld = ""
    if item.withheld == "positions.read":
        withheld = words.t("uplinks_withheld_exact")
    elif item.withheld:
        withheld = words.t("uplinks_withheld", right=words.t(f"right_{item.withheld.replace('.', '_')}"))
    return Detail(
        item=item,
        title=message_name(item.message, words),
        icon=ICONS.get(_KIND_OF.get(message, ""), "list"),
        text=text,
        blocks=[*(block for block in blocks if block.pairs or block.kind != "pairs"), *special],
        charts=charts,
        dump=dump_of(data),
        dump_title=words.t("uplinks_data" if read else "uplinks_unread"),
        dump_left=max(0, len(data) - HEX_BYTES_MAX),
        hidden=words.t("uplinks_hidden_what", right=words.t("right_drivers_read")) if item.hidden else "",
        withheld=withheld,
        runs=runs_of(item.message, item.frame or "", item.explained, words),
        about=[
            (words.t("uplinks_time"), words.time(item.time_ms)),
            (words.t("uplinks_id"), item.message),
            (words.t("uplinks_version"), item.version),
            (words.t("uplinks_serial"), item.serial),
            (words.t("uplinks_terminal"), item.terminal),
            (words.t("uplinks_length"), words.number(item.length)),
            (words.t("uplinks_sequence"), f"{item.node} / {item.sequence}"),
        ],
    )


def dump_of(data: bytes) -> list[tuple[str, str, str]]:
    """Return bytes as a hex dump, 16 a line: offset, bytes, and the signs that ASCII knows."""
    lines = []
    for at in range(0, min(len(data), HEX_BYTES_MAX), 16):
        piece = data[at : at + 16]
        signs = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in piece)
        lines.append((f"{at:04X}", piece.hex(" ").upper(), signs))
    return lines


def can_block(frames: Any, words: Words) -> Block:
    """Return CAN frames as a table: channel, kind, id, data."""
    t = words.t
    rows: list[list[Markup | str]] = []
    for frame in (frames if isinstance(frames, list) else [])[:ROWS_SHOWN_MAX]:
        number = frame.get("id", 0)
        kind = t("uplinks_can_extended" if number >> 30 & 1 else "uplinks_can_standard")
        if number >> 29 & 1:
            kind = f"{kind} · {t('uplinks_can_average')}"
        digits = 8 if number >> 30 & 1 else 3
        can_id = Markup("<code>{}</code>").format(f"{number & 0x1FFF_FFFF:0{digits}X}")
        rows.append([f"CAN{2 if number >> 31 else 1}", kind, can_id, code(str(frame.get("data", "")))])
    heads = [t("uplinks_can_channel"), t("uplinks_can_frame"), t("uplinks_can_id"), t("uplinks_can_data")]
    return Block(kind="table", title=words.t("uplinks_kind_can"), heads=heads, rows=rows)


def recorder_blocks(block: Mapping[str, Any], words: Words) -> tuple[dict[str, Any], list[Block], list[Chart]]:
    """Return a drive recorder's block without what is drawn or has a table of its own, these tables, and the charts."""
    t = words.t
    plain = dict(block)
    special: list[Block] = []
    charts: list[Chart] = []
    if not plain.get("reserved"):
        plain.pop("reserved", None)
    if minutes := plain.pop("speeds", None):
        speeds = [second.get("speed_kmh") for minute in minutes for second in minute.get("seconds", ())]
        charts.append(chart_of(t("uplinks_chart_speed"), {"": speeds}, *_ends(minutes, words)))
        special.append(_speeds(minutes, words))
    if accidents := plain.pop("accidents", None):
        for accident in accidents[:CHARTS_MAX]:
            # Steps go back from the stop: time runs to the right.
            speeds = [step.get("speed_kmh") for step in reversed(accident.get("steps", ()))]
            end = words.time(accident["end_ms"], "second") if accident.get("end_ms") else ""
            charts.append(chart_of(t("uplinks_chart_accident"), {"": speeds}, "-20 s", _bare(end)))
        special.append(_places(t("uplinks_accidents"), accidents, (("end_ms", "place"),), words))
    if over_time := plain.pop("over_time", None):
        ends = (("start_ms", "start"), ("end_ms", "end"))
        special.append(_places(t("uplinks_over_time"), over_time, ends, words))
    if states := plain.get("speed_states"):
        for state in states[:CHARTS_MAX]:
            seconds = state.get("seconds", ())
            lines = {
                t("uplinks_series_recorder"): [second.get("recorder_kmh") for second in seconds],
                t("uplinks_series_reference"): [second.get("reference_kmh") for second in seconds],
            }
            start = words.time(state["start_ms"], "second") if state.get("start_ms") else ""
            charts.append(chart_of(t("uplinks_chart_states"), lines, _bare(start), "60 s"))
        plain["speed_states"] = [_without(state, "seconds") for state in states]
    if hours := plain.pop("positions", None):
        special.append(_minutes(hours, words))
    return plain, special, charts


def _speeds(minutes: Sequence[Mapping[str, Any]], words: Words) -> Block:
    """Return block 08 as a table: each minute with its mean and its highest speed."""
    rows: list[list[Markup | str]] = []
    for number, minute in enumerate(minutes[:ROWS_SHOWN_MAX]):
        speeds = [
            speed
            for second in minute.get("seconds", ())
            if isinstance(speed := second.get("speed_kmh"), int) and speed != SPEED_NONE
        ]
        when = words.time(minute["start_ms"], "minute") if minute.get("start_ms") else str(number)
        mean = f"{words.number(sum(speeds) / len(speeds))} km/h" if speeds else "–"
        rows.append([when, mean, f"{max(speeds)} km/h" if speeds else "–"])
    heads = [words.t(f"uplinks_{head}") for head in ("time_of_minute", "speed_mean", "speed_highest")]
    return Block(kind="table", title=words.t("uplinks_speed_minutes"), heads=heads, rows=rows)


def _places(title: str, records: Sequence[Mapping[str, Any]], ends: Sequence[tuple[str, str]], words: Words) -> Block:
    """Return blocks 10 and 11 as a table: whose licence was in, and time and place of each end."""
    rows: list[list[Markup | str]] = []
    for record in records[:ROWS_SHOWN_MAX]:
        row: list[Markup | str] = [str(record.get("licence") or "–")]
        for when, where in ends:
            row.append(words.time(record[when], "second") if record.get(when) else "–")
            row.append(_place(record.get(where)))
        rows.append(row)
    heads = [words.t("uplinks_licence")]
    for _ in ends:
        heads += [words.t("uplinks_moment"), words.t("event_field_place")]
    return Block(kind="table", title=title, heads=heads, rows=rows)


def _place(place: Any) -> str:
    """Return a recorder's place, in 0.0001 minutes of arc, as degrees."""
    if not isinstance(place, Mapping) or "latitude" not in place or "longitude" not in place:
        return "–"
    return f"{_degrees(place['latitude']):.6f}, {_degrees(place['longitude']):.6f}"


def _degrees(angle: int) -> float:
    return (angle - (1 << 32) if angle >> 31 else angle) / 600_000


def _without(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: one for key, one in value.items() if key != name}


def _ends(minutes: Sequence[Mapping[str, Any]], words: Words) -> tuple[str, str]:
    times = [minute["start_ms"] for minute in minutes if minute.get("start_ms")]
    if not times:
        return "", ""
    return _bare(words.time(times[0], "second")), _bare(words.time(times[-1] + 60_000, "second"))


def _minutes(hours: Sequence[Mapping[str, Any]], words: Words) -> Block:
    """Return block 09 as a table: time, place, speed of each minute that has one."""
    t = words.t
    rows: list[list[Markup | str]] = []
    for hour in hours:
        for number, minute in enumerate(hour.get("minutes", ())):
            speed = minute.get("speed_kmh")
            if speed == SPEED_NONE or len(rows) == ROWS_SHOWN_MAX:
                continue
            start_ms = hour.get("start_ms")
            when: Markup | str = words.time(start_ms + 60_000 * number, "minute") if start_ms else str(number)
            rows.append([when, _place(minute), f"{speed} km/h"])
    heads = [t("uplinks_time_of_minute"), t("event_field_place"), t("event_field_speed_kmh10")]
    return Block(kind="table", title=t("uplinks_position_minutes"), heads=heads, rows=rows)


SPEED_NONE: Final = 0xFF


def chart_of(title: str, lines: Mapping[str, Sequence[Any]], left: str, right: str) -> Chart:
    """Return lines over time as points of a box of 600 x 120; 255 is no speed and breaks nothing: it is left out."""
    values = {
        name: [value if isinstance(value, int) and value != SPEED_NONE else None for value in series]
        for name, series in lines.items()
    }
    highest = max((value for series in values.values() for value in series if value is not None), default=0)
    high = max(10, math.ceil(highest / 10) * 10)
    drawn = []
    for name, series in values.items():
        step = max(1, math.ceil(len(series) / CHART_POINTS_MAX))
        points = []
        for at in range(0, len(series), step):
            piece = [value for value in series[at : at + step] if value is not None]
            if piece:
                x = 600 * at / max(1, len(series) - 1)
                points.append(f"{x:.1f},{120 - 120 * max(piece) / high:.1f}")
        drawn.append((name, " ".join(points)))
    return Chart(title=title, lines=drawn, high=high, left=left, right=right)


PAGES: Final = (vehicle_messages_page,)
