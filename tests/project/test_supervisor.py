"""What is alive is told so, what is stuck is not, and systemd hears both in its own words."""

import os
import socket
from pathlib import Path

import pytest

import carillon
from core.config import load_config
from core.limits import ALIVE_S_MAX, LINKS_MAX
from core.supervisor import LOOK_S, Pulse, Supervisor

ROOT = Path(__file__).resolve().parents[2]


class World:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.turns = 0
        self.pulse = Pulse({"intake": lambda: self.turns}, lambda: self.now_s)

    def passes(self, seconds: float, *, turning: bool = True, looked: bool = True) -> None:
        self.now_s += seconds
        self.turns += turning
        if looked:
            self.pulse.look()


def test_a_part_that_turns_is_alive_however_long() -> None:
    world = World()
    for _ in range(10):
        world.passes(ALIVE_S_MAX)
        assert world.pulse.stuck() == []


def test_a_part_that_does_not_turn_is_stuck_past_the_bound_and_alive_once_it_turns() -> None:
    world = World()
    world.passes(1)
    world.passes(ALIVE_S_MAX, turning=False)
    assert world.pulse.stuck() == [], "at the bound it is alive"
    world.passes(1, turning=False)
    assert world.pulse.stuck() == [f"intake: has not turned for {ALIVE_S_MAX + 1:.0f} s"]
    world.passes(1)
    assert world.pulse.stuck() == []


def test_a_main_loop_that_does_not_look_is_stuck_itself() -> None:
    world = World()
    world.passes(1)
    world.passes(ALIVE_S_MAX, looked=False)
    assert world.pulse.stuck() == []
    world.passes(1, looked=False)
    assert world.pulse.stuck() == [f"main: has not turned for {ALIVE_S_MAX + 1:.0f} s"]


@pytest.fixture
def systemd(tmp_path: Path) -> socket.socket:
    """Return the socket on which systemd listens."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(10)
    listener.bind(str(tmp_path / "notify"))
    return listener


def test_systemd_hears_ready_alive_and_stopping(systemd: socket.socket) -> None:
    with systemd:
        environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "60000000"}
        supervisor = Supervisor({**environment, "WATCHDOG_PID": str(os.getpid())})
        assert supervisor.watchdog_s == 60
        supervisor.ready("terminals on 127.0.0.1:8808")
        supervisor.alive()
        supervisor.stopping(105)
        assert [systemd.recv(4096).decode().splitlines() for _ in range(3)] == [
            ["READY=1", "STATUS=terminals on 127.0.0.1:8808"],
            ["WATCHDOG=1"],
            ["STOPPING=1", "EXTEND_TIMEOUT_USEC=105000000", "STATUS=stopping"],
        ]


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}])
def test_without_a_supervisor_nothing_is_told(environment: dict[str, str]) -> None:
    supervisor = Supervisor(environment)
    assert supervisor.watchdog_s == 0
    supervisor.ready("")
    supervisor.alive()


def test_a_supervisor_that_is_gone_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, systemd: socket.socket
) -> None:
    address = systemd.getsockname()
    systemd.close()
    supervisor = Supervisor({"NOTIFY_SOCKET": address})
    for _ in range(3):
        supervisor.ready("")
    assert [record.name for record in caplog.records] == ["node.supervisor_deaf"]


def test_the_unit_allows_what_the_program_needs() -> None:
    unit: dict[str, list[str]] = {}
    for line in (ROOT / "docs" / "carillon.service").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            unit.setdefault(name, []).append(value)
    assert unit["Type"] == ["notify"]
    assert int(unit["TimeoutStopSec"][0]) > carillon.STOP_S_MAX > carillon.CATCH_UP_S_MAX
    assert float(unit["WatchdogSec"][0]) >= 10 * LOOK_S
    assert int(unit["LimitNOFILE"][0]) > LINKS_MAX
    for command in (*unit["ExecStartPre"], *unit["ExecStart"]):
        carillon.parser().parse_args(command.split()[1:])
    options = dict(value.split("=", 1) for value in unit["Environment"])
    assert load_config(environment={k: v for k, v in options.items() if k != "CARILLON_CONFIG"}).data
    statuses = {int(status) for status in unit["RestartPreventExitStatus"][0].split()}
    assert statuses == {carillon.EXIT_USAGE, carillon.EXIT_REFUSED, carillon.EXIT_FENCED}
