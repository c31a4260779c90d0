"""Envelope encryption: data under keys of its own, those keys under a ring that rotates, and blind tokens to search by.

What is personal or secret at rest is sealed (AES-256-GCM) under a data key: one per person, one per kind of column. A
data key stands beside its data, wrapped by the ring's current key; so rotating re-wraps some bytes per data key and
touches no data, and destroying a data key destroys all that was sealed under it, in every backup too.

    keys/00000001.key   a key of the ring by its number, mode 0600: 64 hexadecimal digits, a space, their check
    keys/index.key      the key of blind tokens. It never rotates: equal values must keep equal tokens.

Whoever has this directory and the database reads everything; so it belongs on another volume than the data, and into
another backup (option `keys`, docs/security.md). Every seal names what it is `about`, and opens only about the same: a
sealed name moved to another person's row is found, not shown.
"""

import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.data_directory import sync_directory

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_NUMBER_BYTES: Final = 4
# The first byte of everything sealed or wrapped says how: another cipher one day is another number.
_SEALED: Final = b"\x01"
_WRAPPED: Final = b"\x02"
SEALED_EXTRA_BYTES: Final = 1 + _NONCE_BYTES + _TAG_BYTES
"""By how much what is sealed is longer than what was plain."""
WRAPPED_EXTRA_BYTES: Final = 1 + _NUMBER_BYTES + _NONCE_BYTES + _TAG_BYTES
"""By how much what is wrapped is longer than what it wraps."""

_INDEX: Final = "index.key"
_KEY_FILE_BYTES: Final = 2 * KEY_BYTES + 1 + 8 + 1


class SealBrokenError(Exception):
    """What was to be opened is damaged, is about something else, or is sealed under a key that we do not have."""


class KeyringError(Exception):
    """The directory of keys cannot be used; the text names the file and what is wrong with it."""


def new_key() -> bytes:
    """Return a data key: KEY_BYTES random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plain: bytes, about: str) -> bytes:
    """Return `plain` sealed under a data key, SEALED_EXTRA_BYTES longer; `about` is needed again to open it.

    The nonce is random: up to 2**32 seals under one key are safe (NIST SP 800-38D, section 8.3).
    """
    nonce = os.urandom(_NONCE_BYTES)
    return _SEALED + nonce + AESGCM(key).encrypt(nonce, plain, _SEALED + about.encode())


def unseal(key: bytes, sealed: bytes, about: str) -> bytes:
    """Return what was sealed under this key about this. Raises SealBrokenError for anything else, at the byte."""
    if len(sealed) < SEALED_EXTRA_BYTES or sealed[:1] != _SEALED:
        raise SealBrokenError(f"no seal: {len(sealed)} bytes about {about}")
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, _SEALED + about.encode())
    except InvalidTag:
        raise SealBrokenError(f"the seal about {about} is broken, or it was sealed under another key") from None


def wrapped_under(wrapped: bytes) -> int:
    """Return the number of the ring's key that a data key is wrapped by; 0 for what is no wrapped key."""
    if len(wrapped) < WRAPPED_EXTRA_BYTES or wrapped[:1] != _WRAPPED:
        return 0
    return int.from_bytes(wrapped[1 : 1 + _NUMBER_BYTES], "big")


