"""One-time links: how one looks, and POST /api/v1/invitations, by which its owner sets a password and is in."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, post
from litestar.connection import ASGIConnection
from litestar.params import JSONBody

from api.guards import PUBLIC, address_of
from api.login import Hashing, Me, me_of, session_cookie
from api.parts import Parts
from api.problems import answers
from core import limits


class Invitation(msgspec.Struct, frozen=True):
    """A one-time link. Whoever opens it first sets the password: bring it to its owner alone."""

    link: str
    expires_s: int = limits.INVITATION_S


def invitation_of(connection: ASGIConnection[Any, Any, Any, Any], token: str) -> Invitation:
    """Return the link of a token, on the address people come by."""
    parts: Parts = connection.app.state.parts
    base = parts.public_url or f"{connection.url.scheme}://{connection.headers.get('host', connection.url.netloc)}"
    return Invitation(welcome_link(base, token))


def welcome_link(base: str, token: str) -> str:
    """Return where a one-time link leads: the page that asks for the new password."""
    return f"{base.rstrip('/')}/welcome/{token}"


class TakenInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of the link, and the password to be."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=4 * limits.PASSWORD_CHARACTERS_MAX)]
    name: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """What the person wants to be called; empty leaves what was entered."""
    language: Literal["", "zh", "en"] = ""


@post(
    "/invitations",
    opt={"right": PUBLIC},
    status_code=200,
    summary="Use a one-time link",
    responses=answers("bad_request", "invitation_over", "cross_site", "password_weak", "not_ready"),
)
async def take_invitation(request: Request, data: JSONBody[TakenInvitation]) -> Response[Me]:
    """Set the password of the account the link is for, and begin a session as POST /login does.

    400 `invitation_over` when the link was used or is over. 422 `password_weak`; `detail` says why: `short`, `long`,
    `common`, `simple` or `own_name`.
    """
    parts: Parts = request.app.state.parts
    hashing: Hashing = request.app.state.hashing
    began = await hashing.run(
        parts.people.take_invitation,
        data.token,
        data.password,
        name=data.name,
        language=data.language,
        address=address_of(request),
        agent=request.headers.get("user-agent", ""),
    )
    return Response(
        me_of(began.principal), cookies=[session_cookie(request, began.token)], headers={"Cache-Control": "no-store"}
    )


RESOURCES: Final = (take_invitation,)
