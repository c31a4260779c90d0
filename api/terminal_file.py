"""Lists of terminals as people keep them: a CSV out of a spreadsheet, its columns named in Chinese or English.

Spreadsheets write UTF-8 with or without a mark, UTF-16 with tabs ("Unicode text"), or GB 18030 on Chinese Windows; with
commas, semicolons or tabs. All of them are read. A line whose first cell begins with # is a remark.
"""

import csv
import io
import re
from typing import Final

import msgspec

from core import limits
from storage.bindings import Entry
from storage.marks import RefusedError, refuse

COLUMNS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    # field -> (its head in English, in Chinese, other heads that mean it)
    "phone": ("Phone", "终端手机号", ("手机号", "手机号码", "终端号码", "sim", "sim卡号", "simcard", "phonenumber")),
    "terminal_id": ("Terminal ID", "终端ID", ("终端编号", "设备编号", "设备id", "deviceid", "终端号")),
    "maker": ("Maker", "厂商", ("终端厂商", "制造商", "制造商id", "厂家", "manufacturer", "vendor")),
    "model": ("Model", "型号", ("终端型号", "设备型号")),
    "plate": ("Plate", "车牌号", ("车牌", "车牌号码", "号牌", "号牌号码", "licenseplate", "numberplate")),
    "plate_colour": ("Plate colour", "车牌颜色", ("号牌颜色", "platecolor", "颜色")),
    "vin": ("VIN", "车架号", ("车辆识别代号", "车辆识别码", "车架号vin", "vin码")),
    "store": ("Store", "门店", ("所属门店", "门店编码", "门店代码", "门店名称", "storecode", "dealer")),
    "role": ("Role", "用途", ("角色", "安装用途")),
}  # fmt: skip

COLOURS: Final[dict[int, tuple[str, str]]] = {
    0: ("none", "无牌"),
    1: ("blue", "蓝"),
    2: ("yellow", "黄"),
    3: ("black", "黑"),
    4: ("white", "白"),
    5: ("green", "绿"),
    9: ("other", "其他"),
    91: ("farm yellow", "农黄"),
    92: ("farm green", "农绿"),
    93: ("yellow-green", "黄绿"),
    94: ("gradient green", "渐变绿"),
}
"""Code of JT/T 697.7 -> (English, Chinese). 蓝色 and 蓝牌 are read as 蓝."""
ROLE_WORDS: Final[dict[str, tuple[str, str]]] = {
    "main": ("main", "主终端"),
    "camera": ("camera", "行车记录仪"),
    "spare": ("spare", "备用"),
}

CELL_CHARACTERS_MAX: Final = 200


class TerminalFile(msgspec.Struct, frozen=True):
    """A list as it was read."""

    entries: list[Entry]
    ignored: list[str]
    """Heads of columns that mean nothing to us."""


def read_terminal_file(body: bytes) -> TerminalFile:
    """Read a list.

    Raises:
        RefusedError: file_empty; file_unreadable (a workbook, or no text); column_missing: no column is the phone's;
            too_many: more than limits.TERMINALS_IMPORT_MAX lines.
    """
    text = _text_of(body)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        head = next((row for row in reader if any(cell.strip() for cell in row)), None)
        if head is None:
            raise refuse("file", "file_empty")
        fields = [_FIELDS.get(_bare(cell), "") for cell in head]
        if "phone" not in fields:
            raise refuse("file", "column_missing", ", ".join(cell.strip()[:40] for cell in head[:12]))
        ignored = [cell.strip()[:40] for cell, field in zip(head, fields, strict=True) if not field and cell.strip()]
        entries: list[Entry] = []
        for row in reader:
            if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
                continue
            if len(entries) >= limits.TERMINALS_IMPORT_MAX:
                raise refuse("file", "too_many", f"more than {limits.TERMINALS_IMPORT_MAX} lines")
            entries.append(_entry(dict(zip(fields, row, strict=False)), reader.line_num))
    except csv.Error as error:
        raise refuse("file", "file_unreadable", str(error)) from None
    if not entries:
        raise refuse("file", "file_empty")
    return TerminalFile(entries, ignored)


def template_of(language: str) -> bytes:
    """Return an empty list with its heads, and a remark that shows how a line looks, for a spreadsheet."""
    chinese = language == "zh"
    heads = [zh if chinese else en for en, zh, _ in COLUMNS.values()]
    example = ["# 13912345678", "ABC1234", "BSJ", "A5", "粤B12345", "蓝" if chinese else "blue", "", "S01", "main"]
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([heads, example])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _text_of(body: bytes) -> str:
    if body[:2] in (b"PK", b"\xd0\xcf"):
        raise refuse("file", "file_workbook")
    encodings = ("utf-16",) if body[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise refuse("file", "file_unreadable")


def _bare(text: str) -> str:
    """Return a head without what people add to it: spaces, stars, units in brackets."""
    return re.sub(r"[\s_\-*＊:：/]|[(（].*?[)）]", "", text).lower()


def _entry(cells: dict[str, str], line: int) -> Entry:
    said = {name: cell.strip()[:CELL_CHARACTERS_MAX] for name, cell in cells.items() if name}
    colour = said.pop("plate_colour", "")
    role = said.pop("role", "").lower()
    return Entry(
        **{name: text for name, text in said.items() if name != "store"},
        store=said.get("store") or None,
        plate_colour=_colour(colour) if colour else None,
        role=_ROLES.get(role, role),
        line=line,
    )


def _colour(text: str) -> int:
    """Return a colour's code; -1, which no colour has, for a word that names none."""
    bare = _bare(text).removesuffix("色").removesuffix("牌")
    return _COLOURS.get(bare, -1)


_FIELDS: Final = {
    _bare(head): field for field, (english, chinese, others) in COLUMNS.items() for head in (english, chinese, *others)
}
_COLOURS: Final = {_bare(word): code for code, words in COLOURS.items() for word in (str(code), *words)}
_ROLES: Final = {word: role for role, words in ROLE_WORDS.items() for word in (role, *words)}

__all__ = ["COLOURS", "COLUMNS", "ROLE_WORDS", "RefusedError", "TerminalFile", "read_terminal_file", "template_of"]
