"""What terminals said, as each may see it: fields, positions, drivers, raw bytes."""

import gzip
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from api.frames import explain, raw_frame
from api.uplinks import shown
from core.intake.links import Frame
from core.rights import ROLES, Precision, Principal, Scope
from protocols.jt808 import media, recorder
from protocols.jt808.codec import Header, encode_body, encode_frame
from protocols.jt808.framing import wrap
from protocols.jt808.messages import Location, LocationBatch, LocationReply, Unknown
from protocols.jt808.personal import PERSONAL as PERSONAL_FIELDS
from protocols.jt808.personal import hide, name_hidden, number_hidden
from protocols.jt808.vendors import vendor_of
from protocols.jt808.wire import Item
from protocols.report import phone_key
from storage.database import Database
from storage.tables.business import ACCESS
from storage.tables.uplink import UPLINK_ASSEMBLED, UPLINK_CUT, Uplink
from tests.api.conftest import NOW_MS, Node

CAR = 3
NAME, LICENCE, ID_CARD = "张三丰", "440300199001011234", "11010119900307123X"
DRIVER = media.Driver(
    state=1, time_ms=NOW_MS, result=0, name=NAME, certificate=LICENCE, issuer="深圳", valid_until="20300101",
    id_card=ID_CARD,
)  # fmt: skip
PERSONAL = (NAME, LICENCE, ID_CARD, LICENCE.encode().hex(), NAME.encode("gbk").hex())


def said(sequence: int, message: int, body: msgspec.Struct, *, version: int = 2013, **more: Any) -> Uplink:
    data = encode_frame(body, Header(message, "13800130003", sequence, version))
    plain = Uplink(CAR, 3, message, version, sequence, NOW_MS + sequence, "node1", sequence, 0, len(data), data)
    return plain._replace(**more)


@pytest.fixture
def terminal(node: Node) -> Node:
    place = Location(0, 3, 31_234_567, 121_654_321, time_ms=NOW_MS)
    node.reports.said += [
        said(1, 0x0701, media.Waybill("运单 42".encode("gbk"))),
        said(2, 0x0702, DRIVER, version=2019),
        said(3, 0x0705, media.CanData(time="0830150000", frames=(media.CanFrame(0x1234, bytes(range(8))),))),
        said(4, 0x0201, LocationReply(reply_serial=5, location=place)),
        said(5, 0x0901, Unknown(0x0901, b"\x00\x00\x00\x02" + LICENCE.encode()[:2])),
        said(6, 0x0F01, Unknown(0x0F01, b"vendor")),
        said(7, 0x0701, media.Waybill(bytes(600)), vehicle_id=4),
    ]
    return node


