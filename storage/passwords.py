"""Passwords: how they are kept (argon2id), which are refused, and who has guessed too often."""

import ipaddress
import threading
import unicodedata
from collections import OrderedDict
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core import limits
from core.clock import Clock

HASHER: Final = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
"""argon2id, 3 passes over 32 MiB in one lane: 0.12 s of one of our cores. A thief of the table needs as much memory and
time per guess and account; OWASP asks for at least 2 passes over 19 MiB."""

_COMMON: Final = """
1234567890 12345678910 0123456789 0987654321 1111111111 1111122222 1122334455 1212121212 1q2w3e4r5t 1qaz2wsx3edc
qwertyuiop qwerty12345 qwerty123456 asdfghjkl1 asdfghjkl; zxcvbnm123 password12 password123 password1234 passw0rd123
p@ssw0rd123 iloveyou123 woaini1314 woaini520520 5201314520 a123456789 aa123456789 abc1234567 abc123456789 admin12345
admin123456 administrator letmein1234 welcome123 welcome1234 changeme123 q123456789 qq123456789 zxc1234567
1314520520 147258369a 1472583690 123qweasdzxc 1q2w3e4r5t6y qazwsxedcr
"""
COMMON: Final = frozenset(_COMMON.split())
"""Passwords of ten characters and more that stand at the head of every list of stolen ones, the Chinese ones too."""


def password_fault(password: str, login: str, name: str) -> str:
    """Return why this may not be a password of this person, in a word; empty when it may.

    `short`, `long`, `common`, `simple` (fewer than four different characters) or `own_name`.
    """
    plain = normal(password)
    if len(plain) < limits.PASSWORD_CHARACTERS_MIN:
        return "short"
    if len(plain) > limits.PASSWORD_CHARACTERS_MAX:
        return "long"
    lower = plain.lower()
    if lower in COMMON:
        return "common"
    if len(set(lower)) < 4:
        return "simple"
    if any(len(own) >= 4 and own.lower() in lower and len(lower) < len(own) + 6 for own in (login, name)):
        return "own_name"
    return ""


def normal(password: str) -> str:
    """Return the password as it is hashed: one spelling of each character, whatever keyboard it came from."""
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Hashes and checks, at most HASHES_AT_ONCE_MAX at a time. Blocks: call it from worker threads."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._room = threading.BoundedSemaphore(limits.HASHES_AT_ONCE_MAX)
        self._nobodys = hasher.hash("the password of nobody")

    def hash(self, password: str) -> str:
        """Return the password's argon2id hash in its encoded form, salt and cost included."""
        with self._room:
            return self._hasher.hash(normal(password))

    def check(self, password_hash: str, password: str) -> bool:
        """Tell whether the hash is this password's. An empty hash is nobody's, and takes as long to say so."""
        with self._room:
            try:
                right = self._hasher.verify(password_hash or self._nobodys, normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return right and bool(password_hash)

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(password_hash)


class Failures:
    """Failed logins by an address, or by a login that does not exist. Bounded; may be used from any thread.

    Args:
        clock: UTC epoch ms.
        failures_max: so many lock, for LOGIN_LOCKED_S from the last of them on.
        forget_s: failures that began longer ago no longer count; 0: they do until a login succeeds.
    """

    def __init__(self, clock: Clock, failures_max: int, *, forget_s: float = 0) -> None:
        self._clock = clock
        self._failures_max = failures_max
        self._forget_ms = int(forget_s * 1000)
        # key -> (failures, when the first was, locked until); the one that failed longest ago in front.
        self._known: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        self._guard = threading.Lock()

    def locked_ms(self, key: str) -> int:
        """Return for how long this key is locked, 0 when it is not."""
        with self._guard:
            return max(0, self._known.get(key, (0, 0, 0))[2] - self._clock())

    def failed(self, key: str) -> bool:
        """Count a failure; tell whether it locked the key."""
        now_ms = self._clock()
        with self._guard:
            count, since_ms, locked_ms = self._known.pop(key, (0, now_ms, 0))
            if self._forget_ms and now_ms - since_ms >= self._forget_ms:
                count, since_ms = 0, now_ms
            count += 1
            locks = count >= self._failures_max
            if locks:
                count, since_ms, locked_ms = 0, now_ms, now_ms + limits.LOGIN_LOCKED_S * 1000
            self._known[key] = (count, since_ms, locked_ms)
            if len(self._known) > limits.ADDRESSES_MAX:
                self._known.popitem(last=False)
        return locks

    def __len__(self) -> int:
        return len(self._known)


def network_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that a household or office has in IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
