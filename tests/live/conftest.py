"""The API's node and the browser's pictures, for tests that need the application around the live feed."""

from tests.api.conftest import database, empty_database, node
from tests.browser.conftest import pictures

__all__ = ["database", "empty_database", "node", "pictures"]
