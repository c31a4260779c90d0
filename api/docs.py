"""The API's own document: where it is served and what it is called. The page that shows it is api/portal/docs.py."""

from typing import Final

from litestar import MediaType, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from api.guards import PUBLIC

SCHEMA_PATH: Final = "/docs/openapi.json"


def openapi(version: str) -> OpenAPIConfig:
    """Return where the document is served and what it is called."""
    return OpenAPIConfig(
        title="Carillon",
        version=version,
        openapi_router=Router(SCHEMA_PATH, route_handlers=[], include_in_schema=False, opt={"right": PUBLIC}),
        render_plugins=[JsonRenderPlugin(path="/", media_type=MediaType.JSON)],
        use_handler_docstrings=True,
    )
