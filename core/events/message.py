"""Messages to people: what should be told to whom, and what became of it. Ids only: texts stand in the outbox."""

import msgspec


class MessageRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: tell a person of something that happened."""

    account: int
    template: str
    """Type of the event that it is about: crash.suspected."""
    about: str
    """Subject of that event: vehicle:12."""
    event: str
    """Its id."""


class MessageDecided(msgspec.Struct, frozen=True, kw_only=True):
    """message.sent, message.failed, message.unknown: what became of a message; unknown: nobody can say."""

    message: str
    """Id of the message.requested, and of the row of the outbox."""
    account: int
    adapter: str
    reason: str = ""
