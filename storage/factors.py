"""Second factors: the six digits of an authenticator (TOTP, RFC 6238: SHA-1, 30 s), and recovery codes for its loss.

The secret stands wrapped by the keyring. A code is taken once, of the time step it is of and one to each side; wrong
ones lock the account for longer and longer. Of recovery codes only the SHA-256 is kept: each has 80 random bits.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final, NamedTuple

import msgspec
import pyotp
from sqlalchemy import Connection, delete, insert, select, update

from core import limits
from core.envelope import Keyring, KeyringError, SealBrokenError
from storage.database import Database
from storage.errors import StorageError
from storage.tables.organisation import SECOND_FACTOR

ISSUER: Final = "Carillon"
STEP_S: Final = 30
_SECRET_BYTES: Final = 20
"""As long as the hash: RFC 4226, section 4, R6."""
_WINDOW: Final = 1
"""Steps to each side of now in which a code is right: a telephone's clock is off by some seconds."""
_RECOVERY_SIGNS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""32 signs that nobody takes for one another."""


class FactorState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account's second factor, without the secret."""

    confirmed_ms: int
    """Since when it is asked for; 0: not yet."""
    locked_until_ms: int
    codes_left: int
    """Recovery codes that have not been used."""


class Begun(NamedTuple):
    """A secret that waits for its first code."""

    secret: str
    """Base32, as authenticators take it by hand."""
    uri: str
    """otpauth://totp/…, what the picture holds."""


