"""A journal whose disk takes nothing: an SOS is judged all the same, and everything is acknowledged once it does."""

import time
from pathlib import Path
from typing import Any

import pytest

from bench.faults.disk import Disk
from bench.faults.story import SOS, place
from bench.faults.terminal import SilentError, Terminal
from bench.ingest import wait_until
from bench.servers import start_carillon


def test_an_sos_is_in_the_log_while_the_journal_takes_nothing_and_once_when_it_does(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Disk(data, tmp_path) as disk, start_carillon(data, environment=disk.environment) as server:
        terminal = Terminal(server.port, "13812345678")
        terminal.login()

        def pressed() -> list[Any]:
            items: list[Any] = server.ask("GET", "/api/v1/events?type=sos.pressed")[1]["items"]
            return items

        disk.fail_where("/journal/")
        disk.set("failing", -1)
        now_s = int(time.time())
        quiet, loud = terminal.next_serial(), terminal.next_serial()
        terminal.send(terminal.frame(0x0200, place(0, 0, 0, 0, now_s), quiet))
        wait_until(lambda: server.ask("GET", "/health")[0] == 503, "the node is not ready", server)
        assert "nothing has been acknowledged" in str(server.ask("GET", "/health")[1])
        terminal.send(terminal.frame(0x0200, place(0, 0, 0, SOS, now_s + 1), loud))
        wait_until(lambda: len(pressed()) == 1, "the SOS is in the log", server)
        assert server.figure("carillon_gateway_alarms_total") == 1
        with pytest.raises(SilentError):
            terminal.hear(0x8001, 0.3)
        disk.set("failing", 0)
        answers: list[Any] = [terminal.hear(0x8001).body for _ in range(2)]
        assert [(one.reply_serial, one.result) for one in answers] == [(quiet, 0), (loud, 0)]
        wait_until(lambda: server.ask("GET", "/health")[0] == 200, "the node is ready", server)
        terminal.send(terminal.frame(0x0200, place(0, 0, 0, 0, now_s + 2), terminal.next_serial()))
        terminal.hear(0x8001)
        sequence = server.figure("carillon_journal_sequence")
        wait_until(lambda: server.figure("carillon_gateway_sequence") >= sequence, "all is judged", server)
        assert len(pressed()) == 1
        terminal.close()
        server.stop()
