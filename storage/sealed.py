"""Columns that are sealed on disk: text that is personal, or secret, in tables that are not one person's.

A column declares it, and whoever reads or writes it through SQLAlchemy notices nothing:

    Column("body", Sealed("outbox"), nullable=False)

What stands in the file is `s1.` and base64 of the seal (core.envelope) under the data key of that name, which stands in
table `data_key`, wrapped by the ring. Equal texts are sealed unlike, so a sealed column cannot be compared, searched or
ordered in SQL: search by a blind token, or look through the rows. Empty text stays empty. Text of before there were
seals is read as it stands, until `storage.keys.seal_clear` has sealed it.
"""

import base64
import binascii
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Connection, LargeBinary, Text, column, select, table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from core.envelope import Keyring, KeyringError, SealBrokenError, new_key, seal, unseal

MARK: Final = "s1."
"""What sealed text begins with in the file."""


class DataKeys:
    """The data keys of one business database, by name: read or made when first asked for, then remembered.

    Args:
        path: directory of the ring; None: there is none, and sealed columns cannot be used.
        reading: holds a connection that reads: `Database.read`.
        writing: returns the connection of the transaction that this thread writes in, None outside of one.
        write: holds a connection that writes: `Database.write`.
    """

    def __init__(
        self,
        path: Path | None,
        reading: Callable[[], Any],
        writing: Callable[[], Connection | None],
        write: Callable[[], Any],
    ) -> None:
        self.path: Final = path
        self._reading = reading
        self._writing = writing
        self._write = write
        self._lock = threading.RLock()
        self._ring: Keyring | None = None
        self._keys: dict[str, bytes] = {}

    @property
    def ring(self) -> Keyring:
        """The ring, opened (and made) when first asked for.

        Raises:
            KeyringError: no directory was named, or it cannot be used.
        """
        with self._lock:
            if self._ring is None:
                if self.path is None:
                    raise KeyringError("a business database that is no file needs a directory of keys: name it")
                self._ring = Keyring.from_directory(self.path)
            return self._ring

    def key(self, name: str) -> bytes:
        """Return the data key of this name.

        Raises:
            SealBrokenError: the ring is not the one that this database was written with.
        """
        found = self._keys.get(name)
        if found is not None:
            return found
        with self._reading() as reading:
            wrapped = _wrapped(reading, name)
        if wrapped is None:
            connection = self._writing()
            if connection is not None:
                # Made with the transaction that needs it first; remembered by the next, for this one may roll back.
                return self._unwrapped(name, self._make(connection, name))
            with self._write() as writing:
                wrapped = self._make(writing, name)
        key = self._keys[name] = self._unwrapped(name, wrapped)
        return key

    def check(self) -> None:
        """Open every key of the database, so that a wrong ring is told before anything is written under it.

        Raises:
            SealBrokenError, KeyringError: the ring is not the one that this database was written with.
        """
        assert self.ring.current
        with self._reading() as reading:
            rows = reading.execute(select(_DATA_KEY.c.name, _DATA_KEY.c.wrapped)).all()
        for name, wrapped in rows:
            self._keys[name] = self._unwrapped(name, wrapped)

    def _make(self, connection: Connection, name: str) -> bytes:
        """Make the key; another process may do so at the same moment, and whoever commits first has made it."""
        dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        row = {"name": name, "wrapped": self.ring.wrap(new_key(), about_key(name)), "created_ms": _now_ms()}
        connection.execute(dialect.insert(_DATA_KEY).values(**row).on_conflict_do_nothing())
        wrapped = _wrapped(connection, name)
        assert wrapped is not None
        return wrapped

    def _unwrapped(self, name: str, wrapped: bytes) -> bytes:
        try:
            return self.ring.unwrap(wrapped, about_key(name))
        except SealBrokenError as error:
            raise SealBrokenError(
                f"the keys in {self.path} are not those that this database was written with: {error}"
            ) from error


# Table DATA_KEY of storage.tables.audit, which stands on the tables whose columns are sealed.
_DATA_KEY: Final = table(
    "data_key", column("name", Text), column("wrapped", LargeBinary), column("created_ms", BigInteger)
)


def _wrapped(connection: Connection, name: str) -> bytes | None:
    return connection.execute(select(_DATA_KEY.c.wrapped).where(_DATA_KEY.c.name == name)).scalar()


def about_key(name: str) -> str:
    """Return what a data key of table `data_key` is wrapped about."""
    return f"data_key:{name}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def seal_text(key: bytes, text: str, about: str) -> str:
    """Return text sealed as it stands in a column; empty text stays empty."""
    return MARK + base64.b64encode(seal(key, text.encode(), about)).decode("ascii") if text else ""


def unseal_text(key: bytes, sealed: str, about: str) -> str:
    """Return what was sealed. Raises SealBrokenError."""
    try:
        data = base64.b64decode(sealed[len(MARK) :], validate=True)
    except (binascii.Error, ValueError):
        raise SealBrokenError(f"no seal about {about}: {len(sealed)} characters") from None
    return unseal(key, data, about).decode()


class Sealed(TypeDecorator[str]):
    """Text that is sealed on disk, under the data key of this name."""

    impl = Text
    cache_ok = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return seal_text(_keys_of(dialect).key(self.name), value, self.name) if value else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if not value or not value.startswith(MARK):
            return value
        return unseal_text(_keys_of(dialect).key(self.name), value, self.name)


_KEYS: Final["WeakKeyDictionary[Dialect, DataKeys]"] = WeakKeyDictionary()


def unlock(dialect: Dialect, keys: DataKeys) -> None:
    """Let the sealed columns of an engine's connections be read and written with these keys."""
    _KEYS[dialect] = keys


def _keys_of(dialect: Dialect) -> DataKeys:
    return _KEYS[dialect]
