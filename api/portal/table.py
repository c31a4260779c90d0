"""A table that is declared once: its columns, its filters, how it is read; then shown, paged, and exported.

    EVENTS = Table(
        name="events", path="/events", title="events_title",
        columns=(Column("type", "events_type", lambda row: row.type), …),
        filters=(Search("q", "events_search"), Choice("type", "events_type", options)),
        read=read_events,           # (Asked) -> Rows, blocking: applies the scope in its SQL
        empty=Empty("event", "events_none", "events_none_more"),
    )

    return await EVENTS.answer(request, "events.html", …)

The page's address carries filters, order and cursor, so it can be shared. The same address with `format=csv` or `xlsx`
is the export of the very same query, up to EXPORT_ROWS_MAX rows.
"""

import csv
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlencode

import msgspec
import xlsxwriter
from litestar import Request, Response
from litestar.concurrency import sync_to_thread
from markupsafe import Markup

from api.exports import Mark, asked_of, mark_of, new_export, released
from api.guards import principal_of
from api.portal.render import Words, html_response, render, words_of
from api.problems import Problem
from core.rights import Principal

PAGE_ROWS: Final = 50
"""Rows of one page: two or three screens, a tenth of a second to draw."""

EXPORT_ROWS_MAX: Final = 20_000
"""Rows of one export. A workbook of 20,000 rows and 12 columns takes some 2 s of CPU and 2 MB; who needs more asks the
API, which has no end. One past it: the file ends with a row that says so."""

EXPORT_CHUNK_ROWS: Final = 1_000
"""Rows asked for at once while exporting: memory stays at one chunk."""

EXPORT_WAIT_S: Final = 20.0
"""One export at a time: it takes CPU from whoever takes in reports. The next one waits for so long, which is some ten
exports of the largest size, and is then told to come back."""

FILTER_CHARACTERS_MAX: Final = 200


class Moment(msgspec.Struct, frozen=True):
    """A cell that is a point in time, UTC epoch ms; 0 is none."""

    ms: int


Value = str | int | float | bool | None | Moment
"""What a cell is worth: what is exported, typed."""


class Column(msgspec.Struct, frozen=True):
    """One column. `show` gives the cell's HTML where plain text is not enough."""

    key: str
    title: str
    """Message."""
    value: Callable[[Any], Value]
    show: Callable[[Any, Words], Markup | str] | None = None
    align: Literal["start", "end"] = "start"
    width: Literal["", "fit", "grow"] = ""
    sort: bool = False
    """The reader can order by it; only where an index makes that cheap."""
    export: bool = True
    on_page: bool = True


class Search(msgspec.Struct, frozen=True):
    """A filter: free text. `/` puts the cursor there."""

    name: str
    label: str
    kind: str = "search"


class Choice(msgspec.Struct, frozen=True):
    """A filter: one of several. options: (value, message) pairs, or who returns (value, text) pairs for the reader."""

    name: str
    label: str
    options: Sequence[tuple[str, str]] | Callable[[Request[Any, Any, Any], Words], Sequence[tuple[str, str]]]
    kind: str = "choice"


class Period(msgspec.Struct, frozen=True):
    """A filter: from and to, in the reader's zone. Read as `asked.ms("from")`, `asked.ms("to")`."""

    start: str = "from"
    end: str = "to"
    kind: str = "period"


class Hidden(msgspec.Struct, frozen=True):
    """A filter that only an address sets (`?vehicle=12`)."""

    name: str
    kind: str = "hidden"


Filter = Search | Choice | Period | Hidden


class Empty(msgspec.Struct, frozen=True):
    """What an empty table says, and what to do about it. Messages; `href` and `do` make it a button."""

    icon: str
    title: str
    what: str
    href: str = ""
    do: str = ""


class Asked(msgspec.Struct, frozen=True):
    """What a table's `read` is asked for."""

    principal: Principal
    words: Words
    filters: dict[str, str]
    """name -> what the reader chose; only what is set."""
    sort: str
    """Column to order by, with a leading - for descending; empty for the table's own order."""
    after: str
    """Cursor that an earlier Rows.next gave; empty for the first page."""
    limit: int
    export: bool
    """This read is a part of an export: what reads positions notes it as one."""

    def get(self, name: str) -> str:
        """Return a filter's value, empty where it is not set."""
        return self.filters.get(name, "")

    def whole(self, name: str) -> int | None:
        """Return a filter's value as a whole number, None where it is not set or none."""
        text = self.get(name)
        return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19 else None

    def ms(self, name: str) -> int | None:
        """Return a filter of a Period as UTC epoch ms, None where it is not set or no time."""
        return local_ms(self.get(name), self.words)


class Rows(msgspec.Struct, frozen=True):
    """One page of rows, and the cursor behind it; empty: there are no more."""

    rows: Sequence[Any]
    next: str = ""


