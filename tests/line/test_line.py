"""The straight line on the running program: a terminal's bytes, kept, acknowledged, judged, stored, asked for."""

import json
from typing import Any

import pytest

import carillon
from protocols.jt808.codec import Header, encode, encode_frame
from protocols.jt808.messages import (
    Authenticate,
    Heartbeat,
    LocationBatch,
    LocationReply,
    Logout,
    Odometer,
    TerminalGeneralReply,
    Unknown,
)
from tests.line.conftest import START_MS, Line, place, until


def test_a_report_is_seen_live_and_stored_with_everything_it_said(line: Line) -> None:
    terminal = line.terminal("13900000001").login()
    terminal.report(place(1, lat=30.5, lon=149.25, items=(Odometer(1234),), speed_kmh10=604, course_deg=90))
    vehicle_id = line.vehicle_of("13900000001")

    def live() -> Any:
        vehicle = line.server.ask("GET", f"/api/v1/vehicles/{vehicle_id}")[1]
        return vehicle if vehicle["position"] else None

    vehicle = until(live)
    assert vehicle["online"]
    assert (vehicle["position"]["lat"], vehicle["position"]["lon"]) == (30.5, 149.25)
    assert (vehicle["position"]["speed_kmh"], vehicle["position"]["course_deg"]) == (60.4, 90)
    (row,) = until(lambda: line.stored("13900000001"))
    assert row["vehicle_id"] == vehicle_id
    assert (row["time_ms"], row["lat_1e7"], row["lon_1e7"]) == (START_MS + 1000, 305_000_000, 1_492_500_000)
    assert (row["speed_kmh10"], row["odometer_m"], row["serial"]) == (604, 123_400, terminal.serial)
    assert row["items"] == "0104000004d2"


def test_2013_and_2019_headers_of_one_number_are_one_terminal(line: Line) -> None:
    old = line.terminal("13900000002").login()
    old.report(place(1))
    new = old.again()
    new.version = 2019
    new.login()
    new.report(place(2))
    assert old.ended()
    assert len(line.events("terminal.registered", phone="13900000002")) == 1
    until(lambda: len(line.stored("13900000002")) == 2)


def test_a_report_sent_again_is_one_report_also_inside_a_batch(line: Line) -> None:
    terminal = line.terminal("13900000003").login()
    terminal.report(place(1))
    terminal.report(place(1), serial=77)
    said = terminal.say(0x0704, LocationBatch(kind=1, locations=(place(1), place(2), place(3))))
    assert terminal.answer() == (said, 0x0704, 0)
    rows = until(lambda: rows if len(rows := line.stored("13900000003")) >= 3 else None)
    assert [row["time_ms"] for row in rows] == [START_MS + 1000 * n for n in (1, 2, 3)]


def test_sos_and_crash_become_events_once_however_often_they_are_told(line: Line) -> None:
    terminal = line.terminal("13900000004").login()
    for second, alarm in ((1, 0), (2, 1), (3, 1), (4, 1 | 1 << 29), (5, 0)):
        terminal.report(place(second, alarm=alarm))
    terminal.report(place(2, alarm=1))
    vehicle_id = line.vehicle_of("13900000004")
    (sos,) = until(lambda: line.events("sos.", vehicle_id=vehicle_id))
    assert sos["payload"]["evidence"] == "alarm.0"
    assert sos["time_ms"] == START_MS + 2000
    assert sos["purpose"] == "safety"
    (crash,) = until(lambda: line.events("crash.", vehicle_id=vehicle_id))
    assert [one["kind"] for one in crash["payload"]["evidence"]] == ["collision"]


def test_garbage_costs_its_sender_and_nobody_else(line: Line) -> None:
    good = line.terminal("13900000005").login()
    bad = line.terminal("13900000006").login()
    broken = bytearray(bad.wire(0x0200, place(1)))
    broken[20] ^= 1
    before = line.counter("intake_bad_checksum_total")
    bad.socket.sendall(bytes(broken))
    bad.report(place(2))
    assert line.counter("intake_bad_checksum_total") == before + 1
    bad.socket.sendall(b"\x7e" + b"\x55" * 6000)
    bad.socket.sendall(b"\x7e")
    bad.report(place(3))
    bad.socket.sendall(b"\x7e\x00\x01\x7e" * 200)
    assert bad.ended()
    good.report(place(4))
    assert line.counter("intake_links_garbage_total") >= 1


def test_an_endless_frame_is_cut_off(line: Line) -> None:
    good = line.terminal("13900000007").login()
    endless = line.terminal("13900000008")
    try:
        for _ in range(100):
            endless.socket.sendall(b"\x7e" + b"\x31" * 8191)
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert endless.ended()
    good.report(place(1))


def test_nobody_speaks_before_login_or_for_another(line: Line) -> None:
    honest = line.terminal("13900000009").login()
    stranger = line.terminal("13900000010")
    said = stranger.say(0x0200, place(1))
    assert stranger.answer() == (said, 0x0200, 1)
    stranger.login()
    stranger.phone = "13900000009"
    said = stranger.say(0x0200, place(2))
    assert stranger.answer() == (said, 0x0200, 1)
    honest.report(place(3))
    rows = until(lambda: line.stored("13900000009"))
    assert [row["time_ms"] for row in rows] == [START_MS + 3000]


def test_a_forged_code_is_refused_and_the_running_session_lives_on(line: Line) -> None:
    honest = line.terminal("13900000011").login()
    forger = line.terminal("13900000011")
    for _ in range(3):
        said = forger.say(0x0102, Authenticate("AAAAAAAAAAAAAAAAAAAA"))
        assert forger.answer() == (said, 0x0102, 1)
    assert forger.ended()
    other = line.terminal("13900000011", terminal_id="T999999")
    assert other.register().result == 3
    honest.report(place(1))
    assert len(until(lambda: line.events("terminal.identity.disputed", phone="13900000011"))) == 1


