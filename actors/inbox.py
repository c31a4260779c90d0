"""The owner's errand: moves what other processes put into table inbox into the event log."""

from collections.abc import Callable
from typing import Final

import trio

LOOK_S: Final = 0.5
"""The inbox is looked into this often when nobody knocks: an empty look costs 0.1 ms in a worker thread."""


class InboxMover:
    """Run it with run_actor.

    Args:
        move: storage.inbox.Inbox.move: moves some and returns how many. Blocks.
    """

    def __init__(self, move: Callable[[], int]) -> None:
        self._move = move
        self._wake = trio.Event()

    def knocked(self) -> None:
        """Look now. Called in the loop of `run`."""
        self._wake.set()

    async def run(self) -> None:
        """Move until cancelled."""
        while True:
            self._wake = trio.Event()
            if await trio.to_thread.run_sync(self._move):
                continue
            with trio.move_on_after(LOOK_S):
                await self._wake.wait()
