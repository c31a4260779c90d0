"""Authentication codes: what a terminal is given when it registers (0x8100) and shows when it connects (0x0102).

A code is a keyed hash of the phone and the terminal id, so nothing is stored and every node that has the key can check
it. It is no secret on the wire (JT/T 808 is not encrypted): it keeps a stranger who knows only a phone number from
speaking for that terminal.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32
CODE_BYTES: Final = 12
"""96 bits of the hash: 20 characters in base 32. Terminals of 2011 and 2013 store little more; guessing one at 1,000
tries a second takes longer than the sun will shine."""
CODE_CHARACTERS: Final = 20


class Credentials:
    """Issues and verifies authentication codes under one node key."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a node key has at least {KEY_BYTES} bytes, got {len(key)}")
        self._key = key

    @classmethod
    def from_file(cls, data: Path) -> "Credentials":
        """Read DATA/secrets/node.key, or make one (mode 0600, synced). Two processes that start at once get one key.

        Raises:
            PermissionError: others may read the key file.
        """
        folder = data / "secrets"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "node.key"
        if not path.exists():
            _make_key(folder, path)
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise PermissionError(f"{path} has mode {mode:04o}: others may read it, make it 0600")
        return cls(path.read_bytes())

    def issue(self, phone: str, terminal_id: str) -> str:
        """Return the code of a terminal: 20 printable ASCII characters, the same each time."""
        # The length in front, so that ("12", "3") and ("1", "23") have different codes.
        message = len(phone).to_bytes(2, "big") + phone.encode() + terminal_id.encode()
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        return base64.b32encode(digest[:CODE_BYTES]).decode().rstrip("=")

    def verify(self, code: str, phone: str, terminal_id: str) -> bool:
        """Tell whether a code is that terminal's, in a time that does not depend on how much of it is right."""
        # Terminals with a fixed-width field pad behind.
        shown = code.rstrip("\0 ").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(shown, self.issue(phone, terminal_id).encode())


def _make_key(folder: Path, path: Path) -> None:
    draft = folder / f"node.key.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        # A link fails where a rename would replace the key of a process that was faster.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
