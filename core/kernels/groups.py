"""Whose a car is, and by which thresholds that group is judged: asked by every detector's kernel, answered here."""

import numpy as np
from numba import njit, types

from core.vehicle_table import GROUP_DEFAULT


@njit(types.int64(types.int32[::1], types.int64), cache=True, nogil=True, inline="always")
def group_of(groups, vehicle):  # type: ignore[no-untyped-def]
    """Return the dealer group of a vehicle that `groups`, (capacity,) int32, has a row for."""
    group = np.int64(groups[vehicle])
    return group if group != 0 else np.int64(GROUP_DEFAULT)


@njit(types.int64(types.int32[::1], types.int64), cache=True, nogil=True, inline="always")
def set_of(of_group, group):  # type: ignore[no-untyped-def]
    """Return the row of RuleSet.numbers that a group is judged by; of a group beyond the table, the defaults'."""
    return np.int64(of_group[group]) if 0 <= group < of_group.shape[0] else np.int64(0)
