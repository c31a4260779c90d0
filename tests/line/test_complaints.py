"""What users of other platforms complain of, on the running program: each test is named for what it guards.

The complaints are issues of open projects: traccar 5216, JT808Gateway 16, 30 and 32, jt-framework 64, 66 and 100, emqx
17581. Those about escapes, items, parameters and vendors are guarded where their codecs are tested; a link on which
nothing comes, and one on which only answers do, in tests/intake.
"""

from pathlib import Path
from typing import Any

from bench.servers import start_carillon
from core.limits import REFUSALS_PER_LINK_MAX
from protocols.jt808.codec import Header, encode
from protocols.jt808.framing import wrap
from protocols.jt808.messages import Authenticate, Heartbeat, QueryLocation, TerminalGeneralReply, Unknown
from tests.line.conftest import Line, Terminal, place, until

FORWARDED = 30
"""Terminals behind one connection."""


def on_one_link(line: Line, first: int, terminals: int = FORWARDED) -> list[Terminal]:
    """Log terminals in on one connection, as a forwarding platform does."""
    all_of_them = [line.terminal(f"139000{first + n:05}") for n in range(terminals)]
    shared = all_of_them[0].socket
    for one in all_of_them[1:]:
        one.socket.close()
        one.socket = shared
    return [one.login() for one in all_of_them]


def test_each_of_many_terminals_on_one_link_is_answered_and_asked_by_its_own_phone(line: Line) -> None:
    terminals = on_one_link(line, 500)
    for n, one in enumerate(terminals):
        one.report(place(n))
    asked = terminals[7]
    vehicle_id = line.vehicle_of(asked.phone)
    assert line.server.ask("POST", f"/api/v1/vehicles/{vehicle_id}/commands", {"message": "0x8201"})[0] == 202
    order = asked.hear(0x8201)
    assert (order.header.phone, order.body) == (asked.phone, QueryLocation())
    # Nobody's answer is another's: each report is stored for who said it.
    for n in (0, 7, FORWARDED - 1):
        [row] = until(lambda n=n: line.stored(terminals[n].phone))
        assert row["vehicle_id"] == line.vehicle_of(terminals[n].phone)


def test_sessions_of_a_forwarding_link_move_away_and_end_with_it_and_none_is_left(line: Line) -> None:
    terminals = on_one_link(line, 540)
    cars = [line.vehicle_of(one.phone) for one in terminals]
    moved = terminals[3].again().login()
    moved.report(place(1))
    terminals[4].report(place(2))
    terminals[0].socket.close()

    def closed() -> bool:
        ends = {e["payload"]["vehicle_id"] for e in line.events("terminal.session.closed")}
        return set(cars) <= ends

    until(closed)
    for n, car in enumerate(cars):
        opened = len(line.events("terminal.session.opened", vehicle_id=car))
        ended = len(line.events("terminal.session.closed", vehicle_id=car))
        assert opened - ended == (1 if n == 3 else 0)
    moved.report(place(3))


def test_a_phone_that_falls_silent_is_logged_out_though_its_link_lives_on(tmp_path: Path) -> None:
    server = start_carillon(tmp_path / "data", idle_s=10)
    line = Line(server)
    try:
        first, second, third = on_one_link(line, 580, terminals=3)
        second.report(place(1))

        def ended() -> list[tuple[int, str]]:
            # The third keeps the link alive for all.
            third.say(0x0002, Heartbeat())
            third.answer()
            ends = [event["payload"] for event in line.events("terminal.session.closed")]
            return sorted((one["vehicle_id"], one["reason"]) for one in ends)

        until(lambda: len(ended()) == 2)
        assert ended() == sorted((line.vehicle_of(one.phone), "silent") for one in (first, second))
        assert line.server.ask("GET", f"/api/v1/vehicles/{line.vehicle_of(third.phone)}")[1]["online"]
        assert not line.server.ask("GET", f"/api/v1/vehicles/{line.vehicle_of(first.phone)}")[1]["online"]
        # It comes back on the same link as if nothing had been.
        first.login().report(place(2))
    finally:
        line.close()
        server.stop()


def bad_checksum(terminal: Terminal) -> bytes:
    broken = bytearray(terminal.wire(0x0200, place(1)))
    broken[15] ^= 1
    return bytes(broken)


def cut_in_two(terminal: Terminal) -> bytes:
    return terminal.wire(0x0200, place(1))[:20] + b"\x7e"


MALFORMED = [
    ("checksum", bad_checksum),
    ("escape", lambda terminal: b"\x7e\x02\x00\x7d\x09" + bytes(20) + b"\x7e"),
    ("cut", cut_in_two),
    ("short", lambda terminal: b"\x7e\x00\x01\x7e"),
    ("junk", lambda terminal: b"GET / HTTP/1.1\r\n\r\n"),
    ("empty", lambda terminal: b"\x7e\x7e\x7e\x7e"),
]


