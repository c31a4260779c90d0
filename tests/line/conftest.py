"""A whole server, as `carillon up` runs it, and terminals that speak to it over real sockets."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from bench.servers import ChildServer, start_carillon
from protocols.jt808.codec import Decoded, Header, decode, encode
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import Authenticate, Location, Register, RegisterReply
from storage.query import ask

WAIT_S = 30.0
START_MS = time.time_ns() // 1_000_000_000 * 1000 - 3_600_000
"""Fix times of a test begin an hour ago."""


class Terminal:
    """A terminal on a blocking socket: says things, and waits for their answers within a bound."""

    def __init__(self, port: int, phone: str, *, version: int = 2013, terminal_id: str = "T000001") -> None:
        self.phone = phone
        self.version = version
        self.terminal_id = terminal_id
        self.serial = 0
        self.code = ""
        self._port = port
        self._buffer = b""
        self._others: list[Terminal] = []
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)

    def wire(self, message: int, body: msgspec.Struct, serial: int | None = None) -> bytes:
        self.serial += 1
        return encode(body, Header(message, self.phone, self.serial if serial is None else serial, self.version))

    def say(self, message: int, body: msgspec.Struct, serial: int | None = None) -> int:
        self.socket.sendall(self.wire(message, body, serial))
        return self.serial if serial is None else serial

    def hear(self, message: int | None = None) -> Decoded:
        """Return the next frame, or the next one of this message."""
        while True:
            start = self._buffer.find(b"\x7e")
            end = self._buffer.find(b"\x7e", start + 1)
            if start >= 0 and end > 0:
                wire, self._buffer = self._buffer[start : end + 1], self._buffer[end + 1 :]
                # 2011 has the header of 2013: only the terminal knows.
                decoded = decode(unwrap(wire), 2011 if self.version == 2011 else None)
                if message is None or decoded.header.message == message:
                    return decoded
                continue
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("the server ended the connection")
            self._buffer += piece

    def answer(self) -> tuple[int, int, int]:
        """Return (serial, message, result) of the next 0x8001."""
        body: Any = self.hear(0x8001).body
        return body.reply_serial, body.reply_message, body.result

    def register(self) -> RegisterReply:
        maker = "CARIL"
        self.say(0x0100, Register(44, 300, maker, "X1", self.terminal_id, 1, f"粤B{self.phone[-5:]}"))
        body: Any = self.hear(0x8100).body
        return body

    def login(self) -> "Terminal":
        """Register where there is no code yet, and authenticate."""
        if not self.code:
            reply = self.register()
            assert reply.result == 0, reply
            self.code = reply.code
        extra = {"imei": "0" * 15, "software": "1"} if self.version == 2019 else {}
        serial = self.say(0x0102, Authenticate(self.code, **extra))
        assert self.answer() == (serial, 0x0102, 0)
        return self

    def report(self, body: Location, serial: int | None = None) -> None:
        """Report a position and have it acknowledged."""
        said = self.say(0x0200, body, serial)
        assert self.answer() == (said, 0x0200, 0)

    def ended(self) -> bool:
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def again(self) -> "Terminal":
        """Return the same terminal on a new connection."""
        other = Terminal(self._port, self.phone, version=self.version, terminal_id=self.terminal_id)
        other.code, other.serial = self.code, self.serial
        self._others.append(other)
        return other

    def close(self) -> None:
        self.socket.close()
        for other in self._others:
            other.close()


def place(second: int = 0, *, lat: float = 30.0, lon: float = 150.0, alarm: int = 0, **more: Any) -> Location:
    """Return a fix: ignition on, position valid."""
    latitude, longitude = round(lat * 1e6), round(lon * 1e6)
    return Location(alarm, 3, latitude, longitude, time_ms=START_MS + second * 1000, **more)


class Car:
    """A car that drives from place to place at a pace that a car has: what jumps about is set aside as noise."""

    def __init__(self, terminal: Terminal, second: int = -18_000) -> None:
        self.terminal = terminal
        self.second = second
        """Of its next report, counted from START_MS."""

    def at(self, lon: float, lat: float) -> None:
        """Come to a place within some 2 km, and report it thrice, five seconds and 50 m apart."""
        self.second += 40
        for step in (-1, 0, 1):
            self.terminal.report(place(self.second, lat=lat, lon=lon + step * 0.0005, speed_kmh10=360))
            self.second += 5


def until(ask: Any, *, bound_s: float = WAIT_S) -> Any:
    """Ask until the answer is true; the poll stands for an operator looking again."""
    deadline = time.monotonic() + bound_s
    while not (found := ask()):
        assert time.monotonic() < deadline, f"{ask} never held: {found!r}"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    """One server for all tests that leave it as they found it: each uses phones of its own."""
    child = start_carillon(tmp_path_factory.mktemp("line") / "data")
    yield child
    child.stop()


class Line:
    """A server and its terminals, and what an operator may ask of it."""

    def __init__(self, server: ChildServer) -> None:
        self.server = server
        self._terminals: list[Terminal] = []

    def terminal(self, phone: str, **more: Any) -> Terminal:
        self._terminals.append(Terminal(self.server.port, phone, **more))
        return self._terminals[-1]

    def events(self, prefix: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the events whose type begins so and whose payload has these fields."""
        found, after = [], 0
        while True:
            status, page = self.server.ask("GET", f"/api/v1/events?type={prefix}&after={after}")
            assert status == 200, page
            if not page["items"]:
                break
            found += page["items"]
            after = page["next"]
        return [e for e in found if all(e["payload"].get(name) == value for name, value in fields.items())]

    def vehicle_of(self, phone: str) -> int:
        return int(self.events("terminal.registered", phone=phone)[0]["payload"]["vehicle_id"])

    def stored(self, phone: str) -> list[dict[str, Any]]:
        sql = f"SELECT * FROM report FINAL WHERE phone = '{phone}' ORDER BY time_ms, report_id"
        table = ask(self.server.data / "run" / "query.sock", sql)
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def counter(self, name: str) -> float:
        text = self.server.ask("GET", "/metrics")[1]
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"carillon_{name} ")))

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()


@pytest.fixture
def line(server: ChildServer) -> Iterator[Line]:
    one = Line(server)
    yield one
    one.close()
