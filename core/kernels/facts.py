"""FACT: what a detector's kernel writes down for one finding, before it becomes an event."""

from typing import Final

import numpy as np
from numba import from_dtype, types

FACT: Final = np.dtype(
    [
        ("first_report", "u8"),  # report that began the change; the row's own where it took one report only
        ("row", "i4"),  # row of the batch that settled it
        ("kind", "i4"),  # the detector's own number of what it is
        ("number", "i4"),  # which one: fence id, alarm bit
        ("late", "i4"),  # 1: the report came behind newer ones
    ],
    align=True,
)
"""One finding, 24 bytes."""

FACTS_TYPE: Final = types.Array(from_dtype(FACT), 1, "C")
