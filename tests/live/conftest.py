"""The API's node, for tests that need the application around the live feed."""

from tests.api.conftest import database, empty_database, node

__all__ = ["database", "empty_database", "node"]
