"""/outbox: what would have been sent to whom. The built-in adapter sends nothing; it keeps what it was asked to."""

from functools import partial
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from markupsafe import Markup

from api.parts import Parts
from api.portal.events import store_names
from api.portal.render import Words
from api.portal.table import Asked, Choice, Column, Empty, Moment, Period, Rows, Search, Table
from storage.outbox import Message, Outbox

STATES: Final = {"requested": "info", "sent": "quiet", "confirmed": "good", "failed": "bad", "unknown": "warn"}
"""State of a message -> how it looks."""


def read_outbox(parts: Parts, asked: Asked) -> Rows:
    """Return messages newest first, each with the name of its person and of its store. Blocks."""
    page = Outbox(parts.reader.database).page(
        asked.principal,
        after=asked.after,
        search=asked.get("q"),
        state=asked.get("state") if asked.get("state") in STATES else "",
        from_ms=asked.ms("from"),
        to_ms=asked.ms("to"),
        limit=asked.limit,
    )
    stores = store_names(parts, asked.principal, asked.words)
    rows = [(row, page.names.get(row.account, ""), stores.get(row.store, "")) for row in page.items]
    return Rows(rows, page.next)


def _state(row: Message, words: Words) -> Markup:
    badge: Markup = words.components.badge(words.t(f"outbox_state_{row.state}"), STATES.get(row.state, "quiet"))
    return badge


def _text(row: Message, words: Words) -> Markup:
    """Return subject and text; the text folds away."""
    about = Markup(' <a href="/events?vehicle={}">{}</a>').format(row.vehicle, words.t("outbox_about"))
    return Markup(
        '<details class="fold"><summary><b>{}</b></summary><p class="wrap">{}</p><p class="note">{}{}</p></details>'
    ).format(row.subject or row.body[:40], row.body, row.reason, about if row.vehicle else "")


OUTBOX: Final = Table(
    name="outbox",
    path="/outbox",
    title="nav_outbox",
    columns=(
        Column(
            "state", "outbox_state", lambda row: row[0].state, lambda row, words: _state(row[0], words), width="fit"
        ),
        Column("channel", "outbox_channel", lambda row: row[0].channel, width="fit"),
        Column("address", "outbox_to", lambda row: row[0].address or row[1], width="fit"),
        Column("subject", "outbox_subject", lambda row: row[0].subject, on_page=False),
        Column("text", "outbox_text", lambda row: row[0].body, lambda row, words: _text(row[0], words), width="grow"),
        Column("store", "event_store", lambda row: row[2], width="fit"),
        Column("reason", "outbox_reason", lambda row: row[0].reason, on_page=False),
        Column(
            "time",
            "outbox_time",
            lambda row: Moment(row[0].requested_ms),
            lambda row, words: words.time(row[0].requested_ms, "second"),
            width="fit",
        ),
    ),
    filters=(
        Search("q", "outbox_search"),
        Choice("state", "outbox_state", [(state, f"outbox_state_{state}") for state in STATES]),
        Period(),
    ),
    read=lambda asked: Rows(()),
    row_id=lambda row: row[0].id[:16],
    empty=Empty("outbox", "outbox_none", "outbox_none_what", "/account", "outbox_none_do"),
)


@get("/outbox", include_in_schema=False, opt={"right": "outbox.read"})
async def outbox_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what adapters were asked to bring into the outside world, the newest first."""
    parts: Parts = request.app.state.parts
    table = msgspec.structs.replace(OUTBOX, read=partial(read_outbox, parts))
    return await table.answer(request, "outbox.html")


PAGES: Final = (outbox_page,)
