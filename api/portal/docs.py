"""/docs: the API, operation by operation, rendered here from its own OpenAPI document (/docs/openapi.json)."""

import re
from typing import Any, Final, NamedTuple

from litestar import Request, Response, get
from markupsafe import Markup, escape

from api.docs import SCHEMA_PATH
from api.guards import PUBLIC
from api.portal.render import principal_or_none, render

METHODS: Final = ("get", "post", "put", "patch", "delete")


class Operation(NamedTuple):
    """One method at one path."""

    method: str
    path: str
    summary: str
    said: Markup
    parameters: list[tuple[str, str, str]]
    """Name, where it stands, what it takes."""
    body: str
    answers: list[tuple[str, str]]
    """Status, what it means."""


@get("/docs", include_in_schema=False, opt={"right": PUBLIC})
async def docs_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Render the OpenAPI document as a page of ours: readers that come with a script fetch it from elsewhere."""
    document = request.app.openapi_schema.to_schema()
    groups: dict[str, list[Operation]] = {}
    for path, operations in document["paths"].items():
        for method in METHODS:
            if operation := operations.get(method):
                groups.setdefault(_group(path), []).append(_operation(method, path, operation))
    return render(request, "docs.html", groups=groups, schema=SCHEMA_PATH, known=principal_or_none(request) is not None)


def _group(path: str) -> str:
    """Return what a path is about: its first word behind /api/v1."""
    return path.removeprefix("/api/v1").strip("/").partition("/")[0] or "/"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Operation:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] = {}
    for one in content.values():
        schema = one.get("schema", {})
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        said=_prose(operation.get("description") or operation.get("summary", "")),
        parameters=[
            (one["name"], one["in"], f"{_takes(one.get('schema', {}))} {one.get('description', '')}".strip())
            for one in operation.get("parameters", ())
        ],
        body=schema.get("$ref", "").rpartition("/")[2] or schema.get("type", ""),
        answers=[(status, answer.get("description", "")) for status, answer in sorted(operation["responses"].items())],
    )


def _prose(text: str) -> Markup:
    """Return a docstring as HTML: code between backticks, paragraphs between empty lines."""
    parts = re.split(r"\n\s*\n", text.strip())
    return Markup("").join(
        Markup("<p>{}</p>").format(
            Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part))))  # noqa: S704 - escaped just before
        )
        for part in parts
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


PAGES: Final = (docs_page,)
