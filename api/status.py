"""GET /: what this is, whether it works, its figures, and where to go on. Renews itself every two seconds."""

import time
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Final

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from api.guards import PUBLIC, VISITOR
from api.messages import language_of, text
from api.page import page
from api.parts import Parts
from api.positions import Position, read_positions

POSITIONS_SHOWN: Final = 20

RENEW: Final = """
setInterval(async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (fresh) document.querySelector("main").replaceWith(fresh);
  } catch { /* The node is away; the next round may find it back. */ }
}, 2000);
"""


@get("/status", opt={"right": PUBLIC}, include_in_schema=False)
async def read_status(
    request: Request, lang: Annotated[str | None, QueryParameter(max_length=8)] = None
) -> Response[bytes]:
    """Render the status page in the reader's language."""
    parts: Parts = request.app.state.parts
    language = language_of(lang, request.headers.get("accept-language", ""))
    other = "en" if language == "zh" else "zh"
    header = (
        f"<h1>{escape(text('title', language))}</h1>"
        f'<a href="/status?lang={other}" lang="{other}">{escape(text("other_language", language))}</a>'
    )
    body = f'<p class="lead">{escape(text("what", language))}</p>{await sync_to_thread(_sections, parts, language)}'
    return page(text("title", language), language, header, body, RENEW)


def _sections(parts: Parts, language: str) -> str:
    return "\n".join(section(parts, language) for section in SECTIONS)


def _health(parts: Parts, language: str) -> str:
    faults = parts.faults()
    state = "unwell" if faults else "well"
    reasons = "".join(f"<li>{escape(fault)}</li>" for fault in faults)
    detail = f"<ul>{reasons}</ul>" if faults else f"<span>{escape(text('well_detail', language))}</span>"
    started = datetime.fromtimestamp(parts.metrics.started_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = (("node", parts.node), ("version", parts.version), ("up_since", started))
    shown = "".join(f"<span>{escape(text(key, language))} <b>{escape(value)}</b></span>" for key, value in facts)
    return (
        f'<section><p><span class="state {"bad" if faults else "good"}">{escape(text(state, language))}</span></p>'
        f'{detail}<p class="facts">{shown}</p></section>'
    )


def _figures(parts: Parts, language: str) -> str:
    there = {figure.name: figure for figure in parts.metrics.figures()}
    cells = "".join(
        f"<div><dt>{escape(text(key, language))}</dt><dd>{there[name].read():,.0f}</dd></div>"
        for name, key in FIGURES
        if name in there
    )
    content = f'<dl class="figures">{cells}</dl>' if cells else f"<p>{escape(text('no_figures', language))}</p>"
    return f"<section><h2>{escape(text('figures', language))}</h2>{content}</section>"


def _positions(parts: Parts, language: str) -> str:
    heading = f"<h2>{escape(text('positions', language))}</h2>"
    if not parts.demo:
        return f"<section>{heading}<p>{escape(text('positions_closed', language))}</p></section>"
    shown = read_positions(parts, VISITOR, 0, POSITIONS_SHOWN).items
    if not shown:
        return f"<section>{heading}<p>{escape(text('positions_none', language))}</p></section>"
    columns = ("vehicle", "online", "time", "latitude", "longitude", "speed", "course")
    head = "".join(
        f'<th class="{"number" if key in NUMBERS else "text"}">{escape(text(key, language))}</th>' for key in columns
    )
    rows = "".join(_row(position, language) for position in shown)
    return f'<section>{heading}<div class="wide"><table><tr>{head}</tr>{rows}</table></div></section>'


def _row(position: Position, language: str) -> str:
    fix = time.strftime("%m-%d %H:%M:%S", time.gmtime(position.time_ms / 1000))
    online = escape(text("yes" if position.online else "no", language))
    return (
        f'<tr><td class="number"><a href="/api/v1/vehicles/{position.vehicle_id}">{position.vehicle_id}</a></td>'
        f"<td>{online}</td><td>{fix}</td>"
        f'<td class="number">{position.lat:.5f}</td><td class="number">{position.lon:.5f}</td>'
        f'<td class="number">{position.speed_kmh:.0f}</td><td class="number">{position.course_deg}°</td></tr>'
    )


def _links(parts: Parts, language: str) -> str:
    items = "".join(f'<li><a href="{path}">{escape(text(key, language))}</a></li>' for path, key in LINKS)
    return f"<section><h2>{escape(text('next', language))}</h2><ul>{items}</ul></section>"


NUMBERS: Final = frozenset({"vehicle", "latitude", "longitude", "speed", "course"})
LINKS: Final = (
    ("/docs", "link_docs"),
    ("/api/v1/positions", "link_positions"),
    ("/api/v1/events", "link_events"),
    ("/metrics", "link_metrics"),
    ("/health", "link_health"),
)
FIGURES: Final = (
    ("fleet_sessions", "figure_sessions"),
    ("intake_links_live", "figure_links"),
    ("fleet_terminals", "figure_terminals"),
    ("intake_reports_acknowledged", "figure_acknowledged"),
    ("recorder_stored", "figure_stored"),
    ("recorder_behind", "figure_behind"),
    ("log_seq", "figure_events"),
    ("intake_frames_refused", "figure_refused"),
    ("intake_bad_checksum", "figure_checksum"),
)
"""What a person wants to see first, (metric, message); all the others are at /metrics."""
SECTIONS: Final = (_health, _figures, _positions, _links)
