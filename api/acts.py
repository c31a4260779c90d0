"""Acts: whatever changes something is written to the audit log, who did it and how it ended, before it is answered.

One middleware over all routes, so that none is forgotten. What was sent is never written: a route's template says what
was done, the numbers in its path to what. A handler says more where it knows more: `tell`.
"""

import re
from typing import Any, Final

from litestar import Request
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.parts import Parts
from api.problems import answer_store
from core import limits
from core.rights import Principal
from storage.errors import StorageError

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOGINS: Final = frozenset({"/login", "/api/v1/login"})
# Ids that we give, and codes of ours. A link's end opens something, and a name may be a person's.
_PLAIN: Final = re.compile(r"[0-9]{1,19}|[0-9a-f]{16,32}|[a-z][a-z0-9_.]{0,31}", re.ASCII)
_TOLD: Final = "acted"


def tell(connection: ASGIConnection[Any, Any, Any, Any], **about: Any) -> None:
    """Say more of this act than its route does: `subject`, `detail`, `vehicle`, `persons`, or `principal`, for whoever
    came in by it. No personal data, no secrets."""
    connection.state[_TOLD] = {**connection.state.get(_TOLD, {}), **about}


def acts_noted(app: ASGIApp) -> ASGIApp:
    """Return the application with every act written down."""

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or str(scope.get("method")) in _READS:
            await app(scope, receive, send)
            return

        unwritten = False

        async def sending(message: Message) -> None:
            nonlocal unwritten
            if message["type"] == "http.response.start":
                try:
                    await sync_to_thread(_write, scope, int(message["status"]))
                except StorageError as error:
                    # What is not written down is not answered; nothing of the answer has been sent yet.
                    unwritten = True
                    await _refuse(scope, receive, send, error)
                    return
            if not unwritten:
                await send(message)

        await app(scope, receive, sending)

    return noted


async def _refuse(scope: Scope, receive: Receive, send: Send, error: StorageError) -> None:
    """Answer 503 not_ready in place of what was to be answered."""
    request: Request[Any, Any, Any] = Request(scope)
    response = answer_store(request, error)
    await response.to_asgi_response(app=None, request=request)(scope, receive, send)


def _write(scope: Scope, status: int) -> None:
    parts: Parts = scope["litestar_app"].state.parts
    held: dict[str, Any] = scope.get("state", {})
    about = dict(held.get(_TOLD, {}))
    principal: Principal | None = about.pop("principal", None) or held.get("principal")
    template = str(scope.get("path_template") or scope["path"])
    numbers = {name: str(value) for name, value in scope.get("path_params", {}).items()}
    shown = " ".join(f"{name}={value if _PLAIN.fullmatch(value) else '…'}" for name, value in numbers.items())
    client = scope.get("client")
    vehicle = numbers.get("vehicle_id", "")
    about.setdefault("vehicle", int(vehicle) if vehicle.isdecimal() and len(vehicle) < 10 else 0)
    detail = " ".join(filter(None, (shown, about.pop("detail", ""))))[: limits.ACT_CHARACTERS_MAX]
    parts.reader.act(
        principal,
        "login" if template in _LOGINS else "act",
        address=client[0] if client else "",
        act=f"{scope.get('method')} {template}"[: limits.ACT_CHARACTERS_MAX],
        status=status,
        detail=detail,
        **about,
    )
