"""Follow which fences each vehicle is in, and write down a fact when that has changed for certain.

A slot of the vehicle's row (FENCES of core/vehicle_table.py) is in one of three phases:

    ENTERING   the last fix was inside, too few to be sure; a fix outside drops it
    INSIDE     entered
    EXITING    beyond the margin, too few fixes to be sure; a fix inside or within the margin: INSIDE again

To enter takes `enter_fixes` fixes inside in a row, or `enter_ms` between the first and the last of them. To leave takes
fixes beyond the margin, and of those `exit_fixes` in a row or `exit_ms`. Beyond the margin *and* confirmed: were either
enough, a car parked on the line, whose fixes wander over it, would come and go all night. (With two fixes asked for,
the times never decide, since the second fix does: they are there for rules that ask for more.)

Fixes are judged in order of their time: one that is not newer than the last judged is history, not live state. A report
without a usable fix freezes everything.
"""

from typing import Final

import numpy as np
from numba import njit, types

from core.kernels.facts import FACTS_TYPE
from core.kernels.geofence import FENCE_ID, fence_word, is_for, locate, near, number_of
from core.limits import FACTS_PER_ROW_MAX, FENCE_BLOCKS_MAX, FENCES_PER_VEHICLE_MAX
from core.vehicle_table import (
    FENCE_PENDING_TYPE,
    FENCE_SLOTS,
    FENCES_BYTES,
    FENCES_TYPE,
    GROUP_DEFAULT,
    REPORTS_TYPE,
    ROWS_AHEAD,
)
from protocols.memory import prefetch
from protocols.report import FLAGS_NO_POSITION

PHASE_ENTERING: Final = 1
PHASE_INSIDE: Final = 2
PHASE_EXITING: Final = 3

KIND_ENTERED: Final = 1
KIND_EXITED: Final = 2

# Counters of judge_crossings, in the order of its int64 array.
COUNT_JUDGED: Final = 0
COUNT_NO_FIX: Final = 1
COUNT_LATE: Final = 2
COUNT_BEYOND: Final = 3
COUNT_UNTRACKED: Final = 4
COUNT_FENCE_GONE: Final = 5
HIGHEST_VEHICLE: Final = 6
COUNTERS: Final = (
    "judged",
    "no_fix",
    "late",
    "beyond_capacity",
    "fences_untracked",
    "fences_gone",
    "highest_vehicle",
)

BLOCKS_FREE: Final = 0
"""Word of VehicleTable.fence_blocks: first row of the chain of overflow blocks given back; 0: none."""
BLOCKS_TAKEN: Final = 1
"""And: overflow blocks ever handed out."""

_BLOCKS_PER_VEHICLE: Final = FENCES_PER_VEHICLE_MAX // FENCE_SLOTS


@njit(types.int64(types.int64, types.int64, FENCES_TYPE, types.int64[::1]), cache=True, nogil=True)
def _free_slot(vehicle, capacity, fences, blocks):  # type: ignore[no-untyped-def]
    """Find a free slot in a vehicle's chain, longer if need be; return row * FENCE_SLOTS + slot, -1 for none."""
    block = vehicle
    for length in range(1, _BLOCKS_PER_VEHICLE + 1):
        for slot in range(FENCE_SLOTS):
            if fences[block].fence[slot] == 0:
                return block * FENCE_SLOTS + slot
        after = np.int64(fences[block].overflow)
        if after == 0:
            if length == _BLOCKS_PER_VEHICLE:
                return -1
            if blocks[BLOCKS_FREE] != 0:
                after = blocks[BLOCKS_FREE]
                blocks[BLOCKS_FREE] = fences[after].overflow
                fences[after].overflow = 0
            elif blocks[BLOCKS_TAKEN] < FENCE_BLOCKS_MAX:
                after = capacity + blocks[BLOCKS_TAKEN]
                blocks[BLOCKS_TAKEN] += 1
            else:
                return -1
            fences[block].overflow = after
        block = after
    return -1