class Factors:
    """The second factors of one business database. Stateless: every call is handed the connection it stands in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def _keyring(self) -> Keyring:
        try:
            return self._database.keyring
        except KeyringError as error:
            raise StorageError(f"second factors need the ring of keys: {error}") from error

    def state(self, connection: Connection, account: int) -> FactorState | None:
        """Return what is known of an account's factor; None: there is none, not even begun."""
        row = self._row(connection, account)
        if row is None:
            return None
        left = len(msgspec.json.decode(row.recovery))
        return FactorState(confirmed_ms=row.confirmed_ms, locked_until_ms=row.locked_until_ms, codes_left=left)

    def begin(self, connection: Connection, account: int, login: str, now_ms: int) -> Begun | None:
        """Make a secret, in place of one that no code was ever shown of; None where one is in force."""
        row = self._row(connection, account)
        if row is not None and row.confirmed_ms:
            return None
        secret = secrets.token_bytes(_SECRET_BYTES)
        values = {
            "wrapped": self._keyring.wrap(secret, about_factor(account)),
            "created_ms": now_ms,
            "confirmed_ms": 0,
            "step": 0,
            "failures": 0,
            "locked_until_ms": 0,
            "recovery": "[]",
        }
        connection.execute(delete(SECOND_FACTOR).where(SECOND_FACTOR.c.account == account))
        connection.execute(insert(SECOND_FACTOR).values(account=account, **values))
        totp = _totp(secret)
        return Begun(totp.secret, totp.provisioning_uri(name=login, issuer_name=ISSUER))

    def confirm(self, connection: Connection, account: int, code: str, now_ms: int) -> list[str] | None:
        """Put a begun factor in force with its first code; return its recovery codes, which are not kept.

        None: the code is wrong, or nothing was begun.
        """
        row = self._row(connection, account)
        if row is None or row.confirmed_ms:
            return None
        step = self._step_of(row, code, now_ms)
        if step is None:
            return None
        codes = [_recovery_code() for _ in range(limits.FACTOR_CODES)]
        values = {"confirmed_ms": now_ms, "step": step, "recovery": _encoded([_digest(code) for code in codes])}
        connection.execute(update(SECOND_FACTOR).where(SECOND_FACTOR.c.account == account).values(**values))
        return codes

    def renew(self, connection: Connection, account: int) -> list[str]:
        """Return new recovery codes; those before open nothing any more."""
        codes = [_recovery_code() for _ in range(limits.FACTOR_CODES)]
        values = {"recovery": _encoded([_digest(code) for code in codes])}
        connection.execute(update(SECOND_FACTOR).where(SECOND_FACTOR.c.account == account).values(**values))
        return codes

    def end(self, connection: Connection, account: int) -> bool:
        """Take an account's factor away; tell whether there was one."""
        return bool(connection.execute(delete(SECOND_FACTOR).where(SECOND_FACTOR.c.account == account)).rowcount)

    def take(self, connection: Connection, account: int, code: str, now_ms: int) -> bool:
        """Tell whether a code, or a recovery code, is right, and use it up. A wrong one counts towards the lock.

        The caller has looked at `locked_until_ms`. Must stand in a transaction that commits, also for a wrong one.
        """
        row = self._row(connection, account)
        if row is None or not row.confirmed_ms:
            return False
        mine = SECOND_FACTOR.c.account == account
        right = {"failures": 0, "locked_until_ms": 0}
        step = self._step_of(row, code, now_ms)
        if step is not None:
            # Two who show the same code at once: the second finds its step used.
            used = update(SECOND_FACTOR).where(mine, SECOND_FACTOR.c.step < step).values(step=step, **right)
            return connection.execute(used).rowcount == 1
        left: list[str] = msgspec.json.decode(row.recovery)
        given = _digest(code)
        if any(hmac.compare_digest(given, one) for one in left):
            rest = _encoded([one for one in left if one != given])
            used = update(SECOND_FACTOR).where(mine, SECOND_FACTOR.c.recovery == row.recovery)
            return connection.execute(used.values(recovery=rest, **right)).rowcount == 1
        failed = update(SECOND_FACTOR).where(mine).values(failures=SECOND_FACTOR.c.failures + 1)
        failures = connection.execute(failed.returning(SECOND_FACTOR.c.failures)).scalar_one()
        if failures % limits.FACTOR_FAILURES_MAX == 0:
            doublings = min(failures // limits.FACTOR_FAILURES_MAX - 1, 16)
            locked_s = min(limits.LOGIN_LOCKED_S << doublings, limits.FACTOR_LOCKED_S_MAX)
            connection.execute(update(SECOND_FACTOR).where(mine).values(locked_until_ms=now_ms + locked_s * 1000))
        return False

    def _step_of(self, row: Any, code: str, now_ms: int) -> int | None:
        """Return of which time step a code is that has not been used; None: it is wrong."""
        code = code.replace(" ", "")
        if len(code) != 6 or not (code.isascii() and code.isdecimal()):
            return None
        try:
            totp = _totp(self._keyring.unwrap(row.wrapped, about_factor(row.account)))
        except SealBrokenError as error:
            raise StorageError(str(error)) from error
        now = now_ms // 1000 // STEP_S
        # All three are looked at, whichever is right: how long it takes says nothing.
        right = [
            step
            for step in range(now - _WINDOW, now + _WINDOW + 1)
            if hmac.compare_digest(totp.generate_otp(step), code) and step > row.step
        ]
        return right[0] if right else None

    def _row(self, connection: Connection, account: int) -> Any:
        return connection.execute(select(SECOND_FACTOR).where(SECOND_FACTOR.c.account == account)).first()


def about_factor(account: int) -> str:
    """Return what a secret is wrapped about; storage/keys.py wraps it anew by the same."""
    return f"second_factor:{account}"


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base64.b32encode(secret).decode(), interval=STEP_S)


def _recovery_code() -> str:
    signs = "".join(secrets.choice(_RECOVERY_SIGNS) for _ in range(16))
    return "-".join(signs[at : at + 4] for at in range(0, 16, 4))


def _digest(code: str) -> str:
    """Return what is kept of a recovery code, however it was typed: its SHA-256."""
    plain = "".join(sign for sign in code.lower() if sign.isalnum() and sign.isascii())
    return hashlib.sha256(plain.encode()).hexdigest()


def _encoded(digests: list[str]) -> str:
    return msgspec.json.encode(digests).decode()
