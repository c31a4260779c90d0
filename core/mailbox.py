"""A bounded mailbox: what waits for one actor. A full one refuses, and says when there is room again."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import trio

from core.limits import MAILBOX_FRAMES_MAX

Item = TypeVar("Item")


class MailboxStatistics(msgspec.Struct, frozen=True):
    """How full a mailbox is, and how often it was too full."""

    waiting: int
    bound: int
    refused: int
    """Items that found it full, since it was made."""
    crowded: bool
    """It refused an item and has not yet been emptied to half."""


class Mailbox(Generic[Item]):
    """A bounded queue from many senders to one actor, over a Trio memory channel.

    Senders never wait: a router that serves ten thousand connections must not stop for one. The sender of a refused
    item keeps it, pauses its connection, and puts the item again when `on_drained` is called.
    """

    __slots__ = ("_bound", "_crowded", "_on_drained", "_receive", "_refused", "_send")

    def __init__(self, bound: int = MAILBOX_FRAMES_MAX, on_drained: Callable[[], None] | None = None) -> None:
        """Make an empty mailbox.

        Args:
            on_drained: called once after items were refused, when half or fewer are left. Runs in the actor's task
                between two awaits: it may put items, and must not wait.
        """
        if bound < 1:
            raise ValueError(f"a mailbox holds at least one item, got {bound}")
        self._bound = bound
        self._on_drained = on_drained
        self._send, self._receive = trio.open_memory_channel[Item](bound)
        self._refused = 0
        self._crowded = False

    @property
    def crowded(self) -> bool:
        """True from the first refusal until half is emptied."""
        return self._crowded

    def put_nowait(self, item: Item) -> bool:
        """Put an item; False when the mailbox is full, and the item stays with the caller."""
        try:
            self._send.send_nowait(item)
        except trio.WouldBlock:
            self._refused += 1
            self._crowded = True
            return False
        return True

    async def get(self) -> Item:
        """Wait for the next item. Cancelled, it has taken none."""
        item = await self._receive.receive()
        self._drained()
        return item

    def get_nowait(self) -> Item | None:
        """Return the next item, None when there is none."""
        try:
            item = self._receive.receive_nowait()
        except trio.WouldBlock:
            return None
        self._drained()
        return item

    def statistics(self) -> MailboxStatistics:
        """Return how full it is."""
        waiting = self._receive.statistics().current_buffer_used
        return MailboxStatistics(waiting, self._bound, self._refused, self._crowded)

    def _drained(self) -> None:
        if self._crowded and self._receive.statistics().current_buffer_used * 2 <= self._bound:
            # First the flag: the callback puts items, and may fill the mailbox anew.
            self._crowded = False
            if self._on_drained is not None:
                self._on_drained()
