"""A small platform for the tests of the simulators: what it is told to answer, it answers; what it gets, it keeps.

Bytes in, bytes out; `Server` puts it behind a listening socket in a thread. It reads frames with the codec, in
pieces of its own making: nothing of the intake is used.
"""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

from protocols.jt808.codec import Decoded, Header, decode, encode
from protocols.jt808.framing import ProtocolError, unwrap
from protocols.jt808.messages import PlatformGeneralReply, RegisterReply


class Platform:
    """The platform's end of one connection after another; what was received is kept in `frames` and `wires`.

    `script` maps a message id to the result its answer carries; None: no answer. Anything not in it: ok (0).
    """

    def __init__(self, script: dict[int, int | None] | None = None) -> None:
        self.script = script if script is not None else {}
        self.frames: list[Decoded] = []
        self.wires: list[bytes] = []
        self.bad = 0
        self._rest = b""
        self._serial = 100

    def reset(self) -> None:
        """A new connection."""
        self._rest = b""

    def of(self, message: int) -> list[Decoded]:
        return [frame for frame in self.frames if frame.header.message == message]

    def ask(self, body: Any, message: int, like: Header) -> bytes:
        """Return a downlink frame in the terminal's own header form."""
        self._serial += 1
        return encode(body, Header(message, like.phone, self._serial, like.version))

    def receive(self, data: bytes) -> bytes:
        pieces = (self._rest + data).split(b"\x7e")
        self._rest = pieces.pop()
        out = b""
        for piece in pieces:
            if not piece:
                continue
            wire = b"\x7e" + piece + b"\x7e"
            try:
                frame = decode(unwrap(wire))
            except ProtocolError:
                self.bad += 1
                continue
            self.frames.append(frame)
            self.wires.append(wire)
            out += self._answer(frame)
        return out

    def _answer(self, frame: Decoded) -> bytes:
        header = frame.header
        result = self.script.get(header.message, 0)
        if result is None or header.message in (0x0001, 0x0201):
            return b""
        if header.message == 0x0100:
            reply = RegisterReply(header.serial, result, f"code-{header.phone}" if result == 0 else "")
            return self.ask(reply, 0x8100, header)
        return self.ask(PlatformGeneralReply(header.serial, header.message, result), 0x8001, header)


class Server:
    """Platforms behind a listening socket on loopback, one a connection, in a thread. Use as a context manager."""

    def __init__(self, make: Callable[[], Platform] = Platform, port: int = 0) -> None:
        self._make = make
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.platforms: list[Platform] = []
        self.resets = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stop.is_set():
                for key, _ in selector.select(0.02):
                    if key.fileobj is self._listener:
                        accepted, _address = self._listener.accept()
                        platform = self._make()
                        self.platforms.append(platform)
                        selector.register(accepted, selectors.EVENT_READ, platform)
                        continue
                    connection: Any = key.fileobj
                    try:
                        data = connection.recv(65536)
                    except ConnectionError:
                        data = b""
                        self.resets += 1
                    if data:
                        with contextlib.suppress(ConnectionError):
                            connection.sendall(key.data.receive(data))
                    else:
                        selector.unregister(connection)
                        connection.close()
            for key in list(selector.get_map().values()):
                if key.fileobj is not self._listener:
                    key.fileobj.close()  # type: ignore[union-attr]