class _Head(msgspec.Struct, frozen=True):
    title: str
    classes: str
    href: str
    order: str


class _Line(msgspec.Struct, frozen=True):
    id: str
    href: str
    cells: list[Markup | str]
    current: bool = False


class _Field(msgspec.Struct, frozen=True):
    kind: str
    name: str
    label: str
    value: str
    options: list[tuple[str, str]] = []


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A table as templates show it: c.table(view), or c.filters(view) and c.rows(view) apart."""

    name: str
    path: str
    title: str
    columns: list[_Head]
    link_column: int
    rows: list[_Line]
    filters: list[_Field]
    filtered: bool
    sort: str
    select: bool
    renew: bool
    exports: bool
    export_max: str
    empty: Empty
    href: str
    query: str
    first_href: str
    next_href: str

    def export_href(self, kind: str) -> str:
        """Return the address of this query as a file."""
        return f"{self.path}?{self.query}{'&' if self.query else ''}format={kind}"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """See the head of this module."""

    name: str
    """The id of its elements; letters, digits, hyphens."""
    path: str
    title: str
    """Message: the table's name for screen readers, and the export's file and sheet."""
    columns: Sequence[Column]
    read: Callable[[Asked], Rows]
    """Blocking; called in a worker thread."""
    empty: Empty
    filters: Sequence[Filter] = ()
    row_id: Callable[[Any], object] = lambda row: ""
    row_href: Callable[[Any], str] = lambda row: ""
    row_current: Callable[[Any], bool] = lambda row: False
    """The row that is shown beside the table."""
    link_column: int = 0
    select: bool = False
    renew: bool = False
    """An event `refresh` on the table (htmx.trigger) reads it again."""
    exports: bool = True
    page_rows: int = PAGE_ROWS

    async def answer(self, request: Request[Any, Any, Any], template: str, **context: Any) -> Response[Any]:
        """Return the page, or for htmx the table's rows alone, or with `format=` the export."""
        kind = request.query_params.get("format", "")
        if kind and self.exports:
            return await self.export(request, kind)
        view = await self.view(request)
        if request.headers.get("hx-target", "").partition("#")[2] == f"{self.name}-table":
            return html_response(str(words_of(request).components.rows(view)))
        return render(request, template, table=view, **context)

    async def view(self, request: Request[Any, Any, Any]) -> View:
        """Read one page of rows and return the table as a template shows it."""
        asked = self.asked(request)
        found = await sync_to_thread(self.read, asked)
        words = asked.words
        shown = [column for column in self.columns if column.on_page]
        query = {**asked.filters, **({"sort": asked.sort} if asked.sort else {})}
        at = {**query, **({"after": asked.after} if asked.after else {})}
        return View(
            name=self.name,
            path=request.url.path,
            title=words.t(self.title),
            columns=[self._head(column, asked, request.url.path) for column in shown],
            link_column=self.link_column,
            rows=[
                _Line(
                    str(self.row_id(row)),
                    self.row_href(row),
                    [show(column, row, words) for column in shown],
                    self.row_current(row),
                )
                for row in found.rows
            ],
            filters=self._fields(request, asked),
            filtered=bool(asked.filters),
            sort=asked.sort,
            select=self.select,
            renew=self.renew,
            exports=self.exports,
            export_max=words.number(EXPORT_ROWS_MAX),
            empty=self.empty,
            href=_address(request.url.path, at),
            query=urlencode(query),
            first_href=_address(request.url.path, query) if asked.after else "",
            next_href=_address(request.url.path, {**query, "after": found.next}) if found.next else "",
        )

    def asked(self, request: Request[Any, Any, Any], *, export: bool = False) -> Asked:
        """Return what this request asks of the table. Unknown parameters are left alone; an unknown order is none."""
        principal = principal_of(request)
        filters = {}
        for filter_ in self.filters:
            for name in (filter_.start, filter_.end) if isinstance(filter_, Period) else (filter_.name,):
                value = request.query_params.get(name, "").strip()[:FILTER_CHARACTERS_MAX]
                if value:
                    filters[name] = value
        sort = request.query_params.get("sort", "")
        sortable = {column.key for column in self.columns if column.sort}
        return Asked(
            principal=principal,
            words=words_of(request),
            filters=filters,
            sort=sort if sort.removeprefix("-") in sortable else "",
            after="" if export else request.query_params.get("after", "")[:FILTER_CHARACTERS_MAX],
            limit=EXPORT_CHUNK_ROWS if export else self.page_rows,
            export=export,
        )

    def _head(self, column: Column, asked: Asked, path: str) -> _Head:
        order = href = ""
        if column.sort:
            order = {column.key: "ascending", f"-{column.key}": "descending"}.get(asked.sort, "")
            href = _address(path, {**asked.filters, "sort": f"-{column.key}" if order == "ascending" else column.key})
        classes = " ".join(filter(None, ("number" if column.align == "end" else "", column.width)))
        return _Head(asked.words.t(column.title), classes, href, order)

    def _fields(self, request: Request[Any, Any, Any], asked: Asked) -> list[_Field]:
        t = asked.words.t
        fields = []
        for filter_ in self.filters:
            match filter_:
                case Search(name, label):
                    fields.append(_Field("search", name, t(label), asked.get(name)))
                case Choice(name, label, options):
                    pairs = options(request, asked.words) if callable(options) else [(v, t(m)) for v, m in options]
                    fields.append(_Field("choice", name, t(label), asked.get(name), list(pairs)))
                case Period(start, end):
                    fields.append(_Field("moment", start, t("filter_from"), asked.get(start)))
                    fields.append(_Field("moment", end, t("filter_to"), asked.get(end)))
                case Hidden(name):
                    fields.append(_Field("hidden", name, "", asked.get(name)))
        return fields

    # --- export -------------------------------------------------------------------------------------------------------

    async def export(self, request: Request[Any, Any, Any], kind: str) -> Response[Any]:
        """Return the query as a file.

        It is marked with who made it, when, and by which number the audit log knows it. A large one is handed out only
        when another person has approved it: until then its page says how that stands.

        Raises:
            Problem: bad_request for a format that is none; right_missing, intent_refused.
        """
        if kind not in FORMATS:
            raise Problem("bad_request", f"format: {kind[:16]} is none of {', '.join(FORMATS)}")
        asked = self.asked(request, export=True)
        if not asked.principal.may("exports.make"):
            raise Problem("right_missing", "this needs the right exports.make")
        # What was approved is fetched by its number, and must be asked for in the same words.
        granted = request.query_params.get("export", "")[:32]
        export = granted or new_export()
        mark = mark_of(asked.principal, export)
        size, body = await sync_to_thread(_exported, self, asked, kind, mark)
        query = urlencode(sorted({**asked.filters, **({"sort": asked.sort} if asked.sort else {})}.items()))
        out = await released(
            request,
            export=export,
            listing=self.name,
            form=kind,
            asked=asked_of(asked.principal, request.url.path, query, kind),
            query=_address(request.url.path, dict(parse_qsl(query))),
            size=size,
            body=body,
            granted=bool(granted),
        )
        if not out:
            return Response(None, status_code=303, headers={"Location": f"/exports?asked={export}"})
        stamp = asked.words.moment(time.time_ns() // 1_000_000).strftime("%Y%m%d-%H%M")
        return Response(
            body,
            headers={
                "Content-Type": FORMATS[kind][0],
                "Content-Disposition": f'attachment; filename="{self.name}-{stamp}.{kind}"',
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "X-Export": export,
            },
        )

    def exported(self, asked: Asked) -> Iterator[list[Value]]:
        """Yield the rows of the whole query, at most EXPORT_ROWS_MAX, as the values of the exported columns.

        If more match, one last row of a single text says that it was cut.
        """
        columns = [column for column in self.columns if column.export]
        left = EXPORT_ROWS_MAX
        while True:
            found = self.read(msgspec.structs.replace(asked, limit=min(asked.limit, left)))
            for row in found.rows[:left]:
                yield [column.value(row) for column in columns]
            left -= len(found.rows)
            if not found.next:
                return
            if left <= 0:
                yield [asked.words.t("export_cut", n=asked.words.number(EXPORT_ROWS_MAX))]
                return
            asked = msgspec.structs.replace(asked, after=found.next)


def show(column: Column, row: Any, words: Words) -> Markup | str:
    """Return one cell as HTML, or as text that the template escapes."""
    if column.show is not None:
        return column.show(row, words)
    match column.value(row):
        case None | "":
            return Markup('<span class="faint">–</span>')
        case bool(value):
            return words.t("yes" if value else "no")
        case Moment(ms):
            return words.time(ms)
        case int(value):
            return words.number(value)
        case float(value):
            return words.number(value, 1)
        case text:
            return str(text)


def local_ms(text: str, words: Words) -> int | None:
    """Return 'YYYY-MM-DDTHH:MM' of the reader's clock as UTC epoch ms, None for what is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=words.moment(0).tzinfo)
    return int(moment.timestamp() * 1000)


def _address(path: str, parameters: dict[str, str]) -> str:
    return path + ("?" + urlencode(parameters) if parameters else "")


# --- files ------------------------------------------------------------------------------------------------------------


def _exported(table: Table, asked: Asked, kind: str, mark: Mark) -> tuple[int, bytes]:
    """Return how many rows the export has, and the file.

    Blocking, one at a time; raises not_ready when the ones before it take too long.
    """
    if not _EXPORTING.acquire(timeout=EXPORT_WAIT_S):
        raise Problem("not_ready", "too many exports at once", headers={"Retry-After": "10"})
    try:
        return FORMATS[kind][1](table, asked, mark)
    finally:
        _EXPORTING.release()


_EXPORTING: Final = threading.Lock()


def _watermark(asked: Asked, mark: Mark) -> str:
    """Return the line that says whose file it is."""
    moment = asked.words.moment(time.time_ns() // 1_000_000).strftime("%Y-%m-%d %H:%M:%S")
    who = mark.who if mark.who == mark.login else f"{mark.who} ({mark.login})"
    return asked.words.t("export_mark", export=mark.export, who=who, when=moment)


def _csv(table: Table, asked: Asked, mark: Mark) -> tuple[int, bytes]:
    """Return the table as CSV: UTF-8 with a mark in front, without which Excel takes Chinese for Windows-1252. Its last
    row is the watermark, so that the head stays the first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_plain(head, asked.words) for head in _headings(table, asked.words))
    size = 0
    for row in table.exported(asked):
        writer.writerow(_plain(value, asked.words) for value in row)
        size += 1
    writer.writerow([_plain(_watermark(asked, mark), asked.words)])
    return size, b"\xef\xbb\xbf" + text.getvalue().encode()


