"""POST /api/v1/login and /logout, GET /api/v1/me: who one is. A session is a cookie that scripts cannot read."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, ParamSpec, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.acts import tell
from api.guards import COOKIE, PUBLIC, SELF, address_of, principal_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core import limits
from core.rights import Principal
from storage.people import LoggedIn, People

T = TypeVar("T")
P = ParamSpec("P")


class Hashing:
    """Threads that hash passwords, apart from those of all other requests: who knocks often slows only who knocks.

    HASHES_AT_ONCE_MAX threads, HASHES_WAITING_MAX waiting; one more is told to come again.
    """

    def __init__(self, people: People) -> None:
        self._threads = ThreadPoolExecutor(limits.HASHES_AT_ONCE_MAX, "passwords")
        self._waiting = 0
        self._people = people

    @property
    def waiting(self) -> int:
        """How many are hashed or wait for it."""
        return self._waiting

    async def run(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run what hashes a password, and return what it returns.

        Raises:
            Problem: not_ready when too many wait.
        """
        if self._waiting >= limits.HASHES_AT_ONCE_MAX + limits.HASHES_WAITING_MAX:
            self._people.turned_away()
            raise Problem("not_ready", "too many are logging in", headers={"Retry-After": "2"})
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *arguments, **named))
        # Counted until the thread is done with it, also when the caller has gone.
        future.add_done_callback(self._done)
        return await future

    def _done(self, _future: object) -> None:
        self._waiting -= 1

    async def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False)


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants in."""

    login: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=4 * limits.PASSWORD_CHARACTERS_MAX)]
    code: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Of the second factor: the six digits that the authenticator shows, or a recovery code."""


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the platform takes one for, and what one may do."""

    account: int
    """0: the node's own key, or a visitor of the open demo."""
    login: str
    name: str
    role: str
    rights: list[str]
    group: int
    stores: list[int] | None
    """Ids of the stores whose rows one sees; null: all of the group."""
    purposes: list[str]
    precision: str
    grade: str
    """How much of persons one sees: open, internal, personal, secret."""
    must: str
    """What must be done before anything else: `second_factor`; empty: nothing."""
    api_key: int
    """0: not by an API key."""
    language: str


def me_of(principal: Principal) -> Me:
    """Return a principal as the API shows it."""
    scope = principal.scope
    return Me(
        account=principal.account,
        login=principal.login,
        name=principal.name,
        role=principal.role,
        rights=sorted(principal.rights),
        group=scope.group,
        stores=None if scope.stores is None else list(scope.stores),
        purposes=sorted(scope.purposes),
        precision=scope.precision,
        grade=scope.grade,
        must=principal.must,
        api_key=principal.api_key,
        language=principal.language,
    )


async def begin_session(request: Request[Any, Any, Any], login: str, password: str, code: str = "") -> LoggedIn:
    """Log in from this request: the API's way and the login page's.

    Raises:
        LoginFailedError, LoginLockedError, CodeNeededError: see People.login.
        Problem: not_ready when too many are logging in.
    """
    parts: Parts = request.app.state.parts
    hashing: Hashing = request.app.state.hashing
    agent = request.headers.get("user-agent", "")
    began = await hashing.run(parts.people.login, login, password, code=code, address=address_of(request), agent=agent)
    tell(request, principal=began.principal)
    return began


def session_cookie(connection: ASGIConnection[Any, Any, Any, Any], token: str) -> Cookie:
    """Return the session's cookie; an empty token takes it away.

    Secure when the request came over https (a proxy on this machine says so by X-Forwarded-Proto), or when people are
    known to come over https.
    """
    parts: Parts = connection.app.state.parts
    secure = connection.url.scheme == "https" or parts.public_url.startswith("https://")
    return Cookie(
        key=COOKIE,
        value=token,
        path="/",
        max_age=limits.SESSION_S_MAX if token else 0,
        httponly=True,
        samesite="lax",
        secure=secure,
    )


@post(
    "/login",
    opt={"right": PUBLIC},
    status_code=200,
    summary="Log in",
    responses=answers("bad_request", "login_failed", "code_needed", "cross_site", "login_locked", "not_ready"),
)
async def log_in(request: Request, data: JSONBody[Login]) -> Response[Me]:
    """Begin a session: answers who one is and sets the cookie `carillon_session`.

    401 `login_failed` does not say whether the login, the password or the code was wrong; 401 `code_needed` says that
    the password was right, and that the account has a second factor: send the same with its `code`. 429 `login_locked`,
    with Retry-After, after ten failures of an account or fifty from one address.
    """
    began = await begin_session(request, data.login, data.password, data.code)
    return Response(
        me_of(began.principal), cookies=[session_cookie(request, began.token)], headers={"Cache-Control": "no-store"}
    )


@post(
    "/logout",
    opt={"right": SELF},
    status_code=204,
    summary="Log out",
    # Said here because a Response of nothing would be documented as the JSON null.
    responses={204: ResponseSpec(None, description="Logged out"), **answers(*CHANGES)},
)
async def log_out(request: Request) -> Response[None]:
    """End the session of the cookie that came, and take the cookie away. Without a session nothing happens."""
    parts: Parts = request.app.state.parts
    if token := request.cookies.get(COOKIE, ""):
        await sync_to_thread(parts.people.logout, token)
    return Response(None, status_code=204, cookies=[session_cookie(request, "")])


@get("/me", opt={"right": SELF}, summary="Who am I", responses=answers(*KEYED))
async def read_me(request: Request) -> Me:
    """Return whom the platform takes one for: rights, stores, language."""
    return me_of(principal_of(request))
