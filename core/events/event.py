"""Event: the one envelope of everything that happens, and how its id is derived. See docs/events.md."""

import hashlib
from typing import Any, Final

import msgspec

PURPOSES: Final = ("safety", "theft", "service", "billing", "care", "marketing", "research", "partner")
DEPTH_MAX: Final = 32
"""Hops from an outside cause. No honest story needs more; a loop of two actors would go on for ever."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, was decided or was asked for. Immutable; corrected only by a later event."""

    id: str
    """Derived, 32 hexadecimal digits: what says the same thing twice has the same id. See `derive_id`."""
    type: str
    """Dotted, past tense for facts and decisions (`crash.suspected`), `….requested` for intents."""
    version: int = 1
    time_ms: int
    """When it happened, UTC epoch ms."""
    arrival_ms: int = 0
    """When it was appended; set by the log."""
    subject: str
    """What it is about, as kind:id (`vehicle:12`)."""
    key: str = ""
    """Partition whose order is kept; the subject where empty."""
    group: int = 1
    store: int = 0
    """Whose it is: dealer group and store. Store 0 is the group itself."""
    actor: str
    """Who said it (`detection`, `vehicle`, `user:3`)."""
    cause: str = ""
    """Id of the event that made it happen."""
    correlation: str = ""
    """The story it belongs to: id of the first event of the chain."""
    answers: str = ""
    """Id of the intent this decides: at most one event answers an intent."""
    depth: int = 0
    purpose: str = "service"
    payload: Any = None
    """The Struct that EVENTS names for (type, version)."""
    seq: int = 0
    """Dense position in the log; set by the log, 0 before."""


def derive_id(actor: str, rule: str, rule_version: int, sources: tuple[str, ...] | list[str], key: str) -> str:
    """Return the id of an event: a hash of who says it, by which rule, from what, about what.

    Never derived from sequence numbers, arrival or batches, so that a repeat after a crash has the same id. Parts are
    length-prefixed: ("ab", "c") and ("a", "bc") differ.

    Args:
        sources: ids of the events or reports behind it, in the order the rule saw them.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (actor, rule, str(rule_version), *sources, key):
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()
