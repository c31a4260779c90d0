"""The fleet over real sockets: what is written down is what arrived, links break and come back, signals end it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from simulators import run
from simulators.run import read_record, simulate
from tests.simulators.scripted import Platform, Server


def quiet(_line: str) -> None:
    pass


def received(platforms: list[Platform]) -> set[tuple[str, int, int]]:
    return {
        (frame.header.phone, frame.header.serial, one.time_ms)
        for platform in platforms
        for frame in platform.frames
        if frame.header.message in (0x0200, 0x0704)
        for one in (getattr(frame.body, "locations", None) or [frame.body])
    }


def test_the_record_holds_exactly_what_arrived(tmp_path: Path) -> None:
    record = tmp_path / "record"
    with Server() as server:
        figures = simulate(
            80, server.address, "steady", speed=20.0, duration_s=3.0, journal_acknowledged=record, say=quiet
        )
    sent, acknowledged = read_record(record)
    assert figures["online"] == figures["connected"] == figures["registered"] == 80
    assert figures["reports_acknowledged"] == len(acknowledged) > 300
    assert figures["reports_open"] == 0
    assert sent == acknowledged == received(server.platforms)
    assert len(server.platforms) == 80
    assert all(not frame.faults for platform in server.platforms for frame in platform.frames)
    json.dumps(figures)


def test_a_server_that_dies_and_comes_back_gets_everything(tmp_path: Path) -> None:
    record = tmp_path / "record"
    stop = threading.Event()
    enough = threading.Event()
    figures: dict[str, Any] = {}

    class Silent(Platform):
        """Reads, and from its third report on answers no more."""

        def receive(self, data: bytes) -> bytes:
            answer = super().receive(data)
            if len(self.of(0x0200)) < 3:
                return answer
            if sum(len(platform.of(0x0200)) >= 3 for platform in first.platforms) >= 10:
                enough.set()
            return b""

    first = Server(Silent)
    port = int(first.address.rpartition(":")[2])

    def drive() -> None:
        figures.update(
            simulate(
                30, first.address, "steady", speed=20.0, journal_acknowledged=record, stop=stop, say=quiet,
                duration_s=30.0,
            )
        )  # fmt: skip

    driver = threading.Thread(target=drive)
    with first:
        driver.start()
        assert enough.wait(30)
    sent_before, acknowledged_before = read_record(record)
    assert len(sent_before) > len(acknowledged_before)
    caught_up = threading.Event()

    class Waiting(Platform):
        def receive(self, data: bytes) -> bytes:
            answer = super().receive(data)
            if sum(len(platform.of(0x0200)) for platform in second.platforms) > 200:
                caught_up.set()
            return answer

    second = Server(Waiting, port)
    with second:
        assert caught_up.wait(30)
        stop.set()
        driver.join(30)
        assert not driver.is_alive()
    sent, acknowledged = read_record(record)
    assert acknowledged <= received(first.platforms) | received(second.platforms) <= sent
    assert figures["reports_open"] == 0
    assert sent == acknowledged
    assert figures["registered"] == 30
    assert figures["logins"] >= 60
    assert figures["reports_sent_again"] > 0
    # Sent again is sent alike: what both servers saw, they saw byte for byte.
    one, two = (
        {
            (frame.header.phone, frame.header.serial): wire
            for platform in server.platforms
            for frame, wire in zip(platform.frames, platform.wires, strict=True)
            if frame.header.message == 0x0200
        }
        for server in (first, second)
    )
    assert len(one.keys() & two.keys()) >= 5
    assert all(one[key] == two[key] for key in one.keys() & two.keys())


@pytest.mark.parametrize("scenario", ["tunnel", "storm", "faults"])
def test_links_that_go_and_come_leave_no_socket_behind(scenario: str) -> None:
    files = len(os.listdir("/proc/self/fd"))
    with Server() as server:
        figures = simulate(60, server.address, scenario, speed=60.0, duration_s=3.0, say=quiet)
    assert len(os.listdir("/proc/self/fd")) == files
    assert figures["reports_acknowledged"] > 100
    if scenario == "tunnel":
        assert figures["batches"] > 20
    if scenario == "storm":
        assert server.resets > 30
    if scenario == "faults":
        assert sum(platform.bad for platform in server.platforms) > 0


def test_nobody_listening_is_no_reason_to_fail() -> None:
    with Server() as server:
        address = server.address
    figures = simulate(5, address, "city", speed=5.0, duration_s=1.0, say=quiet)
    assert figures["connected"] == figures["reports_sent"] == 0
    assert figures["dials_failed"] > 0


def test_a_signal_ends_it_with_its_figures() -> None:
    with Server() as server:
        command = [sys.executable, "-m", "simulators.run", "--vehicles", "10", "--tcp", server.address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
            try:
                assert process.stdout is not None
                first = process.stdout.readline()
                assert first.startswith("simulate: 10 cars")
                process.send_signal(signal.SIGTERM)
                rest, _ = process.communicate(timeout=30)
            finally:
                process.kill()
        assert process.returncode == 0
        assert json.loads(rest.splitlines()[-1])["vehicles"] == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scenario": "moon"}, "no scenario 'moon'"),
        ({"tcp": "localhost"}, "HOST:PORT"),
        ({"speed": 0.0}, "above 0"),
        ({"vehicles": 3_000_000}, "hard limit"),
        ({"history_s": 90_000.0}, "0 to 86400"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        simulate(**{"vehicles": 1, "duration_s": 0.0, "say": quiet, **arguments})


def test_the_command_refuses_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--tcp", "nowhere"]) == 2
    assert "HOST:PORT" in capsys.readouterr().err


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text("sent 139 1 5000\nacknowledged 139 1 5000\nsent 139 2 15")
    assert read_record(record) == ({("139", 1, 5000)}, {("139", 1, 5000)})


def test_a_past_is_lived_through_before_real_time_begins(tmp_path: Path) -> None:
    record = tmp_path / "record"
    lines: list[str] = []
    began_ms = int(time.time() * 1000)
    with Server() as server:
        figures = simulate(
            30, server.address, "demo", duration_s=4.0, history_s=1800.0, report_interval_s=1.0, say=lines.append,
            journal_acknowledged=record,
        )  # fmt: skip
    sent, acknowledged = read_record(record)
    assert sent == acknowledged == received(server.platforms)
    times = sorted(time_ms for _, _, time_ms in sent)
    assert times[0] < began_ms - 1_780_000
    assert times[-1] > began_ms
    assert any("real time from now on" in line for line in lines)
    assert figures["batches"] >= 30
    # Only what came after the past counts.
    assert figures["ack_p99_ms"] < 2_000


def test_a_simulator_whose_parent_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PROGRESS_S", 0.1)
    with Server() as server:
        figures = simulate(1, server.address, parent=os.getppid() + 1, duration_s=20.0, say=quiet)
    assert figures["seconds"] < 10


@pytest.mark.parametrize(("text", "seconds"), [("6h", 21_600), ("90m", 5400), ("1.5m", 90), ("45s", 45), ("7", 7)])
def test_a_time_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert run.seconds_of(text) == seconds


def test_a_time_of_no_unit_known_is_refused() -> None:
    with pytest.raises(ValueError, match="6h, 90m or 45s"):
        run.seconds_of("1 day")
