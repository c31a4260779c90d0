"""Rows of business actors in the business database, as the transaction of the log's owner sees them.

They go past SQLAlchemy to the driver: a row read or written costs about 10 µs there, and ten times that through Core.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from sqlalchemy import Connection

from core import limits
from core.business import Kept, Key
from storage.errors import StorageError

_PLAIN: Final = frozenset({int, str, float, NoneType})
_KEYS_STATEMENT_MAX: Final = 100
"""Keys of one question: with four columns each 400 values, where SQLite takes 32,766 and parses for as long."""


def _kinds(hint: Any) -> frozenset[Any]:
    """Return the members of a union, or the type itself."""
    return frozenset(get_args(hint)) if get_origin(hint) in (Union, UnionType) else frozenset({hint})


class _Codec:
    """How rows of one table stand in it: columns in order, and what is not plain as JSON."""

    def __init__(self, kept: Kept, sign: str) -> None:
        fields = msgspec.structs.fields(kept.row)
        self._row = kept.row
        self.names: Final = tuple(field.name for field in fields)
        self._encoders: Final = [self._encoder(field.type) for field in fields]
        self._decoders: Final = [self._decoder(field.type) for field in fields]
        columns = ", ".join(self.names)
        others = [name for name in self.names if name not in kept.key]
        update = ", ".join(f"{name} = excluded.{name}" for name in others)
        signs = ", ".join([sign] * len(self.names))
        self._sign = sign
        self._select: Final = f"SELECT {columns} FROM {kept.table} WHERE "
        self._one: Final = "(" + " AND ".join(f"{name} = {sign}" for name in kept.key) + ")"
        self._order: Final = f" ORDER BY {', '.join(kept.key)} LIMIT {sign}"
        collation = "BINARY" if sign == "?" else '"C"'
        texts = {field.name for field in fields if field.type is str}
        order = ", ".join(f"{name} COLLATE {collation}" if name in texts else name for name in kept.key)
        self.everything: Final = f"SELECT {columns} FROM {kept.table} ORDER BY {order}"
        self.upsert: Final = (
            f"INSERT INTO {kept.table} ({columns}) VALUES ({signs}) ON CONFLICT ({', '.join(kept.key)}) "
            + (f"DO UPDATE SET {update}" if others else "DO NOTHING")
        )
        self.delete: Final = f"DELETE FROM {kept.table} WHERE {self._one}"

    @staticmethod
    def _encoder(hint: Any) -> Callable[[Any], Any] | None:
        if _kinds(hint) <= _PLAIN | {bool}:
            return None
        encoder = msgspec.json.Encoder(order="deterministic")
        return lambda value: encoder.encode(value).decode()

    @staticmethod
    def _decoder(hint: Any) -> Callable[[Any], Any] | None:
        kinds = _kinds(hint)
        if kinds <= _PLAIN:
            return None
        if kinds <= _PLAIN | {bool}:
            # SQLite knows no truth values.
            return lambda value: None if value is None else bool(value)
        return msgspec.json.Decoder(hint).decode

    def select(self, keys: int) -> str:
        return self._select + " OR ".join([self._one] * keys)

    def find(self, equal: Mapping[str, object]) -> tuple[str, list[object]]:
        parts: list[str] = []
        values: list[object] = []
        for name, value in equal.items():
            encoder = self._encoders[self.names.index(name)]
            if value is None:
                parts.append(f"{name} IS NULL")
            else:
                parts.append(f"{name} = {self._sign}")
                values.append(encoder(value) if encoder is not None else value)
        return self._select + (" AND ".join(parts) or "1 = 1") + self._order, values

    def encode(self, row: msgspec.Struct) -> tuple[Any, ...]:
        return tuple(
            getattr(row, name) if encode is None else encode(getattr(row, name))
            for name, encode in zip(self.names, self._encoders, strict=True)
        )

    def decode(self, values: Sequence[Any]) -> msgspec.Struct:
        return self._row(
            **{
                name: value if decode is None else decode(value)
                for name, decode, value in zip(self.names, self._decoders, values, strict=True)
            }
        )


class SqlTables:
    """core.business.Tables over one connection. One instance a log; `connection` is set for each transaction."""

    failures: tuple[type[Exception], ...] = (StorageError,)

    def __init__(self, sign: str) -> None:
        """
        Args:
            sign: for a value in SQL handed to the driver as it is.
        """
        self.connection: Connection | None = None
        self._sign = sign
        self._codecs: dict[str, _Codec] = {}

    def fetch(self, kept: Kept, keys: Sequence[Key]) -> dict[Key, msgspec.Struct]:
        """Return the rows with these keys, those that are there."""
        codec = self._codec(kept)
        found: dict[Key, msgspec.Struct] = {}
        with self._cursor() as cursor:
            for first in range(0, len(keys), _KEYS_STATEMENT_MAX):
                some = keys[first : first + _KEYS_STATEMENT_MAX]
                cursor.execute(codec.select(len(some)), [value for key in some for value in key])
                for values in cursor.fetchall():
                    row = codec.decode(values)
                    found[kept.key_of(row)] = row
        return found

    def find(self, kept: Kept, equal: Mapping[str, object], limit: int) -> list[msgspec.Struct]:
        """Return up to `limit` rows whose columns equal these values, in the order of their key."""
        codec = self._codec(kept)
        sql, values = codec.find(equal)
        with self._cursor() as cursor:
            cursor.execute(sql, [*values, limit])
            return [codec.decode(row) for row in cursor.fetchall()]

    def all(self, kept: Kept) -> Iterator[msgspec.Struct]:
        """Return every row by its key, texts in the order of their bytes."""
        codec = self._codec(kept)
        with self._cursor() as cursor:
            cursor.execute(codec.everything)
            while rows := cursor.fetchmany(1_000):
                yield from map(codec.decode, rows)

    def write(self, kept: Kept, rows: Sequence[msgspec.Struct], gone: Sequence[Key]) -> None:
        """Insert or replace rows, and delete those with these keys."""
        codec = self._codec(kept)
        with self._cursor() as cursor:
            if gone:
                cursor.executemany(codec.delete, list(gone))
            if rows:
                cursor.executemany(codec.upsert, [codec.encode(row) for row in rows])

    def _codec(self, kept: Kept) -> _Codec:
        codec = self._codecs.get(kept.table)
        if codec is None:
            codec = self._codecs[kept.table] = _Codec(kept, self._sign)
        return codec

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        assert self.connection is not None, "rows are read within a transaction"
        driver = self.connection.dialect.loaded_dbapi
        cursor = self.connection.connection.cursor()
        try:
            yield cursor
        except (driver.OperationalError, driver.InterfaceError) as error:
            raise StorageError(" ".join(str(error).split())[: limits.REFUSED_REASON_CHARACTERS_MAX]) from error
        finally:
            cursor.close()
