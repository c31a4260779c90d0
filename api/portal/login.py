"""/login and /welcome/{token}: coming in. Both only show a form; who comes in is decided by /api/v1."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import PUBLIC, local_path, visitor_of
from api.parts import Parts
from api.portal.render import render
from core import limits
from storage.people import DEMO_LOGINS, DEMO_PASSWORD


@get("/login", include_in_schema=False, opt={"right": PUBLIC})
async def login_page(
    request: Request[Any, Any, Any],
    target: Annotated[str, QueryParameter(name="next", max_length=2_000)] = "/",
) -> Response[Any]:
    """Ask who it is; in a demo, offer its accounts. Who is logged in already goes on to where they wanted."""
    parts: Parts = request.app.state.parts
    target = local_path(target)
    principal = visitor_of(request)
    if principal is not None and principal.account and "stay" not in request.query_params:
        return Response(b"", status_code=303, headers={"Location": target, "Cache-Control": "no-store"})
    demo = [
        (login, role, msgspec.json.encode({"login": login, "password": DEMO_PASSWORD}).decode())
        for login, (role, _name) in DEMO_LOGINS.items()
        if parts.people.is_demo
    ]
    return render(request, "login.html", target=target, accounts=demo)


@get("/welcome/{token:str}", include_in_schema=False, opt={"right": PUBLIC})
async def welcome_page(request: Request[Any, Any, Any], token: FromPath[str]) -> Response[Any]:
    """Ask the owner of a one-time link for their password; say so when the link is over."""
    parts: Parts = request.app.state.parts
    account = await sync_to_thread(parts.people.invited, token[:128])
    return render(
        request,
        "welcome.html",
        status=200 if account else 410,
        # The address is the secret: it must not reach another site, nor stand in a cache. With no-referrer the page's
        # own request would come from the origin "null", and be refused as another site's.
        headers={"Referrer-Policy": "same-origin"},
        account=account,
        token=token,
        characters_min=limits.PASSWORD_CHARACTERS_MIN,
    )


PAGES: Final = (login_page, welcome_page)