def _plain(value: Value, words: Words) -> str:
    """Return a cell of a CSV. What a spreadsheet would take for a formula gets an apostrophe in front of it."""
    match value:
        case None:
            return ""
        case bool():
            return words.t("yes" if value else "no")
        case Moment(ms):
            return words.moment(ms).strftime("%Y-%m-%d %H:%M:%S") if ms else ""
        case int() | float():
            return str(value)
    # = + - @ begin a formula, as do their full-width forms in an Excel of East Asia; tab and line ends hide one.
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _xlsx(table: Table, asked: Asked, mark: Mark) -> tuple[int, bytes]:
    """Return the table as a workbook: real numbers and dates, head frozen, filters on, one row in memory at a time.

    The watermark stands in a row behind the data, at the foot of every printed page, and in the file's properties,
    where it stays when the row is deleted.
    """
    words = asked.words
    file = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        head = book.add_format({"bold": True, "bottom": 1})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"})
        sheet = book.add_worksheet(_sheet_name(words.t(table.title)))
        sheet.freeze_panes(1, 0)
        headings = _headings(table, words)
        columns = [column for column in table.columns if column.export]
        for at, (column, title) in enumerate(zip(columns, headings, strict=True)):
            sheet.set_column(at, at, _WIDTHS.get(column.width, 18))
            sheet.write_string(0, at, title, head)
        number = 0
        for number, row in enumerate(table.exported(asked), 1):
            for at, value in enumerate(row):
                match value:
                    case None | "" | Moment(0):
                        continue
                    case bool():
                        sheet.write_string(number, at, words.t("yes" if value else "no"))
                    case Moment(ms):
                        # A sheet knows no zones: the reader's clock, and the head says whose.
                        sheet.write_datetime(number, at, words.moment(ms).replace(tzinfo=None), moment)
                    case int() | float():
                        # Beyond 15 digits a sheet rounds: a terminal's number is text.
                        if abs(value) < 10**15:
                            sheet.write_number(number, at, value)
                        else:
                            sheet.write_string(number, at, str(value))
                    case _:
                        sheet.write_string(number, at, value[:CELL_CHARACTERS_MAX])
        sheet.autofilter(0, 0, number, len(headings) - 1)
        said = _watermark(asked, mark)
        sheet.write_string(number + 2, 0, said, book.add_format({"italic": True, "font_color": "#777777"}))
        # An ampersand begins a code there.
        sheet.set_footer(f"&C&8{said.replace('&', '&&')[:240]}")
        book.set_properties({"author": mark.login, "comments": said, "keywords": mark.export})
        book.set_custom_property("carillon-export", mark.export)
    return number, file.getvalue()


CELL_CHARACTERS_MAX: Final = 32_767
"""What a cell of a workbook holds."""
_WIDTHS: Final = {"grow": 48, "fit": 14}


def _headings(table: Table, words: Words) -> list[str]:
    """Return the heads of the exported columns; a time's says its zone."""
    return [words.t(column.title) for column in table.columns if column.export]


def _sheet_name(title: str) -> str:
    """Return a title as a sheet may be called: 31 characters, none of []:*?/\\."""
    return "".join(" " if character in "[]:*?/\\'" else character for character in title)[:31]


FORMATS: Final[dict[str, tuple[str, Callable[[Table, Asked, Mark], tuple[int, bytes]]]]] = {
    "csv": ("text/csv; charset=utf-8", _csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _xlsx),
}
"""Format -> media type and writer."""
