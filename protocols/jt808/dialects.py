"""Messages that no standard has and that terminals of several makers send (protocol sheet section 16)."""

from typing import Annotated, Final

import msgspec

from protocols.jt808.location import Location
from protocols.jt808.wire import Gbk, Many, Nested, Raw, Since, Time, Unreadable, Unsigned, Until

Struct = msgspec.Struct

RESULTS: Final = {0: "ok"}


class ShortBatch(Struct, frozen=True, kw_only=True):
    """0x0210: locations behind lengths of one byte; the layout 2020 is ours: battery and time alone."""

    battery_percent: Annotated[int | None, Unsigned(1, unit="%"), Since(2020)] = None
    time_ms: Annotated[int | None, Time(), Since(2020)] = None
    locations: Annotated[tuple[Location | Unreadable, ...], Many(Nested(Location, prefix=1)), Until(2019)] = ()


class QueryTime(Struct, frozen=True):
    """0x0109: what time is it? Answered by 0x8109."""

    data: Annotated[bytes, Raw()] = b""


class TimeReply(Struct, frozen=True):
    """0x8109: the answer to 0x0109, in UTC."""

    year: Annotated[int, Unsigned(2)]
    month: Annotated[int, Unsigned(1)]
    day: Annotated[int, Unsigned(1)]
    hour: Annotated[int, Unsigned(1)]
    minute: Annotated[int, Unsigned(1)]
    second: Annotated[int, Unsigned(1)]
    result: Annotated[int, Unsigned(1, names=RESULTS)] = 0


class TextReply(Struct, frozen=True):
    """0x6006: what a terminal says to a 0x8300 that was a command of its maker's."""

    encoding: Annotated[int, Unsigned(1)]
    text: Annotated[str, Gbk()]
