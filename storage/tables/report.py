"""The ClickHouse tables of reports and what they say in short, as this program writes and reads them.

The steps in storage/migrations/reports make them; a test compares what they made with what stands here. Every table
syncs each insert and remembers the last 1,000 insert tokens.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REPORT_COLUMNS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        # Delta and LZ4: 24.7 bytes a row on disk. ZSTD(1) would make them 20.4, for 0.97 instead of 0.58 us of CPU a
        # row inserted and 1.18 instead of 0.68 us merged (synthetic rows). A hash does not compress: spare the trying.
        "terminal": ("Int32", "Delta, LZ4"),
        "phone_bcd": ("UInt128", "LZ4"),
        "vehicle_id": ("Int32", "Delta, LZ4"),
        "serial": ("UInt16", "Delta, LZ4"),
        "time_ms": ("Int64", "Delta, LZ4"),
        "arrival_ms": ("Int64", "Delta, LZ4"),
        "report_id": ("UInt64", "NONE"),
        "lat_1e7": ("Int32", "Delta, LZ4"),
        "lon_1e7": ("Int32", "Delta, LZ4"),
        "speed_kmh10": ("UInt16", "Delta, LZ4"),
        "course_deg": ("UInt16", "Delta, LZ4"),
        "altitude_m": ("Int16", "Delta, LZ4"),
        "alarm": ("UInt32", "LZ4"),
        "status": ("UInt32", "LZ4"),
        "odometer_m": ("Int64", "Delta, LZ4"),
        "items": ("String", "LZ4"),
        "flags": ("UInt32", "LZ4"),
        # Journal sequence; never negative. Of two rows of one report the later one stays.
        "sequence": ("UInt64", "Delta, LZ4"),
    }
)
"""Column of the table `report`: ClickHouse type, codec. Names are those of REPORT, with its phone as one number; items
are raw bytes."""

DURABLE: Final = (
    "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, "
    "non_replicated_deduplication_window = 1000"
)
"""Stored means on disk; all four are off by default, in chdb and on a server."""

TUNING: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Merging two or three parts at a time, or a large part with small ones, writes every row again and again: how
        # often a row is written is the logarithm of the rows there are to the number of like parts merged at once. Of
        # 150 segments each row was written 0.95 times, and 1.9 times with the selector's own base of 5. A hundred at
        # once would leave so many parts that a track took 157 ms instead of 18.
        "min_parts_to_merge_at_once": "24",
        # A segment stays one file: 18 columns in files of their own are as many syncs.
        "min_bytes_for_wide_part": "100000000",
        "merge_selector_base": "100",
        "merge_max_block_size": "65536",
        # Statistics of every column at every merge: no query of ours gains from them.
        "auto_statistics_types": "''",
    }
)
"""Table settings that only newer engines know: added to each table where the engine has them."""

LAST_POSITION_COLUMNS: Final = (
    "vehicle_id", "terminal", "time_ms", "arrival_ms", "report_id", "lat_1e7", "lon_1e7", "speed_kmh10", "course_deg",
    "altitude_m", "alarm", "status", "odometer_m", "flags", "sequence",
)  # fmt: skip

MILEAGE_COLUMNS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "vehicle_id": ("Int32", "Int32"),
        "day": ("Date", "Date"),
        # Two terminals on one car count from different zeros.
        "terminal": ("Int32", "Int32"),
        "odometer_m_min": ("Int64", "SimpleAggregateFunction(min, Int64)"),
        "odometer_m_max": ("Int64", "SimpleAggregateFunction(max, Int64)"),
        "time_ms_min": ("Int64", "SimpleAggregateFunction(min, Int64)"),
        "time_ms_max": ("Int64", "SimpleAggregateFunction(max, Int64)"),
        "speed_kmh10_max": ("UInt16", "SimpleAggregateFunction(max, UInt16)"),
    }
)
"""Column of the table `mileage_day`: type of its values, type as declared."""

REFUSED_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "refused_ms": "Int64",
        "reason": "String",
        "token": "String",
        "terminal": "Int32",
        "phone_bcd": "UInt128",
        "vehicle_id": "Int32",
        "serial": "UInt16",
        "time_ms": "Int64",
        "arrival_ms": "Int64",
        "report_id": "UInt64",
        "sequence": "UInt64",
        "row": "String",
        "items": "String",
    }
)
"""Column of the table `report_refused`: ClickHouse type. `row` is the whole REPORT row as it lay in memory."""

SCHEMA_VERSION_TABLE: Final = (
    f"""
CREATE TABLE IF NOT EXISTS schema_version (version UInt32, applied_ms Int64)
ENGINE = ReplacingMergeTree(applied_ms) ORDER BY version SETTINGS {DURABLE}
""",
    """
ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS name String, ADD COLUMN IF NOT EXISTS sha256 String,
    ADD COLUMN IF NOT EXISTS program String
""",
)
"""Which steps were taken, when, from which file, by which version of this program. Stores of before 0.1.0 knew only the
first two columns."""
