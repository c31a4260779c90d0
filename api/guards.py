"""Who asks, and may they: one guard over every route of the application.

Each route declares in `opt={"right": …}` what it needs: a right of core.rights.RIGHTS, `SELF` (any person or program
that is known), or `PUBLIC` (nobody needs to be). A route without a declaration is refused to everybody. The guard finds
out who asks, from the session's cookie or an API key, and leaves it at `request.state.principal`; handlers take it from
there with `principal_of`, and put its scope into every query.

Who reads for care, marketing, research or partners only, and not for safety, theft or contract service, sees what
people consent to. Only the one reader knows that, so only routes that show nothing but what it says declare
`"by_consent": True`; every other one is refused to them.
"""

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
from litestar import Request, Response, WebSocket
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers.base import BaseRouteHandler

from api.parts import Parts
from api.problems import Problem
from core import limits
from core.rights import NODE, RIGHTS, ROLES, Principal
from storage.people import hash_of

Connection = ASGIConnection[Any, Any, Any, Any]

PUBLIC: Final = "public"
SELF: Final = "self"
DECLARATIONS: Final = frozenset({*RIGHTS, PUBLIC, SELF})

COOKIE: Final = "carillon_session"
FACTOR_PATH: Final = "/account/factor"
"""The page on which a second factor is set up."""
API_PATH: Final = "/api/"

VISITOR: Final = Principal(login="", name="", role="viewer", rights=ROLES["viewer"])
"""Who reads the API of a demo without logging in: a viewer of the whole group, on loopback only."""

