"""Whose a car is, and by which thresholds that group is judged: asked by every detector's kernel, answered here.

Numbers in, numbers out: to hand an array over, even to what is inlined, costs a reference counted up and down, some ten
nanoseconds a report.
"""

from numba import njit, types

from core.vehicle_table import GROUP_DEFAULT


@njit(types.int64(types.int64), cache=True, nogil=True, inline="always")
def owner(group):  # type: ignore[no-untyped-def]
    """Return the dealer group of a car from what the vehicle table says of it: 0 is GROUP_DEFAULT."""
    return group if group != 0 else GROUP_DEFAULT


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True, inline="always")
def ruled_as(group, groups):  # type: ignore[no-untyped-def]
    """Return the row of RuleSet.of_group, which has `groups`, that a group is judged by.

    One beyond the table is judged as group 0, which no car is of: by the defaults.
    """
    return group if 0 <= group < groups else 0
