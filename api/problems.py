"""Problems: what the API answers when it cannot do what was asked, as RFC 9457 problem+json with a code of ours."""

import logging
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from storage.errors import StorageError

LOG: Final = logging.getLogger("api")
MEDIA_TYPE: Final = "application/problem+json"

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "The request cannot be read"),
    "key_missing": (401, "A key is needed"),
    "key_wrong": (403, "This key opens nothing here"),
    "not_found": (404, "There is nothing at this address"),
    "vehicle_unknown": (404, "No such vehicle"),
    "command_unknown": (404, "No such command"),
    "method_not_allowed": (405, "This address does not take this method"),
    "too_large": (413, "The request is too large"),
    "message_unsupported": (422, "This message cannot be sent"),
    "internal": (500, "The fault is ours"),
    "not_ready": (503, "The node cannot do this now"),
}
"""code -> (HTTP status, title). Codes are part of the contract: clients decide by them, never by the texts."""


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a problem looks like on the wire."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""


class Problem(HTTPException):
    """A problem with a code; `detail` says what was wrong with this request."""

    def __init__(self, code: str, detail: str = "", headers: dict[str, str] | None = None) -> None:
        status, self.title = PROBLEMS[code]
        self.code = code
        super().__init__(detail=detail or self.title, status_code=status, headers=headers)


def answer_problem(request: Request[Any, Any, Any], error: Problem) -> Response[Any]:
    """Return a Problem as its response."""
    detail = "" if error.detail == error.title else error.detail
    content = ProblemDocument("about:blank", error.title, error.status_code, error.code, detail)
    return Response(content, status_code=error.status_code, media_type=MEDIA_TYPE, headers=error.headers)


def answer_invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    """Return what Litestar found wrong with parameters or body, naming the first of it."""
    first: Any = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    if isinstance(first, dict) and "key" in first:
        return answer_problem(request, Problem("bad_request", f"{first['key']}: {first.get('message', '')}"))
    return answer_problem(request, Problem("bad_request", error.detail))


def answer_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Return a fault that Litestar raised itself (no route, wrong method, unreadable body)."""
    by_status = {400: "bad_request", 401: "key_missing", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = by_status.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    detail = error.detail if code == "bad_request" else ""
    return answer_problem(request, Problem(code, detail, headers=error.headers))


def answer_store(request: Request[Any, Any, Any], error: StorageError) -> Response[Any]:
    """Say that a store is away: asking again later may help."""
    return answer_problem(request, Problem("not_ready", str(error), headers={"Retry-After": "5"}))


def answer_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Log our own fault with its trace, and tell the caller only that it was ours."""
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer_problem(request, Problem("internal"))


def answers(*codes: str) -> dict[int, ResponseSpec]:
    """Return what a handler says of the problems it may answer with, for the OpenAPI document."""
    said: dict[int, list[str]] = {}
    for code in codes:
        said.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: ResponseSpec(
            ProblemDocument, generate_examples=False, description=f"Problem {' or '.join(names)}", media_type=MEDIA_TYPE
        )
        for status, names in said.items()
    }


KEYED: Final = ("key_missing", "key_wrong", "not_ready")
"""What any request under /api/v1 may get."""
