"""Makers' items: the same id read by whoever sent it, any framing, nothing lost and never an error."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.jt808.codec import Header, decode, encode_frame
from protocols.jt808.explain import explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.messages import Location, Odometer, Satellites, Unknown
from protocols.jt808.safety import SAFETY, AdasAlarm, AlarmId, BsdAlarm, DsmAlarm, HarshDriving, TpmsAlarm
from protocols.jt808.vendors import COMMON, LISTED, VENDORS, Listed, means, record, vendor_of
from protocols.jt808.wire import (
    ROW_OF,
    ClippedItem,
    Item,
    ItemRow,
    ItemTable,
    Raw,
    Unsigned,
    WideItem,
    layout,
)
from tests.protocols.test_declarations import struct_of
from tests.protocols.test_explain import check_cover

HEADER = Header(0x0200, "13800138000", 1)
HEAD = Location(0, 2, 30_000_000, 120_000_000, time_ms=1_768_437_000_000)
TABLES = {table.name: table for table in (COMMON, SAFETY, *(vendor.table for vendor in VENDORS.values()))}


def frame_with(items: bytes) -> bytes:
    head = encode_frame(HEAD, HEADER)[12:]
    return encode_frame(Unknown(0x0200, head + items), HEADER)


def items_of(items: bytes, vendor: ItemTable | None = None) -> tuple[msgspec.Struct, ...]:
    """Read items, and hold that they are written to the same bytes and that each byte is explained."""
    frame = frame_with(items)
    decoded = decode(frame, vendor=vendor)
    assert encode_frame(decoded.body, decoded.header) == frame
    wire = wrap(frame)
    check_cover(explain_wire(wire, vendor), wire)
    assert isinstance(decoded.body, Location)
    return decoded.body.items


# --- one id, several makers -------------------------------------------------------------------------------------------


def test_the_same_id_means_what_its_maker_means() -> None:
    supply = bytes.fromhex("F1 04 00002EE0")
    assert fields(items_of(supply)) == [("SupplyF1", {"supply_mv": 12_000})]
    assert fields(items_of(supply, VENDORS["guangdong"].table)) == [("InstallationFaults", {"faults": 12_000})]
    sim = bytes.fromhex("F1 09 313233343536373839")
    assert items_of(sim) == (Item(0xF1, b"123456789"),)
    assert fields(items_of(sim, VENDORS["gps51"].table)) == [("Gps51Sim", {"iccid": "123456789"})]
    steps = bytes.fromhex("F8 02 4936")
    assert fields(items_of(steps, vendor_of("", "C5L"))) == [("Steps", {"steps": 18_742})]
    assert fields(items_of(steps)) == [("TemperatureF8", {"temperature": 18_742})]


def fields(items: tuple[msgspec.Struct, ...]) -> list[tuple[str, dict[str, Any]]]:
    plain = [(type(item).__name__, msgspec.structs.asdict(item)) for item in items]
    return [(name, {key: value for key, value in said.items() if key != "as_sent"}) for name, said in plain]


def test_a_maker_is_found_by_what_its_terminals_register() -> None:
    assert vendor_of("GPS51", "") is VENDORS["gps51"].table
    assert vendor_of("", " JC371 ") is VENDORS["jc"].table
    assert vendor_of(None, None) is None
    assert vendor_of("ACME", "MODEL-X") is None
    models = [model for vendor in VENDORS.values() for model in vendor.models | vendor.makers]
    assert len(models) == len(set(models)), "one maker has two tables"


def test_lists_inside_an_item_are_read_in_their_own_framing() -> None:
    # Sheet section 16: 0xEB is {W length that covers the type, W type, X} or cells; 0xF3 {W type, B n, X}.
    (extensions,) = items_of(bytes.fromhex("EB 0B 0003 00E1 64 0004 FFFF 0102"))
    assert [type(one).__name__ for one in extensions.listed] == ["ExtensionBatteryLevel2", "Item"]  # type: ignore[attr-defined]
    (cells,) = items_of(bytes.fromhex("EB 08 01CC 00 2535 1026 01"))
    assert cells.country == 460  # type: ignore[attr-defined]
    (obd,) = items_of(bytes.fromhex("F3 0A 0003 02 02F2 0009 02 0072"))
    assert [msgspec.structs.asdict(one) for one in obd.listed] == [{"revolutions_rpm": 754}, {"coolant": 0x72}]  # type: ignore[attr-defined]


def test_what_is_not_of_a_declared_length_is_kept_as_bytes_without_a_fault() -> None:
    decoded = decode(frame_with(bytes.fromhex("61 03 000000  E1 05 0000000000  EB 03 000000")))
    assert decoded.faults == ()
    assert [type(item) for item in decoded.body.items] == [Item] * 3  # type: ignore[attr-defined]


# --- framings ---------------------------------------------------------------------------------------------------------

WIDE = ItemTable(
    "wide",
    [
        means(0xDF, "Narrow", value=Raw()),
        ItemRow(0x00DE, record("IdOfTwo", value=Unsigned(4)), id_bytes=2, length_bytes=1),
        ItemRow(0x00DD, record("BothOfTwo", value=Raw()), id_bytes=2, length_bytes=2),
        ItemRow(0x62, record("LengthOfFour", value=Raw()), id_bytes=1, length_bytes=4),
    ],
)
"""Ids and framings as in the tests of SmallChi/JT808 (Simples/Demo10.cs)."""


def test_ids_and_lengths_of_one_two_and_four_bytes_stand_beside_one_another() -> None:
    odometer = "01 04 00000064"
    sent = f"DF 02 0102 {odometer} 00DE 04 0000004D 00DD 0003 010203 62 00000010 {'00' * 16} 31 01 0B"
    items = items_of(bytes.fromhex(sent), WIDE)
    assert [type(item).__name__ for item in items] == [
        *("Narrow", "Odometer", "IdOfTwo", "BothOfTwo", "LengthOfFour", "Satellites")
    ]
    assert items[1] == Odometer(100)
    assert items[2].value == 77  # type: ignore[attr-defined]
    assert len(items[4].value) == 16  # type: ignore[attr-defined]
    # Of another length it keeps its framing; cut off, it is no item of the maker's.
    assert items_of(bytes.fromhex("00DE 02 0001 31 01 0B"), WIDE) == (WideItem(0xDE, 2, 1, b"\x00\x01"), Satellites(11))
    assert items_of(bytes.fromhex("00DD 0003 0102"), WIDE)[0] == ClippedItem(0x00, 0xDD, b"\x00\x03\x01\x02")
    for cut in range(len(bytes.fromhex(sent))):
        items_of(bytes.fromhex(sent)[:cut], WIDE)


# --- items whose lengths lie ------------------------------------------------------------------------------------------

ADAS = "000000010C0605120A0B100F1100070000000D0000000E191211183100001334343434343434191210183100030200"


@pytest.mark.parametrize("behind", ["", "31010B", "0104000000643001 1C"])
@pytest.mark.parametrize("said", [0x00, 0x20, 0x2E, 0x30, 0xFF])
def test_an_item_is_read_in_the_layout_by_which_the_rest_comes_out(said: int, behind: str) -> None:
    decoded = decode(frame_with(bytes((0x64, said)) + bytes.fromhex(ADAS + behind)))
    adas = decoded.body.items[0]  # type: ignore[attr-defined]
    assert isinstance(adas, AdasAlarm)
    assert adas.alarm_id.terminal_id == "4444444"
    assert decoded.faults == (f"items[0]: AdasAlarm says {said} bytes and has 47",)
    items_of(bytes((0x64, said)) + bytes.fromhex(ADAS + behind))


def test_an_item_that_is_cut_off_is_explained_as_far_as_it_goes() -> None:
    frame = frame_with(bytes.fromhex("64 2F") + bytes.fromhex(ADAS)[:20])
    decoded = decode(frame)
    assert isinstance(decoded.body.items[0], ClippedItem)  # type: ignore[attr-defined]
    names = [field["name"] for field in explain_wire(wrap(frame))["fields"]]
    assert "items[0].AdasAlarm.kind" in names
    assert "items[0].data" in names


def test_another_maker_s_item_under_the_id_of_an_alarm_is_no_lie() -> None:
    # 0x66 of 11 bytes, by which what follows makes items.
    decoded = decode(frame_with(bytes.fromhex("66 0B 01CC0000000C40F89F27B0 67 08 3133323134333232")))
    assert decoded.faults == ()
    assert [type(item).__name__ for item in decoded.body.items] == ["Item", "LockPassword"]  # type: ignore[attr-defined]


# --- the forms of the provinces ---------------------------------------------------------------------------------------

FORMS = {16: (7, 1), 32: (7, 17), 38: (30, 0), 39: (30, 1), 40: (30, 2)}
"""Bytes of the alarm's id -> of the terminal's, and of what is reserved (sheet section 13.6)."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "plain"),
    [(AdasAlarm, 31), (DsmAlarm, 31), (BsdAlarm, 25), (TpmsAlarm, 25), (HarshDriving, 31)],
    ids=lambda one: str(one),
)
def test_the_province_shows_in_the_length(kind: type[msgspec.Struct], plain: int, form: int) -> None:
    terminal_bytes, reserved_bytes = FORMS[form]
    alarm_id = AlarmId(
        form=form, terminal_id="T" * terminal_bytes, time_ms=1_768_437_000_000, serial=1, attachments=2,
        reserved=bytes(reserved_bytes),
    )  # fmt: skip
    values = {field.name: 0 for field in layout(kind, 2013)} | {
        "alarm_id": alarm_id, "time_ms": None, "reserved": bytes(4), "tyres": (), "as_sent": None,
    }  # fmt: skip
    item = kind(**{name: value for name, value in values.items() if name in kind.__struct_fields__})
    location = msgspec.structs.replace(HEAD, items=(item,))
    for version in (2013, 2019):
        header = Header(0x0200, "13800138000", 1, version)
        frame = encode_frame(location, header)
        assert frame[(17 if version == 2019 else 12) + 29] == plain + form
        assert decode(frame).body == location


