"""/account: what one may change of oneself: name, language, messages, password, sessions."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread

from api.guards import COOKIE, SELF, person_of, principal_of
from api.parts import Parts
from api.portal.render import render, words_of
from api.portal.terminals import store_name, stores_of
from core import limits
from core.rights import Principal
from storage.people import DEMO_LOGINS, Account, Session

NOTIFY: Final = (
    ("crash", "account_notify_crash"),
    ("sos", "account_notify_sos"),
    ("theft.suspected", "account_notify_theft"),
    ("fence", "account_notify_fence"),
    ("device.offline", "account_notify_offline"),
    ("device.silent", "account_notify_silent"),
    ("device.unplugged", "account_notify_unplugged"),
    ("terminal.identity", "account_notify_identity"),
)
"""Beginnings of event types that one can have a message about."""


@get("/account", include_in_schema=False, opt={"right": SELF})
async def account_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the account of who asks."""
    principal = principal_of(request)
    parts: Parts = request.app.state.parts
    own, sessions = await sync_to_thread(_own, parts, principal, request.cookies.get(COOKIE, ""))
    stores = await sync_to_thread(parts.people.stores, principal)
    return render(
        request,
        "account.html",
        own=own,
        sessions=sessions,
        stores=stores,
        notify=NOTIFY,
        characters_min=limits.PASSWORD_CHARACTERS_MIN,
        posts=await sync_to_thread(parts.people.posts, principal) if own else [],
        factor=await sync_to_thread(parts.people.factor, principal) if own else None,
        all_stores=await sync_to_thread(stores_of, parts, request),
        store_name=store_name,
        words=words_of(request),
    )


@get("/account/factor", include_in_schema=False, opt={"right": SELF})
async def factor_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Set up the second factor of who asks, or end it."""
    principal = person_of(request)
    parts: Parts = request.app.state.parts
    factor = await sync_to_thread(parts.people.factor, principal)
    is_demo = parts.people.is_demo and principal.login in DEMO_LOGINS
    return render(request, "account_factor.html", factor=factor, must=principal.must, is_demo=is_demo)


def _own(parts: Parts, principal: Principal, token: str) -> tuple[Account | None, list[Session]]:
    """Return the account and its sessions; nothing for who is no person: the node's key, an API key."""
    if not principal.account or principal.api_key:
        return None, []
    return parts.people.own_account(principal), parts.people.sessions(principal, token)


PAGES: Final = (account_page, factor_page)
