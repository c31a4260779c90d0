-- Reports, what they say in short, what was refused, and a row to try writing with.

CREATE TABLE IF NOT EXISTS report (
    terminal Int32 CODEC(Delta, LZ4),
    phone_bcd UInt128 CODEC(LZ4),
    vehicle_id Int32 CODEC(Delta, LZ4),
    serial UInt16 CODEC(Delta, LZ4),
    time_ms Int64 CODEC(Delta, LZ4),
    arrival_ms Int64 CODEC(Delta, LZ4),
    report_id UInt64 CODEC(NONE),
    lat_1e7 Int32 CODEC(Delta, LZ4),
    lon_1e7 Int32 CODEC(Delta, LZ4),
    speed_kmh10 UInt16 CODEC(Delta, LZ4),
    course_deg UInt16 CODEC(Delta, LZ4),
    altitude_m Int16 CODEC(Delta, LZ4),
    alarm UInt32 CODEC(LZ4),
    status UInt32 CODEC(LZ4),
    odometer_m Int64 CODEC(Delta, LZ4),
    items String CODEC(LZ4),
    flags UInt32 CODEC(LZ4),
    sequence UInt64 CODEC(Delta, LZ4),
    phone String ALIAS if(phone_bcd = 0, '0', trim(LEADING '0' FROM hex(phone_bcd))),
    CONSTRAINT vehicle_known CHECK vehicle_id > 0,
    CONSTRAINT arrival_sane CHECK arrival_ms >= 1262304000000 AND arrival_ms < 4102444800000
) ENGINE = ReplacingMergeTree(sequence)
-- report_id: terminals' clocks have whole seconds, and three reports of one second are three.
ORDER BY (vehicle_id, time_ms, report_id)
-- Never the terminal's clock: a car that empties its memory can bring 240 months at once.
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(arrival_ms, 'UTC'))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS last_position (
    vehicle_id Int32,
    terminal Int32,
    time_ms Int64,
    arrival_ms Int64,
    report_id UInt64,
    lat_1e7 Int32,
    lon_1e7 Int32,
    speed_kmh10 UInt16,
    course_deg UInt16,
    altitude_m Int16,
    alarm UInt32,
    status UInt32,
    odometer_m Int64,
    flags UInt32,
    sequence UInt64,
    rank UInt128
) ENGINE = ReplacingMergeTree(rank)
ORDER BY vehicle_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS mileage_day (
    vehicle_id Int32,
    day Date,
    terminal Int32,
    odometer_m_min SimpleAggregateFunction(min, Int64),
    odometer_m_max SimpleAggregateFunction(max, Int64),
    time_ms_min SimpleAggregateFunction(min, Int64),
    time_ms_max SimpleAggregateFunction(max, Int64),
    speed_kmh10_max SimpleAggregateFunction(max, UInt16)
) ENGINE = AggregatingMergeTree
ORDER BY (vehicle_id, day, terminal)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS report_refused (
    refused_ms Int64,
    reason String,
    token String,
    terminal Int32,
    phone_bcd UInt128,
    vehicle_id Int32,
    serial UInt16,
    time_ms Int64,
    arrival_ms Int64,
    report_id UInt64,
    sequence UInt64,
    row String,
    items String,
    phone String ALIAS if(phone_bcd = 0, '0', trim(LEADING '0' FROM hex(phone_bcd)))
) ENGINE = ReplacingMergeTree(refused_ms)
ORDER BY (terminal, sequence, report_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS store_ping (
    id UInt8,
    at_ms Int64
) ENGINE = ReplacingMergeTree(at_ms)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;
