"""A running intake on a toy protocol, and a small client."""

import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.intake.intake import Intake, listen
from core.intake.journal import Batch, Journal, Reader
from core.intake.loop import COUNTER_BITS
from tests.intake import toy

WAIT_S = 20.0


class Client:
    """A blocking connection that reads what it is told to expect, within a bound."""

    def __init__(self, port: int, source: str = "127.0.0.1", receive_bytes: int = 0) -> None:
        """
        Args:
            source: the address it comes from.
            receive_bytes: what the kernel holds of what this end has not read; 0: as it likes, up to megabytes.
        """
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.bind((source, 0))
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def replies(self, count: int) -> list[tuple[str, int, int]]:
        """Read exactly `count` replies."""
        return toy.replies(self.read(8 * count))

    def read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            assert piece, f"the connection ended after {len(data)} of {length} bytes"
            data += piece
        return data

    def ended(self) -> bool:
        """Wait for the end of the connection; whatever still comes is dropped."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()


class Rig:
    """An intake with its journal and one reader."""

    def __init__(self, directory: Path, boot: int = 1, **options: Any) -> None:
        self.directory = directory
        bytes_max = options.pop("bytes_max", 1 << 30)
        self.journal = Journal(directory, keep_ms=options.pop("keep_ms", 3_600_000), bytes_max=bytes_max)
        options.pop("before_start", lambda journal: None)(self.journal)
        listener = listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.intake = Intake(self.journal, toy.KERNELS, listener, boot=boot, **{"ack_window_ms": 1, **options})
        self.reader = Reader(self.journal, toy.KERNELS, self.journal.position("tail").sequence)
        self.frames: list[Any] = []
        self.rows: list[tuple[int, int, int]] = []
        self.clients: list[Client] = []
        self.intake.start()

    def client(self, source: str = "127.0.0.1", *, receive_bytes: int = 0) -> Client:
        self.clients.append(Client(self.port, source, receive_bytes))
        return self.clients[-1]

    def turns_away(self, source: str = "127.0.0.1") -> bool:
        """Connect, and wait to be turned away: some hear it while they still connect."""
        try:
            return self.client(source).ended()
        except ConnectionResetError:
            return True

    def take(self, batch: Batch) -> None:
        self.frames += batch.frames
        self.rows += [(int(r["phone_low"]), int(r["serial"]), int(r["time_ms"])) for r in batch.rows]

    def read_until(self, done: Any) -> None:
        """Read the journal whenever it is handed up, until done() holds."""
        end = time.monotonic() + WAIT_S
        while True:
            while (batch := self.reader.read()) is not None:
                self.take(batch)
            if done():
                return
            left = end - time.monotonic()
            assert left > 0, f"nothing came: {self.frames=} {len(self.rows)=} {self.intake.counters()}"
            if select.select([self.intake.hand_up_fd], [], [], min(left, 1.0))[0]:
                os.eventfd_read(self.intake.hand_up_fd)

    def login(self, client: Client, phone: int, terminal: int) -> int:
        """Log a phone in; return its link."""
        before = len(self.frames)
        client.send(toy.frame("L", phone, 1))

        def mine(frame: Any) -> bool:
            return frame.phone == (0, phone) and frame.link >> COUNTER_BITS == self.intake.boot

        self.read_until(lambda: any(mine(f) for f in self.frames[before:]))
        frame = next(f for f in self.frames[before:] if mine(f))
        assert self.intake.admit(frame.link, (0, phone), terminal, terminal + 100, b"welcome!")
        assert client.read(8) == b"welcome!"
        return frame.link

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.reader.close()
        self.intake.stop()


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Any]:
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rigs.append(Rig(tmp_path / "journal", boot=len(rigs) + 1, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        if rig.journal._state is not None:
            rig.stop()
