"""Faults as people see them: a page in the frame where a browser asked for a page, problem+json everywhere else."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from api.messages import MESSAGES
from api.portal.render import principal_or_none, render, words_of

Answer = Callable[[Request[Any, Any, Any], Any], Response[Any]]


def as_page(answer: Answer) -> Answer:
    """Return the handler of an exception that answers pages with a page, and everything else as `answer` does."""

    def either(request: Request[Any, Any, Any], error: Any) -> Response[Any]:
        said = answer(request, error)
        if not wants_page(request):
            return said
        code = getattr(said.content, "code", "internal")
        detail = getattr(said.content, "detail", "")
        if request.headers.get("hx-request") == "true":
            # htmx shows it as a note beside what is there.
            return said
        return fault_page(request, said.status_code or 500, code, detail, dict(said.headers))

    return either


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Tell whether a person waits for a page here: outside /api, and the request takes HTML."""
    path = request.url.path
    if path.startswith(("/api/", "/assets/", "/health", "/metrics", "/docs/openapi.json")):
        return False
    return "text/html" in request.headers.get("accept", "")


def fault_page(
    request: Request[Any, Any, Any], status: int, code: str, detail: str, headers: dict[str, str]
) -> Response[Any]:
    """Return a fault as a page in the reader's language; in the frame where one is logged in."""
    kept = {name: value for name, value in headers.items() if name.lower() in ("retry-after", "www-authenticate")}
    try:
        words = words_of(request)
        key = f"problem_{code}"
        return render(
            request,
            "fault.html",
            status=status,
            headers=kept,
            block="",
            code=code,
            status_code=status,
            said=words.t(key) if key in MESSAGES else words.t("problem_internal"),
            advice=words.t(f"fault_{status}") if f"fault_{status}" in MESSAGES else "",
            detail=detail,
            known=principal_or_none(request) is not None,
        )
    except HTTPException:  # the request itself cannot be read: nothing to say it in
        return Response(code.encode(), status_code=status, media_type="text/plain")