@njit(types.void(types.int64, FENCES_TYPE, types.int64[::1]), cache=True, nogil=True)
def _give_back(vehicle, fences, blocks):  # type: ignore[no-untyped-def]
    """Take the empty overflow blocks out of a vehicle's chain."""
    before = vehicle
    block = np.int64(fences[vehicle].overflow)
    while block != 0:
        after = np.int64(fences[block].overflow)
        empty = True
        for slot in range(FENCE_SLOTS):
            if fences[block].fence[slot] != 0:
                empty = False
        if empty:
            fences[before].overflow = after
            fences[block].overflow = blocks[BLOCKS_FREE]
            blocks[BLOCKS_FREE] = block
        else:
            before = block
        block = after


@njit(
    types.void(FACTS_TYPE, types.int64, types.int64, REPORTS_TYPE.dtype, types.uint64, types.int64, types.int64),
    cache=True,
    nogil=True,
)
def _write(facts, number, i, row, first_report, kind, fence_id):  # type: ignore[no-untyped-def]
    """Write fact `number` of the crossing that row i settled."""
    fact = facts[number]
    fact.report = row.report_id
    fact.first_report = first_report
    fact.time_ms = row.time_ms
    fact.values[:] = 0
    fact.vehicle = row.vehicle_id
    fact.terminal = row.terminal
    fact.row = i
    fact.kind = kind
    fact.number = fence_id
    fact.late = 0


