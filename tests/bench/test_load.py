"""The load client, against the machine's own limit (bench/limit.c) and against a platform made of plain bytes."""

import functools
import operator
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.machine import compile_c, process_cpu_ns
from bench.servers import LimitServer
from simulators import load
from simulators.load import LoadClient, LoadPlan, run_load

PHONE_FIRST = 13_000_000_000


@pytest.fixture(scope="session")
def limit_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("limit")


@pytest.fixture
def limit(limit_build: Path) -> Iterator[LimitServer]:
    with LimitServer(limit_build) as server:
        yield server


def keys(entries: np.ndarray, *kinds: int) -> list[tuple[int, int, int]]:
    chosen = entries[np.isin(entries["kind"], kinds)]
    return [(int(entry["terminal"]), int(entry["serial"]), int(entry["time_s"])) for entry in chosen]


# --- against the C limit ----------------------------------------------------------------------------------------------


def test_every_report_of_a_closed_loop_is_acknowledged_and_written_down_once(
    limit: LimitServer, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    plan = LoadPlan(port=limit.port, terminals=50, window=16, seconds=20.0, reports=20_000, record=str(record))
    result = run_load(plan)
    assert (result.sent, result.acked, result.unacknowledged, result.ready) == (20_000, 20_000, 0, 50)
    assert limit.finish()["reports"] == 20_000
    entries = load.read_record(record)
    sent, acked = keys(entries, load.RECORD_SENT), keys(entries, load.RECORD_ACKED)
    assert len(sent) == len(set(sent)) == 20_000
    assert set(sent) == set(acked)
    assert {terminal for terminal, _, _ in sent} == set(range(50))


def test_latencies_are_measured(limit: LimitServer) -> None:
    result = run_load(LoadPlan(port=limit.port, terminals=5, window=2, seconds=20.0, reports=2_000))
    assert 0 < result.ack_ms_p50 <= result.ack_ms_p99 <= result.ack_ms_p999 <= result.ack_ms_max
    assert result.cpu_s > 0


def test_the_open_loop_keeps_its_rate_and_gives_every_terminal_its_turn(limit: LimitServer, tmp_path: Path) -> None:
    record = tmp_path / "record"
    plan = LoadPlan(port=limit.port, terminals=40, reports_per_s=1_000, seconds=1.0, record=str(record))
    result = run_load(plan)
    assert result.sent + result.held_back == pytest.approx(1_000, abs=2)
    assert result.acked == result.sent
    turns = np.bincount(load.read_record(record)["terminal"], minlength=40)
    assert turns.max() - turns.min() <= 4  # sent and acknowledged: two entries a report


def test_more_reports_than_serials_stay_distinct(limit: LimitServer, tmp_path: Path) -> None:
    record = tmp_path / "record"
    plan = LoadPlan(port=limit.port, terminals=1, window=64, seconds=30.0, reports=70_000, record=str(record))
    assert run_load(plan).acked == 70_000
    assert len(set(keys(load.read_record(record), load.RECORD_SENT))) == 70_000


def test_terminals_of_a_dead_server_are_lost_and_the_rest_of_the_client_lives(limit_build: Path) -> None:
    server = LimitServer(limit_build)
    with LoadClient(LoadPlan(port=server.port, terminals=20, window=4)) as client:
        assert client.login() == 20
        client.drive(20.0, until=lambda: client.acked > 500)
        server.kill()
        client.drive(20.0)
        result = client.result()
    assert (result.lost, result.ready, result.cuts) == (20, 0, 20)
    assert result.unacknowledged == result.sent - result.acked


def test_a_client_that_reconnects_gets_every_report_acknowledged_though_the_server_dies(
    limit_build: Path, tmp_path: Path
) -> None:
    server = LimitServer(limit_build)
    port = server.port
    record = tmp_path / "record"
    plan = LoadPlan(port=port, terminals=30, window=8, reconnect=True, retry_s=0.05, record=str(record))
    with LoadClient(plan) as client:
        assert client.login() == 30
        client.drive(20.0, until=lambda: client.acked > 2_000)
        server.kill()
        client.drive(0.2)
        with LimitServer(limit_build, port):
            client.drive(20.0, until=lambda: client.ready == 30 and client.acked > 4_000)
            assert client.drain(20.0) == 0
        result = client.result()
    assert result.acked == result.sent
    assert (result.logins, result.cuts) == (60, 30)
    entries = load.read_record(record)
    assert set(keys(entries, load.RECORD_SENT)) == set(keys(entries, load.RECORD_ACKED))
    assert set(keys(entries, load.RECORD_RESENT)) <= set(keys(entries, load.RECORD_SENT))


def test_a_port_where_nobody_listens_is_said() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionError, match="no terminal could log in"):
            run_load(LoadPlan(port=nobody.getsockname()[1], terminals=3))


