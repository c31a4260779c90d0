"""A TCP proxy before a ClickHouse server, which can be told to behave as broken networks and tired servers do."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Literal, Self

Mode = Literal["pass", "refuse", "hold", "slow", "cut", "deafen"]
"""What it does:

pass     carry both ways
refuse   nobody listens, and links that stand are reset: the server is away
hold     links stand and new ones are taken, but nothing comes through: a network that swallows
slow     each piece of an answer comes SLOW_S late: a server under water
cut      a request of more than CUT_BYTES is carried in part, then the link is reset
deafen   requests arrive and are carried out; each answer is lost, and the link reset: was it done or not?
"""

SLOW_S: Final = 2.0
CUT_BYTES: Final = 4_096
PIECE_BYTES: Final = 65_536


class Proxy:
    """Listens on a free port of loopback, the same as long as it lives. `set` may be called from any thread."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._mode: Mode = "pass"
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        self._do(self._listen())

    def set(self, mode: Mode) -> None:
        """Behave so from now on; returns when it does."""
        self._do(self._set(mode))

    def close(self) -> None:
        """End every link and the proxy."""
        self._do(self._set("refuse"))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _set(self, mode: Mode) -> None:
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode == "refuse":
            if self._server is not None:
                self._server.close()
                self._server = None
            links = list(self._links)
            for link in links:
                link.cancel()
            await asyncio.gather(*links, return_exceptions=True)
        elif self._server is None:
            await self._listen()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            self._links.discard(task)
            return
        pumps = [
            asyncio.ensure_future(self._pump(reader, up_writer, self._request)),
            asyncio.ensure_future(self._pump(up_reader, writer, self._answer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Told to refuse; the stream's own callback would complain of a link that was cancelled.
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.transport.abort()
            up_writer.transport.abort()
            self._links.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, carry: Any) -> None:
        try:
            while piece := await reader.read(PIECE_BYTES):
                if not await carry(piece, writer):
                    return
                await writer.drain()
        except ConnectionError:
            return

    async def _request(self, piece: bytes, writer: asyncio.StreamWriter) -> bool:
        await self._held()
        if self._mode == "cut" and len(piece) > CUT_BYTES:
            writer.write(piece[: len(piece) // 2])
            return False
        writer.write(piece)
        return True

    async def _answer(self, piece: bytes, writer: asyncio.StreamWriter) -> bool:
        await self._held()
        if self._mode == "deafen":
            return False
        if self._mode == "slow":
            await asyncio.sleep(SLOW_S)
        writer.write(piece)
        return True

    async def _held(self) -> None:
        while self._mode == "hold":
            await self._changed.wait()
