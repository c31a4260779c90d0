"""Business databases with a ring of keys, on each kind."""

from tests.storage.conftest import business_dsn, empty_dsn, log, postgresql_dsn

__all__ = ["business_dsn", "empty_dsn", "log", "postgresql_dsn"]