def test_the_limit_tells_its_own_cpu(limit: LimitServer) -> None:
    run_load(LoadPlan(port=limit.port, terminals=10, window=16, seconds=20.0, reports=50_000))
    seen_us = process_cpu_ns(limit.pid) / 1000
    counts = limit.finish()
    assert counts["user_us"] + counts["system_us"] == pytest.approx(seen_us, rel=0.2, abs=2_000)


def test_the_limit_counts_a_wrong_checksum_and_answers_the_next_frame(limit: LimitServer) -> None:
    good = wire(0x0002, b"", 7)
    bad = good[:-2] + bytes([good[-2] ^ 1]) + good[-1:]
    with socket.create_connection(("127.0.0.1", limit.port), timeout=10) as link:
        link.sendall(b"junk" + bad + good)
        assert next(frames(link))[12:] == b"\x00\x07\x00\x02\x00"
    assert limit.finish()["bad"] == 1


# --- against a platform made of plain bytes: what exactly the client says ---------------------------------------------


def wire(message: int, body: bytes, serial: int, phone: str = "013000000000") -> bytes:
    plain = struct.pack(">HH6sH", message, len(body), bytes.fromhex(phone), serial) + body
    plain += bytes([functools.reduce(operator.xor, plain)])
    return b"\x7e" + plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def unescape(piece: bytes) -> bytes:
    return piece.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


def frames(link: socket.socket, raw: list[bytes] | None = None) -> Iterator[bytes]:
    """Yield frames as they come, checked, without flags and checksum; keep them as sent in `raw`."""
    buffer = b""
    while received := link.recv(65536):
        *pieces, buffer = (buffer + received).split(b"\x7e")
        for piece in filter(None, pieces):
            plain = unescape(piece)
            assert functools.reduce(operator.xor, plain) == 0, plain.hex()
            assert len(plain) == 13 + (struct.unpack_from(">H", plain, 2)[0] & 0x3FF)
            if raw is not None:
                raw.append(b"\x7e" + piece + b"\x7e")
            yield plain[:-1]


def ack(frame: bytes, serial: int = 0) -> bytes:
    return wire(0x8001, frame[10:12] + frame[:2] + b"\x00", serial, frame[4:10].hex())


class Platform:
    """A server for one connection after another, each driven by a function in a thread; errors reach the test."""

    def __init__(self, *scripts: object) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.port = self._listener.getsockname()[1]
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(scripts,))
        self._thread.start()

    def _run(self, scripts: tuple) -> None:
        try:
            for script in scripts:
                link, _ = self._listener.accept()
                link.settimeout(20)
                with link:
                    script(link)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> "Platform":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._listener.close()
        if self._error is not None:
            raise self._error


def log_in(stream: Iterator[bytes], link: socket.socket, code: bytes = b"a\x7e\x7d7") -> None:
    register = next(stream)
    assert register[:2] == b"\x01\x00"
    link.sendall(wire(0x8100, register[10:12] + b"\x00" + code, 0))
    authenticate = next(stream)
    assert authenticate[:2] == b"\x01\x02"
    assert authenticate[12:] == code
    link.sendall(ack(authenticate, 1))


def test_answers_are_understood_however_they_are_cut() -> None:
    def serve(link: socket.socket) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = frames(link)
        log_in(stream, link)
        for number in range(200):
            # Serials of the answers run through 7d and 7e, alone and doubled: every answer has another escape.
            answer = ack(next(stream), (0x7D7D, 0x7E7E, 0x7D02, 0x017E)[number % 4])
            cut = number % len(answer)
            link.sendall(answer[:cut])
            link.sendall(answer[cut:])
        assert next(stream, None) is None

    with Platform(serve) as platform:
        result = run_load(LoadPlan(port=platform.port, terminals=1, window=1, reports=200))
    assert (result.acked, result.bad_frames, result.unmatched) == (200, 0, 0)


def test_a_report_says_what_the_record_says(tmp_path: Path) -> None:
    """Read by eye from JT/T 808 4.4 and table 23, not by any code of ours."""
    taken: list[bytes] = []

    def serve(link: socket.socket) -> None:
        stream = frames(link)
        log_in(stream, link)
        for _ in range(3):
            taken.append(next(stream))
            link.sendall(ack(taken[-1]))
        assert next(stream, None) is None

    record = tmp_path / "record"
    with Platform(serve) as platform:
        run_load(LoadPlan(port=platform.port, terminals=1, window=1, reports=3, record=str(record)))
    entries = load.read_record(record)
    sent = entries[entries["kind"] == load.RECORD_SENT]
    for number, (frame, entry) in enumerate(zip(taken, sent, strict=True)):
        assert len(frame) + 3 == 57
        assert frame[:10].hex() == "0200002a" + "013000000000"
        assert struct.unpack_from(">H", frame, 10)[0] == entry["serial"] == number + 2
        alarm, status, latitude, longitude = struct.unpack_from(">IIII", frame, 12)
        assert (alarm, status, latitude) == (0, 0x40003, 31_000_000)
        assert longitude == 121_200_000 + number * 10
        local = np.datetime64(int(entry["time_s"]) + 8 * 3600, "s").astype(str)
        assert frame[34:40].hex() == local[2:].translate(str.maketrans("", "", "-T:"))
        assert frame[40:46] == b"\x01\x04" + struct.pack(">I", number)


