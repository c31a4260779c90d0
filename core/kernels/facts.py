"""FACT: what a detector's kernel writes down for one finding, before it becomes an event."""

from typing import Final

import numpy as np
from numba import from_dtype, njit, types

FACT_VALUES: Final = 6
ROW_NONE: Final = -1
"""In the place of a row: found by a sweep, of reports judged before."""

FACT: Final = np.dtype(
    [
        ("report", "u8"),  # report that settled it; of a sweep the last one that the car was judged by
        ("first_report", "u8"),  # report that began it; the same where it took one only
        ("time_ms", "i8"),  # when it happened, UTC epoch ms
        ("values", "i8", (FACT_VALUES,)),  # the detector's own figures
        ("vehicle", "i4"),
        ("terminal", "i4"),
        ("row", "i4"),  # row of the batch that settled it, or ROW_NONE
        ("kind", "i4"),  # the detector's own number of what it is
        ("number", "i4"),  # which one: fence id, alarm bit
        ("late", "i4"),  # 1: the report came behind newer ones
    ],
    align=True,
)
"""One finding, 96 bytes. Every field is written: the array is used again and again."""

FACTS_TYPE: Final = types.Array(from_dtype(FACT), 1, "C")


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True, inline="always")
def pair(high, low):  # type: ignore[no-untyped-def]
    """Put two int32 into one value of a fact; `apart` takes them out again."""
    return (high << 32) | (low & 0xFFFFFFFF)


def apart(paired: int) -> tuple[int, int]:
    """Return the two int32 that a kernel put into one value by `pair`."""
    low = paired & 0xFFFFFFFF
    return paired >> 32, low - (1 << 32) if low >> 31 else low
