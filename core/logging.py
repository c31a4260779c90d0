"""The operator's log: one line an occurrence on standard error, UTC, English. What is counted stands in metrics."""

import logging
import sys
import time
from typing import Final

LINE: Final = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"


def start_logging(level: str) -> None:
    """Log from `level` on (debug, info, warning, error) to standard error, replacing what was set up before.

    Libraries speak from warning on: their chatter at info (each request of uvicorn, each query) is counted, not logged.
    """
    formatter = logging.Formatter(LINE, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))


LIBRARIES: Final = (
    "uvicorn",
    "uvicorn.access",
    "litestar",
    "clickhouse_connect",
    "sqlalchemy",
    "alembic",
    "numba",
    "asyncio",
)