def test_the_second_login_ends_the_first(line: Line) -> None:
    first = line.terminal("13900000012").login()
    second = first.again().login()
    assert first.ended()
    second.report(place(1))
    vehicle_id = line.vehicle_of("13900000012")
    opened = line.events("terminal.session.opened", vehicle_id=vehicle_id)
    closed = until(lambda: line.events("terminal.session.closed", vehicle_id=vehicle_id))
    assert [e["payload"]["reason"] for e in closed] == ["replaced"]
    assert opened[0]["payload"]["epoch"] < opened[1]["payload"]["epoch"]


def test_logout_and_heartbeat_are_answered(line: Line) -> None:
    terminal = line.terminal("13900000013").login()
    said = terminal.say(0x0002, Heartbeat())
    assert terminal.answer() == (said, 0x0002, 0)
    said = terminal.say(0x0003, Logout())
    assert terminal.answer() == (said, 0x0003, 0)
    said = terminal.say(0x0200, place(1))
    assert terminal.answer() == (said, 0x0200, 1)


def test_a_car_asked_where_it_is_answers_and_the_answer_is_in_the_log_and_stored(line: Line) -> None:
    terminal = line.terminal("13900000014").login()
    vehicle_id = line.vehicle_of("13900000014")
    status, taken = line.server.ask("POST", f"/api/v1/vehicles/{vehicle_id}/commands", {"message": "0x8201"})
    assert status == 202, taken
    asked = terminal.hear(0x8201)
    terminal.say(0x0201, LocationReply(reply_serial=asked.header.serial, location=place(9, lat=31.0)))

    def done() -> Any:
        command = line.server.ask("GET", f"/api/v1/commands/{taken['id']}")[1]
        return command if command["state"] == "effective" else None

    command = until(done)
    assert [step["state"] for step in command["steps"]] == ["requested", "sent", "effective"]
    (row,) = until(lambda: line.stored("13900000014"))
    assert row["lat_1e7"] == 310_000_000


def test_a_text_is_sent_and_acknowledged(line: Line) -> None:
    terminal = line.terminal("13900000015").login()
    vehicle_id = line.vehicle_of("13900000015")
    order = {"message": "0x8300", "fields": {"flags": 1, "text": "请尽快联系服务顾问"}}
    status, taken = line.server.ask("POST", f"/api/v1/vehicles/{vehicle_id}/commands", order)
    assert status == 202, taken
    asked = terminal.hear(0x8300)
    body: Any = asked.body
    assert body.text == "请尽快联系服务顾问"
    terminal.say(0x0001, TerminalGeneralReply(asked.header.serial, 0x8300, 0))
    until(lambda: line.server.ask("GET", f"/api/v1/commands/{taken['id']}")[1]["state"] == "acked")


def test_an_order_that_cannot_be_built_is_refused_with_the_reason(line: Line) -> None:
    line.terminal("13900000016").login()
    vehicle_id = line.vehicle_of("13900000016")
    order = {"message": "0x8300", "fields": {"flags": 1, "text": "x", "colour": 3}}
    status, problem = line.server.ask("POST", f"/api/v1/vehicles/{vehicle_id}/commands", order)
    assert status == 422
    assert "colour" in problem["detail"]


def test_two_terminals_on_one_link_and_each_has_its_session(line: Line) -> None:
    one = line.terminal("13900000017").login()
    two = line.terminal("13900000018")
    two.socket.close()
    two.socket = one.socket
    two.login()
    one.report(place(1))
    two.report(place(2))
    for phone, second in (("13900000017", 1), ("13900000018", 2)):
        rows = until(lambda phone=phone: line.stored(phone))
        assert [row["time_ms"] for row in rows] == [START_MS + second * 1000]


def test_a_message_in_fragments_is_put_together_and_stored(line: Line) -> None:
    terminal = line.terminal("13900000019").login()
    batch = LocationBatch(locations=tuple(place(n) for n in range(1, 61)))
    # Encoded whole, header aside, then cut as a terminal cuts it: out of order, one twice.
    body = b"".join(
        [
            len(batch.locations).to_bytes(2, "big"),
            b"\x00",
            *(
                len(data := encode_frame(one, Header(0x0200, "1", 0))[12:]).to_bytes(2, "big") + data
                for one in batch.locations
            ),
        ]
    )
    pieces = [body[at : at + 700] for at in range(0, len(body), 700)]
    first = terminal.serial + 1
    terminal.serial += len(pieces)
    for index in (3, 1, 2, 1):
        header = Header(0x0704, terminal.phone, first + index - 1, total=3, index=index)
        terminal.socket.sendall(encode(Unknown(0x0704, pieces[index - 1]), header))
        assert terminal.answer() == (first + index - 1, 0x0704, 0)
    rows = until(lambda: rows if len(rows := line.stored("13900000019")) == 60 else None)
    assert [row["time_ms"] for row in rows] == [START_MS + 1000 * n for n in range(1, 61)]


def test_frames_prints_what_travelled(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = line.terminal("13900000020").login()
    # A serial of two bytes that are escaped on the wire.
    wire = terminal.wire(0x0200, place(1), serial=0x7D7E)
    terminal.socket.sendall(wire)
    assert terminal.answer() == (0x7D7E, 0x0200, 0)
    assert carillon.main(["frames", "13900000020", "--data", str(line.server.data), "--json"]) == 0
    printed = [json.loads(said)["frame"] for said in capsys.readouterr().out.splitlines()]
    assert len(printed) == 3, "registration, authentication, report"
    assert printed[-1] == wire.hex()
    assert carillon.main(["explain", printed[0]]) == 0
