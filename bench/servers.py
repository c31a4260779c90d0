"""The servers that a bench drives, each a child process: the C limit, the intake alone, and the whole program."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from bench.machine import BUILD, REPOSITORY, compile_c, process_cpu_ns, resident_bytes, thread_cpu_ns

START_S: Final = 240.0
"""A first start compiles the kernels."""
STOP_S: Final = 120.0


class BenchError(Exception):
    """The bench cannot go on: a server did not start, stop or answer. The text holds the end of its log."""


class Server(Protocol):
    """A running server as a bench sees it."""

    pid: int
    port: int

    def cpu_ns(self) -> dict[str, int]:
        """CPU so far: `process`, and `intake` for the thread that receives and acknowledges."""


class LimitServer:
    """bench/limit.c, running. One thread: its intake is the whole process."""

    def __init__(self, build: Path = BUILD, port: int = 0) -> None:
        program = compile_c(REPOSITORY / "bench" / "limit.c", build)
        self._process = subprocess.Popen([str(program), str(port)], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.port = int(json.loads(self._process.stdout.readline())["port"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def cpu_ns(self) -> dict[str, int]:
        """CPU so far."""
        total = process_cpu_ns(self.pid)
        return {"process": total, "intake": total}

    def finish(self) -> dict[str, int]:
        """End it with SIGTERM and return the JSON object it prints."""
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGTERM)
        counts: dict[str, int] = json.loads(self._process.stdout.readline())
        self.kill()
        return counts

    def kill(self) -> None:
        """End it at once; a second time does nothing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class ChildServer:
    """A server of ours as a child: it writes DATA/run/process.json once it takes terminals.

    Args:
        command: what stands before `--data DIR --tcp HOST:PORT` and the rest.
        data: its data directory; its output goes to DATA.log beside it.
        tcp: port for terminals, 0: any free one.
        environment: CARILLON_… settings.
    """

    def __init__(
        self,
        command: list[str],
        data: Path,
        *,
        tcp: int = 0,
        environment: dict[str, str] | None = None,
        health: bool = True,
    ) -> None:
        self.data = data
        self.log = data.with_suffix(".log")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--data", str(data), "--tcp", f"127.0.0.1:{tcp}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
            )
        self.pid = self._process.pid
        self.port = 0
        self.http = ""
        self.threads: dict[str, int] = {}
        try:
            self._wait_until_ready(health)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, health: bool) -> None:
        deadline = time.monotonic() + START_S
        told = self.data / "run" / "process.json"
        while True:
            if self._process.poll() is not None:
                raise BenchError(f"the server ended with status {self._process.returncode}:\n{self.log_end()}")
            if time.monotonic() > deadline:
                raise BenchError(f"the server was not ready within {START_S:.0f} s:\n{self.log_end()}")
            try:
                process = json.loads(told.read_text())
            except (OSError, ValueError):
                process = {}
            if process.get("pid") == self.pid:
                self.http = process["http"]
                self.threads = {name: int(thread) for name, thread in process["threads"].items()}
                self.port = int(process["tcp"].rpartition(":")[2] or 0)
                if not health or self._healthy():
                    return
            time.sleep(0.05)

    def _healthy(self) -> bool:
        try:
            return bool(self.ask("GET", "/health")[0] == 200)
        except OSError:
            return False

    def ask(self, method: str, path: str, body: Any = None, timeout_s: float = 10.0) -> tuple[int, Any]:
        """Ask the API with the data directory's key; return status and decoded JSON (text where it is none)."""
        key = (self.data / "run" / "api.key").read_text().strip()
        request = urllib.request.Request(
            f"http://{self.http}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def figure(self, name: str) -> float:
        """Return one figure of /metrics."""
        status, text = self.ask("GET", "/metrics")
        for line in str(text).splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise BenchError(f"/metrics answered {status} and has no {name}")

    def query(self, sql: str, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """Ask the running server in SQL, as an operator would: `carillon query SQL --data DIR --json`."""
        answer = subprocess.run(
            [sys.executable, str(REPOSITORY / "carillon.py"), "query", sql, "--data", str(self.data), "--json"],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if answer.returncode:
            raise BenchError(f"carillon query: {answer.stderr.strip()}")
        rows: list[dict[str, Any]] = json.loads(answer.stdout)
        return rows

    def cpu_ns(self) -> dict[str, int]:
        """CPU so far: of the process, and of each thread that it names."""
        named = {}
        for name, thread in self.threads.items():
            try:
                named[name] = thread_cpu_ns(self.pid, thread)
            except OSError:
                named[name] = 0
        return {"intake": 0, **named, "process": process_cpu_ns(self.pid)}

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return resident_bytes(self.pid)

    def log_end(self, lines: int = 30) -> str:
        """Return the last lines of the server's output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End it in order (SIGTERM). Raises BenchError when it does not end, or not well."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError(f"the server did not stop within {STOP_S:.0f} s:\n{self.log_end()}") from None
        if status not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            raise BenchError(f"the server stopped with status {status}:\n{self.log_end()}")

    def wait(self, seconds: float = STOP_S) -> int:
        """Wait until it has ended by itself; return its status. Raises BenchError when it does not end."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchError(f"the server did not end within {seconds:.0f} s:\n{self.log_end()}") from None

    def kill(self) -> None:
        """End it at once (SIGKILL) and wait until it is gone; a second time does nothing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def start_carillon(
    data: Path,
    *,
    part: str = "up",
    ack_after: str = "sync",
    ack_window_ms: int = 10,
    tcp: int = 0,
    registration: str = "open",
    environment: dict[str, str] | None = None,
    health: bool = True,
    **settings: object,
) -> ChildServer:
    """Start `carillon up` on free ports of loopback, and wait until it is healthy.

    Args:
        environment: further variables, as LD_PRELOAD.
        part: or `ingest`, which has no API: it is waited for until it takes terminals.
        health: wait for terminals to be taken only, where False: a store is away.
    """
    command = [sys.executable, str(REPOSITORY / "carillon.py"), part, "--registration", registration]
    options = _environment(ack_after, ack_window_ms, {"http": "127.0.0.1:0", **settings})
    return ChildServer(
        command, data, tcp=tcp, environment={**options, **(environment or {})}, health=health and part == "up"
    )


def start_intake(
    data: Path,
    *,
    ack_after: str = "sync",
    ack_window_ms: int = 10,
    tcp: int = 0,
    environment: dict[str, str] | None = None,
) -> ChildServer:
    """Start the intake alone (bench/intake.py)."""
    command = [sys.executable, "-m", "bench.intake"]
    told = _environment(ack_after, ack_window_ms, {}) | (environment or {})
    return ChildServer(command, data, tcp=tcp, environment=told, health=False)


def _environment(ack_after: str, ack_window_ms: int, settings: dict[str, object]) -> dict[str, str]:
    return {
        "CARILLON_ACK_AFTER": ack_after,
        "CARILLON_ACK_WINDOW_MS": str(ack_window_ms),
        "CARILLON_LOG_LEVEL": "warning",
        **{f"CARILLON_{name.upper()}": str(value) for name, value in settings.items()},
    }