def test_an_alarm_whose_clock_is_wrong_is_an_alarm() -> None:
    sent = bytes.fromhex("642F" + ADAS.replace("191211183100", "191399183100"))
    (adas,) = items_of(sent)
    assert isinstance(adas, AdasAlarm)
    assert adas.time_ms is None
    assert adas.as_sent == sent
    assert decode(frame_with(sent)).faults == ("items[0].AdasAlarm.time_ms: 191399183100 is no time",)


def test_guangdong_gives_a_wheel_two_bytes() -> None:
    # From T/GDRTA 002 as SmallChi/JT808 tests it (YueBiao, 0x66): 65 bytes, then 10 for each of two wheels.
    sent = bytes.fromhex(
        "6655000000010C1100070000000D0000000E19121118310000133434343434343400000000000000000000000000000000"
        "00000000000000191210183100030205060200040001000300050002000900060008000A0007"
    )
    (tyres,) = items_of(sent)
    assert isinstance(tyres, TpmsAlarm)
    assert tyres.alarm_id.form == 40
    assert [(one.wheel, one.alarms, one.pressure_kpa) for one in tyres.tyres] == [(4, 1, 3), (9, 6, 8)]


# --- everything -------------------------------------------------------------------------------------------------------


def test_every_item_has_a_name_of_its_own() -> None:
    names = [struct.__name__ for struct in (*ROW_OF, *LISTED)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", TABLES)
def test_items_of_every_table_come_back(name: str) -> None:
    table = TABLES[name]

    @settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        for row in table.rows:
            for layout_version in row.layouts:
                item = struct_of(data.draw, row.struct, layout_version or 2013)
                try:
                    frame = encode_frame(msgspec.structs.replace(HEAD, items=(item,)), HEADER)
                except ValueError:
                    # A list of a length that is another meaning of the id, or that no length byte can say.
                    continue
                decoded = decode(frame, vendor=table)
                assert encode_frame(decoded.body, decoded.header) == frame
                assert decoded.tail == b""

    check()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([None, *TABLES.values(), WIDE]),
    st.lists(
        st.tuples(
            st.sampled_from(sorted({row.id & 0xFF for table in TABLES.values() for row in table.rows} | {0x62, 0xDF})),
            st.binary(max_size=72),
            st.integers(0, 255) | st.none(),
        ),
        max_size=5,
    ),
    st.binary(max_size=3),
)
def test_any_bytes_behind_a_head_are_read_and_written_alike(
    vendor: ItemTable | None, sent: list[tuple[int, bytes, int | None]], rest: bytes
) -> None:
    items = b"".join(bytes((id, len(data) if said is None else said)) + data for id, data, said in sent)
    items_of(items + rest, vendor)


def test_listed_values_are_declared_in_one_list_only() -> None:
    lists = [
        field.wire for struct in ROW_OF for field in layout(struct, 2013) if isinstance(field.wire, Listed)
    ]  # fmt: skip
    assert {struct for one in lists for struct in one.ids} == set(LISTED)
