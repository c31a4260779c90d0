"""States: one fixed-width record a car (or a terminal) that a detector's kernel keeps, and its way into a snapshot."""

import numpy as np

from core.vehicle_table import zeros_on_lines


class States:
    """Records that start as zeros and are kept while the process lives.

    Rows take address space only until they are touched. A snapshot holds those that are not all zeros.

    Args:
        length: rows; numbers from 0.
        dtype: of a record, a multiple of 8 bytes; of 64 if each row is to lie on cache lines of its own.

    Attributes:
        rows: (length,) of the dtype.
        highest: (1,) int64, the highest row in use; the kernel raises it.
    """

    def __init__(self, length: int, dtype: np.dtype) -> None:
        self.rows = zeros_on_lines(length, dtype)
        self.highest = np.zeros(1, np.int64)

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the rows in use, for a snapshot."""
        used = self.rows[: int(self.highest[0]) + 1]
        numbers = np.flatnonzero(used.view(np.uint64).reshape(len(used), -1).any(axis=1)).astype(np.int32)
        return {"numbers": numbers, "rows": used[numbers]}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned, in place of all there is.

        Raises:
            ValueError: rows that are not here, or of another layout.
        """
        numbers = state["numbers"]
        highest = int(numbers.max(initial=0))
        if highest >= len(self.rows):
            raise ValueError(f"state of row {highest}, there are {len(self.rows)}")
        if state["rows"].dtype != self.rows.dtype:
            raise ValueError("rows of another layout")
        self.clear()
        self.rows[numbers] = state["rows"]
        self.highest[0] = highest

    def clear(self) -> None:
        """Forget all rows."""
        self.rows[: int(self.highest[0]) + 1] = np.zeros((), self.rows.dtype)
        self.highest[0] = 0
