"""A bounded mailbox: what waits for one actor. A full one refuses, and says when there is room again."""

from collections import deque
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
    """A bounded queue from many senders to one actor.

    Senders never wait: a router that serves ten thousand connections must not stop for one. The sender of a refused
    item keeps it, pauses its connection, and puts the item again when `on_drained` is called.

    One actor takes from it, so it needs less than a Trio channel: an empty one weighs 1 KB, a channel 2.5.
    """

    __slots__ = ("_bound", "_crowded", "_items", "_on_drained", "_refused", "_waiter")

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
        self._items: deque[Item] = deque()
        self._waiter: trio.lowlevel.Task | None = None
        self._refused = 0
        self._crowded = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def crowded(self) -> bool:
        """True from the first refusal until half is emptied."""
        return self._crowded

    def put_nowait(self, item: Item) -> bool:
        """Put an item; False when the mailbox is full, and the item stays with the caller. For the Trio thread."""
        if len(self._items) >= self._bound:
            self._refused += 1
            self._crowded = True
            return False
        self._items.append(item)
        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None
        return True

    async def get(self) -> Item:
        """Wait for the next item. Cancelled, it has taken none. Raises trio.BusyResourceError for a second waiter."""
        await trio.lowlevel.checkpoint()
        while not self._items:
            if self._waiter is not None:
                raise trio.BusyResourceError("a mailbox is one actor's")
            self._waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abandon)
        return self._take()

    def _abandon(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._waiter = None
        return trio.lowlevel.Abort.SUCCEEDED

    def get_nowait(self) -> Item | None:
        """Return the next item, None when there is none."""
        return self._take() if self._items else None

    def statistics(self) -> MailboxStatistics:
        """Return how full it is."""
        return MailboxStatistics(len(self._items), self._bound, self._refused, self._crowded)

    def _take(self) -> Item:
        item = self._items.popleft()
        if self._crowded and len(self._items) * 2 <= self._bound:
            # First the flag: the callback puts items, and may fill the mailbox anew.
            self._crowded = False
            if self._on_drained is not None:
                self._on_drained()
        return item
