-- A store of reports as the program left it at version 1, before messages were stored: its tables word for word, and
-- four reports of two cars. Kept as it is: what reads it must bring it forwards.

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

CREATE TABLE IF NOT EXISTS schema_version (version UInt32, applied_ms Int64)
ENGINE = ReplacingMergeTree(applied_ms) ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;

INSERT INTO schema_version VALUES (1, 1760000000000);

INSERT INTO report (terminal, phone_bcd, vehicle_id, serial, time_ms, arrival_ms, report_id, lat_1e7, lon_1e7,
    speed_kmh10, course_deg, altitude_m, alarm, status, odometer_m, items, flags, sequence) VALUES
    (1, 1344324763649, 1, 1, 1760000000000, 1760000000900, 161, 300000000, 1490000000, 300, 90, 12, 0, 3, 1000, unhex('01040000000a'), 0, 1),
    (1, 1344324763649, 1, 2, 1760000020000, 1760000020900, 162, 300001000, 1490001000, 300, 90, 12, 0, 3, 1200, unhex('01040000000c'), 0, 2),
    (1, 1344324763649, 1, 3, 1760000030000, 1760000030900, 163, 300002000, 1490002000, 300, 90, 12, 0, 3, 1250, unhex('01040000000c'), 0, 3),
    (2, 1344324763650, 2, 4, 1760000005000, 1760000005900, 177, 300003000, 1490003000, 300, 90, 12, 0, 3, 77, unhex('010400000000'), 0, 4);

INSERT INTO last_position VALUES
    (1, 1, 1760000030000, 1760000030900, 163, 300002000, 1490002000, 300, 90, 12, 0, 3, 1250, 0, 3, 32466270123131133055446548480000),
    (2, 2, 1760000005000, 1760000005900, 177, 300003000, 1490003000, 300, 90, 12, 0, 3, 77, 0, 4, 32466269661962531212707758080000);

INSERT INTO mileage_day VALUES
    (1, '2025-10-09', 1, 1000, 1250, 1760000000000, 1760000030000, 300),
    (2, '2025-10-09', 2, 77, 77, 1760000005000, 1760000005000, 300);
