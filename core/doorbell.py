"""The doorbell: says that the event log has grown, on ipc sockets under DATA/run, and never what it holds.

    DATA/run/doorbell   published: "seq is now N, topics T", after each commit and every second: msgpack [N, [T, ...]].
                        A topic is the first word of a type: `fence` of `fence.entered`.
    DATA/run/inbox      pulled: anything; who cannot append has put something into table inbox.

Whoever hears a ring looks into the log from a position of its own. A ring that is lost, late or false costs at most
LOOK_S: nobody believes more of it than that it may be worth looking. The directory is 0700, and so is the doorbell.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self

import msgspec
import pynng

from core.logging import say

LOOK_S: Final = 2.0
"""Who has heard nothing for this long looks all the same: two rings of an idle log must have been lost."""
IDLE_S: Final = 1.0
"""An idle log rings this often, so that one who was deaf for a moment need not wait longer."""
LINGER_MS: Final = 200
"""How long a closed socket may still try to send; what is lost then is a ring."""

_ADDRESS_BYTES_MAX: Final = 100
"""A socket's path has 108 bytes at most, the closing zero included."""


OnRing = Callable[[int, frozenset[str]], object]
"""(seq, topics), called in the doorbell's own thread: must be quick. Topics are empty where the log was idle, or where
they are not known. A RuntimeError means that the loop behind it has ended: it is not called again."""


class Doorbell(Protocol):
    """Bell and Ear alike: something that calls when it is worth looking into the log, at least every LOOK_S."""

    def subscribe(self, on_ring: OnRing) -> Callable[[], None]:
        """Call `on_ring` from now on; returns what ends it."""


class _Callers:
    """Those who asked to be called."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._callers: list[OnRing] = []

    def subscribe(self, on_ring: OnRing) -> Callable[[], None]:
        """Call `on_ring` from now on; returns what ends it."""
        with self._guard:
            self._callers.append(on_ring)

        def unsubscribe() -> None:
            with self._guard, contextlib.suppress(ValueError):
                self._callers.remove(on_ring)

        return unsubscribe

    def _call(self, seq: int, topics: frozenset[str]) -> None:
        with self._guard:
            callers = list(self._callers)
        for caller in callers:
            try:
                caller(seq, topics)
            except RuntimeError:
                with self._guard, contextlib.suppress(ValueError):
                    self._callers.remove(caller)


class Bell(_Callers):
    """The owner's end. Rings are given from any thread and go out from one of its own, several commits to a ring.

    A socket that cannot be opened is said in the log, and the bell is mute outside: whoever listens looks by itself.
    """

    def __init__(self, run: Path, seq: int = 0, *, on_knock: Callable[[], object] = lambda: None) -> None:
        """
        Args:
            run: DATA/run, mode 0700.
            seq: number of the last event now.
            on_knock: called, in a thread of ours, when somebody has put something into the inbox. As OnRing.
        """
        super().__init__()
        self._seq = seq
        self._topics: set[str] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._on_knock = on_knock
        self._directory = _Directory(run)
        self._publisher = self._open(pynng.Pub0, "doorbell")
        self._door = self._open(pynng.Pull0, "inbox")
        self._threads = [threading.Thread(target=self._ring_out, name="doorbell", daemon=True)]
        if self._door is not None:
            self._threads.append(threading.Thread(target=self._answer_door, name="inbox door", daemon=True))
        for thread in self._threads:
            thread.start()

    def _open(self, kind: Any, name: str) -> Any:
        socket = kind(send_timeout=LINGER_MS)
        try:
            socket.listen(self._directory.address(name))
        except pynng.NNGException as error:
            say("doorbell.mute", door=name, look_s=LOOK_S, fault=str(error))
            socket.close()
            return None
        return socket

    def ring(self, first: int, last: int, types: frozenset[str]) -> None:
        """Say that events were committed, as EventLog.on_committed does. Does not wait."""
        with self._changed:
            self._seq = max(self._seq, last)
            self._topics.update(topic_of(type_) for type_ in types)
            self._changed.notify()

    def _ring_out(self) -> None:
        while True:
            with self._changed:
                if not self._topics and not self._closed:
                    self._changed.wait(IDLE_S)
                if self._closed:
                    return
                seq, topics = self._seq, frozenset(self._topics)
                self._topics.clear()
            if self._publisher is not None:
                with contextlib.suppress(pynng.NNGException):
                    self._publisher.send(msgspec.msgpack.encode((seq, sorted(topics))), block=False)
            self._call(seq, topics)

    def _answer_door(self) -> None:
        while True:
            try:
                _receive(self._door)
            except pynng.Closed:
                return
            with contextlib.suppress(RuntimeError):
                self._on_knock()

    def close(self) -> None:
        """End both threads and sockets."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for socket in (self._door, self._publisher):
            if socket is not None:
                socket.close()
        for thread in self._threads:
            thread.join()
        self._directory.close()


