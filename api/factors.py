"""/api/v1/me/factor: one's own second factor, and as what one works; taking a lost factor away from somebody."""

from typing import Annotated, Any, Final

import msgspec
import segno
from litestar import Request, Response, delete, get, post, put
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody

from api.guards import COOKIE, SELF, person_of, principal_of
from api.login import Me, me_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, answers
from storage.factors import Begun

NO_STORE: Final = {"Cache-Control": "no-store"}


class Factor(msgspec.Struct, frozen=True):
    """One's second factor."""

    confirmed_ms: int
    """Since when a code is asked for beside the password; 0: none is."""
    codes_left: int
    """Recovery codes that have not been used."""
    required: bool
    """Whether nothing else can be done before there is one."""


class BegunFactor(msgspec.Struct, frozen=True):
    """A secret for an authenticator. It counts once its first code was shown; it is not shown again."""

    secret: str
    """Base32, to be typed in."""
    uri: str
    """otpauth://totp/…"""
    picture: str
    """The same as a QR code: a `data:` address of SVG."""


class ShownCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the authenticator shows now, or a recovery code."""

    code: Annotated[str, msgspec.Meta(min_length=6, max_length=64)]


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Codes for the loss of the authenticator, each for one login. They are not kept and cannot be shown again."""

    codes: list[str]


class ChosenPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As what one wants to work."""

    post: Annotated[str, msgspec.Meta(max_length=64)]
    """role:grade; empty: as the most one is."""


@get("/me/factor", opt={"right": SELF}, summary="Your second factor", responses=answers(*KEYED, "session_needed"))
async def read_factor(request: Request) -> Factor:
    """Return whether a code is asked for beside your password."""
    parts: Parts = request.app.state.parts
    person = person_of(request)
    state = await sync_to_thread(parts.people.factor, person)
    return Factor(state.confirmed_ms if state else 0, state.codes_left if state else 0, person.must == "second_factor")


@post(
    "/me/factor",
    opt={"right": SELF},
    status_code=201,
    summary="Begin a second factor",
    responses=answers(*CHANGES, "session_needed", "demo_account", "factor_there"),
)
async def begin_factor(request: Request) -> Response[BegunFactor]:
    """Return a new secret for your authenticator. Nothing changes before POST /me/factor/confirm has a code of it."""
    parts: Parts = request.app.state.parts
    begun = await sync_to_thread(parts.people.begin_factor, person_of(request))
    return Response(BegunFactor(begun.secret, begun.uri, picture_of(begun)), headers=NO_STORE)


def picture_of(begun: Begun) -> str:
    """Return the QR code of a secret as a `data:` address of SVG: black on white, whatever the page's colours are."""
    return segno.make(begun.uri, error="m", micro=False).svg_data_uri(border=4, dark="#000", light="#fff")


@post(
    "/me/factor/confirm",
    opt={"right": SELF},
    status_code=200,
    summary="Put your second factor in force",
    responses=answers(*CHANGES, "session_needed", "code_wrong"),
)
async def confirm_factor(request: Request, data: JSONBody[ShownCode]) -> Response[RecoveryCodes]:
    """Show the first code; from then on a login needs one. Your other sessions end. Returns recovery codes, once."""
    parts: Parts = request.app.state.parts
    token = request.cookies.get(COOKIE, "")
    codes = await sync_to_thread(parts.people.confirm_factor, person_of(request), data.code, token=token)
    return Response(RecoveryCodes(codes), headers=NO_STORE)


@post(
    "/me/factor/codes",
    opt={"right": SELF},
    status_code=200,
    summary="New recovery codes",
    responses=answers(*CHANGES, "session_needed", "code_wrong", "factor_none", "login_locked"),
)
async def renew_codes(request: Request, data: JSONBody[ShownCode]) -> Response[RecoveryCodes]:
    """Return new recovery codes for a code; those before open nothing any more. Wrong codes lock as at the login."""
    parts: Parts = request.app.state.parts
    codes = await sync_to_thread(parts.people.renew_codes, person_of(request), data.code)
    return Response(RecoveryCodes(codes), headers=NO_STORE)


@post(
    "/me/factor/end",
    opt={"right": SELF},
    status_code=204,
    summary="End your second factor",
    responses=answers(*CHANGES, "session_needed", "code_wrong", "factor_none", "factor_needed", "login_locked"),
)
async def end_factor(request: Request, data: JSONBody[ShownCode]) -> None:
    """End it by a code of it; 403 `factor_needed` where your role needs one."""
    parts: Parts = request.app.state.parts
    await sync_to_thread(parts.people.end_factor, person_of(request), data.code)


@delete(
    "/accounts/{account_id:int}/factor",
    opt={"right": "people.write"},
    status_code=204,
    summary="Take a lost second factor away",
    responses=answers(*CHANGES, "account_unknown", "role_above", "factor_none", "own_account"),
)
async def reset_factor(request: Request, account_id: FromPath[int]) -> None:
    """Let somebody in by their password alone who has lost authenticator and codes; their sessions end."""
    parts: Parts = request.app.state.parts
    await sync_to_thread(parts.people.reset_factor, principal_of(request), account_id)


@put(
    "/me/post",
    opt={"right": SELF},
    summary="Work as something else",
    responses=answers(*CHANGES, "session_needed", "place_unknown"),
)
async def choose_post(request: Request, data: JSONBody[ChosenPost]) -> Me:
    """Choose, of the roles you have places in, as which this session works: its rights and stores, no others."""
    parts: Parts = request.app.state.parts
    person, token = person_of(request), request.cookies.get(COOKIE, "")

    def chosen() -> Any:
        parts.people.choose_post(person, token, data.post)
        return parts.people.by_session(token) or person

    return me_of(await sync_to_thread(chosen))


RESOURCES: Final = (
    read_factor,
    begin_factor,
    confirm_factor,
    renew_codes,
    end_factor,
    reset_factor,
    choose_post,
)