NUMBERS: Final = 1 << 31
SEQUENCES: Final = 1 << 63
"""Ids are 32-bit integers in the databases, numbers of events 64-bit."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class LoginNeeded(HTTPException):
    """A person without a session asked for a page: they are sent to log in, and back afterwards."""

    def __init__(self, connection: Connection, instead: str = "") -> None:
        """
        Args:
            instead: where they must go who have logged in, and must do something else first.
        """
        super().__init__(status_code=303, detail="log in first")
        # Some servers leave the query in raw_path.
        target = connection.scope["raw_path"].decode("latin-1").partition("?")[0]
        if query := connection.scope.get("query_string", b"").decode("latin-1"):
            target += f"?{query}"
        # What was posted is gone; they come back to the page it was posted from, or to the start.
        if connection.scope.get("method", "GET") not in _SAFE:
            target = "/"
        self.location = instead or f"/login?next={quote(target, safe='')}"
        self.is_fragment = connection.headers.get("hx-request", "") == "true"


def answer_login_needed(request: Request[Any, Any, Any], error: LoginNeeded) -> Response[None]:
    """Send a person to the login page; a fragment's answer tells htmx to leave the whole page."""
    if error.is_fragment:
        return Response(None, status_code=401, headers={"HX-Redirect": error.location, "Cache-Control": "no-store"})
    return Response(None, status_code=303, headers={"Location": error.location, "Cache-Control": "no-store"})


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let the request pass if whoever asks holds the right that the route declares; leave them at state.principal.

    Raises:
        Problem: login_needed, key_wrong, right_missing, cross_site, factor_needed.
        LoginNeeded: a page was asked for without a session.
    """
    if connection.scope.get("method") == "OPTIONS" and "right" not in handler.opt:
        return  # Litestar's own answer: which methods there are
    for name, value in connection.path_params.items():
        # The databases' own numbers: what does not fit into them names nothing, and must not reach them.
        if isinstance(value, int) and not -NUMBERS <= value < (NUMBERS if name != "seq" else SEQUENCES):
            raise Problem("not_found", f"there is no {name} of this size")
    declared = handler.opt.get("right", "")
    if declared not in DECLARATIONS:
        raise Problem("right_missing", "this route declares no right")
    try:
        principal = await known(connection)
    except Problem:
        if declared != PUBLIC:
            raise
        principal = None
    connection.state.principal = principal
    check_site(connection)
    if declared == PUBLIC:
        return
    if principal is None:
        if connection.url.path.startswith(API_PATH) or isinstance(connection, WebSocket):
            raise Problem("login_needed", headers={"WWW-Authenticate": "Bearer"})
        raise LoginNeeded(connection)
    if declared != SELF and principal.must:
        # Nothing but what lets them do it.
        if connection.url.path.startswith(API_PATH) or isinstance(connection, WebSocket):
            raise Problem("factor_needed")
        raise LoginNeeded(connection, FACTOR_PATH)
    if declared != SELF and not principal.may(declared):
        raise Problem("right_missing", f"this needs the right {declared}")
    if declared != SELF and not principal.scope.by_contract and not handler.opt.get("by_consent", False):
        raise Problem("right_missing", "this is not read for what people consent to: only events and positions are")


def principal_of(connection: Connection) -> Principal:
    """Return who asks. Raises Problem login_needed on a public route that nobody known asked."""
    principal = visitor_of(connection)
    if principal is None:
        raise Problem("login_needed", headers={"WWW-Authenticate": "Bearer"})
    return principal


def visitor_of(connection: Connection) -> Principal | None:
    """Return who asks, None where a public route was asked by nobody known."""
    return connection.state.get("principal")


def person_of(connection: Connection) -> Principal:
    """Return the person who asks, by a session of their own. Raises Problem session_needed for keys and the node."""
    principal = principal_of(connection)
    if not principal.account or principal.api_key:
        raise Problem("session_needed")
    return principal


async def known(connection: Connection) -> Principal | None:
    """Return who asks as of now, None for nobody. A stream that stays open asks this again every few seconds.

    Raises:
        Problem: key_wrong; StorageError passes through.
    """
    parts: Parts = connection.app.state.parts
    principals: Principals = connection.app.state.principals
    address = address_of(connection)
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    given = given.strip()
    if scheme.lower() == "bearer" and given:
        # Compared by their hashes: how long a wrong key takes must not say how much of it was right.
        if parts.key and hash_of(given) == hash_of(parts.key):
            return msgspec.structs.replace(NODE, address=address)
        principal = await principals.by_key(given)
        if principal is None:
            raise Problem("key_wrong", headers={"WWW-Authenticate": "Bearer"})
        return msgspec.structs.replace(principal, address=address)
    if token := connection.cookies.get(COOKIE, ""):
        principal = await principals.by_session(token)
        if principal is not None:
            return msgspec.structs.replace(principal, address=address)
    if parts.demo and connection.url.path.startswith(API_PATH) and connection.scope.get("method", "GET") in _SAFE:
        return msgspec.structs.replace(VISITOR, address=address)
    return None


def check_site(connection: Connection) -> None:
    """Refuse what another site's page has a browser send: only our own pages change anything under a cookie.

    A bearer key is never sent by a browser on its own. Browsers say where a request comes from by Sec-Fetch-Site, older
    ones and those on plain HTTP by Origin; a cookie without either is refused, and so is a page of another site that
    opens a WebSocket.
    """
    socket = isinstance(connection, WebSocket)
    if connection.scope.get("method", "GET") in _SAFE and not socket:
        return
    headers = connection.headers
    # Only a bearer key: a browser does send a password it knows (Basic, asked for by a proxy) on its own.
    if headers.get("authorization", "").lower().startswith("bearer "):
        return
    origin = headers.get("origin", "")
    if site := headers.get("sec-fetch-site", ""):
        same = site == "same-origin"
    elif origin:
        parts: Parts = connection.app.state.parts
        same = urlsplit(origin).netloc == headers.get("host", "") or (
            bool(parts.public_url) and origin == parts.public_url.rstrip("/")
        )
    else:
        same = COOKIE not in connection.cookies
    if not same:
        raise Problem("cross_site", "only pages of this server may do that")


def address_of(connection: Connection) -> str:
    """Return where the request comes from: a proxy on this machine has said it (X-Forwarded-For), else the socket."""
    return connection.client.host if connection.client else ""


def local_path(target: str) -> str:
    """Return where to go after logging in: a path of this server, `/` for anything else."""
    fits = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if fits and "\\" not in target else "/"


def _over(principal: Principal) -> bool:
    """Tell whether the key that somebody came by has ended."""
    return 0 < principal.until_ms <= time.time_ns() // 1_000_000


class Principals:
    """Whom sessions and keys belong to, remembered for PRINCIPAL_KNOWN_S, so that not every request asks the database.

    A change made through the same People counts at once; one made by another process after PRINCIPAL_KNOWN_S at most.
    Only ever touched on the API's loop.
    """

    def __init__(self, parts: Parts, now_s: Callable[[], float] = time.monotonic) -> None:
        self._people = parts.people
        self.now_s = now_s
        self._known: dict[str, tuple[float, Principal]] = {}
        self._changes = parts.people.changes

    @property
    def known(self) -> int:
        """How many are remembered."""
        return len(self._known)

    async def by_session(self, token: str) -> Principal | None:
        """Return whose session it is, None for one that has ended."""
        return await self._ask(self._people.by_session, token)

    async def by_key(self, key: str) -> Principal | None:
        """Return who the key acts for, None for one that opens nothing."""
        return await self._ask(self._people.by_key, key)

    async def _ask(self, ask: Any, token: str) -> Principal | None:
        now_s = self.now_s()
        if self._changes != self._people.changes:
            self._changes = self._people.changes
            self._known.clear()
        name = hash_of(token)
        found = self._known.get(name)
        if found is not None and now_s < found[0] and not _over(found[1]):
            return found[1]
        changes = self._changes
        principal: Principal | None = await sync_to_thread(ask, token)
        if principal is None:
            self._known.pop(name, None)
            return None
        # What was asked before a change must not be remembered after it.
        if changes == self._people.changes:
            if len(self._known) >= limits.PRINCIPALS_KNOWN_MAX:
                self._known.clear()
            self._known[name] = (now_s + limits.PRINCIPAL_KNOWN_S, principal)
        return principal
