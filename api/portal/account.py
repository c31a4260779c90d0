"""/account: what one may change of oneself: name, language, messages, password, sessions."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread

from api.guards import COOKIE, SELF, principal_of
from api.parts import Parts
from api.portal.render import render
from core import limits
from core.rights import Principal
from storage.people import Account, Session

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
    )


def _own(parts: Parts, principal: Principal, token: str) -> tuple[Account | None, list[Session]]:
    """Return the account and its sessions; nothing for who is no person: the node's key, an API key."""
    if not principal.account or principal.api_key:
        return None, []
    return parts.people.own_account(principal), parts.people.sessions(principal, token)


PAGES: Final = (account_page,)
