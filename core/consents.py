"""What follows from consents, for whoever asks of them: whether a person may be contacted, and what their chain is
over."""

from collections.abc import Collection, Iterable
from typing import Final, Protocol

from core.data_classes import OPERATIONAL

RECORD_PARTS: Final = (
    "person", "number", "group_id", "store_id", "event", "type", "time_ms", "purpose", "data_class", "precision",
    "channel", "text", "version", "evidence", "actor",
)  # fmt: skip
"""Fields of a record of a person's chain that its hash is over: all but the hash."""


def record_parts(record: object) -> tuple[str, ...]:
    """Return what is hashed of a record of a person's chain, behind the hash of the one before."""
    return tuple(str(getattr(record, name)) for name in RECORD_PARTS)


class Given(Protocol):
    """What is needed of a consent, wherever it was read."""

    @property
    def purpose(self) -> str: ...
    @property
    def data_class(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def expires_ms(self) -> int: ...


def why_not_contacted(purpose: str, channel: str, consents: Iterable[Given], bars: Collection[str], now_ms: int) -> str:
    """Return why a person may not be contacted for a purpose by a channel; empty where they may.

    Args:
        bars: channels by which they are not to be contacted; an empty one is all.

    Returns:
        barred: they said so of this channel or of all; no_consent: nobody was asked, or the consent is over. Safety and
        theft go through every bar: somebody may be hurt.
    """
    if purpose in ("safety", "theft"):
        return ""
    if "" in bars or channel in bars:
        return "barred"
    if purpose in OPERATIONAL:
        return ""
    for one in consents:
        fits = (one.purpose, one.data_class, one.channel) == (purpose, "contact", channel)
        if fits and one.state == "given" and not 0 < one.expires_ms <= now_ms:
            return ""
    return "no_consent"
