"""Pages over a node made of lists, asked by whom a test wants."""

from collections.abc import Iterator

import pytest
from litestar.testing import TestClient

from api.app import create_app
from tests.api.conftest import KEY, Node, database, empty_database, node

__all__ = ["database", "empty_database", "node"]


@pytest.fixture
def nobody(node: Node) -> Iterator[TestClient]:
    """A browser in which nobody is logged in."""
    with TestClient(create_app(node.parts())) as client:
        client.headers["Accept"] = "text/html"
        yield client


@pytest.fixture
def reader(node: Node) -> Iterator[TestClient]:
    """A browser of one who may see everything."""
    with TestClient(create_app(node.parts())) as client:
        client.headers["Accept"] = "text/html"
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client
