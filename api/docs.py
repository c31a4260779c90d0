"""GET /docs: the API, operation by operation, rendered here from its OpenAPI document (/docs/openapi.json)."""

import re
from html import escape
from typing import Annotated, Any, Final

from litestar import MediaType, Request, Response, Router, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import QueryParameter

from api.guards import PUBLIC
from api.messages import language_of, text
from api.page import page


@get("/docs", opt={"right": PUBLIC}, include_in_schema=False)
async def read_docs(
    request: Request, lang: Annotated[str | None, QueryParameter(max_length=8)] = None
) -> Response[bytes]:
    """Render the OpenAPI document as a page of ours: readers that come with a script fetch it from elsewhere."""
    language = language_of(lang, request.headers.get("accept-language", ""))
    other = "en" if language == "zh" else "zh"
    title = text("docs_title", language)
    header = (
        f'<h1>{escape(title)}</h1><span><a href="/">Carillon</a> · '
        f'<a href="/docs?lang={other}" lang="{other}">{escape(text("other_language", language))}</a></span>'
    )
    body = (
        f'<p class="lead">{escape(text("docs_what", language))} '
        f'<a href="{SCHEMA_PATH}">{escape(text("docs_schema", language))}</a></p>'
    )
    for path, operations in request.app.openapi_schema.to_schema()["paths"].items():
        for method in METHODS:
            if operation := operations.get(method):
                body += _operation(path, method, operation, language)
    return page(title, language, header, body)


def _operation(path: str, method: str, operation: dict[str, Any], language: str) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f'<td class="text">{escape(_takes(parameter.get("schema", {})))} '
        f"{escape(parameter.get('description', ''))}</td></tr>"
        for parameter in operation.get("parameters", ())
    )
    heads = "".join(f"<th>{escape(text(key, language))}</th>" for key in ("parameter", "where", "takes"))
    table = f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>' if rows else ""
    said = re.sub(
        r"`([^`]+)`", r"<code>\1</code>", escape(operation.get("description") or operation.get("summary", ""))
    )
    answers = ", ".join(sorted(operation["responses"]))
    return (
        f'<section><h2><span class="method">{method.upper()}</span><code>{escape(path)}</code></h2>'
        f"<p>{said}</p>{table}"
        f'<p class="facts">{escape(text("answers", language))} {answers}</p></section>'
    )


def _takes(schema: dict[str, Any]) -> str:
    """Return a parameter's schema in a few words: 'integer 1 to 1000, 100 if not given'."""
    kinds = [str(one.get("type", "")) for one in schema.get("oneOf", [schema])]
    said = " or ".join(kind for kind in kinds if kind and kind != "null")
    if "minimum" in schema:
        said += f" from {schema['minimum']:.0f}"
    if "maximum" in schema:
        said += f" to {schema['maximum']:.0f}"
    if schema.get("default") not in (None, ""):
        said += f", {schema['default']} if not given"
    return said + "." if said else ""


SCHEMA_PATH: Final = "/docs/openapi.json"
METHODS: Final = ("get", "post", "put", "patch", "delete")


def openapi(version: str) -> OpenAPIConfig:
    """Return where the document is served and what it is called."""
    return OpenAPIConfig(
        title="Carillon",
        version=version,
        openapi_router=Router(SCHEMA_PATH, route_handlers=[], include_in_schema=False, opt={"right": PUBLIC}),
        render_plugins=[JsonRenderPlugin(path="/", media_type=MediaType.JSON)],
        use_handler_docstrings=True,
    )
