"""The table `uplink`, one body on the embedded engine and on a server."""

from core import limits
from storage.clickhouse import ReportStore, Stored
from storage.tables.uplink import UPLINK_COLUMNS, Uplink
from tests.storage.test_clickhouse import NOW_MS, count

EXTREMES = {
    "Int32": (1, 2**31 - 1), "UInt16": (0, 2**16 - 1), "UInt32": (0, 2**32 - 1), "Int64": (NOW_MS, NOW_MS + 1),
    "UInt64": (0, 2**64 - 1),
}  # fmt: skip


def uplink(sequence: int, **fields: object) -> Uplink:
    plain = Uplink(5, 7, 0x0702, 2013, sequence & 0xFFFF, NOW_MS, "n1", sequence, 0, 20, b"\x07\x02" + bytes(18))
    return plain._replace(**fields)  # type: ignore[arg-type]


def rows(store: ReportStore) -> list[Uplink]:
    sql = f"SELECT {', '.join(UPLINK_COLUMNS)} FROM uplink ORDER BY vehicle_id, arrival_ms, sequence"
    return [Uplink(*row) for row in store.query(sql, binary=["frame"])]


def test_every_field_of_a_message_comes_back_as_it_was(store: ReportStore) -> None:
    said = [uplink(1), uplink(2, node="节点", frame=b"\xff\x00\x7e" * 30_000)]
    for which in (0, 1):
        extremes = {name: EXTREMES[kind][which] for name, (kind, _) in UPLINK_COLUMNS.items() if kind in EXTREMES}
        said.append(uplink(0)._replace(**extremes))  # type: ignore[arg-type]
    assert store.insert_uplinks(said, "n1:1") == Stored(4, 0)
    assert rows(store) == sorted(said)


def test_messages_inserted_twice_under_their_token_are_stored_once(store: ReportStore) -> None:
    said = [uplink(number) for number in range(10)]
    for _ in range(3):
        store.insert_uplinks(said, "n1:1")
    parts = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'uplink' AND active"
    assert store.query(parts) == [(1,)]
    # Under another token too, where the first is long forgotten: a record of the journal is one row.
    store.insert_uplinks(said, "n1:2")
    assert rows(store) == said


def test_messages_of_two_nodes_with_one_number_stay_two(store: ReportStore) -> None:
    store.insert_uplinks([uplink(1), uplink(1, node="n2")], "n1:1")
    assert count(store, "uplink") == 2


def test_a_message_that_the_store_will_not_have_is_set_aside_and_the_others_are_kept(store: ReportStore) -> None:
    said = [uplink(1), uplink(2, vehicle_id=0), uplink(3, arrival_ms=1), uplink(4)]
    assert store.insert_uplinks(said, "n1:1") == Stored(2, 2)
    assert [one.sequence for one in rows(store)] == [1, 4]
    found = store.query("SELECT sequence, frame, reason FROM uplink_refused ORDER BY sequence", binary=["frame"])
    assert [(sequence, frame) for sequence, frame, _ in found] == [(2, said[1].frame), (3, said[2].frame)]
    assert ["vehicle_known" in reason for _, _, reason in found] == [True, False]


def test_a_list_has_the_beginning_of_a_long_message_and_one_read_by_itself_all_of_it(store: ReportStore) -> None:
    most = limits.UPLINK_LISTED_BYTES_MAX
    said = [
        uplink(number, frame=b"\x07\x02".ljust(size, b"x"), length=size) for number, size in ((1, most), (2, most + 1))
    ]
    store.insert_uplinks(said, "n1:1")
    listed = store.uplinks(5, (), NOW_MS, NOW_MS + 1, None, 10)
    assert [(one.sequence, len(one.frame), one.length) for one in listed] == [(2, most, most + 1), (1, most, most)]
    assert store.uplink(5, "n1", 2) == said[1]


def test_a_store_of_the_version_before_gets_the_table_and_keeps_its_reports(store: ReportStore) -> None:
    with store._written_by() as client:
        client.command("DROP TABLE uplink")
        client.command("DROP TABLE uplink_refused")
        client.command("DELETE FROM schema_version WHERE version > 1")
        client.command("INSERT INTO schema_version (version, applied_ms) VALUES (1, 0)")
    try:
        store.ensure_schema()
        assert store.insert_uplinks([uplink(1)], "n1:1") == Stored(1, 0)
        assert count(store, "schema_version") == len(store.query("SELECT DISTINCT version FROM schema_version"))
    finally:
        store.ensure_schema()