class Ear(_Callers):
    """A listener's end: in this process or another, before the owner or after, whether there is an owner or not.

    Use it by `wait` from one thread, or by `subscribe`, which starts a thread; not by both.
    """

    def __init__(self, run: Path | None) -> None:
        """
        Args:
            run: DATA/run of the node that owns the log. None, or a directory that is not there: it hears nothing,
                and calls every LOOK_S.
        """
        super().__init__()
        self._directory = _Directory(run) if run is not None else None
        self._socket: Any = pynng.Sub0()
        self._socket.subscribe(b"")
        if self._directory is not None:
            # In the background, and again and again: the owner may not be there yet, or be killed and come back.
            self._socket.dial(self._directory.address("doorbell"), block=False)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def wait(self, seconds: float = LOOK_S) -> bool:
        """Wait for a ring, at most so long; tell whether there was one. Rings that wait together are one.

        Raises:
            pynng.Closed: closed meanwhile.
        """
        heard = self._hear(seconds)
        return heard is not None

    def subscribe(self, on_ring: OnRing) -> Callable[[], None]:
        """Call `on_ring` from now on; returns what ends it."""
        ended = super().subscribe(on_ring)
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
                self._thread.start()
        return ended

    def _listen(self) -> None:
        while True:
            try:
                heard = self._hear(LOOK_S)
            except pynng.Closed:
                return
            self._call(*(heard or (0, frozenset())))

    def _hear(self, seconds: float) -> tuple[int, frozenset[str]] | None:
        """Return what the last of the waiting rings said, with the topics of all; None where there was none."""
        self._socket.recv_timeout = max(1, int(seconds * 1000))
        try:
            messages = [_receive(self._socket)]
            while True:
                messages.append(_receive(self._socket, block=False))
        except pynng.Timeout:
            return None
        except pynng.TryAgain:
            pass
        seq, topics = 0, set[str]()
        for message in messages:
            # What is not a ring is a ring all the same: somebody thinks that we should look.
            with contextlib.suppress(msgspec.DecodeError):
                rung = msgspec.msgpack.decode(message, type=tuple[int, list[str]])
                seq = max(seq, rung[0])
                topics.update(rung[1])
        return seq, frozenset(topics)

    def close(self) -> None:
        """End the thread and the socket."""
        self._socket.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._directory is not None:
            self._directory.close()


def knock(run: Path) -> None:
    """Tell the owner that something lies in the inbox. Nobody need be there: it looks by itself too."""
    with contextlib.ExitStack() as stack:
        directory = _Directory(run)
        stack.callback(directory.close)
        door = stack.enter_context(pynng.Push0(send_timeout=LINGER_MS))
        with contextlib.suppress(pynng.NNGException, OSError):
            door.dial(directory.address("inbox"), block=True)
            door.send(b"!")


def _receive(socket: Any, *, block: bool = True) -> bytes:
    """Return the next message, an empty one too: pynng fails to unpack it."""
    try:
        return bytes(socket.recv(block=block))
    except RuntimeError:
        return b""


def topic_of(type_: str) -> str:
    """Return the topic of a type or of a prefix of types: its first word."""
    return type_.partition(".")[0]


class _Directory:
    """Where the sockets are. A path too long for a socket is reached by a descriptor of its directory."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._descriptor = -1

    def address(self, name: str) -> str:
        """Return the address of a socket in it."""
        if len(os.fsencode(self._path / name)) <= _ADDRESS_BYTES_MAX:
            return f"ipc://{self._path / name}"
        if self._descriptor < 0 and self._path.is_dir():
            self._descriptor = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"ipc:///proc/self/fd/{self._descriptor}/{name}"

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