@njit(
    types.UniTuple(types.int64, 2)(
        REPORTS_TYPE,
        types.int64,
        types.int64,
        types.float64[:, ::1],
        types.int32[::1],
        types.int32[::1],
        types.int32[::1],
        FENCES_TYPE,
        FENCE_PENDING_TYPE,
        types.int64[::1],
        types.int32[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def judge_crossings(  # type: ignore[no-untyped-def]
    rows,
    start,
    table,
    rules,
    rule_of_group,
    groups,
    stores,
    fences,
    pending,
    blocks,
    found,
    facts,
    counters,
):
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT.
        table: address of a FenceIndex.
        rules: (sets, fields) float64, FenceRule of each set in the order of its fields. A fix counts as outside beyond
            margin_m_min or two position_sigma_m, whichever is more.
        rule_of_group: int32, the set of each group; of those past its end, the first.
        groups, stores: (capacity,) int32, whose each vehicle is. A fence applies to its own group, to its own store
            unless that is 0, and of those to the vehicles it lists, if it lists any (`is_for`).
        fences, pending, blocks: state, as in VehicleTable.
        found: int32, room for the fences that hold one point; those past it are not tracked.
        facts: (m,) FACT, m >= FACTS_PER_ROW_MAX.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    capacity = groups.shape[0]
    room = found.shape[0]
    found_address = found.ctypes.data
    written = 0
    first_row = fences.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            prefetch(first_row + FENCES_BYTES * np.int64(rows[i + ROWS_AHEAD].vehicle_id))
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return i, written
        row = rows[i]
        vehicle = np.int64(row.vehicle_id)
        if vehicle <= 0 or vehicle >= capacity:
            counters[COUNT_BEYOND] += 1
            continue
        if np.int64(row.flags) & FLAGS_NO_POSITION:
            counters[COUNT_NO_FIX] += 1
            continue
        state = fences[vehicle]
        time_ms = row.time_ms
        if time_ms <= state.time_ms:
            counters[COUNT_LATE] += 1
            continue
        state.time_ms = time_ms
        counters[COUNT_JUDGED] += 1
        if vehicle > counters[HIGHEST_VEHICLE]:
            counters[HIGHEST_VEHICLE] = vehicle
        lat = np.int64(row.lat_1e7)
        lon = np.int64(row.lon_1e7)
        holding = locate(table, lat, lon, found_address, room)
        if holding == 0 and state.used == 0:
            continue
        if holding > room:
            counters[COUNT_UNTRACKED] += holding - room
            holding = room
        group = np.int64(groups[vehicle])
        if group == 0:
            group = np.int64(GROUP_DEFAULT)
        store = np.int64(stores[vehicle])
        rule = rules[rule_of_group[group]] if group < rule_of_group.shape[0] else rules[0]
        enter_fixes, enter_ms, exit_fixes, exit_ms = rule[0], rule[1], rule[2], rule[3]
        margin_m = max(rule[4], 2 * rule[5])

        # Fence numbers become ids; those that are not for this vehicle go.
        kept = 0
        for k in range(holding):
            number = np.int64(found[k])
            if is_for(table, number, group, store, vehicle):
                found[kept] = fence_word(table, number, FENCE_ID)
                kept += 1

        # What is tracked already: each slot hears whether the fix is inside, in the margin or beyond.
        chained = state.overflow != 0
        tracked = np.int64(state.used)
        block = vehicle
        while tracked > 0:
            current = fences[block]
            for slot in range(FENCE_SLOTS):
                fence_id = np.int64(current.fence[slot])
                if fence_id == 0:
                    continue
                tracked -= 1
                inside = False
                for k in range(kept):
                    if found[k] == fence_id:
                        inside = True
                        kept -= 1
                        found[k] = found[kept]
                        break
                phase = np.int64(current.phase[slot])
                if inside:
                    if phase == PHASE_EXITING:
                        current.phase[slot] = PHASE_INSIDE
                    elif phase == PHASE_ENTERING:
                        fixes = min(np.int64(current.fixes[slot]) + 1, 255)
                        current.fixes[slot] = fixes
                        if fixes >= enter_fixes or time_ms - pending[block].first_ms[slot] >= enter_ms:
                            current.phase[slot] = PHASE_INSIDE
                            _write(facts, written, i, row, pending[block].first_report[slot], KIND_ENTERED, fence_id)
                            written += 1
                    continue
                if phase == PHASE_ENTERING:
                    current.fence[slot] = 0
                    state.used -= 1
                    continue
                number = number_of(table, fence_id)
                if number < 0 or not is_for(table, number, group, store, vehicle):
                    # Deleted, or no longer this vehicle's: it was not the vehicle that left.
                    current.fence[slot] = 0
                    state.used -= 1
                    counters[COUNT_FENCE_GONE] += 1
                    continue
                if near(table, number, lat, lon, margin_m):
                    current.phase[slot] = PHASE_INSIDE
                    continue
                if phase == PHASE_INSIDE:
                    current.phase[slot] = PHASE_EXITING
                    current.fixes[slot] = 1
                    pending[block].first_ms[slot] = time_ms
                    pending[block].first_report[slot] = row.report_id
                else:
                    current.fixes[slot] = min(np.int64(current.fixes[slot]) + 1, 255)
                if np.int64(current.fixes[slot]) >= exit_fixes or time_ms - pending[block].first_ms[slot] >= exit_ms:
                    current.fence[slot] = 0
                    state.used -= 1
                    _write(facts, written, i, row, pending[block].first_report[slot], KIND_EXITED, fence_id)
                    written += 1
            block = np.int64(current.overflow)

        # What is left in `found` was not tracked.
        for k in range(kept):
            place = _free_slot(vehicle, capacity, fences, blocks)
            if place < 0:
                counters[COUNT_UNTRACKED] += 1
                continue
            block = place // FENCE_SLOTS
            slot = place % FENCE_SLOTS
            chained = chained or block != vehicle
            current = fences[block]
            current.fence[slot] = found[k]
            current.phase[slot] = PHASE_ENTERING
            current.fixes[slot] = 1
            pending[block].first_ms[slot] = time_ms
            pending[block].first_report[slot] = row.report_id
            state.used += 1
            if enter_fixes <= 1 or enter_ms <= 0:
                current.phase[slot] = PHASE_INSIDE
                _write(facts, written, i, row, row.report_id, KIND_ENTERED, np.int64(found[k]))
                written += 1
        if chained:
            _give_back(vehicle, fences, blocks)
    return rows.shape[0], written
