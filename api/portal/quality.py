"""/quality: the terminals whose positions are worst; and the card of one car: what was set aside of its reports."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.parts import Parts
from api.portal.render import Words, render, words_of
from api.portal.table import Asked, Choice, Column, Empty, Moment, Rows, Table
from api.portal.vehicles import store_name
from api.problems import Problem
from api.quality import PAGE, QualityItem, TerminalQuality, page_of, quality_in
from core.kernels.cleaning import REASONS
from core.quality import TROUBLES

BARS: Final = (*TROUBLES, *(reason for reason in REASONS if reason not in TROUBLES))
"""What a card says of a terminal, in this order: first what is amiss, then what is its network's."""


def read_poorest(parts: Parts, asked: Asked) -> Rows:
    """Return a page of terminals, the worst first, each with the reader's words. Blocks."""
    reason = asked.get("reason") if asked.get("reason") in TROUBLES else ""
    page = page_of(parts, asked.principal, reason, asked.whole("store"), asked.after, min(asked.limit, PAGE))
    return Rows([(item, asked.words) for item in page.items], page.next or "")


def hours_said(item: TerminalQuality, words: Words) -> str:
    """Return by how many hours a clock is off, empty where it is not."""
    if not item.clock_hours:
        return ""
    return words.t(f"quality_hours_{'behind' if item.clock_hours > 0 else 'ahead'}", hours=abs(item.clock_hours))


def percent(share: float, words: Words) -> str:
    """Return a share as a percentage that is never 0 where there is something."""
    if 0 < share < 0.001:
        return f"< {words.number(0.1, 1)} %"
    return f"{words.number(100 * share, 0 if share >= 0.1 or share == 0 else 1)} %"


def _share(row: tuple[QualityItem, Words], words: Words) -> Markup:
    item = row[0]
    return Markup('<span class="share">{}<span>{}</span></span>').format(
        words.components.bar(item.share), percent(item.share, words)
    )


def _counted(*reasons: str) -> Callable[[tuple[QualityItem, Words], Words], Markup | str]:
    def show(row: tuple[QualityItem, Words], words: Words) -> Markup | str:
        count = sum(row[0].aside[reason] for reason in reasons)
        return words.number(count) if count else Markup('<span class="faint">0</span>')

    return show


def _clock(row: tuple[QualityItem, Words], words: Words) -> Markup | str:
    """Return what a clock is off by where that is known, else how many reports lay ahead."""
    said = hours_said(row[0], words)
    badge: Markup | str = words.components.badge(said, "bad", "clock") if said else _counted("clock")(row, words)
    return badge


def _of(reason: str, **more: Any) -> Column:
    return Column(reason, f"quality_{reason}", lambda row: row[0].aside[reason], **more)


POOREST: Final = Table(
    name="quality",
    path="/quality",
    title="nav_quality",
    columns=(
        Column(
            "car",
            "quality_car",
            lambda row: row[0].plate or str(row[0].vehicle_id),
            lambda row, words: words.components.plate(
                row[0].plate, words.t("vehicles_no_plate", id=row[0].vehicle_id)
            ),
            width="fit",
        ),
        Column("share", "quality_share", lambda row: row[0].share, _share, width="fit"),
        *(_of(reason, show=_counted(reason), align="end", width="fit") for reason in ("jump", "frozen", "no_fix")),
        _of("clock", show=_clock, align="end", width="fit"),
        Column("hours", "quality_hours", lambda row: row[0].clock_hours, on_page=False),
        Column(
            "unusable", "quality_unusable", lambda row: row[0].aside["position_bad"] + row[0].aside["time_bad"],
            _counted("position_bad", "time_bad"), align="end", width="fit", export=False,
        ),
        *(_of(reason, on_page=False) for reason in ("position_bad", "time_bad", "late", "repeated")),
        Column(
            "reports", "quality_reports", lambda row: row[0].reports,
            lambda row, words: words.number(row[0].reports), align="end", width="fit",
        ),
        Column(
            "last", "quality_aside_ms", lambda row: Moment(row[0].aside_ms or 0),
            lambda row, words: words.time(row[0].aside_ms, "minute") if row[0].aside_ms else "", width="fit",
        ),
        Column("phone", "quality_phone", lambda row: row[0].phone, width="fit"),
        Column("store", "quality_store", lambda row: store_name(row[0].store, row[1]), width="grow"),
    ),
    filters=(Choice("reason", "quality_reason", [(reason, f"quality_{reason}") for reason in TROUBLES]),),
    read=lambda asked: Rows(()),
    row_id=lambda row: f"{row[0].vehicle_id}-{row[0].terminal}",
    row_href=lambda row: f"/vehicles/{row[0].vehicle_id}",
    empty=Empty("target", "quality_none", "quality_none_what"),
)  # fmt: skip


@get("/quality", include_in_schema=False, opt={"right": "vehicles.read"})
async def quality_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the table, or its export."""
    parts: Parts = request.app.state.parts
    if parts.quality is None:
        return render(request, "quality.html", table=None)
    principal = principal_of(request)
    words = words_of(request)
    stores = await sync_to_thread(parts.vehicles.stores, principal)
    options = [(str(store.id), store_name(store, words)) for store in stores]
    if principal.scope.stores is None:
        options.append(("0", words.t("vehicles_group")))
    table = msgspec.structs.replace(
        POOREST,
        read=partial(read_poorest, parts),
        filters=(*POOREST.filters, Choice("store", "quality_store", lambda request, words: options)),
    )
    return await table.answer(request, "quality.html")


@get("/vehicles/{vehicle_id:int}/quality", include_in_schema=False, opt={"right": "vehicles.read"})
async def quality_card(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Give the card of one car: the page asks for it when it opens."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> tuple[str, list[TerminalQuality] | None]:
        car = parts.vehicles.one(principal, vehicle_id)
        if car is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        zone = car.store.time_zone
        try:
            return zone, quality_in(parts, principal, vehicle_id).items
        except Problem as problem:
            if problem.code != "quality_elsewhere":
                raise
            return zone, None

    request.state.zone, items = await sync_to_thread(read)
    words = words_of(request)
    return render(
        request,
        "vehicle_quality.html",
        block="quality",
        vehicle_id=vehicle_id,
        items=items,
        bars=BARS,
        troubles=TROUBLES,
        percent=partial(percent, words=words),
    )


PAGES: Final = (quality_page, quality_card)
