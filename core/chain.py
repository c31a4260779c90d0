"""Chains of hashes: each row holds the hash of itself and of the row before, so that a changed byte is found.

Whoever can write all rows can write all hashes too; a chain says something only with its newest hash kept elsewhere, as
the event log keeps the audit log's (`audit.sealed`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

START: Final = "0" * 64
"""What stands before the first row."""


def link(before: str, *parts: str) -> str:
    """Return the hash of a row, 64 hexadecimal digits: SHA-256 over `before` and the parts, each length-prefixed."""
    digest = hashlib.sha256()
    for part in (before, *parts):
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


def first_broken(rows: Iterable[tuple[Sequence[str], str]], before: str = START) -> int | None:
    """Return the index of the first row whose hash is not that of its parts and the row before; None if all hold.

    Args:
        rows: (parts, hash) in the order of the chain.
        before: hash in front of the first of them.
    """
    for index, (parts, held) in enumerate(rows):
        if link(before, *parts) != held:
            return index
        before = held
    return None
