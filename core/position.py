"""How far a reader may say that it has come, when it finishes things in another order than it took them."""

from collections import OrderedDict


class Position:
    """Sequences taken and not done. Everything below `oldest_open_sequence` is done and need not be read again.

    Taken in rising order (a journal is read forwards), done in any. Bounded by what its users hold: mailboxes and
    messages half received.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[int, int] = OrderedDict()
        self._taken = 0

    def taken(self, sequence: int, parts: int = 1) -> None:
        """Note that a record was handed out to `parts` actors; 0: to none, it is done at once."""
        self._taken = max(self._taken, sequence)
        if parts:
            self._open[sequence] = self._open.get(sequence, 0) + parts

    def done(self, sequence: int) -> None:
        """Note that one actor is done with a record. More often than it was taken is no fault: repeats happen."""
        parts = self._open.get(sequence)
        if parts is None:
            return
        if parts > 1:
            self._open[sequence] = parts - 1
        else:
            del self._open[sequence]

    @property
    def oldest_open_sequence(self) -> int | None:
        """Lowest sequence that is not done, None when all are."""
        return next(iter(self._open), None)

    @property
    def sequence(self) -> int:
        """The position to store: all records up to and including it are done. 0 before the first."""
        oldest = self.oldest_open_sequence
        return self._taken if oldest is None else oldest - 1

    @property
    def open(self) -> int:
        """Records taken and not done."""
        return len(self._open)
