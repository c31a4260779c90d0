-- What terminals say beside positions, a row a message.

CREATE TABLE IF NOT EXISTS uplink (
    vehicle_id Int32 CODEC(Delta, LZ4),
    terminal Int32 CODEC(Delta, LZ4),
    message UInt16 CODEC(LZ4),
    version UInt16 CODEC(LZ4),
    serial UInt16 CODEC(Delta, LZ4),
    arrival_ms Int64 CODEC(Delta, LZ4),
    node String CODEC(LZ4),
    sequence UInt64 CODEC(Delta, LZ4),
    flags UInt16 CODEC(LZ4),
    length UInt32 CODEC(LZ4),
    frame String CODEC(LZ4),
    CONSTRAINT vehicle_known CHECK vehicle_id > 0,
    CONSTRAINT arrival_sane CHECK arrival_ms >= 1262304000000 AND arrival_ms < 4102444800000
) ENGINE = ReplacingMergeTree
-- The number is one node's: two nodes may have heard a car in one millisecond.
ORDER BY (vehicle_id, arrival_ms, sequence, node)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(arrival_ms, 'UTC'))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS uplink_refused (
    refused_ms Int64,
    reason String,
    token String,
    vehicle_id Int32,
    terminal Int32,
    message UInt16,
    version UInt16,
    serial UInt16,
    arrival_ms Int64,
    node String,
    sequence UInt64,
    flags UInt16,
    length UInt32,
    frame String
) ENGINE = ReplacingMergeTree(refused_ms)
ORDER BY (terminal, sequence, node)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, non_replicated_deduplication_window = 1000;
