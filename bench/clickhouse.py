"""A real ClickHouse server on loopback, from the chdb wheel alone, in a process of its own. For benches and tests only.

chdb carries the whole server; its private module starts the listeners while one query that never ends keeps the engine
open. What is reached is ClickHouse's own HTTP interface, so that trying the server's DSN needs nothing installed.
"""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

UP_S_MAX: Final = 60.0

_SERVE: Final = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the process that started us
from chdb import _chdb
_chdb.query(
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT sleepEachRow(3) FROM numbers(1000000000) "
    "SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1, max_execution_time = 0 FORMAT Null",
    "TSV", path=sys.argv[1])
"""


def free_port() -> int:
    """Return a port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ClickHouseServer:
    """A server with its data under a directory. Start it from a thread that lives as long: it ends with that thread.

    Args:
        port: where it listens; 0: any free one, the same at each start.
    """

    def __init__(self, directory: Path, port: int = 0) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = port or free_port()
        (directory / "config.xml").write_text(
            f"<clickhouse><listen_host>127.0.0.1</listen_host><http_port>{self.port}</http_port>"
            f"<tcp_port>{free_port()}</tcp_port><max_server_memory_usage>1500000000</max_server_memory_usage></clickhouse>"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Its DSN without a database."""
        return f"clickhouse://default@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with what it said."""
        log = self.directory / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(self.directory / "data")],
                cwd=self.directory,
                stdout=output,
                stderr=output,
            )
        self._process = process
        deadline = time.monotonic() + UP_S_MAX
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")
                self.kill()
                raise RuntimeError(f"no ClickHouse server within {UP_S_MAX:.0f} s: {said}")
            time.sleep(0.02)  # nothing tells when a foreign process listens; the ping is what we wait for

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        """Tell whether it answers a ping."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5) as answer:
                return bool(answer.read() == b"Ok.\n")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def command(self, sql: str) -> str:
        """Run one statement and return what it says. Raises urllib.error.HTTPError where it is refused."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", data=sql.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return str(answer.read().decode())

    def kill(self) -> None:
        """End it at once (SIGKILL); a second time does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, seconds: float = 20.0) -> None:
        """End it in order, or at once after so long."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            self.kill()
