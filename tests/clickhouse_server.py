"""A real ClickHouse server on loopback for the length of a block: bench/clickhouse.py, ended by its id on leaving."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.clickhouse import ClickHouseServer


@contextmanager
def clickhouse_server(directory: Path, port: int = 0) -> Iterator[str]:
    """Run a server with its data under the directory; yield its DSN without a database (clickhouse://host:port).

    Args:
        port: where it listens; 0: any free one.
    """
    server = ClickHouseServer(directory, port)
    server.start()
    try:
        yield server.dsn
    finally:
        server.stop()
