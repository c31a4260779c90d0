"""A real ClickHouse server on loopback, from the chdb wheel alone, in a process of its own. For tests only.

chdb carries the whole server; its private module starts the listeners while one query that never ends keeps the engine
open. What is reached is ClickHouse's own HTTP interface, so tests of the server's DSN need nothing installed.
"""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UP_S_MAX = 60.0

_SERVE = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the test that started us
from chdb import _chdb
_chdb.query(
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT sleepEachRow(3) FROM numbers(1000000000) "
    "SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1, max_execution_time = 0 FORMAT Null",
    "TSV", path=sys.argv[1])
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def clickhouse_server(directory: Path, port: int = 0) -> Iterator[str]:
    """Run a server with its data under the directory; yield its DSN without a database (clickhouse://host:port).

    Args:
        port: where it listens; 0: any free one.

    The process is ended by its id on leaving, and waited for.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port, tcp_port = port or _free_port(), _free_port()
    (directory / "config.xml").write_text(
        f"<clickhouse><listen_host>127.0.0.1</listen_host><http_port>{port}</http_port>"
        f"<tcp_port>{tcp_port}</tcp_port><max_server_memory_usage>1500000000</max_server_memory_usage></clickhouse>"
    )
    with (directory / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(directory / "data")], cwd=directory, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + UP_S_MAX
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
                    if answer.read() == b"Ok.\n":
                        break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            said = (directory / "server.log").read_text(errors="replace")
            assert server.poll() is None, f"the server ended: {said}"
            assert time.monotonic() < deadline, f"no server within {UP_S_MAX} s: {said}"
            time.sleep(0.02)  # nothing tells when a foreign process listens; the ping is what we wait for
        yield f"clickhouse://default@127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