def test_one_malformed_packet_does_not_stop_its_link_and_is_not_acknowledged(line: Line) -> None:
    terminal = line.terminal("13900000580").login()
    before = line.counter("intake_bad_checksum_total")
    for second, (_, malformed) in enumerate(MALFORMED):
        terminal.socket.sendall(malformed(terminal))
        # The next answer is to the next frame: what cannot be read is not acknowledged.
        terminal.report(place(second))
    assert line.counter("intake_bad_checksum_total") > before
    # What has a header and cannot be decoded is answered as what it is.
    said = terminal.say(0x0200, Unknown(0x0200, bytes(10)))
    assert terminal.answer() == (said, 0x0200, 2)
    said = terminal.say(0x0F77, Unknown(0x0F77, b"?"))
    assert terminal.answer() == (said, 0x0F77, 3)
    rows = until(lambda: rows if len(rows := line.stored(terminal.phone)) >= len(MALFORMED) else None)
    assert len(rows) == len(MALFORMED)


def test_the_late_close_of_an_old_socket_does_not_remove_the_new_session(line: Line) -> None:
    old = line.terminal("13900000590").login()
    new = old.again().login()
    vehicle_id = line.vehicle_of("13900000590")
    assert old.ended()
    old.socket.close()
    until(lambda: line.counter("intake_links_live") >= 1)
    for second in range(1, 4):
        new.report(place(second))
        assert line.server.ask("GET", f"/api/v1/vehicles/{vehicle_id}")[1]["online"]
    assert line.server.ask("POST", f"/api/v1/vehicles/{vehicle_id}/commands", {"message": "0x8201"})[0] == 202
    order = new.hear(0x8201)
    new.say(0x0001, TerminalGeneralReply(order.header.serial, 0x8201, 0))
    assert [e["payload"]["reason"] for e in line.events("terminal.session.closed", vehicle_id=vehicle_id)] == [
        "replaced"
    ]


def test_memory_does_not_grow_with_what_is_decoded_refused_and_thrown_away(line: Line) -> None:
    terminal = line.terminal("13900000591").login()

    def talk(rounds: int) -> None:
        for _ in range(rounds):
            said = [terminal.wire(0x0200, place(n)) for n in range(50)]
            said += [bad_checksum(terminal), cut_in_two(terminal), terminal.wire(0x0F77, Unknown(0x0F77, bytes(900)))]
            terminal.socket.sendall(b"".join(said))
            terminal.socket.sendall(terminal.wire(0x0002, Heartbeat()))
            while (heard := terminal.hear(0x8001).body).reply_message != 0x0002:  # type: ignore[attr-defined]
                assert heard.result in (0, 3)  # type: ignore[attr-defined]

    talk(20)
    before = line.server.resident_bytes()
    talk(60)
    # 3,000 reports, 180 bad frames and 54 KB of unknown ones: what grows with each would show.
    assert line.server.resident_bytes() - before < 24 * 1024 * 1024


def test_raw_frames_are_kept_as_they_came_whatever_they_hold(line: Line) -> None:
    terminal = line.terminal("13900000592").login()
    # A phone of six bytes, the serial 7e7d, and a body of flags and escapes.
    odd = wrap(bytes.fromhex("0F66 0005 013900000592 7E7D 7D017E027E"))
    terminal.socket.sendall(odd)
    assert terminal.answer() == (0x7E7D, 0x0F66, 3)
    vehicle_id = line.vehicle_of(terminal.phone)

    def kept() -> Any:
        page = line.server.ask("GET", f"/api/v1/vehicles/{vehicle_id}/frames")[1]
        return next((frame for frame in page["items"] if frame["message"].upper() == "0X0F66"), None)

    assert until(kept)["frame"].lower() == odd.hex()


def test_a_code_opens_the_door_only_to_the_phone_and_terminal_it_was_given_to(line: Line) -> None:
    honest = line.terminal("13900000593").login()
    other = line.terminal("13900000594").login()
    for code in (honest.code, "", honest.code[:-1], honest.code + "0"):
        thief = line.terminal("13900000594")
        said = thief.say(0x0102, Authenticate(code))
        assert thief.answer() == (said, 0x0102, 1)
    last = line.terminal("13900000594")
    for _ in range(REFUSALS_PER_LINK_MAX):
        said = last.say(0x0102, Authenticate(honest.code))
        assert last.answer() == (said, 0x0102, 1)
    assert last.ended(), "who guesses is put out"
    honest.report(place(1))
    other.report(place(1))


def test_six_and_ten_byte_phones_with_and_without_zeros_are_one_terminal(line: Line) -> None:
    terminal = line.terminal("13900000595").login()
    vehicle_id = line.vehicle_of("13900000595")
    again = terminal.again()
    again.version = 2019
    # Twenty digits, zeros in front: the number of the SIM as the signalling of JT/T 1078 names it.
    again.phone = "000000000" + again.phone
    again.login()
    order = {"message": "0x9101", "fields": {"host": "10.0.0.1", "tcp_port": 1078, "udp_port": 0, "channel": 1,
             "kind": 0, "stream": 1}}  # fmt: skip
    assert line.server.ask("POST", f"/api/v1/vehicles/{vehicle_id}/commands", order)[0] == 202
    live = again.hear(0x9101)
    assert (live.header.phone, live.header.version) == ("13900000595", 2019)
    header = Header(0x0001, again.phone, 9, 2019)
    again.socket.sendall(encode(TerminalGeneralReply(live.header.serial, 0x9101, 0), header))
    until(lambda: line.events("command.acked", vehicle_id=vehicle_id))
