"""A terminal of the campaign: a blocking socket that logs in and says single frames, well or badly.

It is for what the load client (simulators/load.py) does not do: cars with a story, and links that die in every state.
"""

import socket
import struct
from typing import Any, Final

import msgspec

from protocols.jt808.codec import Decoded, Header, decode, encode
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import Authenticate, Register

WAIT_S: Final = 10.0
"""How long it waits for an answer before it takes its link for dead."""


class LinkError(Exception):
    """The link ended, or nothing came within the time. What was sent may have arrived or not."""


class SilentError(LinkError):
    """Nothing came within the time; the link is still there."""


class Terminal:
    """One terminal. Keeps its code and its serial over many links.

    Args:
        port: of the server on loopback; read at each `connect`.
        phone: digits.
    """

    def __init__(self, port: int, phone: str) -> None:
        self.port = port
        self.phone = phone
        self.code = ""
        self.serial = 0
        self._buffer = b""
        self._socket: socket.socket | None = None

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def connect(self) -> None:
        """Connect. Raises LinkError where nobody listens."""
        self.close()
        try:
            self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise LinkError(f"cannot connect: {error}") from error
        self._buffer = b""

    def login(self) -> None:
        """Connect, register where there is no code yet, and authenticate. Raises LinkError."""
        self.connect()
        if not self.code:
            self.send(self.frame(0x0100, self.registration()))
            reply: Any = self.hear(0x8100).body
            if reply.result:
                raise LinkError(f"registration refused with {reply.result}")
            self.code = reply.code
        self.send(self.frame(0x0102, Authenticate(self.code)))
        answer: Any = self.hear(0x8001).body
        if answer.reply_message != 0x0102 or answer.result:
            self.code = ""
            raise LinkError(f"login answered with {answer}")

    def registration(self) -> Register:
        """Return what it registers with."""
        return Register(44, 300, "CARIL", "FAULT-1", self.phone[-7:], 1, f"粤B{self.phone[-5:]}")

    def next_serial(self) -> int:
        """Return the number of the next frame, and count on."""
        serial = self.serial
        self.serial = (serial + 1) & 0xFFFF
        return serial

    def frame(self, message: int, body: msgspec.Struct, serial: int | None = None) -> bytes:
        """Return a whole frame as it goes on the wire."""
        return encode(body, Header(message, self.phone, self.next_serial() if serial is None else serial, 2013))

    def send(self, data: bytes) -> None:
        """Send bytes. Raises LinkError."""
        if self._socket is None:
            raise LinkError("not connected")
        try:
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise LinkError(f"cannot send: {error}") from error

    def hear(self, message: int, wait_s: float = WAIT_S) -> Decoded:
        """Return the next frame with this message. Raises LinkError; SilentError where it only waits."""
        while True:
            start = self._buffer.find(b"\x7e")
            end = self._buffer.find(b"\x7e", start + 1)
            if start >= 0 and end > 0:
                wire, self._buffer = self._buffer[start : end + 1], self._buffer[end + 1 :]
                decoded = decode(unwrap(wire))
                if decoded.header.message == message:
                    return decoded
                continue
            if self._socket is None:
                raise LinkError("not connected")
            try:
                self._socket.settimeout(wait_s)
                piece = self._socket.recv(65536)
            except TimeoutError as error:
                raise SilentError(f"nothing within {wait_s} s") from error
            except OSError as error:
                self.close()
                raise LinkError(f"reset: {error}") from error
            if not piece:
                self.close()
                raise LinkError("the server ended the link")
            self._buffer += piece

    def reset(self) -> None:
        """End the link with an RST, as a modem that loses its network."""
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def half_close(self) -> None:
        """Say that nothing more comes (FIN), and go on listening."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                raise LinkError(f"gone already: {error}") from error

    def close(self) -> None:
        """End the link in order; a second time does nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
