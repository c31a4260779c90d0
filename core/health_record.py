"""A car's health record: which entries there are, and what of an entry its hash is made of.

The garage adds entries, the store reads them back and reckons the chain over; both take the parts from here.
"""

from typing import Final, Protocol

ENTRIES: Final = (
    "fitted", "removed", "state", "owner", "owner_left", "odometer", "odometer_held", "odometer_corrected", "crash",
    "unplugged", "plate", "vin",
)  # fmt: skip
"""Kinds of entries. None of them says who somebody is: the record goes with the car to its next owner."""


class Entry(Protocol):
    """What is needed of an entry, wherever it was read."""

    @property
    def vehicle_id(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def time_ms(self) -> int: ...
    @property
    def event(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def group_id(self) -> int: ...
    @property
    def store_id(self) -> int: ...


def parts(entry: Entry) -> tuple[str, ...]:
    """Return what is hashed of an entry, behind the hash of the one before: everything but its own hash."""
    return (
        str(entry.vehicle_id), str(entry.number), entry.kind, str(entry.time_ms), entry.event, entry.detail,
        str(entry.group_id), str(entry.store_id),
    )  # fmt: skip