def ask(client: TestClient, path: str = "", **query: Any) -> Any:
    answer = client.get(f"/api/v1/vehicles/{CAR}/messages{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def somebody(role: str, *without: str, precision: Precision = "exact") -> Principal:
    """Return one of this role with less of its rights or precision."""
    return Principal(role=role, rights=ROLES[role] - set(without), scope=Scope(precision=precision))


def test_messages_come_newest_first_read_by_their_declarations(client: TestClient, terminal: Node) -> None:
    items = ask(client)["items"]
    assert [one["sequence"] for one in items] == [6, 5, 4, 3, 2, 1]
    by_number = {one["sequence"]: one for one in items}
    assert by_number[1]["fields"] == {"content": "运单 42".encode("gbk").hex()}
    assert by_number[2]["fields"]["name"] == NAME
    assert (by_number[2]["name"], by_number[2]["message"], by_number[2]["version"]) == (
        "driver identity",
        "0x0702",
        2019,
    )
    assert by_number[3]["fields"]["frames"] == [{"id": 0x1234, "data": "0001020304050607"}]
    assert by_number[6]["fields"] == {"data": b"vendor".hex()}
    assert by_number[6]["name"] == ""
    assert all(one["frame"] is None for one in items), "a list holds no raw frames"


def test_pages_join_without_a_gap_or_a_repeat(client: TestClient, terminal: Node) -> None:
    seen: list[int] = []
    before = ""
    for _ in range(10):
        page = ask(client, limit=2, before=before)
        seen += [one["sequence"] for one in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1]


def test_messages_are_found_by_id_and_by_time(client: TestClient, terminal: Node) -> None:
    assert [one["sequence"] for one in ask(client, message=["0x0701", "0x0702"])["items"]] == [2, 1]
    found = ask(client, **{"from": str(NOW_MS + 2), "to": str(NOW_MS + 4)})["items"]
    assert [one["sequence"] for one in found] == [3, 2]
    for wrong in ({"message": "driver"}, {"message": "0x10000"}, {"before": "x"}, {"limit": 201}, {"from": "soon"}):
        answer = client.get(f"/api/v1/vehicles/{CAR}/messages", params=wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), wrong


def test_one_message_has_its_raw_frame_and_every_byte_named(client: TestClient, terminal: Node) -> None:
    one = ask(client, "/node1/2", explain="true")
    assert one["frame"] == wrap(terminal.reports.said[1].frame).hex().upper()
    assert one["explained"]["body"] == "Driver"
    assert (one["hidden"], one["withheld"]) == ([], "")
    for path in ("/node1/99", "/other/2", "/node1/7"):
        answer = client.get(f"/api/v1/vehicles/{CAR}/messages{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "message_unknown"), path


def test_every_look_is_in_the_access_log(client: TestClient, terminal: Node, database: Database) -> None:
    ask(client)
    ask(client, "/node1/2")
    with database.read() as connection:
        rows = connection.execute(ACCESS.select()).mappings().all()
    assert [(row["what"], row["vehicle"], row["rows"]) for row in rows] == [("messages", CAR, 6), ("messages", CAR, 1)]


def test_a_message_too_long_for_a_list_is_read_alone_and_a_cut_one_as_far_as_it_goes(
    client: TestClient, node: Node
) -> None:
    whole = said(1, 0x0F01, Unknown(0x0F01, b""))
    frame = whole.frame + bytes(5_000)
    node.reports.said += [
        whole._replace(frame=frame, length=len(frame), flags=UPLINK_ASSEMBLED),
        whole._replace(sequence=2, arrival_ms=NOW_MS + 2, length=70_000, flags=UPLINK_CUT),
    ]
    cut, long = ask(client)["items"]
    assert (cut["cut"], cut["length"], cut["faults"]) == (True, 70_000, [])
    assert long["fields"] is None
    assert long["assembled"]
    assert ask(client, "/node1/1")["fields"] == {"data": bytes(5_000).hex()}


# --- who sees what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(ROLES))
def test_who_a_driver_is_is_for_managers_and_administrators_in_every_form(role: str) -> None:
    may = role in ("manager", "administrator")
    for version in (2011, 2013, 2019):
        body = msgspec.structs.replace(DRIVER, id_card_2011=ID_CARD) if version == 2011 else DRIVER
        item = shown(said(2, 0x0702, body, version=version), somebody(role), whole=True, explained=True)
        text = msgspec.json.encode(item).decode()
        seen = [one for one in PERSONAL if one.upper() in text.upper()]
        assert bool(seen) == may, f"{version}: {seen}"
        assert item.withheld == ("" if may else "drivers.read")
        assert item.fields is not None
        assert item.fields["name"] == (NAME if may else "张**")
        assert item.fields["certificate"] == (LICENCE if may else "**************1234")
        assert ("certificate" in item.hidden) != may


def test_every_field_of_a_drivers_card_is_personal_or_known_not_to_be() -> None:
    told = {"state", "time_ms", "result", "issuer", "valid_until", "face_match_percent"}
    assert set(media.Driver.__struct_fields__) - told <= set(PERSONAL_FIELDS[0x0702])


def test_whose_licence_was_in_the_recorder_is_masked_in_every_block_that_names_one() -> None:
    place = recorder.RecordedPlace(longitude=1, latitude=2, height_m=3)
    accident = recorder.Accident(
        end_ms=NOW_MS, licence=LICENCE, steps=(recorder.SpeedSecond(50, 0),) * 100, place=place
    )
    over_time = recorder.DrivingOverTime(licence=LICENCE, start_ms=NOW_MS, end_ms=NOW_MS, start=place, end=place)
    blocks: dict[int, dict[str, Any]] = {
        0x01: {"licence": LICENCE},
        0x10: {"accidents": (accident,)},
        0x11: {"over_time": (over_time,)},
        0x12: {"logins": (recorder.DriverLogin(time_ms=NOW_MS, licence=LICENCE, kind=1),)},
    }
    for command, fields in blocks.items():
        body = media.RecorderData(reply_serial=1, block=recorder.RecorderAnswer(command=command, **fields))
        for role, may in (("operator", False), ("manager", True)):
            item = shown(said(1, 0x0700, body), somebody(role), whole=True, explained=True)
            text = msgspec.json.encode(item).decode().lower()
            assert (LICENCE in text, LICENCE.encode().hex() in text) == (may, may), f"{command:02x} {role}"
            assert ("licence" in item.hidden) != may
            assert ("**************1234" in text) != may
    structs = [one for one in vars(recorder).values() if hasattr(one, "__struct_fields__")]
    named = {name for one in structs for name in one.__struct_fields__}
    assert {name for name in named if "licence" in name or "driver" in name} == {"licence"}


def test_a_driver_behind_a_body_that_nobody_can_read_is_not_shown_either() -> None:
    body = Unknown(0x0702, b"\x09" + NAME.encode("gbk") + LICENCE.encode())
    whole = said(2, 0x0702, DRIVER)
    tail = whole._replace(frame=whole.frame + LICENCE.encode(), length=len(whole.frame) + len(LICENCE))
    for one in (said(1, 0x0702, body), tail, said(3, 0x0901, Unknown(0x0901, b"\0\0\0\x12" + LICENCE.encode()))):
        for role, may in (("operator", False), ("manager", True)):
            item = shown(one, somebody(role), whole=True, explained=True)
            text = msgspec.json.encode(item).decode()
            assert (LICENCE.encode().hex() in text.lower()) == may
            assert bool(item.hidden) != may


@pytest.mark.parametrize(
    ("precision", "latitude"), [("exact", 31_234_567), ("street", 31_235_000), ("district", 31_230_000), ("none", None)]
)
def test_a_position_in_a_message_is_as_exact_as_one_may_see_it(precision: Precision, latitude: int | None) -> None:
    place = Location(0, 3, 31_234_567, 121_654_321, time_ms=NOW_MS)
    one = said(4, 0x0201, LocationReply(reply_serial=5, location=place))
    item = shown(one, somebody("viewer", precision=precision), whole=True, explained=True)
    assert item.fields is not None
    assert item.fields["location"].get("latitude") == latitude
    exact = precision == "exact"
    assert (item.frame is not None, item.explained is not None) == (exact, exact)
    assert item.withheld == ("" if exact else "positions.read")


@pytest.mark.parametrize("precision", ["exact", "street", "none"])
def test_bytes_of_items_are_shown_where_positions_are_exact_only(precision: Precision) -> None:
    # An alarm of 47 bytes whose length says 32, one that is cut off, and an item that nobody knows.
    alarm = "000000010C0605120A0B100F11000701D9C29E07404D01191211183100001334343434343434191210183100030200"
    for sent in ("6420" + alarm, "642F" + alarm[:60], "CA0401D9C29E"):
        head = encode_body(Location(0, 3, 31_234_567, 121_654_321, time_ms=NOW_MS), Header(0x0200, "1", 1))
        one = said(4, 0x0201, Unknown(0x0201, b"\x00\x05" + head + bytes.fromhex(sent)))
        text = msgspec.json.encode(shown(one, somebody("viewer", precision=precision)).fields).decode()
        assert ("01d9c29e" in text.lower()) == (precision == "exact")


def test_items_are_read_as_the_terminal_s_maker_means_them() -> None:
    place = Location(0, 3, 31_234_567, 121_654_321, time_ms=NOW_MS, items=(Item(0xF8, b"\x49\x36"),))
    one = said(4, 0x0201, LocationReply(reply_serial=5, location=place))
    for vendor, name in ((None, "TemperatureF8"), (vendor_of("", "C5L"), "Steps")):
        item = shown(one, somebody("viewer"), vendor=vendor)
        assert item.fields is not None
        assert item.fields["location"]["items"][0]["item"] == name


def test_a_driver_s_name_in_a_maker_s_item_is_for_who_may_know_drivers() -> None:
    place = Location(0, 3, 31_234_567, 121_654_321, time_ms=NOW_MS, items=(Item(0xBC, "张三丰".encode("gbk")),))
    one = said(4, 0x0201, LocationReply(reply_serial=5, location=place))
    for role, name in (("operator", "张**"), ("manager", "张三丰")):
        item = shown(one, somebody(role))
        assert item.fields is not None
        assert item.fields["location"]["items"][0]["driver_name"] == name


def test_without_the_right_to_positions_or_terminals_there_are_no_bytes_as_they_came() -> None:
    place = Location(0, 3, 31_234_567, 121_654_321, time_ms=NOW_MS)
    answer = said(4, 0x0201, LocationReply(reply_serial=5, location=place))
    blind = shown(answer, somebody("viewer", "positions.read"), whole=True)
    assert blind.fields is not None
    assert "latitude" not in blind.fields["location"]
    vendor = said(6, 0x0F01, Unknown(0x0F01, b"vendor"))
    detail = said(7, 0x0900, media.Transparent(kind=0, data=b"where it is"))
    serial = said(8, 0x0900, media.Transparent(kind=0x41, data=b"a serial port"))
    for right in ("positions.read", "terminals.read"):
        for one in (vendor, detail):
            item = shown(one, somebody("viewer", right), whole=True)
            assert (item.frame, item.withheld, item.hidden) == (None, right, ("data",))
            assert item.fields is not None
            assert "data" not in item.fields
        item = shown(serial, somebody("viewer", right), whole=True)
        assert item.fields is not None
        assert (item.fields["kind"], item.fields["data"]) == (0x41, b"a serial port".hex())


def test_what_a_compressed_message_holds_is_read_and_is_as_exact_as_one_may_see_it() -> None:
    place = Location(0, 3, 31_234_567, 121_654_321, time_ms=NOW_MS)
    body = encode_frame(LocationBatch(kind=1, locations=(place, place)), Header(0x0704, "1", 1))[12:]
    packed = said(5, 0x0901, media.Compressed(gzip.compress(body)))
    for precision, latitude in (("exact", 31_234_567), ("street", 31_235_000), ("none", None)):
        item = shown(packed, somebody("manager", precision=precision), whole=True)
        assert item.fields is not None
        assert item.fields["message"] == "0x0704"
        assert [one.get("latitude") for one in item.fields["body"]["locations"]] == [latitude] * 2
        assert ("inflated" in item.fields, "data" in item.fields) == (precision == "exact",) * 2
    listed = shown(packed, somebody("manager"))
    assert listed.fields is not None
    assert "inflated" not in listed.fields
    unknown = shown(said(6, 0x0901, media.Compressed(gzip.compress(LICENCE.encode()))), somebody("operator"))
    assert unknown.fields is not None
    assert not unknown.fields.keys() & {"message", "body", "inflated"}
    assert LICENCE.encode().hex() not in str(unknown)


def test_raw_frames_of_a_driver_are_withheld_from_the_journal_too() -> None:
    data = said(2, 0x0702, DRIVER).frame
    frame = Frame(2, NOW_MS, 5, 3, CAR, 0, 5, phone_key("13800130003"), data)
    for role, may in (("viewer", False), ("operator", False), ("manager", True)):
        item = explain(raw_frame(frame, somebody(role)))
        assert (item.frame != "", item.explained is not None) == (may, may)
        assert item.withheld == ("" if may else "drivers.read")


def test_names_and_numbers_are_hidden_by_their_rules() -> None:
    assert [name_hidden(text) for text in ("张三丰", "李", "", "欧阳修")] == ["张**", "李**", "", "欧**"]
    assert [number_hidden(text) for text in ("12345678", "1234567", "")] == ["****5678", "*******", ""]
    plain = {"deep": [{"licence": LICENCE, "speed": 5}]}
    assert hide(0x0700, plain) == ({"deep": [{"licence": "*" * 14 + "1234", "speed": 5}]}, ("licence",))
    assert hide(0x0701, plain) == (plain, ())