class Keyring:
    """The keys that wrap data keys, and the one that blind tokens are made with. Any thread may use it.

    A process that rotates is seen by the others that have the directory open: they look whether it has changed before
    they wrap, and when they meet a number that they do not know.
    """

    def __init__(self, path: Path) -> None:
        """Use `from_directory`, which makes what is missing."""
        self.path: Final = path
        self._lock = threading.Lock()
        self._keys: dict[int, AESGCM] = {}
        self._seen_ns = -1
        self._index = _read_key(path / _INDEX)
        self._look()

    @classmethod
    def from_directory(cls, path: Path) -> Self:
        """Return the ring of a directory (0700), which is made with its first keys (0600) where there is none.

        Raises:
            KeyringError: a key's file is damaged, or others than its owner may read it.
            OSError: it cannot be made or read.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
        # Another process may be making them too: whoever is first has made them, and both read those.
        _make_key(path / _INDEX)
        if not _numbers(path):
            _make_key(_file_of(path, 1))
        return cls(path)

    @property
    def current(self) -> int:
        """Number of the key that wraps from now on: the highest."""
        self._look()
        return max(self._keys)

    @property
    def numbers(self) -> list[int]:
        """Numbers of the keys that open, in order; more than one while a rotation is not done."""
        self._look()
        return sorted(self._keys)

    def rotate(self) -> int:
        """Add a key, which wraps from now on, and return its number. The ones before still open.

        On disk before this returns; who is killed before has the ring as it was. What is wrapped under older keys is
        wrapped anew by `storage.keys.rewrap`, then these are given up by `retire`.
        """
        while True:
            number = self.current + 1
            made = _make_key(_file_of(self.path, number))
            self._look(anew=True)
            if made:
                return number

    def retire(self, number: int) -> None:
        """Destroy a key other than the current one. What is still wrapped under it never opens again."""
        if number == self.current:
            raise ValueError(f"key {number} is the current one")
        _file_of(self.path, number).unlink(missing_ok=True)
        sync_directory(self.path)
        self._look(anew=True)

    def made_ms(self, number: int) -> int:
        """Return when a key was made, by its file, UTC epoch milliseconds."""
        return _file_of(self.path, number).stat().st_mtime_ns // 1_000_000

    def wrap(self, key: bytes, about: str) -> bytes:
        """Return a data key, or another secret of a few bytes, wrapped by the current key; WRAPPED_EXTRA_BYTES longer.

        Where it is kept is a row of storage.keys.WRAPPED: what is not there is not wrapped anew when the ring rotates.
        """
        number = self.current
        head = _WRAPPED + number.to_bytes(_NUMBER_BYTES, "big")
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._keys[number].encrypt(nonce, key, head + about.encode())

    def unwrap(self, wrapped: bytes, about: str) -> bytes:
        """Return the data key that was wrapped about this. Raises SealBrokenError for anything else."""
        number = wrapped_under(wrapped)
        if number and number not in self._keys:
            self._look(anew=True)
        key = self._keys.get(number)
        if key is None:
            raise SealBrokenError(f"the key about {about} is wrapped by key {number}, which {self.path} does not have")
        body = 1 + _NUMBER_BYTES + _NONCE_BYTES
        try:
            return key.decrypt(
                wrapped[body - _NONCE_BYTES : body], wrapped[body:], wrapped[: 1 + _NUMBER_BYTES] + about.encode()
            )
        except InvalidTag:
            raise SealBrokenError(f"the wrapped key about {about} is damaged, or was wrapped by another ring") from None

    def token(self, kind: str, value: str) -> str:
        """Return the blind token of a value, 32 hexadecimal digits: equal for equal values of one kind, and of no use
        without the index key. HMAC-SHA-256 (RFC 2104), cut to 128 bits.

        Bring a value into its one form first (a phone in E.164): two spellings have two tokens.
        """
        message = len(kind.encode()).to_bytes(4, "big") + kind.encode() + value.encode()
        return hmac.digest(self._index, message, "sha256")[:16].hex()

    def _look(self, anew: bool = False) -> None:
        """Read the directory again if it has changed, or in any case: two changes in one tick of the disk's clock look
        like one."""
        changed_ns = self.path.stat().st_mtime_ns
        if changed_ns == self._seen_ns and not anew:
            return
        with self._lock:
            numbers = _numbers(self.path)
            # A new dictionary, and not this one changed: other threads read it without the lock.
            self._keys = {
                number: self._keys.get(number) or AESGCM(_read_key(_file_of(self.path, number))) for number in numbers
            }
            if not self._keys:
                raise KeyringError(f"{self.path} has no key any more")
            self._seen_ns = changed_ns


def _file_of(path: Path, number: int) -> Path:
    return path / f"{number:08d}.key"


def _numbers(path: Path) -> list[int]:
    return sorted(int(file.stem) for file in path.glob("*.key") if file.stem.isdecimal())


def _check(digits: str) -> str:
    """Return the check of a key's digits: it finds a damaged file, and says nothing of 256 random bits."""
    return hashlib.sha256(digits.encode("ascii")).hexdigest()[:8]


def _make_key(file: Path) -> bool:
    """Write a new key; return False, and leave it as it is, where the file is there already.

    Written beside and linked to its name: whoever is killed leaves no half key, and of two only one makes it.
    """
    if file.exists():
        return False
    digits = secrets.token_bytes(KEY_BYTES).hex()
    new = file.with_name(f".{file.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(descriptor, f"{digits} {_check(digits)}\n".encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.link(new, file)
    except FileExistsError:
        return False
    finally:
        new.unlink(missing_ok=True)
        sync_directory(file.parent)
    return True


def _read_key(file: Path) -> bytes:
    if mode := file.stat().st_mode & 0o077:
        raise KeyringError(f"{file} may be read by others than its owner (mode {mode:03o} beyond 600): chmod 600 it")
    with file.open(encoding="ascii", errors="replace") as opened:
        digits, _, check = opened.read(_KEY_FILE_BYTES + 1).strip().partition(" ")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or check != _check(digits):
        raise KeyringError(f"{file} is damaged: take it from the backup of the keys; nothing opens without it")
    return key
