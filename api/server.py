"""Serve the application in a thread of its own, on an asyncio loop of its own, beside Trio in the main thread.

uvicorn is what Litestar is made for; under Trio a request would cost six times as much. What a handler must have done
in Trio (an append to the log) crosses by the run's token.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

import trio
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

T = TypeVar("T")

START_S_MAX: Final = 10.0
"""uvicorn is up in well under a second; past ten something is badly wrong."""
STOP_S_MAX: Final = 5
"""Requests under way get this long to end; the longest of ours is a bounded query."""
BACKLOG: Final = 512


WEBSOCKET_BYTES_MAX: Final = 4096
"""What a client may send on a WebSocket at once: nothing that it can say is longer."""
WEBSOCKET_UNSENT_BYTES: Final = 64 * 1024
"""What the kernel takes of a connection beyond what is on its way: a slow reader must not find ticks of half a minute
ago in front of today's. Large answers lose nothing by it, the window on the way is not limited."""
CUT_S: Final = 5.0
"""How long a connection that is cut may take to deliver what is left."""


class ServerError(Exception):
    """The API cannot be served: the address is taken, or uvicorn did not start."""


class ApiServer:
    """An ASGI application on one address. `start`, then `stop`; both block and may be called from any thread."""

    def __init__(self, app: Any, host: str, port: int, *, on_stop: Callable[[], object] = lambda: None) -> None:
        """
        Args:
            on_stop: called before the server waits for what is under way: ends what never would by itself.
        """
        self._on_stop = on_stop
        self._app = app
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None
        self._listener: socket.socket | None = None

    @property
    def address(self) -> str:
        """HOST:PORT really listened on, after `start`."""
        if self._listener is None:
            return ""
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def native_id(self) -> int:
        """Id of the thread as the kernel knows it, after `start`."""
        return (self._thread.native_id or 0) if self._thread else 0

    def start(self) -> None:
        """Listen and serve; returns once requests are answered.

        Raises:
            ServerError: the address cannot be listened on, or the server did not start in START_S_MAX.
        """
        self._listener = listen(self._host, self._port)
        config = uvicorn.Config(
            self._app,
            loop="uvloop",
            http="httptools",
            ws=Wire,
            ws_max_size=WEBSOCKET_BYTES_MAX,
            # A live feed is noise in its low bits: deflate takes a quarter off it for fifty times the CPU.
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S_MAX,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_S_MAX
        # uvicorn says that it is up by an attribute only.
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self._server.started:
            fault = self._fault
            self.stop()
            raise ServerError(f"the API did not start: {fault or f'not up within {START_S_MAX:.0f} s'}") from fault

    def _serve(self) -> None:
        assert self._server is not None
        assert self._listener is not None
        try:
            # Off the main thread uvicorn leaves the signals alone: they belong to Trio.
            self._server.run(sockets=[self._listener])
        except BaseException as error:
            self._fault = error
            raise

    def stop(self) -> None:
        """Answer what is under way, then end; safe to call twice."""
        self._on_stop()
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_S_MAX + 5)
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.close()


class Wire(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, with two things more: sending waits until all that was sent before has left this process,
    and the application may cut a peer that does not read (scope["extensions"]["carillon.cut"])."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.transport.set_write_buffer_limits(high=0)
            cast(dict[str, Any], self.scope["extensions"])["carillon.cut"] = self.cut

    def cut(self, code: int, reason: str) -> None:
        """End the connection: a close frame behind what is still unsent, and CUT_S to deliver both."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.close_timer = self.loop.call_later(CUT_S, self.transport.abort)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ServerError: host and reason are named.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restart must not wait a minute for the last run's connections to be forgotten.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, WEBSOCKET_UNSENT_BYTES)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServerError(f"cannot listen on {host}:{port} for HTTP: {error.strerror or error}") from error
    return listener


async def in_trio(token: trio.lowlevel.TrioToken, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in the Trio run of `token`, from the API's loop, and return what it returns.

    Raises:
        trio.RunFinishedError: the run is over: the process is stopping.
    """
    # One worker thread waits for it: it can be cancelled from neither side, but only for as long as one append takes.
    return await asyncio.to_thread(_call, token, function, arguments)


def _call(
    token: trio.lowlevel.TrioToken, function: Callable[..., Awaitable[Any]], arguments: tuple[object, ...]
) -> Any:
    try:
        return trio.from_thread.run(function, *arguments, trio_token=token)
    except trio.Cancelled:
        # A BaseException of the other side's: here it means only that the run is ending.
        raise trio.RunFinishedError("the process is stopping") from None