def test_a_question_for_the_position_gets_one_and_other_commands_an_ok(tmp_path: Path) -> None:
    def serve(link: socket.socket) -> None:
        stream = frames(link)
        log_in(stream, link)
        report = next(stream)
        link.sendall(wire(0x8201, b"", 0x7E7D) + wire(0x8300, b"\x04hello", 9))
        position, accepted = next(stream), next(stream)
        assert position[:2] == b"\x02\x01"
        assert position[12:14] == b"\x7e\x7d"
        assert len(position) == 12 + 2 + 42
        assert accepted[:2] == b"\x00\x01"
        assert accepted[12:] == b"\x00\x09\x83\x00\x00"
        link.sendall(ack(report))
        assert next(stream, None) is None

    record = tmp_path / "record"
    with Platform(serve) as platform:
        result = run_load(LoadPlan(port=platform.port, terminals=1, window=1, reports=1, record=str(record)))
    assert (result.commands, result.positions, result.acked) == (2, 1, 1)
    assert len(keys(load.read_record(record), load.RECORD_ANSWERED)) == 1


def test_what_was_unacknowledged_is_sent_again_byte_for_byte_with_the_code_of_before() -> None:
    before: list[bytes] = []
    after: list[bytes] = []

    def die(link: socket.socket) -> None:
        stream = frames(link, before)
        log_in(stream, link)
        for number in range(8):
            report = next(stream)
            if number in (0, 5):
                link.sendall(ack(report))
        # Two more follow the two acknowledgements; then the server is gone.
        next(stream), next(stream)

    def live(link: socket.socket) -> None:
        stream = frames(link, after)
        authenticate = next(stream)
        assert authenticate[:2] == b"\x01\x02"
        assert authenticate[12:] == b"a\x7e\x7d7"
        link.sendall(ack(authenticate))
        for frame in stream:
            link.sendall(ack(frame))

    with Platform(die, live) as platform:
        plan = LoadPlan(port=platform.port, terminals=1, window=8, reports=10, reconnect=True, retry_s=0.01)
        result = run_load(plan)
    reports_before = before[2:]
    assert after[1:] == [report for number, report in enumerate(reports_before) if number not in (0, 5)]
    assert (result.sent, result.acked, result.resent, result.logins) == (10, 10, 8, 2)


def test_a_code_no_longer_known_makes_the_terminal_register_anew() -> None:
    def refuse(link: socket.socket) -> None:
        stream = frames(link)
        register = next(stream)
        link.sendall(wire(0x8100, register[10:12] + b"\x00old", 0))
        authenticate = next(stream)
        link.sendall(wire(0x8001, authenticate[10:12] + b"\x01\x02\x01", 1))
        assert next(stream, None) is None

    def accept(link: socket.socket) -> None:
        stream = frames(link)
        log_in(stream, link)
        assert next(stream, None) is None

    with (
        Platform(refuse, accept) as platform,
        LoadClient(LoadPlan(port=platform.port, terminals=1, reconnect=True, retry_s=0.01)) as client,
    ):
        assert client.login(20.0) == 1
        assert client.result().login_failures == 1


def test_a_silent_terminal_beats(limit: LimitServer) -> None:
    with LoadClient(LoadPlan(port=limit.port, terminals=2, heartbeat_s=0.001, reports_per_s=1)) as client:
        client.login()
        client.drive(20.0, until=lambda: client.result().heartbeats >= 4)
        assert client.result().heartbeats >= 4


def test_a_window_larger_than_its_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 1 to 1024"):
        LoadClient(LoadPlan(port=1, window=load.RING_MAX // 2 + 1))


def test_one_terminal_more_than_files_is_refused() -> None:
    with pytest.raises(ValueError, match="limit of open files"):
        LoadClient(LoadPlan(port=1, terminals=load.raise_file_limit() - 63))


def test_c_is_compiled_once(tmp_path: Path) -> None:
    source = tmp_path / "one.c"
    source.write_text("int main(void) { return 0; }\n")
    program = compile_c(source, tmp_path / "build")
    first = program.stat().st_mtime_ns
    assert compile_c(source, tmp_path / "build").stat().st_mtime_ns == first
