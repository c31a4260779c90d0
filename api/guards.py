"""Guards: who may call what. One key opens /api/v1; in the demo on loopback, reading needs none."""

import secrets
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.parts import Parts
from api.problems import Problem

Connection = ASGIConnection[Any, Any, Any, Any]


def needs_key(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let the request pass if it bears the key, or reads what the demo shows to all.

    Raises:
        Problem: key_missing or key_wrong.
    """
    parts: Parts = connection.app.state.parts
    if parts.reads_open and connection.scope.get("method") in ("GET", "HEAD"):
        return
    check_key(connection, parts.key)


def metrics_key(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let the request pass if metrics are open or it bears the key."""
    parts: Parts = connection.app.state.parts
    if not parts.metrics_open:
        check_key(connection, parts.key)


def check_key(connection: Connection, key: str) -> None:
    """Raise a Problem unless the request says `Authorization: Bearer` and the key."""
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Problem("key_missing", "send Authorization: Bearer KEY", headers={"WWW-Authenticate": "Bearer"})
    # Compared in constant time: how long a wrong key takes must not say how much of it was right.
    if not key or not secrets.compare_digest(given.strip().encode(), key.encode()):
        raise Problem("key_wrong")
