"""/audit: who looked at what and who did what, whether it is what was written; /exports: files and who let them out."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from markupsafe import Markup

from api.audit import verified
from api.guards import SELF, principal_of
from api.parts import Parts
from api.portal.events import store_names
from api.portal.people import ACCOUNTS_SHOWN
from api.portal.render import Words, words_of
from api.portal.table import Asked, Choice, Column, Empty, Moment, Period, Rows, Search, Table
from core import limits
from core.rights import Principal
from storage.audit import WHATS, AuditLine, Verified, lines
from storage.exports import ExportLine, Exports

KINDS: Final = {"act": "info", "login": "good", "export": "warn", "person": "warn"}
"""What was done -> how it looks; a look is quiet."""
STATES: Final = {"waiting": "warn", "granted": "info", "denied": "bad", "made": "good"}
"""State of an export -> how it looks."""


def tabs_of(request: Request[Any, Any, Any], principal: Principal) -> list[tuple[str, str, None]]:
    """Return the tabs of these pages that the reader may see."""
    t = words_of(request).t
    tabs: list[tuple[str, str, None]] = [("/audit", t("audit_log"), None)] if principal.may("audit.read") else []
    return [*tabs, ("/exports", t("audit_exports"), None)]


# --- the log ----------------------------------------------------------------------------------------------------------


@get("/audit", include_in_schema=False, opt={"right": "audit.read"})
async def audit_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the audit log, and whether its chain holds."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    chain = await sync_to_thread(verified, parts.reader.database)
    return await _audit(parts, chain).answer(request, "audit.html", chain=chain, tabs_shown=tabs_of(request, principal))


def _audit(parts: Parts, chain: Verified) -> Table:
    def read(asked: Asked) -> Rows:
        before = int(asked.after) if asked.after.isdecimal() and len(asked.after) < 19 else 0
        limit = min(asked.limit, limits.PEOPLE_READ_MAX)
        account = asked.whole("account")
        what = asked.get("what")
        rows = lines(
            parts.reader.database,
            asked.principal,
            before=before,
            limit=limit,
            what=what if what in (*WHATS, "looks") else "",
            account=None if account is None else min(max(account, 0), 2**31 - 1),
            search=asked.get("q").replace("\0", ""),
            from_ms=asked.ms("from"),
            to_ms=asked.ms("to"),
        )
        return Rows(rows, str(rows[-1].id) if len(rows) == limit else "")

    def accounts(request: Request[Any, Any, Any], _words: Words) -> list[tuple[str, str]]:
        found = parts.people.accounts(principal_of(request), 0, ACCOUNTS_SHOWN)
        return [(str(one.id), one.name or one.login) for one in found]

    broken = chain.broken.id if chain.broken else 0

    def number(row: AuditLine, words: Words) -> Markup:
        if broken and row.id >= broken:
            sign, kind, said = "alert", "bad", words.t("audit_row_broken" if row.id == broken else "audit_row_behind")
        elif row.id <= chain.sealed_to:
            sign, kind, said = "shield", "good", words.t("audit_row_sealed")
        else:
            sign, kind, said = "check", "quiet", words.t("audit_row_chained")
        return Markup('<span class="badge {}" title="{}">{} {}</span>').format(
            kind, said, words.icon(sign, said), words.number(row.id)
        )

    return Table(
        name="audit",
        path="/audit",
        title="nav_audit",
        columns=(
            Column("id", "audit_number", lambda row: row.id, number, width="fit"),
            Column("time", "people_time", lambda row: Moment(row.time_ms), _time, width="fit"),
            Column("who", "people_login", lambda row: row.login, _who, width="fit"),
            Column("what", "people_what", lambda row: row.what, _what, width="fit"),
            Column("act", "audit_act", lambda row: row.act or row.detail, _act, width="grow"),
            Column("subject", "audit_about", lambda row: row.subject, _about, width="fit"),
            Column("vehicle", "people_vehicle", lambda row: row.vehicle or None, on_page=False),
            Column("rows", "people_rows", lambda row: row.rows or None, align="end"),
            Column("persons", "audit_persons", lambda row: row.persons or None, align="end"),
            Column("status", "audit_status", lambda row: row.status or None, _status, width="fit"),
            Column("detail", "audit_detail", lambda row: row.detail, on_page=False),
            Column("address", "people_address", lambda row: row.address, width="fit"),
            Column("hash", "audit_hash", lambda row: row.hash, on_page=False),
        ),
        filters=(
            Search("q", "audit_search"),
            Choice(
                "what", "people_what", (("looks", "audit_looks"), *((what, f"people_what_{what}") for what in WHATS))
            ),
            Choice("account", "people_login", accounts),
            Period(),
        ),
        read=read,
        row_id=lambda row: row.id,
        row_current=lambda row: row.id == broken,
        empty=Empty("shield", "audit_none", "audit_none_what"),
    )


def _time(row: AuditLine, words: Words) -> Markup | str:
    return words.time(row.time_ms, "second")


def _who(row: AuditLine, words: Words) -> str:
    who = row.login or words.t("people_nobody")
    return f"{who} · {words.t('people_by_key', n=row.api_key)}" if row.api_key else who


def _what(row: AuditLine, words: Words) -> Markup:
    kind = "warn" if row.status >= 400 else KINDS.get(row.what, "quiet")
    badge: Markup = words.components.badge(words.t(f"people_what_{row.what}"), kind)
    return badge


def _act(row: AuditLine, _words: Words) -> Markup:
    said = Markup("<code>{}</code>").format(row.act) if row.act else Markup("")
    more = Markup(' <span class="faint">{}</span>').format(row.detail) if row.detail else Markup("")
    return said + more if said or more else Markup('<span class="faint">–</span>')


def _about(row: AuditLine, words: Words) -> Markup | str:
    if row.vehicle:
        return Markup('<a href="/vehicles/{}">{} {}</a>').format(row.vehicle, words.t("people_vehicle"), row.vehicle)
    kind, _, number = row.subject.partition(":")
    if kind == "person" and number.isdecimal():
        return Markup('<a href="/persons/{}">{}</a>').format(number, row.subject)
    return row.subject or Markup('<span class="faint">–</span>')


def _status(row: AuditLine, words: Words) -> Markup | str:
    if not row.status:
        return Markup('<span class="faint">–</span>')
    kind = "good" if row.status < 400 else "warn" if row.status < 500 else "bad"
    return Markup(words.components.dot(str(row.status), kind))  # noqa: S704


# --- exports ----------------------------------------------------------------------------------------------------------


@get("/exports", include_in_schema=False, opt={"right": SELF})
async def exports_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show which files were asked for: what waits for a word first, and one's own that may be fetched."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    exports = Exports(parts.reader.database)
    waiting = await sync_to_thread(exports.page, principal, state="waiting")
    ready = [one for one in await sync_to_thread(exports.page, principal, state="granted") if _mine(one, principal)]
    stores = await sync_to_thread(store_names, parts, principal, words_of(request))

    def read(asked: Asked) -> Rows:
        before = int(asked.after) if asked.after.isdecimal() and len(asked.after) < 17 else 0
        rows = exports.page(
            asked.principal,
            before_ms=before,
            limit=asked.limit,
            state=asked.get("state") if asked.get("state") in STATES else "",
        )
        return Rows(rows, str(rows[-1].asked_ms) if len(rows) == asked.limit else "")

    return await msgspec.structs.replace(EXPORTS, read=read).answer(
        request,
        "exports.html",
        waiting=waiting,
        ready=ready,
        fetch_of=_fetch,
        asked=request.query_params.get("asked", "")[:32],
        approves=principal.may("exports.approve"),
        me=principal.account,
        stores=stores,
        free=limits.EXPORT_FREE_ROWS,
        hours=limits.EXPORT_APPROVAL_S // 3600,
        tabs_shown=tabs_of(request, principal),
    )


def _mine(one: ExportLine, principal: Principal) -> bool:
    return one.account == principal.account


def _fetch(one: ExportLine) -> str:
    """Return the address that hands a granted export out."""
    return f"{one.query}{'&' if '?' in one.query else '?'}format={one.form}&export={one.export}"


def _state(row: ExportLine, words: Words) -> Markup:
    text = words.t(f"audit_export_{row.reason}" if row.reason == "timed_out" else f"audit_export_{row.state}")
    badge: Markup = words.components.badge(text, STATES[row.state])
    return badge


EXPORTS: Final = Table(
    name="exports",
    path="/exports",
    title="audit_exports",
    columns=(
        Column("asked", "audit_asked", lambda row: Moment(row.asked_ms), width="fit"),
        Column("name", "people_login", lambda row: row.name, width="fit"),
        Column("listing", "audit_listing", lambda row: row.query, width="grow"),
        Column("form", "audit_form", lambda row: row.form.upper(), width="fit"),
        Column("size", "people_rows", lambda row: row.size, align="end"),
        Column("state", "audit_state", lambda row: row.state, _state, width="fit"),
        Column("judged", "audit_judged", lambda row: row.judged_name, width="fit"),
        Column(
            "export",
            "audit_export",
            lambda row: row.export,
            lambda row, words: Markup("<code>{}</code>").format(row.export),
            width="fit",
        ),
        Column("sha256", "audit_sha256", lambda row: row.sha256, on_page=False),
    ),
    filters=(Choice("state", "audit_state", [(state, f"audit_export_{state}") for state in STATES]),),
    read=lambda asked: Rows(()),
    row_id=lambda row: row.export,
    empty=Empty("download", "audit_exports_none", "audit_exports_none_what"),
)

PAGES: Final = (audit_page, exports_page)
