"""/api/v1/sessions: where one is logged in, ending that, and changing one's password."""

from typing import Annotated, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody

from api.guards import COOKIE, SELF, person_of
from api.login import Hashing
from api.parts import Parts
from api.problems import CHANGES, KEYED, answers
from core import limits
from storage.people import Session

Password = Annotated[str, msgspec.Meta(min_length=1, max_length=4 * limits.PASSWORD_CHARACTERS_MAX)]


class SessionPage(msgspec.Struct, frozen=True):
    """Sessions, the last used first: all there are, at most 32."""

    items: list[Session]
    next: None = None


class ChangedPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password that was, and the one to be."""

    old: Password
    new: Password


@get("/sessions", opt={"right": SELF}, summary="Your sessions", responses=answers(*KEYED, "session_needed"))
async def list_sessions(request: Request) -> SessionPage:
    """Return where you are logged in; the session that asks is marked."""
    parts: Parts = request.app.state.parts
    token = request.cookies.get(COOKIE, "")
    return SessionPage(await sync_to_thread(parts.people.sessions, person_of(request), token))


@delete(
    "/sessions",
    opt={"right": SELF},
    status_code=204,
    summary="End all other sessions",
    responses=answers(*CHANGES, "session_needed"),
)
async def end_sessions(request: Request) -> None:
    """End every session of yours but the one that asks."""
    parts: Parts = request.app.state.parts
    await sync_to_thread(parts.people.end_sessions, person_of(request), but=request.cookies.get(COOKIE, ""))


@delete(
    "/sessions/{session_id:str}",
    opt={"right": SELF},
    status_code=204,
    summary="End a session",
    responses=answers(*CHANGES, "session_needed", "session_unknown"),
)
async def end_session(request: Request, session_id: FromPath[str]) -> None:
    """End one of your sessions; 404 `session_unknown` if you have none of this id."""
    parts: Parts = request.app.state.parts
    await sync_to_thread(parts.people.end_session, person_of(request), session_id)


@post(
    "/me/password",
    opt={"right": SELF},
    status_code=204,
    summary="Change the password",
    responses=answers(*CHANGES, "session_needed", "login_failed", "demo_account", "password_weak", "login_locked"),
)
async def change_password(request: Request, data: JSONBody[ChangedPassword]) -> None:
    """Change your password; your other sessions end. A wrong old one counts as a failed login."""
    parts: Parts = request.app.state.parts
    hashing: Hashing = request.app.state.hashing
    token = request.cookies.get(COOKIE, "")
    await hashing.run(parts.people.change_password, person_of(request), data.old, data.new, token=token)


RESOURCES: Final = (list_sessions, end_sessions, end_session, change_password)
