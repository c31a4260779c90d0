"""/explain: frames in, every byte named: coloured runs of bytes beside the table of fields, each lit with the other."""

from typing import Annotated, Any, Final, NamedTuple

import msgspec
from litestar import Request, Response, get, post
from litestar.params import Body, QueryParameter

from api.guards import SELF
from api.portal.render import Words, render, words_of
from api.portal.terms import is_declared, meaning_of, message_name, path_name, unit_name
from protocols.jt808.explain import HEX_DIGITS, explain

FRAMES_MAX: Final = 50
"""Frames of one page. Each has some forty fields: 2,000 rows are what a person may still scroll through."""
TEXT_CHARACTERS_MAX: Final = 48 * 1024
"""What one may paste: a request of 64 KB, in which each line end and blank takes three."""
INFLATED_FIELDS_MAX: Final = 400
INFLATED_BYTES_SHOWN: Final = 4_096
"""Of what a compressed message inflates to (64 KB, some 18,000 fields): thirty positions, to see what it is."""
HUES: Final = 6


class Field(NamedTuple):
    """One field of a frame as the page shows it."""

    number: int
    hue: int
    name: str
    label: str
    """The name in the reader's language, empty where it has none of its own."""
    offset: int
    length: int
    raw: list[str]
    """Its bytes as they were given, two digits each."""
    value: str
    meaning: str


class Explained(NamedTuple):
    """One frame as the page shows it."""

    title: str
    about: list[tuple[str, str]]
    fields: list[Field]
    rest: list[str]
    """Bytes behind what could be read."""
    error: str
    error_offset: int
    faults: list[str]


class Pasted(msgspec.Struct, frozen=True):
    """What the form sends."""

    frames: Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)] = ""


@get("/explain", include_in_schema=False, opt={"right": SELF})
async def explain_page(
    request: Request[Any, Any, Any],
    frame: Annotated[str, QueryParameter(max_length=8_192)] = "",
) -> Response[Any]:
    """Ask for frames; with one in the address, explain it."""
    return _page(request, frame)


@post("/explain", include_in_schema=False, opt={"right": SELF}, status_code=200)
async def explain_pasted(
    request: Request[Any, Any, Any],
    data: Annotated[Pasted, Body(media_type="application/x-www-form-urlencoded")],
) -> Response[Any]:
    """Explain what was pasted, a frame a line. Nothing is kept of it."""
    return _page(request, data.frames)


def _page(request: Request[Any, Any, Any], text: str) -> Response[Any]:
    words = words_of(request)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return render(
        request,
        "explain.html",
        text=text,
        explained=[one for line in lines[:FRAMES_MAX] for one in explained(line, words)],
        left_out=max(0, len(lines) - FRAMES_MAX),
        frames_max=FRAMES_MAX,
        characters_max=TEXT_CHARACTERS_MAX,
        examples=EXAMPLES,
    )


def explained(line: str, words: Words) -> list[Explained]:
    """Return one line, explained in the reader's words; behind a compressed message what it inflates to."""
    answer = explain(line)
    said = [told(answer, _bytes_of(line), words)]
    if "inflated" in answer:
        inflated = answer["inflated"]
        fields = inflated["fields"][:INFLATED_FIELDS_MAX]
        shown = fields[-1]["offset"] + fields[-1]["length"] if fields else 0
        one = told(
            {**inflated, "fields": fields}, _bytes_of(inflated["raw"][: 2 * min(shown, INFLATED_BYTES_SHOWN)]), words
        )
        title = words.t("field_inflated") + (f" {one.title}" if inflated["message"] else "")
        said.append(
            one._replace(
                title=title, about=[(words.t("explain_length"), words.t("explain_bytes", n=inflated["bytes"]))]
            )
        )
    return said


def told(answer: dict[str, Any], given: list[str], words: Words) -> Explained:
    """Return an explanation of bytes in the reader's words."""
    fields = []
    read = 0
    for number, field in enumerate(answer["fields"]):
        start, length = field["offset"], field["length"]
        read = max(read, start + length)
        name = field["name"]
        value = "" if field["value"] is None else str(field["value"])
        last = name.rpartition(".")[2].partition("[")[0]
        fields.append(
            Field(
                number=number,
                hue=0 if name in _FRAMING else number % HUES + 1,
                name=name,
                label=path_name(answer.get("message", ""), name, words),
                offset=start,
                length=length,
                raw=given[start : start + length],
                value=f"{value} {unit_name(field['unit'], words)}".strip(),
                meaning=meaning_of(last, field["meaning"], words),
            )
        )
    message = answer.get("message", "")
    title = f"{message} {message_name(message, words)}" if is_declared(message) else message
    about = [(words.t(f"explain_{key}"), str(answer[key])) for key in ("version", "phone", "serial") if answer.get(key)]
    about.append((words.t("explain_length"), words.t("explain_bytes", n=len(given))))
    return Explained(
        title=title or words.t("explain_unreadable"),
        about=about,
        fields=fields,
        rest=given[read:],
        error=answer.get("error", ""),
        error_offset=answer.get("offset", 0),
        faults=[str(fault) for fault in answer.get("faults", ())],
    )


def _bytes_of(line: str) -> list[str]:
    """Return the bytes of a line as two digits each, as explain takes them; what is no digit is left out."""
    digits = [character for character in line.removeprefix("0x").removeprefix("0X") if character in HEX_DIGITS]
    return ["".join(digits[at : at + 2]).upper() for at in range(0, len(digits), 2)]


_FRAMING: Final = frozenset({"flag", "checksum"})

EXAMPLES: Final[tuple[tuple[str, str], ...]] = (
    (
        "explain_example_location",
        (
            "7e0200402c0100000000013900000006004600000000000c100201c9e5d008f091f9000b00000021261122135309010400103ffd0202"
            "00cc30011931010e1f7e"
        ),
    ),
    (
        "explain_example_register",
        (
            "7e010040550100000000013900000006000000000000434152494c4c4f4e00000043542d323030000000000000000000000000000000"
            "00000000000000000000000030303030303036000000000000000000000000000000000000000000000005b2e244413030303036"
            "6b7e"
        ),
    ),
    ("explain_example_text", "7e83004016010000000001390000000600070801c7b0b7bdcaa9b9a4a3acc7ebbcf5cbd9c2fdd0d0a07e"),
    (
        "explain_example_broken",
        (
            "7e0200402c0100000000013900000006004600000000000c100201c9e5d008f091f9000b00000021261122135309010400103ffd0202"
            "00cc30011931010e1e7e"
        ),
    ),
)
"""Message -> a frame to try: a position, a registration, a text on its way down, and one whose checksum is wrong."""

PAGES: Final = (explain_page, explain_pasted)
