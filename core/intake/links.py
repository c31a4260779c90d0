"""What an actor sees of the intake: frames handed up from the journal, and what may be done to a connection.

A link is one TCP connection, named by a number that is never used again: the boot number of the process in the high
bits, a counter in the low 40. A link that is gone is no error: a call that names it does nothing and says so.
"""

from typing import Final, NamedTuple, Protocol

KIND_FRAME: Final = 0
"""A frame as the terminal sent it, unescaped, checksum taken off and verified."""
KIND_ASSEMBLED: Final = 1
"""A message put together from fragments, as one frame (header without packet item, then the whole body)."""
KIND_LINK_CLOSED: Final = 2
"""The connection ended; data is the reason as ASCII: closed, silent, garbage, slow, ended, nobody."""
KIND_TERMINAL_SILENT: Final = 3
"""One terminal's gate on a connection that lives on is closed; data is `silent` (nothing was said for idle_s) or
`full` (there was no room for it)."""


class Frame(NamedTuple):
    """One record of the journal, synced, that is not a plain location report."""

    sequence: int
    """Position in the journal, dense over all records."""
    arrival_ms: int
    link: int
    terminal: int
    """Terminal admitted under this phone on this link when the frame came; 0 before admission."""
    vehicle_id: int
    kind: int
    frame_class: int
    """CLASS_* of protocols.seam, -1 for what the intake itself says (KIND_LINK_CLOSED and above)."""
    phone: tuple[int, int]
    """(high, low) packed BCD of the phone in the header; (0, 0) for what the intake itself says."""
    data: bytes


class Links(Protocol):
    """Commands to the intake thread. Each returns at once; False when the command queue is full (try again later).

    Commands of one caller are carried out in order. One that names a dead link is dropped there.
    """

    def send(self, link: int, wire: bytes) -> bool:
        """Send bytes (escaped, with flags) behind what is already going out."""

    def admit(self, link: int, phone: tuple[int, int], terminal: int, vehicle_id: int, wire: bytes) -> bool:
        """Open the gate for a phone on a link, then send the login's answer: one step, in this order."""

    def evict(self, link: int, phone: tuple[int, int]) -> bool:
        """Close the gate for a phone on a link: its frames are refused from here on."""

    def close(self, link: int, reason: str) -> bool:
        """End the connection once what was sent before has left."""

    def pause(self, link: int) -> bool:
        """Stop reading from the connection, so that TCP slows its terminal down."""

    def resume(self, link: int) -> bool:
        """Read again."""

    def reenter(self, link: int, terminal: int, vehicle_id: int, frame: bytes) -> bool:
        """Put an assembled message into the journal as one frame (KIND_ASSEMBLED)."""
